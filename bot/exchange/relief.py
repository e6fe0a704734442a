"""What would lower a portfolio account's requirement: hedges and reductions, by what they save."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.core.margin import deribit_portfolio
from bot.core.margin.deribit_portfolio import Valued
from bot.exchange.contracts import Contract, perpetual
from bot.exchange.margins import Claims, Holding, required, size_in_coin
from bot.exchange.situation import Situation


@dataclass(frozen=True, slots=True, kw_only=True)
class Relief:
    """A trade of `whole` (signed, native), which to do in part, and what all or a share saves.

    `saves` is maintenance margin in the currency of the account that was looked at.
    """

    contract: Contract
    whole: Decimal
    saves: float


def hedges(at: Situation) -> list[Relief]:
    """For each pair the perpetual trade that takes its delta away, the one that saves most first.

    The perpetual need not be held yet.
    """
    pairs = dict.fromkeys(c.pair for one in _each(at) for c in _held(one))
    perpetuals = {pair: perpetual(pair) for pair in pairs}
    valued, unit = _with_rows(at, list(perpetuals.values()))
    before, found = deribit_portfolio.report_of(valued).maintenance, []
    for table, sizes in zip(valued.tables, valued.sizes, strict=True):
        pair = next(pair for pair in pairs if pair.index_name == table.pair.index_name)
        row = table.rows[perpetuals[pair].name]
        coins = -float(table.delta @ sizes) / float(table.delta[row])
        after = deribit_portfolio.what_if(valued, {perpetuals[pair].name: coins})
        found.append(
            Relief(
                contract=perpetuals[pair],
                whole=_native(at, perpetuals[pair], coins),
                saves=(before - after.maintenance) * unit,
            )
        )
    return sorted(found, key=lambda relief: -relief.saves)


def reductions(at: Situation, share: float) -> list[Relief]:
    """Every position's closing trade by what a share of it saves: options first, then futures."""
    valued, unit = _with_rows(at, ())
    before, found = deribit_portfolio.report_of(valued).maintenance, []
    for one in _each(at):
        for position in one.wallet.positions.values():
            contract, mark = position.contract, at.board.mark(position.contract)
            coins = -share * size_in_coin(contract, float(position.size), mark)
            after = deribit_portfolio.what_if(valued, {contract.name: coins})
            saves = (before - after.maintenance) * unit
            found.append(Relief(contract=contract, whole=-position.size, saves=saves))
    return sorted(found, key=lambda relief: (not relief.contract.is_option, -relief.saves))


def _with_rows(at: Situation, others: Sequence[Contract]) -> tuple[Valued, float]:
    """The account without orders, with rows for others too, and what a unit of it is."""
    claims = [_claims(one, others) for one in _each(at)]
    found = required(at.rules, at.board, at.model, claims)
    assert found.valued is not None, "a portfolio account is valued"
    return found.valued, found.unit


def _claims(at: Situation, others: Sequence[Contract]) -> Claims:
    currency, held = at.wallet.currency, at.wallet.positions
    more = [c for c in others if c.settlement_currency == currency and c.name not in held]
    return Claims(
        currency=currency,
        currency_usd=at.currency_usd,
        holdings=(
            *(Holding(contract=p.contract, size=float(p.size)) for p in held.values()),
            *(Holding(contract=contract, size=0.0) for contract in more),
        ),
    )


def _native(at: Situation, contract: Contract, coins: float) -> Decimal:
    mark = at.board.mark(contract)
    return Decimal(str(coins * mark if contract.is_sized_in_usd else coins))


def _each(at: Situation) -> Iterator[Situation]:
    yield at
    yield from at.beside


def _held(at: Situation) -> Iterator[Contract]:
    return (position.contract for position in at.wallet.positions.values())
