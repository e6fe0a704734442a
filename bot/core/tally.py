"""What limits count with: sums over a sliding span of market time, and orders that repeat.

All of it is bounded, survives a restart, and is forgotten by a market that begins anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from bot.core import units

TRIES_KEPT = 50
BACK_MAX_MS = 2 * units.MS_PER_MINUTE  # a market clock further back than this began anew


class Span(NamedTuple):
    """How far back a sum reaches, and in what steps it forgets."""

    span_ms: int
    bucket_ms: int


HOUR = Span(units.MS_PER_HOUR, 5 * units.MS_PER_MINUTE)
DAY = Span(units.MS_PER_DAY, units.MS_PER_HOUR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """A sum in buckets of market time: the start of each, rising, and what fell into it.

    A bucket counts for as long as any moment of it lies in the span: never too little.
    """

    buckets: tuple[tuple[int, float], ...] = ()


NOTHING = Tally()


def total(tally: Tally, span: Span, now_ms: int) -> float:
    """Return the sum over the last `span`."""
    since_ms = now_ms - span.span_ms - span.bucket_ms
    return sum(amount for start_ms, amount in tally.buckets if start_ms > since_ms)


def falls_ms(tally: Tally, span: Span, now_ms: int) -> int | None:
    """Return when the sum will next fall, None if nothing counts now."""
    since_ms = now_ms - span.span_ms - span.bucket_ms
    counted = [start_ms for start_ms, _ in tally.buckets if start_ms > since_ms]
    return counted[0] + span.span_ms + span.bucket_ms if counted else None


def added(tally: Tally, amount: float, span: Span, now_ms: int) -> Tally:
    """Return the tally with an amount more, what no longer counts forgotten."""
    start_ms = now_ms - now_ms % span.bucket_ms
    since_ms = now_ms - span.span_ms - span.bucket_ms
    kept = [one for one in tally.buckets if one[0] > since_ms]
    if kept and kept[-1][0] >= start_ms:  # the clock of a live venue may be set back a little
        last_ms, before = kept.pop()
        start_ms, amount = last_ms, before + amount
    return Tally(buckets=(*kept, (start_ms, amount)))


def begun(tallies: Mapping[str, Tally], now_ms: int) -> Mapping[str, Tally]:
    """Return what still counts at a start: nothing of a market that has begun anew since."""
    return {
        name: tally
        for name, tally in tallies.items()
        if tally.buckets and tally.buckets[-1][0] <= now_ms + BACK_MAX_MS
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """One order of a spree: when it went, and how far the books were from their targets then.

    `executed_native` is what had been traded in the spree before.
    """

    order_id: str
    at_ms: int
    deviation_coin: float
    index_usd: float
    filled: bool = False
    executed_native: Decimal = units.ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Spree:
    """Orders one way on an instrument, since the wish for them arose.

    `direction` is +1 for buys; `wished_native` is the largest wish since, `executed_native` what
    was traded of it, both without sign. `traded` is the direction of the last fill, 0 before the
    first. `stuck` says why no more orders go until a person resumes.
    """

    direction: int = 0
    wished_native: Decimal = units.ZERO
    executed_native: Decimal = units.ZERO
    index_usd: float = 0.0
    tries: tuple[Try, ...] = ()
    traded: int = 0
    stuck: str = ""


REST = Spree()


def wished(spree: Spree, size_native: Decimal, wanted: Try) -> Spree:
    """Return the spree with one more order of `size_native`, a signed wish."""
    direction = 1 if size_native > 0 else -1
    if direction != spree.direction or not spree.tries:
        return replace(
            spree,
            direction=direction,
            wished_native=abs(size_native),
            executed_native=units.ZERO,
            index_usd=wanted.index_usd,
            tries=(wanted,),
        )
    noted = replace(wanted, executed_native=spree.executed_native)
    return replace(
        spree,
        wished_native=max(spree.wished_native, abs(size_native)),
        tries=(*spree.tries, noted)[-TRIES_KEPT:],
    )


def executed(spree: Spree, order_id: str, size_native: Decimal) -> Spree:
    """Return the spree with a fill of one of its orders, or of an earlier one, counted."""
    direction = 1 if size_native > 0 else -1
    counts = direction == spree.direction
    return replace(
        spree,
        traded=direction,
        executed_native=spree.executed_native + (abs(size_native) if counts else units.ZERO),
        tries=tuple(
            replace(one, filled=True) if one.order_id == order_id else one for one in spree.tries
        ),
    )


def rested(spree: Spree) -> Spree:
    """Return the spree ended: the wish is fulfilled, or a person has looked."""
    return Spree(traded=spree.traded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """An account's equity, in the money that its books protect: coins, or US dollars.

    `started` is what it was when market day `day` (from 08:00 UTC) began, `peak` the most since a
    person last looked. Both go along with money that came from outside or went there, of which
    `moved` (in the settlement currency) is in them; so is all that moved by `since_ms`, when this
    was first noted.
    """

    day: int
    started: float
    peak: float
    since_ms: int = 0
    moved: Decimal = units.ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Strain:
    """A limit of the host that was passed, and when it was last seen to be: on the wire clock."""

    reason: str
    seen_ns: int
