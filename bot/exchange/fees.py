"""What trading and delivery cost, in the settlement currency.

Source: Deribit's fee schedule. Options: 0.03 % of the underlying a coin, never more than 12.5 % of
the premium; delivered ones 0.015 % with the same cap, daily options nothing. Futures: a rate of the
notional; delivered ones 0.025 %, weekly futures nothing.
"""

from bot.exchange.contracts import Contract, SettlementPeriod
from bot.exchange.reports import Liquidity
from bot.exchange.rules import FeeRules


def _coin(contract: Contract, index_usd: float) -> float:
    """One coin in the settlement currency."""
    return index_usd if contract.pair.is_linear else 1.0


def _notional(contract: Contract, amount: float, price: float) -> float:
    return amount / price if contract.is_sized_in_usd else amount * price


def trade_fee(
    rules: FeeRules,
    contract: Contract,
    amount: float,
    price: float,
    role: Liquidity,
    index_usd: float,
) -> float:
    """Fee of a fill of `amount` (native, positive). An option's is capped by its premium."""
    if contract.is_option:
        rate = rules.option_coin * _coin(contract, index_usd)
        return amount * min(rate, rules.option_premium_cap * price)
    rate = rules.perp_maker if role is Liquidity.MAKER else rules.perp_taker
    return rate * _notional(contract, amount, price)


def liquidation_fee(
    rules: FeeRules, contract: Contract, amount: float, price: float, index_usd: float
) -> float:
    """Fee of a fill that liquidates: a rate of the notional, an option's capped by its premium.

    Source: the venue's announcement of 1 % on all products from August 2026. That an option's is
    of its underlying, capped like its other fees, is our reading.
    """
    if contract.is_option:
        rate = rules.liquidation * _coin(contract, index_usd)
        return amount * min(rate, rules.option_premium_cap * price)
    return rules.liquidation * _notional(contract, amount, price)


def delivery_fee(
    rules: FeeRules, contract: Contract, amount: float, price: float, index_usd: float
) -> float:
    """Fee of delivering `amount` (native, positive): `price` is an option's payoff each."""
    period = contract.settlement_period
    if contract.is_option:
        if period is SettlementPeriod.DAY:
            return 0.0
        rate = rules.option_delivery_coin * _coin(contract, index_usd)
        return amount * min(rate, rules.option_premium_cap * price)
    if period is SettlementPeriod.WEEK:
        return 0.0
    return rules.future_delivery * _notional(contract, amount, price)
