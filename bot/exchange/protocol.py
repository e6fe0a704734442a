"""JSON-RPC 2.0 as Deribit speaks it: requests, parameters, envelopes, errors.

Parameters arrive as JSON values or, in a query string, as text ("true", "0.1"); `Params` reads
both. Shapes: the venue's API v2 description; error codes: its "RPC error codes" table.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum, StrEnum
from typing import Final, TypeAlias, TypeVar, cast

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

INVALID_PARAMS: Final = -32602
METHOD_NOT_FOUND: Final = -32601
INVALID_REQUEST: Final = -32600
PARSE_ERROR: Final = -32700
MUST_BE_WEBSOCKET: Final = 10030
INVALID_CREDENTIALS: Final = 13004
UNAUTHORIZED: Final = 13009
FORBIDDEN: Final = 13021
RAW_NEEDS_LOGIN: Final = 13778


E = TypeVar("E", bound=Enum)


class Transport(StrEnum):
    """How a call came in; the words are those of the simulator's ledger."""

    HTTP = "http"
    WS = "ws"


class RpcError(Exception):
    """A request that is answered with an error object. `code` and `message` are the venue's."""

    def __init__(self, code: int, message: str, data: Mapping[str, Json] | None = None) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code
        self.message = message
        self.data = data

    def body(self) -> dict[str, Json]:
        """The error object of the reply."""
        body: dict[str, Json] = {"code": self.code, "message": self.message}
        if self.data:
            body["data"] = self.data
        return body


def invalid_param(name: str, reason: str) -> RpcError:
    """The venue's answer to a missing or malformed parameter."""
    return RpcError(INVALID_PARAMS, "Invalid params", {"reason": reason, "param": name})


def unauthorized(reason: str) -> RpcError:
    """The venue's answer to a private request without a valid login."""
    return RpcError(UNAUTHORIZED, "unauthorized", {"reason": reason})


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcRequest:
    """One call. `method` is such as `public/ticker`; `id` is echoed, None in a plain GET."""

    id: int | str | None
    method: str
    params: Mapping[str, object]


def parse_body(text: str | bytes) -> RpcRequest:
    """The call in a JSON-RPC body. RpcError on anything that is not one."""
    try:
        body = json.loads(text)
    except ValueError as error:
        raise RpcError(PARSE_ERROR, "Parse error", {"reason": str(error)}) from None
    if not isinstance(body, dict) or not isinstance(body.get("method"), str):
        raise RpcError(INVALID_REQUEST, "Invalid Request", {"reason": "no method in the body"})
    params = body.get("params") or {}
    if not isinstance(params, dict):
        raise invalid_param("params", "must be an object of named parameters")
    call_id = body.get("id")
    if call_id is not None and not isinstance(call_id, int | str):
        raise RpcError(INVALID_REQUEST, "Invalid Request", {"reason": "id must be a number"})
    return RpcRequest(id=call_id, method=body["method"].removeprefix("/"), params=params)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """When the call came and when its answer was ready (wire time, epoch microseconds)."""

    us_in: int
    us_out: int
    testnet: bool

    def fields(self) -> dict[str, Json]:
        """The fields that the venue adds to every envelope."""
        return {
            "usIn": self.us_in,
            "usOut": self.us_out,
            "usDiff": self.us_out - self.us_in,
            "testnet": self.testnet,
        }


def success(call_id: int | str | None, result: Json, stamp: Stamp) -> str:
    """The envelope of a result, as text."""
    return _envelope(call_id, {"result": result}, stamp)


def failure(call_id: int | str | None, error: RpcError, stamp: Stamp) -> str:
    """The envelope of an error, as text."""
    return _envelope(call_id, {"error": error.body()}, stamp)


def _envelope(call_id: int | str | None, content: Mapping[str, Json], stamp: Stamp) -> str:
    envelope: dict[str, Json] = {"jsonrpc": "2.0"}
    if call_id is not None:
        envelope["id"] = call_id
    envelope.update(content)
    envelope.update(stamp.fields())
    return dumps(envelope)


def notification(channel: str, payload: str) -> str:
    """A subscription message; `payload` is its data, already JSON text.

    The same text goes to every subscriber of the channel, so it is put together once.
    """
    return (
        '{"jsonrpc":"2.0","method":"subscription","params":{"channel":'
        f'{json.dumps(channel)},"data":{payload}}}}}'
    )


def dumps(value: Json) -> str:
    """Compact JSON. A NaN is a fault of the exchange, not a value: it raises ValueError."""
    return _ENCODER.encode(value)


_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


class Params:
    """Named parameters of one call, read with their types; RpcError says which is wrong."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def has(self, name: str) -> bool:
        """Whether the caller gave a value."""
        return self._values.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        """A string; required without a default."""
        value = self._values.get(name, default)
        if value is None:
            raise invalid_param(name, "value required")
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise invalid_param(name, f"must be a string, got {value!r}")
        return str(value)

    def optional_text(self, name: str) -> str | None:
        """A string, or None where the caller gave none."""
        return self.text(name) if self.has(name) else None

    def decimal(self, name: str) -> Decimal:
        """A finite decimal number."""
        value = self._values.get(name)
        if value is None:
            raise invalid_param(name, "value required")
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            try:
                number = Decimal(str(value))
            except InvalidOperation:
                number = Decimal("nan")
            if number.is_finite():
                return number
        raise invalid_param(name, f"must be a finite number, got {value!r}")

    def optional_decimal(self, name: str) -> Decimal | None:
        """A finite decimal number, or None where the caller gave none."""
        return self.decimal(name) if self.has(name) else None

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number; required without a default."""
        if not self.has(name) and default is not None:
            return default
        number = self.decimal(name)
        if number != number.to_integral_value():
            raise invalid_param(name, f"must be a whole number, got {number}")
        return int(number)

    def optional_integer(self, name: str) -> int | None:
        """A whole number, or None where the caller gave none."""
        return self.integer(name) if self.has(name) else None

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean; query strings carry it as "true" or "false"."""
        value = self._values.get(name)
        match value:
            case None:
                return default
            case bool():
                return value
            case "true" | "True":
                return True
            case "false" | "False":
                return False
            case _:
                raise invalid_param(name, f"must be true or false, got {value!r}")

    def choice(self, name: str, of: type[E], default: E | None = None) -> E:
        """A member of the enum `of`, by value; required without a default."""
        if not self.has(name) and default is not None:
            return default
        text = self.text(name)
        try:
            return of(text)
        except ValueError:
            allowed = ", ".join(str(member.value) for member in of)
            raise invalid_param(name, f"must be one of {allowed}; got {text!r}") from None

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings: a JSON array, or in a query string the text of one."""
        value = self._values.get(name)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                value = None
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(cast("list[str]", value))
        raise invalid_param(name, "must be a list of strings")
