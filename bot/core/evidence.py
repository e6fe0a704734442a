"""What was learned so far of an order whose fate is not known, and what it still waits for."""

from dataclasses import dataclass
from enum import StrEnum

from bot.core.events import Source


class Rung(StrEnum):
    """Where an order in doubt stands on the ladder: what it waits for next."""

    STREAM = "the venue may still tell of it by itself"
    QUERY = "waits for an answer by its label"
    TRADES = "waits for the trade history"
    DEADLINE = "waits until it can no longer start"
    POSITION = "waits for a position that agrees"
    PERSON = "waits for a person"


class Position(StrEnum):
    """What the venue's position says of an order that nobody else knows."""

    UNREAD = "position not read since it could last start"
    AGREES = "position agrees"
    DIFFERS = "position differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """How often the venue was asked for an order, what came of it, and where that leaves it.

    `none_by` are those who knew of none when asked last, at `none_ms` (market time); `forgotten_by`
    as well, but they keep nothing as old as the order. It can no longer start after `dead_ms`.
    `failed` says why the last question got no answer, empty if it got one.
    """

    rung: Rung = Rung.STREAM
    asked: int = 0
    failed: str = ""
    none_by: tuple[Source, ...] = ()
    forgotten_by: tuple[Source, ...] = ()
    none_ms: int | None = None
    dead_ms: int | None = None
    position: Position = Position.UNREAD


NOTHING = Evidence()
