"""A wallet seen whole: exposures for margin, positions and the summary, with the venue's sums.

margin_balance = balance + futures session profit      equity = margin_balance + options_value
available_funds = margin_balance - initial_margin
delta_total_map = futures in coin + options_delta, by index
delta_total = its sum, less options_value where that is in coin (inverse pairs)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bot.exchange.board import Board
from bot.exchange.contracts import Contract, Kind
from bot.exchange.margins import (
    Exposure,
    MarginTotals,
    futures_rates,
    order_reserve,
    reduces,
    size_in_coin,
    total_margins,
)
from bot.exchange.orders import Order, Reserve, signed
from bot.exchange.reports import AccountView, Direction, PositionView
from bot.exchange.rules import MarginUnderlying, Rules
from bot.exchange.wallets import Position, Valuation, Wallet, value_wallet

MARGIN_MODEL = "segregated_sm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What a wallet is judged by: rules, market, funding meters, the open orders it answers for."""

    rules: Rules
    board: Board
    paid_of: Callable[[Contract], float]
    wallet: Wallet
    open_orders: Sequence[Order]

    def value(self, *, rounded: bool = False) -> Valuation:
        """The wallet's worth on the board's marks."""
        return value_wallet(self.wallet, self.board.mark, self.paid_of, rounded=rounded)

    def exposures(self, extra: Order | None = None) -> Mapping[str, Exposure]:
        """Position and open orders by instrument, `extra` counted as if it were open."""
        orders = [*self.open_orders, extra] if extra is not None else self.open_orders
        by_contract: dict[str, tuple[Contract, list[Order]]] = {
            name: (position.contract, []) for name, position in self.wallet.positions.items()
        }
        for order in orders:
            contract = order.contract
            found = by_contract.get(contract.name)
            if found is None:
                found = by_contract[contract.name] = (contract, [])
            found[1].append(order)
        return {name: self._exposure(*found) for name, found in by_contract.items()}

    def exposure_on(self, contract: Contract) -> Exposure:
        """One instrument's position and open orders."""
        own = [order for order in self.open_orders if order.contract.name == contract.name]
        return self._exposure(contract, own)

    def margins(self, extra: Order | None = None) -> MarginTotals:
        """The wallet's margins, `extra` counted as if it were open."""
        return total_margins(self.rules, self.exposures(extra).values())

    def is_reducing(self, order: Order) -> bool:
        """Whether the order only reduces its position, after the open orders of its side too."""
        size = float(self.wallet.size(order.contract.name))
        change = float(signed(order.direction, order.remaining))
        if size * change >= 0:
            return False
        already = sum(
            float(o.remaining)
            for o in self.open_orders
            if o.contract.name == order.contract.name and o.direction is order.direction
        )
        return reduces(size, change, already)

    def _exposure(self, contract: Contract, orders: Sequence[Order]) -> Exposure:
        board, rules = self.board, self.rules
        buys, sells, premium, fees = 0.0, 0.0, 0.0, 0.0
        mark, index_usd = board.mark(contract), board.index_usd(contract.pair)
        coin_usd = index_usd if contract.pair.is_linear else 1.0
        for order in orders:
            held = _reserve(rules, order, coin_usd)
            if order.direction is Direction.BUY:
                buys += held.amount
            else:
                sells += held.amount
            premium += held.premium
            fees += held.fee
        on_index = rules.option_margin.underlying is MarginUnderlying.INDEX
        return Exposure(
            contract=contract,
            mark=mark,
            underlying_usd=index_usd if on_index else board.underlying(contract),
            size=float(self.wallet.size(contract.name)),
            buys=buys,
            sells=sells,
            premium=premium,
            fees=fees,
        )


def _reserve(rules: Rules, order: Order, coin_usd: float) -> Reserve:
    """What an open order holds back, worked out again only when the order or the coin changed.

    `coin_usd` is the index where a fee depends on it, else 1. An account may have a thousand open
    orders, and each new one asks all of them.
    """
    known = order.reserve
    if (
        known is not None
        and known.of == (order.amount, order.filled, order.price)
        and known.coin_usd == coin_usd
    ):
        return known
    amount, is_buy = float(order.remaining), order.direction is Direction.BUY
    premium, fee = order_reserve(
        rules.fees, order.contract, amount, float(order.price), is_buy=is_buy, index_usd=coin_usd
    )
    order.reserve = Reserve(
        of=(order.amount, order.filled, order.price),
        coin_usd=coin_usd,
        amount=amount,
        premium=premium,
        fee=fee,
    )
    return order.reserve


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


