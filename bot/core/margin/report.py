"""What every margin model answers with: the requirement and how it came about.

A figure that rests on something unproven says so in `doubts`; whoever gates an order by it can keep
a larger buffer.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from bot.core.columns import Floats


class Needed(NamedTuple):
    """What an account must hold, in its currency. A tuple: a trim asks for dozens."""

    initial: float
    maintenance: float


class Evidence(StrEnum):
    """How far a formula or a parameter can be trusted, best first."""

    RECOMPUTED = "recomputed"  # published figures were recomputed with it
    DOCUMENTED = "documented"  # the venue says so
    THIRD_PARTY = "third_party"  # others say so
    UNVERIFIED = "unverified"  # inferred


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a set of parameters is from: the day it held, who said so, and how sure that is."""

    as_of: date
    source: str
    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Contingency:
    """One named part of the requirement, in the settlement currency.

    The parts of a report add up to its initial and its maintenance margin, but for the rounding
    that the venue itself does.
    """

    name: str
    initial: float
    maintenance: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PositionMargins:
    """What each position needs, or adds to the worst scenario where the model nets.

    Arrays of shape (rows,), in the settlement currency.
    """

    names: tuple[str, ...]
    size_coin: Floats
    initial: Floats
    maintenance: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scenarios:
    """Profit (positive) or loss of the whole account by scenario, settlement currency."""

    names: tuple[str, ...]
    profit: Floats

    @property
    def worst(self) -> int | None:
        """The scenario that loses most, the first of equals; None without a loss."""
        if not len(self.profit):
            return None
        at = int(self.profit.argmin())  # a nan is the least of all: it is not overlooked
        return None if self.profit[at] >= 0.0 else at

    @property
    def worst_name(self) -> str:
        """The name of the scenario that loses most, empty without a loss."""
        return "" if self.worst is None else self.names[self.worst]

    @property
    def worst_loss(self) -> float:
        """What the worst scenario loses, never negative; nan if a scenario has no value."""
        return 0.0 if self.worst is None else -float(self.profit[self.worst])


NO_SCENARIOS = Scenarios(names=(), profit=np.zeros(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The requirement of one account under one model, in `currency`.

    `counted` is what the model itself adds to or takes from the money in the account before it
    holds the requirement against it: nothing where the venue's margin balance is the measure, and
    the value of cash, collateral and positions where it is not.
    """

    model: str
    currency: str
    currency_usd: float
    initial: float
    maintenance: float
    positions: PositionMargins
    scenarios: Scenarios
    contingencies: tuple[Contingency, ...]
    provenance: tuple[Provenance, ...]
    counted: float = 0.0
    doubts: tuple[str, ...] = ()

    @property
    def initial_usd(self) -> float:
        """Initial margin in US dollars."""
        return self.initial * self.currency_usd

    @property
    def maintenance_usd(self) -> float:
        """Maintenance margin in US dollars."""
        return self.maintenance * self.currency_usd

    @property
    def net_initial(self) -> float:
        """What is left over the initial requirement; negative: no new risk."""
        return self.counted - self.initial

    @property
    def net_maintenance(self) -> float:
        """What is left over the maintenance requirement; negative: liquidation."""
        return self.counted - self.maintenance

    @property
    def is_whole(self) -> bool:
        """Whether every input was there: a requirement that is no number gates nothing."""
        return bool(np.isfinite(self.initial + self.maintenance + self.counted))


def doubtful(provenance: Iterable[Provenance]) -> tuple[str, ...]:
    """Say which sets of parameters are not the venue's own word."""
    trusted = (Evidence.RECOMPUTED, Evidence.DOCUMENTED)
    return tuple(
        f"parameters of {one.as_of.isoformat()} are {one.evidence.replace('_', ' ')}: {one.source}"
        for one in provenance
        if one.evidence not in trusted
    )
