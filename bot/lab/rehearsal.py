"""What a rehearsal showed: how well the delta was kept, what it cost, and whether the books agree.

Definitions (time is wire time):

* The judged span begins one second after the first hedge and ends with the last step seen.
* `hedged` delta is the deviation that the band judges; `unhedged` is the same less the hedge
position and less its own value at the beginning of the span, so that a starting delta earns
nothing. Both are root mean squares, weighted by the time they held.
* P&L steps are changes over one second, coins valued at the index; idle collateral is no part of
them.
* A breach lasts from the first step outside the band to the first step back inside.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.core import attribution, hedger, units
from bot.core.actions import SubmitOrder
from bot.core.attribution import Pnl
from bot.core.dealing import BookPlan
from bot.core.exposure import Exposure
from bot.core.state import Mode, State
from bot.quant.conventions import Convention
from bot.runtime.loop import Stepped

SETTLING_NS = units.NS_PER_SECOND
STEP_NS = units.NS_PER_SECOND


@dataclass(slots=True)
class MeanSquare:
    """A time-weighted mean square of a signal that holds its value until the next."""

    total: float = 0.0
    weight_ns: int = 0

    def hold(self, value: float, for_ns: int) -> None:
        """Count `value` for as long as it held."""
        self.total += value * value * for_ns
        self.weight_ns += for_ns

    @property
    def root(self) -> float | None:
        """The root mean square, None before anything was counted."""
        return math.sqrt(self.total / self.weight_ns) if self.weight_ns else None


@dataclass(slots=True)
class Breaches:
    """How often and for how long the delta was outside the band."""

    count: int = 0
    longest_ns: int = 0
    since_ns: int | None = None

    def see(self, *, outside: bool, now_ns: int) -> None:
        """Take notice of one step."""
        if outside and self.since_ns is None:
            self.since_ns, self.count = now_ns, self.count + 1
        if self.since_ns is not None:
            self.longest_ns = max(self.longest_ns, now_ns - self.since_ns)
        if not outside:
            self.since_ns = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One judged step."""

    at_ns: int
    deviation_coin: float
    bare_coin: float


@dataclass(slots=True)
class Rehearsal:
    """Watches every step of a daemon; judges the first book."""

    plans: Sequence[BookPlan]
    currency: str
    delta_start_coin: float | None = None
    delta_final_coin: float | None = None
    hedges: list[SubmitOrder] = field(default_factory=list)
    hedged: MeanSquare = field(default_factory=MeanSquare)
    unhedged: MeanSquare = field(default_factory=MeanSquare)
    breaches: Breaches = field(default_factory=Breaches)
    steps_hedged_usd: list[float] = field(default_factory=list)
    steps_unhedged_usd: list[float] = field(default_factory=list)
    pnl: Pnl | None = None
    index_usd: float | None = None
    state: State | None = None
    _first_hedge_ns: int | None = None
    _bare_start_coin: float | None = None
    _last: Moment | None = None
    _pnl_at: tuple[int, Pnl] | None = None

    def __call__(self, stepped: Stepped) -> None:
        """Take notice of one step."""
        self.state = stepped.state
        orders = [a for a in stepped.step.actions if isinstance(a, SubmitOrder)]
        if orders and self._first_hedge_ns is None:
            self._first_hedge_ns = stepped.wire_ns
        self.hedges.extend(orders)
        valued = stepped.step.exposures.get(self.plans[0].book.name)
        # While reconciling a book may still be half empty: no figure of it means anything.
        if stepped.state.mode is Mode.RECONCILING or not isinstance(valued, Exposure):
            return
        self._judge(valued, stepped.wire_ns)
        self._account(stepped.state, valued, stepped.wire_ns)

    def _judge(self, valued: Exposure, now_ns: int) -> None:
        plan = self.plans[0].hedge
        x = hedger.deviation_coin(valued, plan)
        if self.delta_start_coin is None:
            self.delta_start_coin = valued.delta_coin
        self.delta_final_coin = valued.delta_coin
        if not self._in_span(now_ns):
            return
        bare = x - valued.hedge_delta_coin
        if self._bare_start_coin is None:
            self._bare_start_coin = bare
        if self._last is not None:
            held_ns = now_ns - self._last.at_ns
            self.hedged.hold(self._last.deviation_coin, held_ns)
            self.unhedged.hold(self._last.bare_coin - self._bare_start_coin, held_ns)
        self._last = Moment(at_ns=now_ns, deviation_coin=x, bare_coin=bare)
        outside = not plan.band_low_coin <= x <= plan.band_high_coin
        self.breaches.see(outside=outside, now_ns=now_ns)

    def _in_span(self, now_ns: int) -> bool:
        first = self._first_hedge_ns
        return first is not None and now_ns - first >= SETTLING_NS

    def _account(self, state: State, valued: Exposure, now_ns: int) -> None:
        pnl = attribution.pnl_coin(state, self.currency)
        if pnl is None:
            return
        self.pnl, self.index_usd = pnl, valued.index_usd
        if not self._in_span(now_ns):
            return
        if self._pnl_at is None:
            self._pnl_at = (now_ns, pnl)
        since_ns, before = self._pnl_at
        if now_ns - since_ns < STEP_NS:
            return
        self.steps_hedged_usd.append((pnl.total - before.total) * valued.index_usd)
        self.steps_unhedged_usd.append((pnl.options - before.options) * valued.index_usd)
        self._pnl_at = (now_ns, pnl)