def position_view(at: Situation, contract: Contract) -> PositionView:
    """One position as the venue shows it; a flat one has zeros."""
    held = at.wallet.positions.get(contract.name)
    position = held if held is not None else Position(contract=contract)
    mark, paid = at.board.mark(contract), at.paid_of(contract)
    exposure = at.exposure_on(contract)
    margin = exposure.position_margin(at.rules, exposure.size)
    greeks = _position_greeks(at.board, position)
    pending = position.pending_funding(paid)
    floating, is_option = position.floating(mark), contract.is_option
    # What a coin of premium is in USD: the option's forward where premiums are coins.
    coin_usd = 1.0 if contract.pair.is_linear else at.board.underlying(contract)
    size_coin = None if is_option else size_in_coin(contract, exposure.size, mark)
    rate = futures_rates(at.rules.futures_tiers[contract.base], size_coin or 0.0)[0]
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
        open_orders_margin=exposure.orders_margin(at.rules),
        floating_profit_loss=floating,
        floating_profit_loss_usd=floating * coin_usd if is_option else None,
        realized_profit_loss=float(position.session_realised) + pending,
        total_profit_loss=position.total(mark),
        realized_funding=float(position.session_funding) + pending,
        interest_value=_interest_value(at.board, contract, paid),
        leverage=0 if is_option else round(1 / rate),
    )


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
    own = (
        c.expiry_ms
        for c in at.board.known_contracts()
        if c.settlement_currency == at.wallet.currency
    )
    return min(own, default=0)


def _liquidation_ratios(
    at: Situation, worth: Valuation, exposures: Sequence[Exposure]
) -> dict[str, float]:
    """Where, relative to a perpetual's mark, margin_balance meets maintenance, all else still."""
    ratios: dict[str, float] = {}
    for perp in exposures:
        if perp.contract.kind is not Kind.PERPETUAL or not perp.size:
            continue
        others = sum(e.position_margin(at.rules, e.size)[1] for e in exposures if e is not perp)
        size_coin = size_in_coin(perp.contract, perp.size, perp.mark)
        rate = futures_rates(at.rules.futures_tiers[perp.contract.base], size_coin)[1]
        if perp.contract.pair.is_linear:
            value = size_coin * perp.mark
            slope = rate * abs(value) - value
            ratio = (worth.margin_balance - value - others) / slope if slope else 0.0
        else:
            room = worth.margin_balance + size_coin - others
            ratio = (size_coin + rate * abs(size_coin)) / room if room else 0.0
        ratios[perp.contract.pair.index_name] = max(ratio, 0.0)
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


def _net_delta(at: Situation, sums: _Sums, worth: Valuation) -> float:
    """The venue's net transaction delta: premiums in coin are delta, those in USDC are not."""
    bases = {pair.base for pair in at.board.pairs if not pair.is_linear}
    premium = worth.options_value if at.wallet.currency in bases else 0.0
    return sum(sums.delta.values()) - premium


def account_view(at: Situation) -> AccountView:
    """The account summary in the wallet's currency."""
    wallet, worth, nearest_ms = at.wallet, at.value(), _nearest_expiry_ms(at)
    exposures = list(at.exposures().values())
    margins = total_margins(at.rules, exposures)
    later = [e for e in exposures if e.contract.expiry_ms != nearest_ms]
    projected, sums = total_margins(at.rules, later), _sums(at, nearest_ms)
    options_upl, options_pl = _sum_profits(at, options=True)
    _, futures_pl = _sum_profits(at, options=False)
    options_rpl, delta_total = float(wallet.options_session_rpl), _net_delta(at, sums, worth)
    greeks, ratios = sums.all_options, _liquidation_ratios(at, worth, exposures)
    return AccountView(
        account=wallet.account,
        currency=wallet.currency,
        margin_model=MARGIN_MODEL,
        balance=worth.balance,
        equity=worth.equity,
        margin_balance=worth.margin_balance,
        available_funds=worth.margin_balance - margins.initial,
        available_withdrawal_funds=_withdrawable(worth, margins),
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
    )


def _withdrawable(worth: Valuation, margins: MarginTotals) -> float:
    """Unrealised gains cannot be withdrawn before they are settled; losses count at once."""
    return max(min(worth.margin_balance, worth.balance) - margins.initial, 0.0)
