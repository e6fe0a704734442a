"""An account in all scenarios of portfolio margin, as it is or with other positions."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.core.margin import deribit_portfolio
from bot.core.margin.deribit_portfolio import Valued
from bot.core.margin.report import Report
from bot.exchange.contracts import Contract
from bot.exchange.margins import Claims, Holding, required
from bot.exchange.situation import Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskMatrix:
    """What `private/pme/simulate` is asked for. `contracts` are those with a position or order.

    `fees` are those of the open orders, in the currency of the report.
    """

    valued: Valued
    report: Report
    fees: float
    contracts: tuple[Contract, ...]


def risk_matrix(at: Situation, coins: Mapping[Contract, Decimal], *, adds: bool) -> RiskMatrix:
    """Value the account in its scenarios.

    Args:
        at: a portfolio account; cross with its other currencies beside it.
        coins: signed sizes in the base currency, inverse perpetuals and futures too.
        adds: to the positions and orders that there are; otherwise instead of them.
    """
    held = tuple(_changed(at, claim, coins, adds=adds) for claim in at.claims())
    found = required(at.rules, at.board, at.model, held)
    assert found.valued is not None, "a portfolio account is valued"
    usd = sum(claim.fees * claim.currency_usd for claim in held)
    report = deribit_portfolio.report_of(found.valued)
    return RiskMatrix(
        valued=found.valued,
        report=report,
        fees=usd / report.currency_usd,
        contracts=tuple(holding.contract for claim in held for holding in claim.holdings),
    )


def _changed(
    at: Situation, claims: Claims, coins: Mapping[Contract, Decimal], *, adds: bool
) -> Claims:
    ours = {c: size for c, size in coins.items() if c.settlement_currency == claims.currency}
    kept = {holding.contract: holding for holding in claims.holdings} if adds else {}
    for contract, size in ours.items():
        native = float(size) * (at.board.mark(contract) if contract.is_sized_in_usd else 1.0)
        known = kept.get(contract, Holding(contract=contract, size=0.0))
        kept[contract] = known._replace(size=known.size + native)
    return claims._replace(holdings=tuple(kept.values()))
