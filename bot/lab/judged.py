"""One book of a rehearsal: how well its delta was kept, and what that cost.

Definitions (time is wire time):

* The judged span begins one second after the first hedge and ends with the last step seen.
* `hedged` delta is the deviation that the band judges; `unhedged` is the same less the hedge
position and less its own value at the beginning of the span, so that a starting delta earns
nothing. Both are root mean squares, weighted by the time they held.
* P&L is that of everything on the book's underlying in its settlement currency. Steps are changes
over one second, coins valued at the index; idle collateral is no part of them.
* A breach lasts from the first step outside the band to the first step back inside. While the
daemon says that it cannot hedge (no number for the book, or a mode without orders) it is a declared
gap instead. `worst_coin` is how far beyond an edge the delta ever was.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.core import attribution, hedger, units
from bot.core.actions import SubmitOrder
from bot.core.attribution import Pnl
from bot.core.dealing import TRADING_MODES, BookPlan
from bot.core.exposure import Exposure, Unpriced
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
class Spells:
    """How often and for how long something was the case."""

    count: int = 0
    longest_ns: int = 0
    total_ns: int = 0
    since_ns: int | None = None
    seen_ns: int = 0

    def see(self, *, is_so: bool, now_ns: int) -> None:
        """Take notice of one step."""
        if self.since_ns is not None:
            self.total_ns += now_ns - self.seen_ns
            self.longest_ns = max(self.longest_ns, now_ns - self.since_ns)
        elif is_so:
            self.since_ns, self.count = now_ns, self.count + 1
        self.seen_ns = now_ns
        if not is_so:
            self.since_ns = None

    def figures(self) -> dict[str, float]:
        """Return them in seconds."""
        return {
            "count": self.count,
            "longest_seconds": round(self.longest_ns / units.NS_PER_SECOND, 3),
            "total_seconds": round(self.total_ns / units.NS_PER_SECOND, 3),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One judged step."""

    at_ns: int
    deviation_coin: float
    bare_coin: float


