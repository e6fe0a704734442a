"""Parts of long lists: how many, from which end, and from where on."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, TypeVar

from bot.exchange.methods.call import Call
from bot.exchange.protocol import invalid_param

T = TypeVar("T")
NO_MORE: Final = "none"


class Sorting(StrEnum):
    """Which end of the list comes first; the venue's default is the newest."""

    ASC = "asc"
    DESC = "desc"
    DEFAULT = "default"


def count_of(call: Call, default: int, most: int) -> int:
    """The parameter `count`, between 1 and `most`."""
    count = call.params.integer("count", default)
    if not 1 <= count <= most:
        raise invalid_param("count", f"must be from 1 to {most}, got {count}")
    return count


def page(call: Call, found: Sequence[T], *, default: int, most: int) -> tuple[list[T], bool]:
    """The part of an oldest-first list that `count` and `sorting` ask for; whether more is left."""
    count = count_of(call, default, most)
    ascending = call.params.choice("sorting", Sorting, Sorting.DEFAULT) is Sorting.ASC
    part = list(found[:count]) if ascending else list(reversed(found[-count:]))
    return part, len(found) > count


def continued(
    call: Call, found: Sequence[T], *, default: int, most: int
) -> tuple[list[T], int | None]:
    """The newest of an oldest-first list, or what comes before a `continuation`; and where on.

    The continuation is the place in the list up to which nothing has been told yet.
    """
    end = call.params.optional_integer("continuation")
    told_from = len(found) if end is None else min(max(end, 0), len(found))
    start = max(told_from - count_of(call, default, most), 0)
    return list(reversed(found[start:told_from])), start or None


def offset_part(call: Call, found: Sequence[T], *, default: int, most: int) -> list[T]:
    """The newest of an oldest-first list after skipping `offset`."""
    offset = call.params.integer("offset", 0)
    if offset < 0:
        raise invalid_param("offset", f"must not be negative, got {offset}")
    newest_first = list(reversed(found))
    return newest_first[offset : offset + count_of(call, default, most)]


def span_of(call: Call) -> tuple[int, int]:
    """`start_timestamp` and `end_timestamp`, which are both required."""
    start_ms = call.params.integer("start_timestamp")
    end_ms = call.params.integer("end_timestamp")
    if start_ms > end_ms:
        raise invalid_param("start_timestamp", "must not be after end_timestamp")
    return start_ms, end_ms
