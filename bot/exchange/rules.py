"""The exchange's parameters: fees, margins, funding, house liquidity. Every number has a unit.

Sources of the defaults: Deribit's fee schedule and funding article; margins have their own file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bot.core.margin.deribit_portfolio import Parameters
from bot.core.margin.deribit_standard import Rates
from bot.exchange.margin_parameters import PORTFOLIO_MARGIN, STANDARD_MARGIN


class MarginModel(StrEnum):
    """How an account is margined, as the venue names it."""

    SEGREGATED_SM = "segregated_sm"
    CROSS_SM = "cross_sm"
    SEGREGATED_PM = "segregated_pm"
    CROSS_PM = "cross_pm"

    @property
    def is_portfolio(self) -> bool:
        """Whether positions are netted in scenarios."""
        return self in (MarginModel.SEGREGATED_PM, MarginModel.CROSS_PM)

    @property
    def is_cross(self) -> bool:
        """Whether all currencies answer for one another."""
        return self in (MarginModel.CROSS_SM, MarginModel.CROSS_PM)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeRules:
    """Fees as fractions: of the notional, of a coin for options, and their cap of the premium."""

    perp_maker: float = 0.0
    perp_taker: float = 0.0005
    option_coin: float = 0.0003
    option_premium_cap: float = 0.125
    option_delivery_coin: float = 0.00015
    future_delivery: float = 0.00025
    liquidation: float = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingRules:
    """Eight-hour rate = clip(max(d, p) + min(-d, p), +-cap), p the premium of mark over index."""

    dampener: float = 0.00025
    cap_8h: float = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class HouseRules:
    """How the house quotes: levels per side, growth of size outward, time constant of refilling.

    `option_level_ticks` is the distance between an option's levels, in its own ticks. What takers
    consumed comes back as 1 - exp(-t / refill_seconds), in market seconds.
    """

    option_levels: int = 4
    option_level_ticks: int = 2
    option_level_growth: float = 1.6
    refill_seconds: float = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceBandRules:
    """How far from the mark an order may be priced before it is clamped.

    `option_coin` is a fraction of the underlying, which for inverse options is coins.
    """

    perp_fraction: float = 0.015
    option_coin: float = 0.03
    option_fraction: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationRules:
    """A round every `round_ms` of market time, of `share` of one position, or of the hedge.

    A portfolio account's delta is hedged while all of the hedge would save at least
    `hedge_saves_min` of what must be maintained.
    """

    round_ms: int = 1_000
    share: float = 0.25
    hedge_saves_min: float = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class PrintRules:
    """How often others trade: the chance that a frame of the market brings a trade.

    Of the perpetual, of each dated future, and of some option of the pair. A market that is made
    by hand has no others.
    """

    perpetual_chance: float = 0.0
    future_chance: float = 0.0
    option_chance: float = 0.0


LIVELY: Final = PrintRules(perpetual_chance=0.5, future_chance=0.05, option_chance=0.3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All parameters of one exchange.

    An iceberg shows at least `display_lots_min` lots, and hides less than
    `display_hidden_ratio_max` times as much.
    """

    fees: FeeRules = field(default_factory=FeeRules)
    funding: FundingRules = field(default_factory=FundingRules)
    standard_margin: Rates = STANDARD_MARGIN
    portfolio_margin: Parameters = PORTFOLIO_MARGIN
    liquidation: LiquidationRules = field(default_factory=LiquidationRules)
    house: HouseRules = field(default_factory=HouseRules)
    price_band: PriceBandRules = field(default_factory=PriceBandRules)
    prints: PrintRules = field(default_factory=PrintRules)
    label_length_max: int = 64
    open_orders_max: int = 1_000
    trigger_orders_max: int = 100
    display_lots_min: int = 100
    display_hidden_ratio_max: int = 100
    settlement_average_ms: int = 30 * 60_000
    first_order_number: int = 1_001
    first_trade_number: int = 5_001


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningAccount:
    """An account as the exchange opens it: collateral by currency, then positions set at the mark.

    The equity after opening is `equity`, whatever the positions cost at the mark. Currencies that
    are left out open empty. `owner` is the account whose subaccount it is.
    """

    name: str
    owner: str | None = None
    equity: Mapping[str, float] = field(default_factory=dict)
    positions: Mapping[str, float] = field(default_factory=dict)
    margin_model: MarginModel = MarginModel.SEGREGATED_SM
