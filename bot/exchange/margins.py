"""What an account must hold, by the very models that the daemon margins itself with.

Standard margin goes position by position and nets nothing; portfolio margin takes the worst of its
scenarios. Both see what is published: marks as they are told, volatilities in hundredths of a
percent. Whoever reads the tickers can work out the same figures. Fees of open orders are held back
on top of what the models say of the orders themselves.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from bot.core.margin import deribit_portfolio, deribit_standard
from bot.core.margin.account import NO_FUTURES, NO_OPTIONS, Account, Futures, OpenOrder, Options
from bot.core.margin.account import Pair as IndexedPair
from bot.core.margin.deribit_portfolio import Parameters, Valued
from bot.core.margin.deribit_standard import Rates
from bot.core.margin.report import Report
from bot.exchange.board import Board
from bot.exchange.contracts import Contract, Kind, Pair
from bot.exchange.fees import trade_fee
from bot.exchange.market import MarketFrame
from bot.exchange.pair_board import YEAR_MS
from bot.exchange.reports import Liquidity
from bot.exchange.rules import FeeRules, MarginModel, Rules

USD: Final = "USD"
# Digits that tickers tell: of volatilities in percent, of options' marks and of their forwards.
IV_PERCENT_DIGITS: Final = 2
MARK_DIGITS: Final = 6
FORWARD_DIGITS: Final = 4


def size_in_coin(contract: Contract, size: float, mark: float) -> float:
    """A position's native size in coins, at its mark where it counts USD."""
    return size / mark if contract.is_sized_in_usd else size


class Holding(NamedTuple):
    """One instrument of an account: the position, and what its open orders could make of it.

    Sizes native: `size` signed, `buys` and `sells` the open amounts (positive). `premium` is what
    the open buys of an option would cost, `fees` the fees of all open orders, settlement currency.
    """

    contract: Contract
    size: float
    buys: float = 0.0
    sells: float = 0.0
    premium: float = 0.0
    fees: float = 0.0

    @property
    def position(self) -> "Holding":
        """The same without its orders."""
        return Holding(contract=self.contract, size=self.size)


class Claims(NamedTuple):
    """What one currency of an account answers for, and what one unit of it is worth in USD."""

    currency: str
    currency_usd: float
    holdings: tuple[Holding, ...]

    @property
    def fees(self) -> float:
        """What the fees of its open orders would be."""
        return sum(holding.fees for holding in self.holdings)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Required:
    """Margins of an account, in one currency. `initial` includes the open orders' share.

    `valued` is the account in its scenarios, which what-ifs start from, of a portfolio account;
    its figures are in `unit` of the currency's units. `report` is what the model said of a standard
    account of one currency, where all of it was margined anew.
    """

    initial: float
    maintenance: float
    open_orders: float
    valued: Valued | None = None
    unit: float = 1.0
    report: Report | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Remembered:
    """What was needed for these holdings; `terms` are rules, model and frames."""

    terms: tuple[object, ...]
    claims: tuple[Claims, ...]
    required: Required


@dataclass(slots=True, kw_only=True, eq=False)
class MarginMemory:
    """What accounts needed when that was last asked, and for which market, positions and orders.

    By account and currency: `whole` under the account's model, `alone` position by position.
    """

    whole: dict[tuple[str, str, str], Remembered] = field(default_factory=dict)
    alone: dict[tuple[str, str], tuple[object, Report]] = field(default_factory=dict)


def frames_of(board: Board, currency: str, model: MarginModel) -> tuple[MarketFrame, ...]:
    """The frames that margins in a currency depend on; each equals only itself."""
    return tuple(
        board.frame(pair)
        for pair in board.pairs
        if model.is_cross or pair.settlement_currency == currency
    )


