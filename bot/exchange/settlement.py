"""When the exchange settles, and what an expired option pays.

Options are delivered on the time-weighted average of the index over the last 30 minutes; the
perpetual's session profit is settled at 08:00 UTC every day. Source: Deribit, contract
specifications.
"""

from typing import Final

from bot.exchange.contracts import Contract

DAY_MS: Final = 86_400_000
SESSION_OF_DAY_MS: Final = 8 * 3_600_000


def payoff_coin(contract: Contract, delivery_usd: float) -> float:
    """What one option pays at this delivery price, in coin: (1 - K/S)+ or (K/S - 1)+."""
    assert contract.strike is not None, f"{contract.name} does not expire"
    moneyness = contract.strike / delivery_usd
    return max(1.0 - moneyness, 0.0) if contract.is_call else max(moneyness - 1.0, 0.0)


def next_session_ms(after_ms: int) -> int:
    """The first 08:00 UTC strictly after this moment."""
    days = (after_ms - SESSION_OF_DAY_MS) // DAY_MS + 1
    return days * DAY_MS + SESSION_OF_DAY_MS
