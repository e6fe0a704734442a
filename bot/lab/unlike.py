"""Where two records first differ, in words."""

import json
from itertools import zip_longest
from typing import Any, Final

_NOTHING: Final = object()
SHOWN_CHARS_MAX: Final = 120


def first_difference(recorded: str, found: str) -> str:
    """Name the first place where two rows' bodies differ, and both values there.

    An empty text stands for no row at all.
    """
    if not recorded or not found:
        there, missing = ("found", "recorded") if found else ("recorded", "found")
        return f"a row was {there} where none was {missing}"
    return _apart(json.loads(recorded), json.loads(found), "") or "only in the order of keys"


def _apart(recorded: Any, found: Any, place: str) -> str | None:
    if isinstance(recorded, dict) and isinstance(found, dict) and _alike(recorded, found):
        for key in sorted(recorded.keys() | found.keys()):
            inner = f"{place}.{key}" if place else key
            told = _apart(recorded.get(key, _NOTHING), found.get(key, _NOTHING), inner)
            if told:
                return told
        return None
    if isinstance(recorded, list) and isinstance(found, list):
        pairs = zip_longest(recorded, found, fillvalue=_NOTHING)
        told_all = (_apart(mine, theirs, f"{place}[{n}]") for n, (mine, theirs) in enumerate(pairs))
        return next((told for told in told_all if told), None)
    if type(recorded) is type(found) and recorded == found:
        return None
    return f"{place}: recorded {_shown(recorded)}, now {_shown(found)}"


def _alike(recorded: dict[str, Any], found: dict[str, Any]) -> bool:
    """Say whether two mappings are worth looking into: no bare value in a wrapper, one type."""
    wrapped = len(recorded) == 1 and next(iter(recorded)).startswith("$")
    return not wrapped and recorded.get("$") == found.get("$")


def _shown(value: Any) -> str:
    if value is _NOTHING:
        return "nothing"
    if isinstance(value, dict) and len(value) == 1 and next(iter(value)).startswith("$"):
        value = next(iter(value.values()))
    if isinstance(value, dict) and "$" in value:
        rest = {key: item for key, item in value.items() if key != "$"}
        value = f"{value['$']} {json.dumps(rest)}" if rest else value["$"]
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= SHOWN_CHARS_MAX else text[:SHOWN_CHARS_MAX] + " ..."
