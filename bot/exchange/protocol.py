"""JSON-RPC 2.0 as Deribit speaks it: requests, parameters, envelopes, errors.

Parameters arrive as JSON values or, in a query string, as text ("true", "0.1"); `Params` reads
both. Shapes: the venue's API v2 description; error codes: its "RPC error codes" table.
"""

import json
import math
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
LOCKED_BY_ADMIN: Final = 10019
TOO_MANY_REQUESTS: Final = 10028
MUST_BE_WEBSOCKET: Final = 10030
SETTLEMENT_IN_PROGRESS: Final = 10041
TOO_MANY_CONCURRENT_REQUESTS: Final = 10066
SYSTEM_MAINTENANCE: Final = 11051
INVALID_CREDENTIALS: Final = 13004
UNAUTHORIZED: Final = 13009
FORBIDDEN: Final = 13021
RAW_NEEDS_LOGIN: Final = 13778
EXPONENT_MAX: Final = 18  # more than all coins and dollars, less than any lot


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


CallId: TypeAlias = int | float | str


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcRequest:
    """One call. `method` is such as `public/ticker`; `id` is echoed, None in a plain GET."""

    id: CallId | None
    method: str
    params: Mapping[str, object]


class NoCallError(RpcError):
    """What came was no call at all; `call_id` is the id that it had nevertheless."""

    def __init__(self, code: int, message: str, reason: str, call_id: CallId | None = None) -> None:
        super().__init__(code, message, {"reason": reason})
        self.call_id = call_id


def parse_body(text: str | bytes, method_of_path: str | None = None) -> RpcRequest:
    """The call in a JSON-RPC body; NoCallError on anything that is not one.

    As the venue limits JSON-RPC 2.0: one call at a time, parameters by name, always with an id.
    `method_of_path` is taken where the body, posted to a method's own address, names none.
    """
    body = _parsed(text)
    if isinstance(body, list):
        raise _no_call("batches are not supported: send one call at a time")
    if not isinstance(body, dict):
        raise _no_call("a JSON object is expected")
    call_id = body.get("id")
    if call_id is None:
        raise _no_call("an id is required: a call without one would be a notification")
    if not _is_call_id(call_id):
        raise _no_call("the id must be a number or a string")
    if body.get("jsonrpc", "2.0") != "2.0":  # left out, it is taken for granted
        raise _no_call('jsonrpc must be "2.0"', call_id)
    method = body.get("method", method_of_path)
    if not isinstance(method, str):
        raise _no_call("no method in the body", call_id)
    params = body.get("params")
    if params is not None and not isinstance(params, dict):
        reason = "parameters go by name: an object is expected"
        raise NoCallError(INVALID_PARAMS, "Invalid params", reason, call_id)
    method = method.removeprefix("/").removeprefix("api/v2/")
    return RpcRequest(id=call_id, method=method, params=params or {})


def _parsed(text: str | bytes) -> object:
    try:
        return _DECODER.decode(text if isinstance(text, str) else text.decode())
    except (ValueError, RecursionError) as error:
        raise NoCallError(PARSE_ERROR, "Parse error", str(error)) from None


def _no_call(reason: str, call_id: CallId | None = None) -> NoCallError:
    return NoCallError(INVALID_REQUEST, "Invalid Request", reason, call_id)


def _is_call_id(value: object) -> bool:
    match value:
        case bool():
            return False
        case float():
            return math.isfinite(value)
        case _:
            return isinstance(value, int | str)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)


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


@dataclass(frozen=True, slots=True)
class Encoded:
    """A result that is JSON text already."""

    text: str


Result: TypeAlias = "Json | Encoded"


def success(call_id: CallId | None, result: Result, stamp: Stamp) -> str:
    """The envelope of a result, as text."""
    if isinstance(result, Encoded):
        # `result` goes last, so that the text can be put in without reading it.
        return f'{_envelope(call_id, {}, stamp)[:-1]},"result":{result.text}}}'
    return _envelope(call_id, {"result": result}, stamp)


def failure(call_id: CallId | None, error: RpcError, stamp: Stamp) -> str:
    """The envelope of an error, as text."""
    return _envelope(call_id, {"error": error.body()}, stamp)


def _envelope(call_id: CallId | None, content: Mapping[str, Json], stamp: Stamp) -> str:
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


# Without looking for circles: what is said is built anew from plain values.
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False)


def _is_of_this_world(number: Decimal) -> bool:
    """Not of so many digits that reckoning with it would take for ever."""
    return not number or -EXPONENT_MAX <= number.adjusted() <= EXPONENT_MAX


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
            if number.is_finite() and _is_of_this_world(number):
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

    def names(self, name: str) -> tuple[str, ...]:
        """One string or a list of them; required."""
        value = self._values.get(name)
        is_list = isinstance(value, list) or (isinstance(value, str) and value.startswith("["))
        return self.texts(name) if is_list else (self.text(name),)

    def sizes(self, name: str) -> dict[str, Decimal]:
        """Signed sizes by instrument: a JSON object, or in a query string the text of one."""
        value = self._values.get(name)
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                value = None
        if not isinstance(value, dict):
            raise invalid_param(name, "must be an object of sizes by instrument")
        inner = Params(value)
        return {each: inner.decimal(each) for each in value}

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
