"""A wallet seen whole: exposures for margin, positions and the summary, with the venue's sums.

equity = balance + futures session profit + options_value
available_funds = margin_balance - initial_margin
delta_total_map = futures in coin + options_delta, by index
delta_total = its sum, less options_value where that is in coin (inverse pairs)
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.core.margin import deribit_standard
from bot.core.margin.report import Report
from bot.exchange.board import Board
from bot.exchange.contracts import PAIR_OF_INDEX, Contract, Kind
from bot.exchange.margin_reports import TotalsUsd
from bot.exchange.margins import Required, size_in_coin
from bot.exchange.reports import AccountView, PositionView
from bot.exchange.situation import Situation
from bot.exchange.wallets import Position, Valuation


@dataclass(frozen=True, slots=True)
class _Greeks:
    delta: float = 0.0
    gamma: float = 0.0
    vega: float = 0.0
    theta: float = 0.0

    def __add__(self, other: "_Greeks") -> "_Greeks":
        return _Greeks(
            self.delta + other.delta,
            self.gamma + other.gamma,
            self.vega + other.vega,
            self.theta + other.theta,
        )


def _position_greeks(board: Board, position: Position) -> _Greeks:
    contract, size = position.contract, float(position.size)
    if size == 0.0:
        return _Greeks()
    if not contract.is_option:
        return _Greeks(delta=size_in_coin(contract, size, board.mark(contract)))
    unit = board.greeks(contract)
    return _Greeks(size * unit.delta, size * unit.gamma, size * unit.vega, size * unit.theta)


def position_view(at: Situation, contract: Contract, alone: Report | None = None) -> PositionView:
    """One position as the venue shows it; a flat one has zeros.

    Its margins are those it would need `alone`, whichever model the account has, as at the venue.
    """
    held = at.wallet.positions.get(contract.name)
    position = held if held is not None else Position(contract=contract)
    mark, paid = at.board.mark(contract), at.paid_of(contract)
    holding = at.holding(contract)
    margin = (0.0, 0.0) if held is None else _position_margin(alone or at.alone(), contract)
    greeks = _position_greeks(at.board, position)
    pending = position.pending_funding(paid)
    floating, is_option = position.floating(mark), contract.is_option
    # What a coin of premium is in USD: the option's forward where premiums are coins.
    coin_usd = 1.0 if contract.pair.is_linear else at.board.underlying(contract)
    size_coin = None if is_option else size_in_coin(contract, holding.size, mark)
    rate = 1.0 if is_option else _futures_rates(at, contract, size_coin or 0.0)[0]
    return PositionView(
        instrument_name=contract.name,
        kind=contract.kind,
        currency=contract.settlement_currency,
        size=position.size,
        size_coin=size_coin,
        average_price=position.average_price,
        average_price_usd=position.average_price * coin_usd if is_option else None,
        mark_price=mark,
        index_price=at.board.index_usd(contract.pair),
        settlement_price=position.settlement_price,
        delta=greeks.delta,
        gamma=greeks.gamma,
        vega=greeks.vega,
        theta=greeks.theta,
        initial_margin=margin[0],
        maintenance_margin=margin[1],
        open_orders_margin=at.need(holding).orders if holding.buys or holding.sells else 0.0,
        floating_profit_loss=floating,
        floating_profit_loss_usd=floating * coin_usd if is_option else None,
        realized_profit_loss=float(position.session_realised) + pending,
        total_profit_loss=position.total(mark),
        realized_funding=float(position.session_funding) + pending,
        interest_value=_interest_value(at.board, contract, paid),
        leverage=0 if is_option else round(1 / rate),
    )


def _position_margin(alone: Report, contract: Contract) -> tuple[float, float]:
    margins = alone.positions
    row = margins.names.index(contract.name)
    return float(margins.initial[row]), float(margins.maintenance[row])


def _futures_rates(at: Situation, contract: Contract, size_coin: float) -> tuple[float, float]:
    """Initial and maintenance rate of a position of this size, coins of either sign."""
    found = deribit_standard.future_share(at.rules.standard_margin, contract.base, abs(size_coin))
    return found.initial, found.maintenance


def _interest_value(board: Board, contract: Contract, paid: float) -> float:
    """The funding meter's reading as a sum of rates."""
    if contract.kind is not Kind.PERPETUAL:
        return 0.0
    index_usd = board.index_usd(contract.pair)
    return paid / index_usd if contract.pair.is_linear else paid * index_usd


