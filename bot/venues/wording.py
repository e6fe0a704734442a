"""The words of the network libraries, made plain for a person."""

import re

# "Cannot connect to host h:1 ssl:default [Connect call failed ('h', 1)]" says the place twice.
_UNREACHED = re.compile(r"Cannot connect to host (\S+) ssl:\S+ \[(.*)\]$")

# "WSMessage(type=..., data=WebSocketError(<WSCloseCode...: 1002>, 'why'), extra=None)" is a message
# that aiohttp makes of bytes that are none.
_NO_FRAME = re.compile(r"WSMessage\w*\(.*WebSocketError\([^'\"]*(['\"])(?P<why>.*)\1\).*\)$")


def plain(text: str) -> str:
    """Return what aiohttp says of a connection that failed, without repetition and type names."""
    broken = _NO_FRAME.search(text)
    if broken is not None:
        return f"{text[: broken.start()]}not a frame: {broken['why']}"
    found = _UNREACHED.search(text)
    if found is None:
        return text
    place, why = found.groups()
    detail = "" if why.startswith("Connect call failed") else f": {why}"
    return f"{text[: found.start()]}cannot connect to {place}{detail}"


def named(error: object) -> str:
    """Return an error with its type, which a connection that could not be opened does not need."""
    text = str(error)
    said = plain(text)
    return said if said != text else f"{type(error).__name__}: {text}"