def standard(board: Board, rates: Rates, claims: Claims) -> Report:
    """What one currency needs under standard margin, the fees of orders left out."""
    return deribit_standard.report(account_of(board, (claims,), claims.currency), rates)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one instrument needs by itself: `orders` what its open orders add, fees included."""

    initial: float
    maintenance: float
    orders: float


def need(board: Board, rates: Rates, holding: Holding) -> Need:
    """What one instrument adds to a standard account; the sum of them is what `standard` says."""
    per_coin = _per_coin(board, rates, holding.contract)
    initial, maintenance = per_coin(holding.size)
    worst = max(
        initial,
        per_coin(holding.size + holding.buys)[0] if holding.buys else 0.0,
        per_coin(holding.size - holding.sells)[0] if holding.sells else 0.0,
    )
    orders = worst - initial + holding.premium + holding.fees
    return Need(initial=initial, maintenance=maintenance, orders=orders)


def _per_coin(
    board: Board, rates: Rates, contract: Contract
) -> Callable[[float], tuple[float, float]]:
    """Initial and maintenance margin of one instrument by its size (native, signed)."""
    mark = board.mark(contract)
    if not contract.is_option:
        unit = mark if contract.pair.is_linear else 1.0

        def future(size: float) -> tuple[float, float]:
            coins = abs(size_in_coin(contract, size, mark))
            share = deribit_standard.future_share(rates, contract.base, coins)
            return coins * unit * share.initial, coins * unit * share.maintenance

        return future
    forward = round(board.underlying(contract), FORWARD_DIGITS)
    underlying = np.array([[board.index_usd(contract.pair)], [forward]])
    initial, maintenance = deribit_standard.per_short_option(
        strike=np.array([contract.strike]),
        is_call=np.array([bool(contract.is_call)]),
        underlying=underlying,
        mark=np.array([round(mark, MARK_DIGITS)]),
        unit=underlying if contract.pair.is_linear else np.ones_like(underlying),
        rates=rates,
    )
    asked = float(initial[0]), float(maintenance[0])
    return lambda size: (max(-size, 0.0) * asked[0], max(-size, 0.0) * asked[1])


def changed(
    rules: Rules,
    board: Board,
    known: Required,
    before: Sequence[Claims],
    after: Sequence[Claims],
) -> Required:
    """What a standard account needs on the same frames as `known`, after its holdings changed.

    Only the instruments that changed are margined again.
    """
    own_usd, rates = after[0].currency_usd, rules.standard_margin
    initial, maintenance, orders = known.initial, known.maintenance, known.open_orders
    for then, now in zip(before, after, strict=True):
        if then is now:
            continue
        unit = now.currency_usd / own_usd
        was, becomes = (
            {holding.contract.name: holding for holding in claim.holdings} for claim in (then, now)
        )
        for sign, some, others in ((-unit, was, becomes), (unit, becomes, was)):
            for name, holding in some.items():
                if others.get(name) != holding:
                    needed = need(board, rates, holding)
                    initial += sign * (needed.initial + needed.orders)
                    maintenance += sign * needed.maintenance
                    orders += sign * needed.orders
    return Required(initial=initial, maintenance=maintenance, open_orders=orders)


def required(
    rules: Rules,
    board: Board,
    model: MarginModel,
    claims: Sequence[Claims],
    known: Valued | None = None,
) -> Required:
    """What an account needs, in the currency of the first of its `claims`.

    A segregated account has one, a cross account one for each currency. Of what is `known` a
    portfolio account's scenarios value only what has changed.
    """
    own_usd = claims[0].currency_usd
    fees = sum(claim.fees * claim.currency_usd for claim in claims) / own_usd
    if model.is_portfolio:
        return _portfolio(rules.portfolio_margin, board, claims, fees, known)
    initial, maintenance, orders, report = 0.0, 0.0, fees, None
    for claim in claims:
        if claim.holdings:
            report, unit = (
                standard(board, rules.standard_margin, claim),
                claim.currency_usd / own_usd,
            )
            initial += report.initial * unit
            maintenance += report.maintenance * unit
            orders += orders_share(report) * unit
    return Required(
        initial=initial + fees,
        maintenance=maintenance,
        open_orders=orders,
        report=report if len(claims) == 1 else None,
    )


def _portfolio(
    parameters: Parameters,
    board: Board,
    claims: Sequence[Claims],
    fees: float,
    known: Valued | None,
) -> Required:
    own = claims[0]
    currency = own.currency if len(claims) == 1 else USD
    valued = deribit_portfolio.value(account_of(board, claims, currency), parameters, known)
    report = deribit_portfolio.report_of(valued)
    unit = 1.0 if currency == own.currency else 1.0 / own.currency_usd
    return Required(
        initial=report.initial * unit + fees,
        maintenance=report.maintenance * unit,
        open_orders=orders_share(report) * unit + fees,
        valued=valued,
        unit=unit,
    )


def orders_share(report: Report) -> float:
    """What the open orders add to the initial margin, their fees left out."""
    return next(part.initial for part in report.contingencies if part.name == "open orders")


def account_of(board: Board, claims: Sequence[Claims], currency: str) -> Account:
    """What a margin model is asked about: the positions and orders of these claims."""
    by_pair: dict[Pair, list[Holding]] = {}
    orders: list[OpenOrder] = []
    for claim in claims:
        for holding in claim.holdings:
            by_pair.setdefault(holding.contract.pair, []).append(holding)
            if holding.buys or holding.sells:
                orders += _orders(board, holding)
    return Account(
        currency=currency,
        currency_usd=claims[0].currency_usd if currency != USD else 1.0,
        pairs=tuple(_pair(board, pair, held) for pair, held in by_pair.items()),
        orders=tuple(orders),
    )


def _orders(board: Board, holding: Holding) -> Iterable[OpenOrder]:
    """All open buys of an instrument as one order, and all its sells as another."""
    contract, mark = holding.contract, board.mark(holding.contract)
    for size, price in (
        (holding.buys, holding.premium / holding.buys if holding.buys else 0.0),
        (-holding.sells, 0.0),
    ):
        if size:
            yield OpenOrder(
                instrument=contract.name, size_coin=size_in_coin(contract, size, mark), price=price
            )


def _pair(board: Board, pair: Pair, held: Sequence[Holding]) -> IndexedPair:
    options = [holding for holding in held if holding.contract.is_option]
    futures = [holding for holding in held if not holding.contract.is_option]
    return IndexedPair(
        index_name=pair.index_name,
        underlying=pair.base,
        is_linear=pair.is_linear,
        index_usd=board.index_usd(pair),
        options=_options(board, board.frame(pair), options) if options else NO_OPTIONS,
        futures=_futures(board, board.frame(pair), futures) if futures else NO_FUTURES,
    )


def _options(board: Board, frame: MarketFrame, held: Sequence[Holding]) -> Options:
    contracts = [holding.contract for holding in held]
    rows = [
        (
            holding.size,
            contract.strike,
            contract.expiry_ms,
            board.underlying(contract),
            board.mark_iv(contract),
            board.mark(contract),
            board.discount(contract),
        )
        for holding, contract in zip(held, contracts, strict=True)
    ]
    size, strike, expiry_ms, forward, iv, mark, discount = np.array(rows, dtype=np.float64).T
    return Options(
        names=tuple(contract.name for contract in contracts),
        size=size,
        strike=strike,
        years=np.maximum(expiry_ms - frame.at_ms, 0.0) / YEAR_MS,
        is_call=np.array([bool(contract.is_call) for contract in contracts]),
        forward=np.round(forward, FORWARD_DIGITS),
        iv=np.round(iv * 100.0, IV_PERCENT_DIGITS) / 100.0,
        mark=np.round(mark, MARK_DIGITS),
        discount=discount,
    )


def _futures(board: Board, frame: MarketFrame, held: Sequence[Holding]) -> Futures:
    marks = np.array([board.mark(holding.contract) for holding in held])
    sizes = np.array([holding.size for holding in held])
    left = [max(_expiry_ms(holding.contract, frame) - frame.at_ms, 0) for holding in held]
    is_usd = held[0].contract.is_sized_in_usd
    return Futures(
        names=tuple(holding.contract.name for holding in held),
        size_coin=sizes / marks if is_usd else sizes,
        mark_usd=marks,
        years=np.array(left, dtype=np.float64) / YEAR_MS,
    )


def _expiry_ms(contract: Contract, frame: MarketFrame) -> int:
    """When it is delivered; a perpetual never is, which counts as at once."""
    return frame.at_ms if contract.kind is Kind.PERPETUAL else contract.expiry_ms


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
