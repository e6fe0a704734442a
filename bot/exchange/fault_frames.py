"""Frames and bodies as a bad line delivers them: cut, garbled, old, or one millisecond off."""

import json
import re
from typing import Final

from bot.exchange.protocol import Json, dumps

BINARY: Final = 0x82
TEXT: Final = 0x81
LENGTH_16: Final = 126
LENGTH_64: Final = 127
# Begins as no JSON, no text and no gzip does.
GARBAGE: Final = bytes((0x9F, 0x00, 0xFF, 0xC3, 0x28, 0x1F, 0x8B, 0x08)) * 4
HTML: Final = (
    "<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"
)
TIMESTAMP: Final = re.compile(r'"timestamp":\d+')


def frame_bytes(kind: int, payload: bytes) -> bytes:
    """One unmasked WebSocket frame, as a server sends it (RFC 6455, section 5.2)."""
    length = len(payload)
    if length < LENGTH_16:
        return bytes((kind, length)) + payload
    if length < 1 << 16:
        return bytes((kind, LENGTH_16)) + length.to_bytes(2) + payload
    return bytes((kind, LENGTH_64)) + length.to_bytes(8) + payload


def half_frame(text: str) -> bytes:
    """The first half of the frame that would have carried the text."""
    whole = frame_bytes(TEXT, text.encode())
    return whole[: len(whole) // 2]


def garbage_frame() -> bytes:
    """A binary frame that means nothing."""
    return frame_bytes(BINARY, GARBAGE)


def half_text(text: str) -> str:
    """The first half of a text."""
    return text[: len(text) // 2]


def error_frame(code: int, message: str) -> str:
    """A JSON-RPC error that answers nothing."""
    return dumps({"jsonrpc": "2.0", "error": {"code": code, "message": message}})


def stepped(text: str, step_ms: int) -> str:
    """An answer whose result, a time, is `step_ms` further on. An error stays as it is."""
    answer: dict[str, Json] = json.loads(text)
    result = answer.get("result")
    if isinstance(result, int):
        answer["result"] = result + step_ms
    return dumps(answer)


def of_another_shape(text: str) -> str:
    """An answer or a push with objects for numbers, and a field that nobody knows in each object.

    Who asked and which channel it is stay as they are, and so does an error.
    """
    message: dict[str, Json] = json.loads(text)
    params = message.get("params")
    if "result" in message:
        message["result"] = _reshaped(message["result"])
    elif isinstance(params, dict) and "data" in params:
        params["data"] = _reshaped(params["data"])
    return dumps(message)


def _reshaped(value: Json) -> Json:
    match value:
        case dict():
            return {**{name: _reshaped(each) for name, each in value.items()}, "unheard_of": {}}
        case list():
            return [_reshaped(each) for each in value]
        case int() | float() if not isinstance(value, bool):
            return {"value": value}
        case _:
            return value


def with_timestamp_of(text: str, older: str) -> str:
    """A push with the market time of an older one."""
    found = TIMESTAMP.search(older)
    return text if found is None else TIMESTAMP.sub(found.group(), text)
