"""Standard margin, segregated: position by position, nothing netted, coin.

Source: Deribit's standard margin, as in its documentation: short call IM = max(0.15 - OTM/U, 0.10)
+ m, MM = 0.075 + m; short put IM = max(max(0.15 - OTM/U, 0.10) + m, MM), MM = max(0.075, 0.075 m)
+ m; long options none, but an open order to buy reserves its premium. Futures: a rate of the
position in coin, by its size.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bot.exchange.accounts import fee_coin
from bot.exchange.contracts import Contract, Kind
from bot.exchange.reports import Liquidity
from bot.exchange.rules import FeeRules, MarginTier, OptionMarginRules, Rules

NO_MARGIN: Final = (0.0, 0.0)


def short_option_margin(
    rules: OptionMarginRules,
    *,
    is_call: bool,
    strike_usd: float,
    underlying_usd: float,
    mark_coin: float,
) -> tuple[float, float]:
    """Initial and maintenance margin of one short option, coin."""
    otm_usd = (strike_usd - underlying_usd) if is_call else (underlying_usd - strike_usd)
    initial = max(rules.im_at_the_money - max(otm_usd, 0.0) / underlying_usd, rules.im_floor)
    initial += mark_coin
    if is_call:
        return initial, rules.mm + mark_coin
    maintenance = max(rules.mm, rules.mm * mark_coin) + mark_coin
    return max(initial, maintenance), maintenance


def futures_rates(tiers: Sequence[MarginTier], size_coin: float) -> tuple[float, float]:
    """Initial and maintenance rate of a position of this size (coin, either sign)."""
    tier = next(tier for tier in tiers if abs(size_coin) <= tier.size_coin_upper)
    return tier.im_rate, tier.mm_rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One instrument of an account: the position, and what its open orders could make of it.

    Sizes native: `size` signed, `buys` and `sells` the open amounts (positive). `premium_coin` is
    what the open buys of an option would cost, `fees_coin` the fees of all open orders.
    """

    contract: Contract
    mark: float
    underlying_usd: float
    size: float
    buys: float = 0.0
    sells: float = 0.0
    premium_coin: float = 0.0
    fees_coin: float = 0.0

    def position_margin(self, rules: Rules, size: float) -> tuple[float, float]:
        """Initial and maintenance margin, coin, if the position were `size`."""
        if self.contract.kind is Kind.PERPETUAL:
            size_coin = abs(size) / self.mark
            initial, maintenance = futures_rates(rules.futures_tiers, size_coin)
            return initial * size_coin, maintenance * size_coin
        if size >= 0:
            return NO_MARGIN
        assert self.contract.strike is not None
        initial, maintenance = short_option_margin(
            rules.option_margin,
            is_call=bool(self.contract.is_call),
            strike_usd=self.contract.strike,
            underlying_usd=self.underlying_usd,
            mark_coin=self.mark,
        )
        return -size * initial, -size * maintenance

    def orders_margin(self, rules: Rules) -> float:
        """Initial margin that the open orders add in the worst order of their filling, coin."""
        now = self.position_margin(rules, self.size)[0]
        worst = max(
            now,
            self.position_margin(rules, self.size - self.sells)[0],
            self.position_margin(rules, self.size + self.buys)[0],
        )
        return worst - now + self.premium_coin + self.fees_coin


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginTotals:
    """An account's margins, coin. `initial` includes the open orders' share."""

    initial: float
    maintenance: float
    open_orders: float


def total_margins(rules: Rules, exposures: Iterable[Exposure]) -> MarginTotals:
    """The sum over instruments: standard margin nets nothing."""
    initial, maintenance, orders = 0.0, 0.0, 0.0
    for exposure in exposures:
        position = exposure.position_margin(rules, exposure.size)
        initial += position[0]
        maintenance += position[1]
        orders += exposure.orders_margin(rules)
    return MarginTotals(initial=initial + orders, maintenance=maintenance, open_orders=orders)


def order_reserve(
    fees: FeeRules, contract: Contract, amount: float, price: float, *, is_buy: bool
) -> tuple[float, float]:
    """Premium and fee, coin, that an open order of this amount at this price holds back."""
    fee = fee_coin(fees, contract.kind, amount, price, Liquidity.TAKER)
    premium = amount * price if is_buy and contract.kind is Kind.OPTION else 0.0
    return premium, fee


def reduces(size: float, change: float, already_open: float) -> bool:
    """Whether an order only reduces the position, even after the open orders of its own side.

    `size` and `change` signed, `already_open` positive; native.
    """
    return size * change < 0 and abs(change) + already_open <= abs(size)
