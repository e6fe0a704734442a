"""When the exchange settles, and what an expired contract is delivered at.

Options and dated futures are delivered on the time-weighted average of their index over the last 30
minutes; session profit is settled at 08:00 UTC every day. Source: Deribit, contract specifications.
"""

from typing import Final

from bot.exchange.contracts import Contract

DAY_MS: Final = 86_400_000
SESSION_OF_DAY_MS: Final = 8 * 3_600_000
DELIVERY_DIGITS: Final = 2  # of a delivery price: what is published is what is paid on


def payoff(contract: Contract, delivery_usd: float) -> float:
    """What one option pays: (1 - K/S)+ or (K/S - 1)+ coins, or (S - K)+ or (K - S)+ USDC."""
    assert contract.strike is not None, f"{contract.name} is no option"
    intrinsic_usd = delivery_usd - contract.strike
    paid_usd = max(intrinsic_usd if contract.is_call else -intrinsic_usd, 0.0)
    return paid_usd if contract.pair.is_linear else paid_usd / delivery_usd


def delivery_price(contract: Contract, delivery_usd: float) -> float:
    """At what native price the contract is closed: an option at its payoff, a future at S."""
    return payoff(contract, delivery_usd) if contract.is_option else delivery_usd


def next_session_ms(after_ms: int) -> int:
    """The first 08:00 UTC strictly after this moment."""
    days = (after_ms - SESSION_OF_DAY_MS) // DAY_MS + 1
    return days * DAY_MS + SESSION_OF_DAY_MS