def _sum_profits(at: Situation, *, options: bool) -> tuple[float, float]:
    """Unrealised profit of the session, and since the average prices."""
    profits = [
        position.profits(at.board.mark(position.contract))
        for position in at.wallet.positions.values()
        if position.contract.is_option is options
    ]
    return sum(session for session, _ in profits), sum(total for _, total in profits)


def _nearest_expiry_ms(at: Situation) -> int:
    currencies = {at.wallet.currency, *(one.wallet.currency for one in at.beside)}
    own = (c.expiry_ms for c in at.board.known_contracts() if c.settlement_currency in currencies)
    return min(own, default=0)


def liquidation_ratios(at: Situation) -> dict[str, float]:
    """Where an account would be liquidated, by index: relative to a perpetual's mark."""
    return _liquidation_ratios(at, at.margin_balance(), at.margins())


def _liquidation_ratios(at: Situation, balance: float, margins: Required) -> dict[str, float]:
    """Where, relative to a perpetual's mark, margin_balance meets maintenance, all else still.

    None in a portfolio account, as at the venue.
    """
    ratios: dict[str, float] = {}
    if at.model.is_portfolio:
        return ratios
    for position in at.wallet.positions.values():
        contract = position.contract
        if contract.kind is not Kind.PERPETUAL or not position.size:
            continue
        mark = at.board.mark(contract)
        size_coin = size_in_coin(contract, float(position.size), mark)
        others = margins.maintenance - _position_margin(at.alone(), contract)[1]
        rate = _futures_rates(at, contract, size_coin)[1]
        if contract.pair.is_linear:
            value = size_coin * mark
            slope = rate * abs(value) - value
            ratio = (balance - value - others) / slope if slope else 0.0
        else:
            room = balance + size_coin - others
            ratio = (size_coin + rate * abs(size_coin)) / room if room else 0.0
        ratios[contract.pair.index_name] = max(ratio, 0.0)
    return ratios


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sums:
    """A wallet's Greeks by index: of its options, all deltas, and the net of what expires next."""

    options: Mapping[str, _Greeks]
    delta: Mapping[str, float]
    expiring_net_delta: float

    def by_index(self, greek: str) -> dict[str, float]:
        """One of the options' Greeks by index."""
        return {name: getattr(each, greek) for name, each in self.options.items()}

    @property
    def all_options(self) -> _Greeks:
        return sum(self.options.values(), _Greeks())


def _sums(at: Situation, nearest_ms: int) -> _Sums:
    own = [p for p in at.board.pairs if p.settlement_currency == at.wallet.currency]
    delta = dict.fromkeys((pair.index_name for pair in own), 0.0)
    options = dict.fromkeys(delta, _Greeks())
    expiring = 0.0
    for position in at.wallet.positions.values():
        contract, greeks = position.contract, _position_greeks(at.board, position)
        index_name = contract.pair.index_name
        delta[index_name] += greeks.delta
        if contract.is_option:
            options[index_name] += greeks
        if contract.expiry_ms == nearest_ms:
            premium = float(position.size) * at.board.mark(contract)
            expiring += greeks.delta - (premium if contract.quote == contract.base else 0.0)
    return _Sums(options=options, delta=delta, expiring_net_delta=expiring)


def _premium(at: Situation, worth: Valuation) -> float:
    """The part of the options' value that is delta: premiums in coin are, those in USDC are not."""
    bases = {pair.base for pair in at.board.pairs if not pair.is_linear}
    return worth.options_value if at.wallet.currency in bases else 0.0


