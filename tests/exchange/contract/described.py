"""The venue's own description of its API, as a judge of answers.

Taken literally but for three things: a field may be null where its text says `null`; an object
may hold no field that the description does not know; and what is listed in `CORRECTIONS`, where
the description contradicts its own examples or recorded answers of the venue.
"""

import copy
import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import jsonschema  # type: ignore[import-untyped]

from tests.exchange.wire import openapi

STRING: Final = {"type": "string"}
NUMBER: Final = {"type": "number"}
BOOLEAN: Final = {"type": "boolean"}
CODES_BY_KIND: Final = {
    "type": "object",
    "properties": {
        kind: {"type": "array", "items": {"type": "string"}} for kind in ("future", "option")
    },
    "additionalProperties": False,
}
NULL_NUMBER: Final = {"type": ["number", "null"]}
ORDERS: Final = {"type": "array", "items": {"$ref": "#/components/schemas/order"}}

# Path into components.schemas -> what really holds there.
CORRECTIONS: Final[Mapping[str, Any]] = {
    # a list is sent, as the examples show
    "instrument/properties/tick_size_steps": {
        "type": "array",
        "items": {"$ref": "#/components/schemas/tick_size_step"},
    },
    # "day" is missing from the enumeration; coins and USDC are quoted and settled in as well
    "instrument/properties/settlement_period": {"enum": ["day", "week", "month", "perpetual"]},
    "instrument/properties/quote_currency": {"enum": ["BTC", "ETH", "USD", "USDC"]},
    "instrument/properties/settlement_currency": {"enum": ["BTC", "ETH", "USDC"]},
    # 0.0001 and 0.001 for linear contracts
    "instrument/properties/contract_size": NUMBER,
    "contract_size": NUMBER,
    # a name of a future, of a synthetic one, or `index_price`
    "underlying_index": STRING,
    # booleans in the examples of the same answers
    "user_trade/properties/reduce_only": BOOLEAN,
    "user_trade/properties/post_only": BOOLEAN,
    "user_trade/properties/matching_id": {"type": "null"},
    # null on a day without trades
    "stats/properties/high": NULL_NUMBER,
    "stats/properties/low": NULL_NUMBER,
    "book_summary/properties/high": NULL_NUMBER,
    # with `detailed`, a report for each book and type of order, as the overview of JSON-RPC tells
    "PrivateCancelAllResponse/properties/result": {
        "anyOf": [
            {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "currency": {"$ref": "#/components/schemas/currency"},
                        "type": {"enum": ["limit", "trigger"]},
                        "instrument_name": STRING,
                        "result": ORDERS,
                    },
                    "required": ["currency", "type", "instrument_name", "result"],
                },
            },
            NUMBER,
        ]
    },
    # an object with `with_continuation`, says the parameter's own text
    "PrivateGetOrderHistoryResponse/properties/result": {
        "anyOf": [
            ORDERS,
            {
                "type": "object",
                "properties": {"orders": ORDERS, "continuation": STRING},
                "required": ["orders", "continuation"],
            },
        ]
    },
    # what an order on the instrument holds back is told with the position, as the methods do
    "user_change/properties/position/items": {"$ref": "#/components/schemas/position_with_elp"},
    # for futures only, says its own text
    "position_with_elp/allOf/1/required": ["open_orders_margin"],
    "position_with_elp/allOf/1/properties/estimated_liquidation_price": NULL_NUMBER,
    # what the examples show instead
    "PublicGetExpirationsResponse/properties/result": {
        "anyOf": [CODES_BY_KIND, {"type": "object", "additionalProperties": CODES_BY_KIND}]
    },
    "PublicGetHistoricalVolatilityResponse/properties/result/items": {
        "type": "array",
        "prefixItems": [{"type": "integer"}, NUMBER],
        "minItems": 2,
        "maxItems": 2,
    },
    "PublicGetIndexPriceNamesResponse/properties/result/items": {
        "anyOf": [
            {"type": "object", "required": ["name"]},
            STRING,
        ]
    },
    # one key for each currency: "btc(example)" stands for them
    "portfolio": {
        "type": "object",
        "additionalProperties": {"$ref": "#/components/schemas/currency_portfolio"},
    },
    "currency_portfolio/properties/currency": STRING,
    "PrivateGetSubaccountsDetailsResponse/properties/result/items/properties/positions/items": {
        "$ref": "#/components/schemas/position_with_elp"
    },
    # tokens are neither of the two coins that are listed
    "currency_with_apr/properties/coin_type": STRING,
    **{
        f"{response}/properties/result/properties/{name}": truth
        for response in ("PrivateAccountResponse", "PrivateAccountSummariesResponse")
        for name, truth in (
            ("self_trading_extended_to_subaccounts", BOOLEAN),
            ("referrer_id", {"type": ["string", "null"]}),
        )
    },
}
SUMMARY_MAPS: Final[Mapping[str, Any]] = {
    "delta_total_map": {},
    "estimated_liquidation_ratio_map": {},
} | {"locked_balance": NUMBER}
# Fields of the venue's examples or recorded answers that the description does not know.
UNDESCRIBED: Final[Mapping[str, Mapping[str, Any]]] = {
    "order": {"max_show": NUMBER},
    "TickerNotificationWithBidsAndAsks": {
        "change_id": {"type": "integer"},
        "estimated_delivery_price": NUMBER,
        "interest_value": NUMBER,
    },
    "PrivateGetSubaccountsResponse/properties/result/items": {"tfa_enabled": BOOLEAN},
    "PrivateAccountResponse/properties/result": SUMMARY_MAPS,
    "PrivateAccountSummariesResponse/properties/result/properties/summaries/items": SUMMARY_MAPS,
    "PrivateGetUserTradesByOrderResponse": {
        "result": {"type": "array", "items": {"$ref": "#/components/schemas/user_trade"}}
    },
}


