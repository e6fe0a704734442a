"""Where the money came from, by settlement currency: options, hedge, fees, funding."""

from dataclasses import dataclass
from decimal import Decimal

from bot.core import units
from bot.core.instruments import Kind
from bot.core.standing import Account
from bot.core.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Pnl:
    """Profit since the ledger began, in the settlement currency (coins, or US dollars).

    Positions found or changed by others count from their mark then. `fees` is negative when
    paid. Idle collateral is no part of it, nor is what came from outside or went there (`moved`).
    """

    options: float
    hedge: float
    fees: float
    funding: float

    @property
    def total(self) -> float:
        """The sum of the parts."""
        return self.options + self.hedge + self.fees + self.funding


def pnl_of(state: State, currency: str, underlying: str | None = None) -> Pnl | None:
    """Value every account in `currency` at its last mark; None while a position has none.

    With an `underlying`, only instruments on it count.

    A dollar-sized inverse contract earns the sum of size/price over its fills less size/mark of
    what is held; everything else size x mark less its cost.
    """
    options = hedge = fees = funding = 0.0
    for name, account in state.standing.accounts.items():
        terms = state.instruments.get(name)
        if terms is None or terms.currency != currency:
            continue
        if underlying is not None and terms.underlying != underlying:
            continue
        worth = _worth(state, name, account, usd_sized=terms.is_usd_sized)
        if worth is None:
            return None
        if terms.kind is Kind.OPTION:
            options += worth
        else:
            hedge += worth
        fees -= account.fees
        funding += account.funding
    return Pnl(options=options, hedge=hedge, fees=fees, funding=funding)


def moved(state: State, currency: str) -> Decimal:
    """Return what came from outside less what went there, as far as the venue's log was read.

    With the profit it is what the equity changed by. A ledger from before the log was read knows
    only what moved since.
    """
    return state.standing.cash.moved.get(currency, units.ZERO)


def _worth(state: State, name: str, account: Account, *, usd_sized: bool) -> float | None:
    size = float(state.standing.positions.get(name, units.ZERO))
    if not size:
        return account.cost if usd_sized else -account.cost
    quote = state.quotes.get(name)
    if quote is None or quote.mark is None:
        return None
    return account.cost - size / quote.mark if usd_sized else size * quote.mark - account.cost
