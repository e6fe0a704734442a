"""The words of the network libraries, made plain for a person."""

import re

# "Cannot connect to host h:1 ssl:default [Connect call failed ('h', 1)]" says the place twice.
_UNREACHED = re.compile(r"Cannot connect to host (\S+) ssl:\S+ \[(.*)\]$")


def plain(text: str) -> str:
    """Return what aiohttp says of a connection that could not be opened, without its repetition."""
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