def _parent(schemas: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    *way, last = path.split("/")
    place: Any = schemas
    for step in way:
        place = place[int(step) if isinstance(place, list) else step]
    return place, last


def _judging(node: Any) -> Any:
    """A schema as a validator needs it: nulls by the text, and no unknown fields."""
    if isinstance(node, list):
        return [_judging(item) for item in node]
    if not isinstance(node, dict):
        return node
    judged = {name: _judging(item) for name, item in node.items()}
    if isinstance(node.get("properties"), dict) and isinstance(node.get("required"), list):
        judged["required"] = [
            name for name in node["required"] if not _is_extended(node["properties"].get(name, {}))
        ]
    text = node.get("description")
    says_null = isinstance(text, str) and re.search(r"\bnull\b", text, re.IGNORECASE) is not None
    if isinstance(node.get("properties"), dict) and "$ref" not in node:
        judged.setdefault("additionalProperties", False)
    if node.get("nullable") is True or says_null:
        meaning = {key: value for key, value in judged.items() if key not in WORDS}
        if meaning:
            return {"anyOf": [meaning, {"type": "null"}]}
    return judged


def _is_extended(field: Mapping[str, Any]) -> bool:
    """Whether a field is there on request only, for all that it is listed as required."""
    return "extended" in str(field.get("description"))


WORDS: Final = frozenset({"description", "nullable", "example", "default"})


@functools.cache
def components() -> dict[str, Any]:
    """The description's components, corrected."""
    schemas = copy.deepcopy(openapi()["components"]["schemas"])
    for path, truth in CORRECTIONS.items():
        place, last = _parent(schemas, path)
        assert last in place, f"nothing to correct at {path}"
        assert place[last] != truth, f"nothing is wrong any more at {path}"
        place[last] = truth
    for name, fields in UNDESCRIBED.items():
        place, last = _parent(schemas, name)
        for field, truth in fields.items():
            assert field not in place[last]["properties"], f"{field} of {name} is described by now"
            place[last]["properties"][field] = truth
    for schema in schemas.values():
        if "allOf" in schema:  # its parts cannot each forbid what the other one knows
            _merge_parts(schema, schemas)
    summary = schemas["PrivateAccountResponse"]["properties"]["result"]["properties"]
    schemas["currency_portfolio"]["properties"].update(summary)  # a part of the same object
    return {"schemas": {name: _judging(schema) for name, schema in schemas.items()}}


def _merge_parts(schema: dict[str, Any], schemas: dict[str, Any]) -> None:
    fields: dict[str, Any] = {}
    needed: list[str] = []
    for part in schema.pop("allOf"):
        known = schemas[part["$ref"].rpartition("/")[2]] if "$ref" in part else part
        fields.update(known.get("properties", {}))
        needed += known.get("required", [])
    schema.update(type="object", properties=fields, required=needed)


def _validator(schema: Mapping[str, Any]) -> Any:
    return jsonschema.Draft202012Validator({**schema, "components": components()})


@functools.cache
def _answer_validator(method: str) -> Any:
    operation = openapi()["paths"][f"/{method}"]["get"]
    reference = operation["responses"]["200"].get("$ref")
    if reference is None:  # private/logout answers nothing: the connection closes
        return _validator({})
    response = openapi()["components"]["responses"][reference.rpartition("/")[2]]
    return _validator(response["content"]["application/json"]["schema"])


@functools.cache
def _schema_validator(name: str, *, is_list: bool) -> Any:
    one = {"$ref": f"#/components/schemas/{name}"}
    return _validator({"type": "array", "items": one} if is_list else one)


def is_described(method: str) -> bool:
    """Whether the description knows the method."""
    return f"/{method}" in openapi()["paths"]


def faults_of_answer(method: str, result: Any) -> list[str]:
    """What is wrong with an answer, by the description."""
    body = {"jsonrpc": "2.0", "id": 1, "result": result}
    return [_told(error) for error in _leaves(_answer_validator(method).iter_errors(body))]


def faults_of_datum(schema: str, datum: Any, *, is_list: bool = False) -> list[str]:
    """What is wrong with a channel's datum, by the schema of the same object."""
    found = _schema_validator(schema, is_list=is_list).iter_errors(datum)
    return [_told(error) for error in _leaves(found)]


def _leaves(errors: Any) -> Iterator[Any]:
    """Where a choice failed, what failed in its first alternative: that is the field's own."""
    for error in errors:
        inner = [each for each in error.context if each.schema_path[0] == 0]
        if error.validator == "anyOf" and inner:
            yield from _leaves(inner)
        else:
            yield error


def _told(error: Any) -> str:
    place = ".".join(str(step) for step in error.absolute_path)
    return f"{place}: {error.message[:300]}"
