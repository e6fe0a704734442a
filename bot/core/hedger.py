"""The band: whether a book should hedge now, and by how much. It proposes; others may refuse."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from bot.core import instruments, units
from bot.core.exposure import Exposure, Unpriced
from bot.core.instruments import Instrument
from bot.core.standing import HedgeMark


class HedgeTo(StrEnum):
    """Where a hedge brings the delta: to the target, or just to the edge that was crossed."""

    TARGET = "target"
    EDGE = "edge"


class Verdict(StrEnum):
    """What came of looking at a book."""

    HOLD = "hold"
    HEDGE = "hedge"
    TRIMMED = "trimmed"
    REFUSED = "refused"


class Code(StrEnum):
    """The kind of a reason.

    What changes when the answer changes, though its numbers always move.
    """

    INSIDE_BAND = "inside-band"
    BELOW_LOT = "below-lot"
    TOO_SOON = "too-soon"
    SMALL_MOVE = "small-move"
    IN_FLIGHT = "in-flight"
    UNSETTLED = "unsettled"
    UNPRICED = "unpriced"
    MODE = "mode"
    CROSSED_BOOKS = "crossed-books"
    OUTSIDE_BAND = "outside-band"
    FLATTEN = "flatten"
    SAFETY = "safety"
    MARGIN = "margin"


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgePolicy:
    """A book's band and how it is kept.

    The band applies to x = ratio * (delta without hedge) + hedge - target; `band_low_coin` < 0 <
    `band_high_coin`. `interval_min_ms` is on the market clock. `move_min` is a relative move of the
    index since the last hedge, 0 for none. `price_cap_bps` is the worst price accepted, from the
    far side of the hedge's quote.
    """

    band_low_coin: float
    band_high_coin: float
    target_coin: float = 0.0
    ratio: float = 1.0
    hedge_to: HedgeTo = HedgeTo.TARGET
    interval_min_ms: int = 0
    move_min: float = 0.0
    price_cap_bps: float = 20.0


class Hold(NamedTuple):
    """Do nothing, and why."""

    code: Code
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """Trade this much of the hedge (native, signed, whole lots), and why."""

    size_native: Decimal
    deviation_coin: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What was decided for a book at one moment, in words and in the numbers it was decided on.

    No slots, for `succeeded`'s sake: a verdict like the last one is a successor of it.
    """

    book: str
    at_ms: int
    verdict: Verdict
    code: Code
    reason: str
    numbers: Mapping[str, float]
    order_id: str = ""


def deviation_coin(exposure: Exposure, policy: HedgePolicy) -> float:
    """Return x, the delta that the band judges, in coins from the target."""
    bare = exposure.delta_coin - exposure.hedge_delta_coin
    return policy.ratio * bare + exposure.hedge_delta_coin - policy.target_coin


def decide(
    exposure: Exposure | Unpriced,
    policy: HedgePolicy,
    hedge: Instrument,
    last: HedgeMark | None,
    now_ms: int,
) -> Hold | Intent:
    """Compare a book with its band.

    Returns `Hold` inside the band, too soon after the last hedge, after too small a move of the
    underlying, when the distance is less than a lot, or without a number; otherwise the trade that
    brings the delta back.
    """
    if isinstance(exposure, Unpriced):
        return Hold(code=Code.UNPRICED, reason=f"unpriced: {exposure.reason}")
    x = deviation_coin(exposure, policy)
    band = _band(policy.band_low_coin, policy.band_high_coin)
    if policy.band_low_coin <= x <= policy.band_high_coin:
        return Hold(code=Code.INSIDE_BAND, reason=f"delta {x:+.4f} from target is inside {band}")
    waiting = _waits(exposure, policy, last, now_ms)
    if waiting is not None:
        return waiting
    edge = policy.band_low_coin if x < 0 else policy.band_high_coin
    wanted_coin = x if policy.hedge_to is HedgeTo.TARGET else x - edge
    # N = -x P dollars of an inverse perpetual, n = -x S/P coins of a linear one.
    size = _sized(-wanted_coin / exposure.hedge_coin_per_native, hedge)
    if not size:
        reason = (
            f"delta {x:+.4f} is outside {band}, but by less than a lot of {hedge.lot} {hedge.name}"
        )
        return Hold(code=Code.BELOW_LOT, reason=reason)
    reason = f"delta {x:+.4f} from target is outside {band}: back to the {policy.hedge_to}"
    return Intent(size_native=size, deviation_coin=x, reason=reason)


@lru_cache
def _band(low_coin: float, high_coin: float) -> str:
    return f"[{low_coin:+.4f}, {high_coin:+.4f}]"


def _sized(native: float, hedge: Instrument) -> Decimal:
    size = units.to_lots(native, hedge.lot)
    return size if abs(size) >= hedge.size_min else units.ZERO


def _waits(
    exposure: Exposure, policy: HedgePolicy, last: HedgeMark | None, now_ms: int
) -> Hold | None:
    """Return why the hedge has to wait, if it has to."""
    if last is None or now_ms < last.at_ms:  # a rehearsal whose market began anew
        return None
    since_ms = now_ms - last.at_ms
    if since_ms < policy.interval_min_ms:
        apart_s = policy.interval_min_ms / 1000
        reason = f"last hedge {since_ms / 1000:.1f} s ago, at least {apart_s:.1f} s apart"
        return Hold(code=Code.TOO_SOON, reason=reason)
    move = abs(exposure.index_usd / last.index_usd - 1.0)
    if move < policy.move_min:
        reason = (
            f"underlying moved {move:.3%} since the last hedge, less than {policy.move_min:.3%}"
        )
        return Hold(code=Code.SMALL_MOVE, reason=reason)
    return None


def limit_price(
    intent_native: Decimal, bid: float, ask: float, hedge: Instrument, cap_bps: float
) -> Decimal:
    """Return the worst price of a hedge order.

    The far side of the quote, worse by the cap, on the tick.
    """
    if intent_native > 0:
        return instruments.cap_price(hedge, ask * (1.0 + cap_bps * 1e-4), +1)
    return instruments.cap_price(hedge, bid * (1.0 - cap_bps * 1e-4), -1)