@dataclass(slots=True)
class BookJudged:
    """Watches one book through every step of a daemon."""

    plan: BookPlan
    is_linear: bool = False
    delta_start_coin: float | None = None
    delta_final_coin: float | None = None
    hedges: list[SubmitOrder] = field(default_factory=list)
    hedged: MeanSquare = field(default_factory=MeanSquare)
    unhedged: MeanSquare = field(default_factory=MeanSquare)
    breaches: Spells = field(default_factory=Spells)
    worst_coin: float = 0.0
    gaps: Spells = field(default_factory=Spells)
    gap_reasons: dict[str, int] = field(default_factory=dict)
    steps_hedged_usd: list[float] = field(default_factory=list)
    steps_unhedged_usd: list[float] = field(default_factory=list)
    pnl: Pnl | None = None
    index_usd: float | None = None
    _first_hedge_ns: int | None = None
    _bare_start_coin: float | None = None
    _last: Moment | None = None
    _pnl_at: tuple[int, Pnl] | None = None

    @property
    def coin_usd(self) -> float | None:
        """What one unit of the settlement currency is worth in US dollars."""
        return 1.0 if self.is_linear else self.index_usd

    def see(self, stepped: Stepped) -> None:
        """Take notice of one step."""
        name = self.plan.book.hedge_instrument
        orders = [
            action
            for action in stepped.step.actions
            if isinstance(action, SubmitOrder) and action.instrument == name
        ]
        if orders and self._first_hedge_ns is None:
            self._first_hedge_ns = stepped.wire_ns
        self.hedges.extend(orders)
        valued = stepped.step.exposures.get(self.plan.book.name)
        self._see_gap(stepped.state, valued, stepped.wire_ns)
        # While reconciling a book may still be half empty: no figure of it means anything.
        if stepped.state.mode is Mode.RECONCILING or not isinstance(valued, Exposure):
            self._last = None
            return
        self.is_linear = valued.is_linear
        self._judge(valued, stepped.wire_ns)
        self._account(stepped.state, valued, stepped.wire_ns)

    def _see_gap(self, state: State, valued: Exposure | Unpriced | None, now_ns: int) -> None:
        reason = ""
        if isinstance(valued, Unpriced):
            reason = "unpriced"
        elif state.mode not in TRADING_MODES:
            reason = state.mode.value
        is_gap = bool(reason) and self._in_span(now_ns)
        if is_gap and self.gaps.since_ns is None:
            self.gap_reasons[reason] = self.gap_reasons.get(reason, 0) + 1
        self.gaps.see(is_so=is_gap, now_ns=now_ns)
        if is_gap:
            self.breaches.see(is_so=False, now_ns=now_ns)

    def _judge(self, valued: Exposure, now_ns: int) -> None:
        plan = self.plan.hedge
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
        beyond = max(plan.band_low_coin - x, x - plan.band_high_coin, 0.0)
        if self.gaps.since_ns is None:
            self.breaches.see(is_so=beyond > 0.0, now_ns=now_ns)
            self.worst_coin = max(self.worst_coin, beyond)

    def _in_span(self, now_ns: int) -> bool:
        first = self._first_hedge_ns
        return first is not None and now_ns - first >= SETTLING_NS

    def _account(self, state: State, valued: Exposure, now_ns: int) -> None:
        book = self.plan.book
        pnl = attribution.pnl_of(state, book.currency, book.selector.underlying)
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
        worth = self.coin_usd or 0.0
        self.steps_hedged_usd.append((pnl.total - before.total) * worth)
        self.steps_unhedged_usd.append((pnl.options - before.options) * worth)
        self._pnl_at = (now_ns, pnl)

    def figures(self) -> dict[str, object]:
        """Return what was seen of the book as plain figures."""
        plan, pnl = self.plan, self.pnl
        parts = ("options", "hedge", "fees", "funding", "total")
        hedged, unhedged = spread_of(self.steps_hedged_usd), spread_of(self.steps_unhedged_usd)
        return {
            "hedges_sent": len(self.hedges),
            "hedges_buy": sum(1 for order in self.hedges if order.size_native > 0),
            "hedges_sell": sum(1 for order in self.hedges if order.size_native < 0),
            "convention": plan.book.convention.value,
            "underlying": plan.book.selector.underlying,
            "currency": plan.book.currency,
            "delta_start_coin": _rounded(self.delta_start_coin),
            "delta_final_coin": _rounded(self.delta_final_coin),
            "band_coin": [plan.hedge.band_low_coin, plan.hedge.band_high_coin],
            "delta_rms_coin": {
                "unhedged": _rounded(self.unhedged.root),
                "hedged": _rounded(self.hedged.root),
            },
            "breaches": {**self.breaches.figures(), "worst_coin": _rounded(self.worst_coin)},
            "gaps": {**self.gaps.figures(), "reasons": dict(self.gap_reasons)},
            "pnl_usd": {part: _usd(getattr(pnl, part, None), self.coin_usd) for part in parts},
            "pnl_step_std_usd": {
                "unhedged": _rounded(unhedged, 2),
                "hedged": _rounded(hedged, 2),
            },
            "pnl_variance_removed": _rounded(self._removed(hedged, unhedged), 4),
        }

    def _removed(self, hedged: float | None, unhedged: float | None) -> float | None:
        """Return the variance removed where steps are counted in what the convention keeps still.

        That is coins for inverse contracts and US dollars for linear ones.
        """
        still = (self.plan.book.convention is Convention.COIN) is not self.is_linear
        if not still or hedged is None or not unhedged:
            return None
        return 1.0 - (hedged / unhedged) ** 2


def spread_of(values: Sequence[float]) -> float | None:
    """Return the standard deviation of a sample, None for fewer than two."""
    if len(values) < 2:
        return None
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))


def _usd(money: float | None, coin_usd: float | None) -> float | None:
    return None if money is None or coin_usd is None else round(money * coin_usd, 2)


def _rounded(number: float | None, digits: int = 6) -> float | None:
    return None if number is None else round(number, digits)
