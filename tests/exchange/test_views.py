"""Answers against the venue's own description of its API, and the fields that traders lean on."""

import functools
from collections.abc import Callable
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from tests.exchange.wire import PERPETUAL, Client, Hall, hall, openapi

BTC = {"currency": "BTC"}


def option_of(client: Client) -> str:
    names = client.call("public/get_book_summary_by_currency", **BTC, kind="option")
    liquid = [each for each in names if each["bid_price"] and each["ask_price"]]
    return str(liquid[len(liquid) // 2]["instrument_name"])


def busy_hall() -> tuple[Hall, Client, str]:
    """An account with a position, fills, an open and a cancelled order."""
    world = hall(book="demo", equity_coin=None)
    client = world.client().login()
    option = option_of(client)
    client.call("private/buy", instrument_name=PERPETUAL, amount=500, type="market", label="a")
    client.call("private/sell", instrument_name=option, amount=0.1, type="market", label="b")
    book = client.call("public/get_order_book", instrument_name=PERPETUAL)
    far = book["min_price"]
    for _ in range(2):
        client.call("private/buy", instrument_name=PERPETUAL, amount=10, price=far, label="c")
    order = client.call("private/get_open_orders", kind="future")[0]
    client.call("private/cancel", order_id=order["order_id"])
    return world, client, option


Ask = Callable[[Client, str], Any]
ASKED: dict[str, tuple[str, Ask]] = {
    "instruments": (
        "PublicGetInstrumentsResponse",
        lambda client, _: client.call("public/get_instruments", **BTC),
    ),
    "instrument": (
        "PublicGetInstrumentResponse",
        lambda client, option: client.call("public/get_instrument", instrument_name=option),
    ),
    "perpetual ticker": (
        "PublicTickerResponse",
        lambda client, _: client.call("public/ticker", instrument_name=PERPETUAL),
    ),
    "option ticker": (
        "PublicTickerResponse",
        lambda client, option: client.call("public/ticker", instrument_name=option),
    ),
    "order book": (
        "PublicGetOrderBookResponse",
        lambda client, option: client.call("public/get_order_book", instrument_name=option),
    ),
    "book summary": (
        "PublicGetBookSummaryResponse",
        lambda client, _: client.call("public/get_book_summary_by_currency", **BTC),
    ),
    "index": (
        "PublicGetIndexPriceResponse",
        lambda client, _: client.call("public/get_index_price", index_name="btc_usd"),
    ),
    "time": ("PublicGetTimeResponse", lambda client, _: client.call("public/get_time")),
    "test": ("PublicTestResponse", lambda client, _: client.call("public/test")),
    "status": ("PublicStatusResponse", lambda client, _: client.call("public/status")),
    "positions": (
        "PrivateGetPositionsResponse",
        lambda client, _: client.call("private/get_positions", **BTC),
    ),
    "account": (
        "PrivateAccountResponse",
        lambda client, _: client.call("private/get_account_summary", **BTC, extended=True),
    ),
    "accounts": (
        "PrivateAccountSummariesResponse",
        lambda client, _: client.call("private/get_account_summaries", extended=True),
    ),
    "margins": (
        "PrivateGetMarginsResponse",
        lambda client, _: client.call(
            "private/get_margins", instrument_name=PERPETUAL, amount=10_000, price=90_000
        ),
    ),
    "open orders": (
        "PrivateGetOpenOrdersResponse",
        lambda client, _: client.call("private/get_open_orders_by_currency", **BTC),
    ),
    "orders by label": (
        "PrivateGetOrderStateByLabelResponse",
        lambda client, _: client.call("private/get_order_state_by_label", **BTC, label="c"),
    ),
    "trades": (
        "PrivateGetUserTradesHistoryResponse",
        lambda client, _: client.call("private/get_user_trades_by_currency", **BTC),
    ),
    "market order": (
        "PrivateBuyAndSellResponse",
        lambda client, option: client.call(
            "private/buy", instrument_name=option, amount=0.1, type="market"
        ),
    ),
    "cancel on disconnect": (
        "PrivateGetCancelOnDisconnectResponse",
        lambda client, _: client.call("private/get_cancel_on_disconnect"),
    ),
    "login": (
        "PublicAuthResponse",
        lambda client, _: client.call(
            "public/auth",
            grant_type="client_credentials",
            client_id="demo",
            client_secret="demo-secret",
        ),
    ),
}
# Where the description contradicts its own examples and recorded answers of the venue: shorter
# enumerations (settlement_period), an object where a list is sent (tick_size_steps), another type
# (underlying_index, reduce_only, ...).
LOOSE_FIELDS = frozenset(
    {
        "tick_size_steps",
        "settlement_period",
        "quote_currency",
        "contract_size",
        "underlying_index",
        "reduce_only",
        "post_only",
        "strike",
        "matching_id",
        "self_trading_extended_to_subaccounts",
    }
)


def without_nulls(value: Any) -> Any:
    """The venue sends null for what it does not know; its description does not say so."""
    match value:
        case dict():
            return {
                name: without_nulls(item)
                for name, item in value.items()
                if item is not None and name not in LOOSE_FIELDS
            }
        case list():
            return [without_nulls(item) for item in value]
        case _:
            return value


def loosened(schema: Any) -> Any:
    """The description, with every field optional that the venue may send as null."""
    match schema:
        case dict():
            return {
                name: (
                    [each for each in item if each not in LOOSE_FIELDS | NULLABLE]
                    if name == "required" and isinstance(item, list)
                    else loosened(item)
                )
                for name, item in schema.items()
            }
        case list():
            return [loosened(item) for item in schema]
        case _:
            return schema


@functools.cache
def described() -> Any:
    return loosened(openapi()["components"])


NULLABLE = frozenset(
    {"high", "low", "last", "last_price", "mid_price", "bid_price", "ask_price"}
    | {"estimated_liquidation_price", "creation_timestamp"}
)


@pytest.mark.parametrize("asked", ASKED)
def test_an_answer_has_the_shape_that_the_venue_describes(asked: str) -> None:
    _, client, option = busy_hall()
    response, ask = ASKED[asked]

    result = ask(client, option)

    schema = {"$ref": f"#/components/schemas/{response}", "components": described()}
    body = {"jsonrpc": "2.0", "id": 1, "result": without_nulls(result)}
    jsonschema.Draft202012Validator(schema).validate(body)


def test_an_option_ticker_carries_what_a_hedger_needs() -> None:
    _, client, option = busy_hall()

    ticker = client.call("public/ticker", instrument_name=option)

    greeks = ticker["greeks"]
    assert 0 < abs(greeks["delta"]) < 1
    assert greeks["gamma"] > 0
    assert 5 < ticker["mark_iv"] < 500  # percent, not a fraction
    assert ticker["underlying_index"].startswith(("BTC-", "SYN.BTC-"))
    assert ticker["timestamp"] == client.call("public/get_time")


def test_option_prices_step_wider_above_half_a_percent() -> None:
    _, client, option = busy_hall()

    instrument = client.call("public/get_instrument", instrument_name=option)

    assert instrument["tick_size"] == 0.0001
    assert instrument["tick_size_steps"] == [{"above_price": 0.005, "tick_size": 0.0005}]
    assert instrument["min_trade_amount"] == 0.1
    assert (instrument["quote_currency"], instrument["counter_currency"]) == ("BTC", "USD")


def test_the_account_adds_up_as_the_venues_examples_do() -> None:
    _, client, _ = busy_hall()

    account = client.call("private/get_account_summary", **BTC)

    profit = account["futures_session_upl"] + account["futures_session_rpl"]
    margin_balance = account["balance"] + profit
    assert account["margin_balance"] == pytest.approx(margin_balance, abs=3e-8)
    assert account["equity"] == pytest.approx(margin_balance + account["options_value"], abs=3e-8)
    available = account["margin_balance"] - account["initial_margin"]
    assert account["available_funds"] == pytest.approx(available, abs=3e-8)


def test_a_flat_position_has_no_direction_and_a_perpetual_is_counted_in_dollars() -> None:
    world = hall()
    client = world.client().login()

    flat = client.call("private/get_position", instrument_name=PERPETUAL)
    client.call("private/sell", instrument_name=PERPETUAL, amount=1_000, type="market")
    held = client.call("private/get_position", instrument_name=PERPETUAL)

    assert (flat["direction"], flat["size"]) == ("zero", 0)
    assert (held["direction"], held["size"]) == ("sell", -1_000)
    assert held["size_currency"] == pytest.approx(-1_000 / held["mark_price"])
    assert held["delta"] == pytest.approx(held["size_currency"])
