"""The exchange's parameters: fees, margins, funding, house liquidity. Every number has a unit.

Sources of the defaults: Deribit's fee schedule and funding article, and its standard margin.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class MarginUnderlying(StrEnum):
    """What an option's out-of-the-money amount is measured against; sources disagree."""

    FORWARD = "forward"
    INDEX = "index"


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
class MarginTier:
    """Futures rates that hold for positions up to and including `size_coin_upper`."""

    size_coin_upper: float
    im_rate: float
    mm_rate: float


DEFAULT_TIERS = tuple(
    MarginTier(size_coin_upper=upper, im_rate=1 / leverage, mm_rate=2 / 3 / leverage)
    for upper, leverage in ((50.0, 50), (100.0, 40), (200.0, 25), (500.0, 15), (math.inf, 10))
)
# The venue's older schedule rose by 0.005 % for each BTC and by 0.0004 % for each ETH: a position
# in ETH may be 12.5 times as large for the same rate.
ETH_TIERS = tuple(
    MarginTier(
        size_coin_upper=tier.size_coin_upper * 12.5, im_rate=tier.im_rate, mm_rate=tier.mm_rate
    )
    for tier in DEFAULT_TIERS
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionMarginRules:
    """Standard margin of short options, fractions of one coin per contract."""

    im_at_the_money: float = 0.15
    im_floor: float = 0.10
    mm: float = 0.075
    underlying: MarginUnderlying = MarginUnderlying.FORWARD


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
    """A round every `round_ms` of market time, of `share` of one position."""

    round_ms: int = 1_000
    share: float = 0.25


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

    Futures tiers go by coin and rise in size; the last has no limit. An iceberg shows at least
    `display_lots_min` lots, and hides less than `display_hidden_ratio_max` times as much.
    """

    fees: FeeRules = field(default_factory=FeeRules)
    funding: FundingRules = field(default_factory=FundingRules)
    futures_tiers: Mapping[str, tuple[MarginTier, ...]] = field(
        default_factory=lambda: {"BTC": DEFAULT_TIERS, "ETH": ETH_TIERS}
    )
    option_margin: OptionMarginRules = field(default_factory=OptionMarginRules)
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

    def __post_init__(self) -> None:
        for base, tiers in self.futures_tiers.items():
            uppers = [tier.size_coin_upper for tier in tiers]
            if not uppers or uppers != sorted(uppers) or not math.isinf(uppers[-1]):
                raise ValueError(
                    f"{base} futures tiers must rise to infinity, they end as {uppers}"
                )


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