def spread_of(values: Sequence[float]) -> float | None:
    """Return the standard deviation of a sample, None for fewer than two."""
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))


def _usd(coins: float | None, index_usd: float | None) -> float | None:
    return None if coins is None or index_usd is None else round(coins * index_usd, 2)


def _rounded(number: float | None, digits: int = 6) -> float | None:
    return None if number is None else round(number, digits)


def figures(seen: Rehearsal) -> dict[str, object]:
    """Return what a rehearsal showed as plain figures, for people and for JSON."""
    plan, counts = seen.plans[0], seen.state.counts if seen.state else None
    pnl, index = seen.pnl, seen.index_usd
    parts = ("options", "hedge", "fees", "funding", "total")
    hedged, unhedged = spread_of(seen.steps_hedged_usd), spread_of(seen.steps_unhedged_usd)
    # Steps are coins at the index: what `coin` keeps still, and the other conventions do not.
    removed = None
    if plan.book.convention is Convention.COIN and hedged is not None and unhedged:
        removed = 1.0 - (hedged / unhedged) ** 2
    return {
        "decisions": counts.folds if counts else 0,
        "hedges_sent": len(seen.hedges),
        "hedges_buy": sum(1 for order in seen.hedges if order.size_native > 0),
        "hedges_sell": sum(1 for order in seen.hedges if order.size_native < 0),
        "fills": counts.fills if counts else 0,
        "refusals": dict(counts.refusals) if counts else {},
        "rejects": counts.rejects if counts else 0,
        "convention": plan.book.convention.value,
        "delta_start_coin": _rounded(seen.delta_start_coin),
        "delta_final_coin": _rounded(seen.delta_final_coin),
        "band_coin": [plan.hedge.band_low_coin, plan.hedge.band_high_coin],
        "delta_rms_coin": {
            "unhedged": _rounded(seen.unhedged.root),
            "hedged": _rounded(seen.hedged.root),
        },
        "breaches": {
            "count": seen.breaches.count,
            "longest_seconds": round(seen.breaches.longest_ns / units.NS_PER_SECOND, 3),
        },
        "pnl_usd": {part: _usd(getattr(pnl, part, None), index) for part in parts},
        "pnl_step_std_usd": {"unhedged": _rounded(unhedged, 2), "hedged": _rounded(hedged, 2)},
        "pnl_variance_removed": _rounded(removed, 4),
    }
