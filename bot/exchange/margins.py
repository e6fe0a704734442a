"""Standard margin, segregated: position by position, nothing netted, in the settlement currency.

Source: Deribit's standard margin, as in its documentation: short call IM = max(0.15 - OTM/U, 0.10)
+ m, MM = 0.075 + m; short put IM = max(max(0.15 - OTM/U, 0.10) + m, MM), MM = max(0.075, 0.075 m)
+ m, in coins; long options none, but an open order to buy reserves its premium. Linear options: the
same times U, as every re-implementation has it; the venue's own words on them were not found.
Futures and perpetuals: a rate of the position, by its size in coins.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bot.exchange.contracts import Contract
from bot.exchange.fees import trade_fee
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


def size_in_coin(contract: Contract, size: float, mark: float) -> float:
    """A position's native size in coins, at its mark where it counts USD."""
    return size / mark if contract.is_sized_in_usd else size


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One instrument of an account: the position, and what its open orders could make of it.

    Sizes native: `size` signed, `buys` and `sells` the open amounts (positive). `premium` is what
    the open buys of an option would cost, `fees` the fees of all open orders, settlement currency.
    """

    contract: Contract
    mark: float
    underlying_usd: float
    size: float
    buys: float = 0.0
    sells: float = 0.0
    premium: float = 0.0
    fees: float = 0.0

    def position_margin(self, rules: Rules, size: float) -> tuple[float, float]:
        """Initial and maintenance margin, settlement currency, if the position were `size`."""
        contract = self.contract
        coin = self.mark if contract.pair.is_linear else 1.0
        if not contract.is_option:
            size_coin = abs(size_in_coin(contract, size, self.mark))
            initial, maintenance = futures_rates(rules.futures_tiers[contract.base], size_coin)
            return initial * size_coin * coin, maintenance * size_coin * coin
        if size >= 0:
            return NO_MARGIN
        assert contract.strike is not None
        coin = self.underlying_usd if contract.pair.is_linear else 1.0
        initial, maintenance = short_option_margin(
            rules.option_margin,
            is_call=bool(contract.is_call),
            strike_usd=contract.strike,
            underlying_usd=self.underlying_usd,
            mark_coin=self.mark / coin,
        )
        return -size * initial * coin, -size * maintenance * coin

    def orders_margin(self, rules: Rules) -> float:
        """Initial margin that the open orders add in the worst order of their filling."""
        if not self.buys and not self.sells:
            return self.premium + self.fees
        now = self.position_margin(rules, self.size)[0]
        worst = max(
            now,
            self.position_margin(rules, self.size - self.sells)[0],
            self.position_margin(rules, self.size + self.buys)[0],
        )
        return worst - now + self.premium + self.fees


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginTotals:
    """A wallet's margins. `initial` includes the open orders' share."""

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
    fees: FeeRules,
    contract: Contract,
    amount: float,
    price: float,
    *,
    is_buy: bool,
    index_usd: float,
) -> tuple[float, float]:
    """Premium and fee that an open order of this amount at this price holds back."""
    fee = trade_fee(fees, contract, amount, price, Liquidity.TAKER, index_usd)
    premium = amount * price if is_buy and contract.is_option else 0.0
    return premium, fee


def reduces(size: float, change: float, already_open: float) -> bool:
    """Whether an order only reduces the position, even after the open orders of its own side.

    `size` and `change` signed, `already_open` positive; native.
    """
    return size * change < 0 and abs(change) + already_open <= abs(size)