def _net_delta(at: Situation, sums: _Sums, worth: Valuation) -> float:
    """The venue's net transaction delta."""
    return sum(sums.delta.values()) - _premium(at, worth)


def account_view(at: Situation) -> AccountView:
    """The account summary in the wallet's currency."""
    wallet, worth, nearest_ms = at.wallet, at.value(), _nearest_expiry_ms(at)
    balance, margins = at.margin_balance(worth), at.margins()
    projected, sums = at.projected(nearest_ms), _sums(at, nearest_ms)
    options_upl, options_pl = _sum_profits(at, options=True)
    _, futures_pl = _sum_profits(at, options=False)
    options_rpl, delta_total = float(wallet.options_session_rpl), _net_delta(at, sums, worth)
    greeks, ratios = sums.all_options, _liquidation_ratios(at, balance, margins)
    return AccountView(
        account=wallet.account,
        currency=wallet.currency,
        margin_model=at.model,
        balance=worth.balance,
        equity=worth.equity,
        margin_balance=balance,
        available_funds=balance - margins.initial,
        available_withdrawal_funds=_withdrawable(at, worth, balance, margins),
        initial_margin=margins.initial,
        maintenance_margin=margins.maintenance,
        open_orders_margin=margins.open_orders,
        projected_initial_margin=projected.initial,
        projected_maintenance_margin=projected.maintenance,
        delta_total=delta_total,
        delta_total_map=sums.delta,
        projected_delta_total=delta_total - sums.expiring_net_delta,
        options_value=worth.options_value,
        options_delta=greeks.delta,
        options_gamma=greeks.gamma,
        options_vega=greeks.vega,
        options_theta=greeks.theta,
        options_gamma_map=sums.by_index("gamma"),
        options_vega_map=sums.by_index("vega"),
        options_theta_map=sums.by_index("theta"),
        options_pl=options_pl,
        options_session_upl=options_upl,
        options_session_rpl=options_rpl,
        futures_pl=futures_pl,
        futures_session_upl=worth.futures_upl,
        futures_session_rpl=worth.futures_rpl,
        session_upl=worth.futures_upl + options_upl,
        session_rpl=worth.futures_rpl + options_rpl,
        total_pl=futures_pl + options_pl,
        fees_paid=float(wallet.fees_paid),
        funding_paid=float(wallet.funding_paid),
        estimated_liquidation_ratio=next(iter(ratios.values()), 0.0),
        estimated_liquidation_ratio_map=ratios,
        totals_usd=_totals_usd(at, worth, balance, margins) if at.model.is_cross else None,
    )


def _withdrawable(at: Situation, worth: Valuation, balance: float, margins: Required) -> float:
    """Unrealised gains cannot be withdrawn before they are settled; losses count at once.

    Nor can what other currencies of a cross account are worth.
    """
    free = min(balance, worth.balance) - margins.initial
    if at.beside:
        free = min(balance - margins.initial, worth.balance, worth.margin_balance)
    return max(free, 0.0)


def _totals_usd(at: Situation, worth: Valuation, balance: float, margins: Required) -> TotalsUsd:
    """A cross account as a whole."""
    usd = at.currency_usd
    return TotalsUsd(
        equity=worth.equity * usd + sum(o.value().equity * o.currency_usd for o in at.beside),
        margin_balance=balance * usd,
        initial_margin=margins.initial * usd,
        maintenance_margin=margins.maintenance * usd,
        delta_total=sum(map(_net_delta_usd, (at, *at.beside))),
    )


def _net_delta_usd(at: Situation) -> float:
    """The net delta of one currency, each coin at its index."""
    delta = _sums(at, nearest_ms=0).delta
    usd = sum(coins * at.board.index_usd(PAIR_OF_INDEX[name]) for name, coins in delta.items())
    return usd - _premium(at, at.value()) * at.currency_usd
