"""Stages of margin: how careful the daemon is, by u as it is and by u under stress.

| stage | what goes | what it asks for |
|---|---|---|
| free | everything that stays within the limits | nothing |
| warn | the same | a person is told |
| reduce-only | what lowers the stressed u | DEGRADED |
| hold | nothing | HOLD |
| emergency | nothing: the venue is about to liquidate | HOLD, and a person is called |

The worse of the two u's counts, each against thresholds of its own, and of all settlement
currencies the worst. Thresholds of the stressed u that are not set are never reached: an account
that a large move would harm is helped by its hedge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from bot.core import units
from bot.core.actions import Alert, Severity, Topic
from bot.core.events import BalanceSeen
from bot.core.immutable import remembered
from bot.core.margin.gating import Stress, usage
from bot.core.reported import MarginSeen
from bot.core.state import Judgement, Mode


class Stage(StrEnum):
    """How far margin is used up, from the best to the worst."""

    FREE = "free"
    WARN = "warning"
    REDUCE_ONLY = "reduce-only"
    HOLD = "hold"
    EMERGENCY = "emergency"


ASKS: Mapping[Stage, Mode | None] = {
    Stage.FREE: None,
    Stage.WARN: None,
    Stage.REDUCE_ONLY: Mode.DEGRADED,
    Stage.HOLD: Mode.HOLD,
    Stage.EMERGENCY: Mode.HOLD,
}
WORST_FIRST = tuple(reversed(Stage))
Thresholds = tuple[tuple[Stage, float | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GatePolicy:
    """Thresholds of u and of the stressed u, rising; None of the latter is never reached.

    An order must leave `funds_buffer` of the margin balance free. Where the model is in doubt an
    order's limits are lower, and that buffer larger, by `doubt_buffer`. The stress is `stress_spot`
    up and down and `stress_vol` up (0.20 is twenty points). Our requirement may differ from the
    venue's by `gap_max` of it for `gap_grace_ns`; it is compared where quotes arrived within
    `gap_skew_max_ns` of the balance. The venue is asked for a second opinion every
    `opinion_every_ns` (None for never), every `opinion_near_ns` while u is within `opinion_near` of
    a threshold; ours may differ from it by `opinion_gap_max` of it, for `gap_grace_ns`. The last
    three say what may be done about a stage (see `bot.core.derisk`), and what an option that is
    bought back may cost above its mark, a share of the underlying.
    """

    warn: float = 0.5
    reduce_only: float = 0.7
    hold: float = 0.85
    emergency: float = 0.95
    stressed_warn: float | None = 0.8
    stressed_reduce_only: float | None = 1.0
    stressed_hold: float | None = None
    stressed_emergency: float | None = None
    funds_buffer: float = 0.05
    doubt_buffer: float = 0.0
    stress_spot: float = 0.15
    stress_vol: float = 0.20
    gap_max: float = 0.05
    gap_grace_ns: int = 10 * units.NS_PER_SECOND
    gap_skew_max_ns: int = 2 * units.NS_PER_SECOND
    opinion_every_ns: int | None = None
    opinion_near_ns: int = 10 * units.NS_PER_SECOND
    opinion_near: float = 0.05
    opinion_gap_max: float = 0.05
    emergency_hedges: bool = False
    buy_back_options: bool = False
    buy_back_spread_max: float = 0.005

    @property
    def stress(self) -> Stress:
        """What is supposed to happen at once."""
        return Stress(spot=self.stress_spot, vol_points=self.stress_vol)

    @property
    def now(self) -> Thresholds:
        """Where the stages of u begin, the worst first."""
        begins = (self.emergency, self.hold, self.reduce_only, self.warn)
        return tuple(zip(WORST_FIRST, begins, strict=False))

    @property
    def stressed(self) -> Thresholds:
        """Where the stages of the stressed u begin, the worst first."""
        begins = (
            self.stressed_emergency,
            self.stressed_hold,
            self.stressed_reduce_only,
            self.stressed_warn,
        )
        return tuple(zip(WORST_FIRST, begins, strict=False))


class Reached(NamedTuple):
    """A stage that a currency has reached, by which u, and where that stage begins."""

    stage: Stage
    currency: str
    usage: float
    threshold: float
    where: str

    @property
    def words(self) -> str:
        """Say it to a person."""
        under = f" at {self.where}" if self.where else ""
        return (
            f"{self.currency} margin use{under} {self.usage:.1%} is over the "
            f"{self.stage} limit {self.threshold:.0%}"
        )

    @property
    def clears(self) -> str:
        """Say what would end it."""
        under = f" at {self.where}" if self.where else ""
        return f"{self.currency} margin use{under} under {self.threshold:.0%}"


@remembered
def reached(
    balances: Mapping[str, BalanceSeen],
    seen: Mapping[str, MarginSeen],
    policy: GatePolicy,
    currencies: Sequence[str],
) -> tuple[Reached, ...]:
    """Return the stage of every currency that is not free, the worst first."""
    found = []
    for currency in currencies:
        used = [_stage_of(currency, "", usage_now(balances, currency), policy.now)]
        if currency in seen:
            known = seen[currency]
            used.append(_stage_of(currency, known.node, known.stressed_usage, policy.stressed))
        stages = [one for one in used if one]
        if stages:
            found.append(min(stages, key=_severity))
    return tuple(sorted(found, key=_severity))


def _severity(one: Reached) -> tuple[int, float]:
    return WORST_FIRST.index(one.stage), -one.usage


def _stage_of(currency: str, where: str, used: float, thresholds: Thresholds) -> Reached | None:
    for stage, limit in thresholds:
        if limit is not None and used >= limit:
            return Reached(stage=stage, currency=currency, usage=used, threshold=limit, where=where)
    return None


def usage_now(balances: Mapping[str, BalanceSeen], currency: str) -> float:
    """Return u by the venue's own figures, 0 before they are known."""
    balance = balances.get(currency)
    return usage(balance.maintenance_margin, balance.margin_balance) if balance else 0.0


@remembered
def asked(stages: tuple[Reached, ...]) -> Judgement | None:
    """Return the mode that margin asks for, None if it asks for none."""
    if not stages:
        return None
    worst = stages[0]
    mode = ASKS[worst.stage]
    if mode is None:
        return None
    return Judgement(mode=mode, reason=worst.words, clears=worst.clears)


@remembered
def warnings(stages: tuple[Reached, ...]) -> Mapping[str, Alert]:
    """Return what a person must be told of each currency; one that is nearly lost, loudly."""
    told = {
        one.currency: Alert(severity=Severity.WARNING, text=one.words, topic=Topic.MARGIN)
        for one in stages
    }
    for one in stages:
        if one.stage is Stage.EMERGENCY:
            text = f"{one.words}: the venue liquidates at 100%; add collateral or close positions"
            told[f"{one.currency} emergency"] = Alert(
                severity=Severity.CRITICAL, text=text, topic=Topic.MARGIN
            )
    return told
