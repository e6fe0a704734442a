"""What Derive's managers are asked about: one subaccount, and the feeds with their confidence.

All money in units of the account's cash (USDC), prices in US dollars.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from bot.core.columns import Floats, Stamps
from bot.core.margin.account import NO_FLOATS, NO_OPTIONS, Options
from bot.quant import scenario_values


@dataclass(frozen=True, slots=True, kw_only=True)
class Collateral:
    """An asset held beside cash; `confidence` is that of its own price feed."""

    name: str
    size_coin: float
    price_usd: float
    confidence: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Market:
    """Options, perpetual and collateral of one underlying, with the state of its feeds.

    `options.forward` is what the feed says; for pricing it is split into `still`, the part of the
    settlement average that is known, and `moving`. `confidence`, by option, is the least of its
    forward's, rate's and volatility's. `perp_owed` is the perpetual's unrealised profit and
    funding. Arrays of shape (options,).
    """

    underlying: str
    spot_usd: float
    spot_confidence: float = 1.0
    options: Options = NO_OPTIONS
    still: Floats = field(default_factory=lambda: NO_FLOATS)
    moving: Floats = field(default_factory=lambda: NO_FLOATS)
    confidence: Floats = field(default_factory=lambda: NO_FLOATS)
    perp_name: str = "PERP"
    perp_coin: float = 0.0
    perp_usd: float = 0.0
    perp_confidence: float = 1.0
    perp_owed: float = 0.0
    collaterals: tuple[Collateral, ...] = ()

    @property
    def terms(self) -> scenario_values.Options:
        """The options as the pricer wants them."""
        options = self.options
        return scenario_values.Options(
            moving=self.moving,
            still=self.still,
            strike=options.strike,
            years=options.years,
            discount=options.discount,
            is_call=options.is_call,
            is_inverse=np.zeros(len(options.names), dtype=np.bool_),
        )

    def filled(self, fills: Mapping[str, float]) -> "Market":
        """Return the market after `fills`: signed coins by instrument, those of others left out."""
        options = self.options
        change = np.array([fills.get(name, 0.0) for name in options.names])
        return replace(
            self,
            options=replace(options, size=options.size + change) if len(change) else options,
            perp_coin=self.perp_coin + fills.get(self.perp_name, 0.0),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Subaccount:
    """Cash and markets; `stable_usd` is what one unit of cash is worth."""

    cash: float
    stable_usd: float
    markets: tuple[Market, ...]


def expiries(options: Options) -> tuple[Floats, Stamps]:
    """Return the years of each expiry, rising, and which one each option has."""
    years, member = np.unique(options.years, return_inverse=True)
    return years, member.astype(np.int64)
