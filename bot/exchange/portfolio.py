"""An account seen whole: exposures for margin, positions and the summary, with the venue's sums.

margin_balance = balance + futures session profit      equity = margin_balance + options_value
available_funds = margin_balance - initial_margin
delta_total = perpetual in coin + options_delta - options_value
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.exchange.accounts import Account, Position, Valuation, value_account
from bot.exchange.board import Board
from bot.exchange.contracts import Contract, Kind
from bot.exchange.margins import (
    Exposure,
    MarginTotals,
    futures_rates,
    order_reserve,
    reduces,
    total_margins,
)
from bot.exchange.orders import Order, signed
from bot.exchange.reports import AccountView, Direction, PositionView
from bot.exchange.rules import MarginUnderlying, Rules

MARGIN_MODEL = "segregated_sm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What an account is judged by: the rules, the market, the funding meter, its open orders."""

    rules: Rules
    board: Board
    paid_per_usd: float
    account: Account
    open_orders: Sequence[Order]

    def value(self, *, rounded: bool = False) -> Valuation:
        """The account's worth on the board's marks."""
        return value_account(self.account, self.board.mark, self.paid_per_usd, rounded=rounded)

    def exposures(self, extra: Order | None = None) -> Mapping[str, Exposure]:
        """Position and open orders by instrument, `extra` counted as if it were open."""
        orders = [*self.open_orders, extra] if extra is not None else self.open_orders
        contracts = {p.contract.name: p.contract for p in self.account.positions.values()}
        contracts.update({order.contract.name: order.contract for order in orders})
        return {
            name: self._exposure(contract, [o for o in orders if o.contract.name == name])
            for name, contract in contracts.items()
        }

    def exposure_on(self, contract: Contract) -> Exposure:
        """One instrument's position and open orders."""
        own = [order for order in self.open_orders if order.contract.name == contract.name]
        return self._exposure(contract, own)

    def margins(self, extra: Order | None = None) -> MarginTotals:
        """The account's margins, `extra` counted as if it were open."""
        return total_margins(self.rules, self.exposures(extra).values())

    def is_reducing(self, order: Order) -> bool:
        """Whether the order only reduces its position, after the open orders of its side too."""
        already = sum(
            float(o.remaining)
            for o in self.open_orders
            if o.contract.name == order.contract.name and o.direction is order.direction
        )
        change = float(signed(order.direction, order.remaining))
        return reduces(float(self.account.size(order.contract.name)), change, already)

    def _exposure(self, contract: Contract, orders: Sequence[Order]) -> Exposure:
        board, rules = self.board, self.rules
        buys, sells, premium, fees = 0.0, 0.0, 0.0, 0.0
        mark = board.mark(contract)
        for order in orders:
            amount = float(order.remaining)
            price = float(order.price)
            is_buy = order.direction is Direction.BUY
            cost, fee = order_reserve(rules.fees, contract, amount, price, is_buy=is_buy)
            buys, sells = (buys + amount, sells) if is_buy else (buys, sells + amount)
            premium, fees = premium + cost, fees + fee
        on_index = rules.option_margin.underlying is MarginUnderlying.INDEX
        return Exposure(
            contract=contract,
            mark=mark,
            underlying_usd=board.frame.index_usd if on_index else board.underlying(contract),
            size=float(self.account.size(contract.name)),
            buys=buys,
            sells=sells,
            premium_coin=premium,
            fees_coin=fees,
        )


@dataclass(frozen=True, slots=True)
class _Greeks:
    delta: float = 0.0
    gamma: float = 0.0
    vega: float = 0.0
    theta: float = 0.0


def _position_greeks(board: Board, position: Position) -> _Greeks:
    size = float(position.size)
    if position.contract.kind is Kind.PERPETUAL:
        return _Greeks(delta=size / board.mark(position.contract))
    unit = board.greeks(position.contract)
    return _Greeks(size * unit.delta, size * unit.gamma, size * unit.vega, size * unit.theta)


def position_view(at: Situation, contract: Contract) -> PositionView:
    """One position as the venue shows it; a flat one has zeros."""
    held = at.account.positions.get(contract.name)
    position = held if held is not None else Position(contract=contract)
    mark, index = at.board.mark(contract), at.board.frame.index_usd
    is_perpetual = contract.kind is Kind.PERPETUAL
    exposure = at.exposure_on(contract)
    margin = exposure.position_margin(at.rules, exposure.size)
    greeks = _position_greeks(at.board, position) if position.size else _Greeks()
    pending = position.pending_funding(at.paid_per_usd)
    floating = position.floating(mark)
    size_coin = float(position.size) / mark if is_perpetual else None
    rate = futures_rates(at.rules.futures_tiers, size_coin or 0.0)[0]
    underlying = at.board.underlying(contract)
    return PositionView(
        instrument_name=contract.name,
        kind=contract.kind,
        size=position.size,
        size_coin=size_coin,
        average_price=position.average_price,
        average_price_usd=None if is_perpetual else position.average_price * underlying,
        mark_price=mark,
        index_price=index,
        settlement_price=position.settlement_price,
        delta=greeks.delta,
        gamma=greeks.gamma,
        vega=greeks.vega,
        theta=greeks.theta,
        initial_margin=margin[0],
        maintenance_margin=margin[1],
        open_orders_margin=exposure.orders_margin(at.rules),
        floating_profit_loss=floating,
        floating_profit_loss_usd=None if is_perpetual else floating * underlying,
        realized_profit_loss=position.session_realised + pending,
        total_profit_loss=position.total(mark),
        realized_funding=position.session_funding + pending,
        interest_value=at.paid_per_usd * index if is_perpetual else 0.0,
        leverage=round(1 / rate) if is_perpetual else 0,
    )


def _sum_profits(at: Situation, kind: Kind) -> tuple[float, float]:
    held = [p for p in at.account.positions.values() if p.contract.kind is kind]
    marks = [at.board.mark(p.contract) for p in held]
    session = sum(p.floating(mark) for p, mark in zip(held, marks, strict=True))
    return session, sum(p.total(mark) for p, mark in zip(held, marks, strict=True))


def _nearest_expiry_ms(board: Board) -> int:
    return min((c.expiry_ms for c in board.known_contracts()), default=0)


def _liquidation_ratio(at: Situation, worth: Valuation, exposures: Iterable[Exposure]) -> float:
    """Where, relative to the perpetual's mark, margin_balance meets maintenance, all else still."""
    perp = next((e for e in exposures if e.contract.kind is Kind.PERPETUAL and e.size), None)
    if perp is None:
        return 0.0
    others = sum(
        e.position_margin(at.rules, e.size)[1] for e in exposures if e.contract.kind is Kind.OPTION
    )
    size_coin = perp.size / perp.mark
    rate = futures_rates(at.rules.futures_tiers, size_coin)[1]
    room = worth.margin_balance + size_coin - others
    ratio = (size_coin + rate * abs(size_coin)) / room if room else 0.0
    return max(ratio, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sums:
    """An account's Greeks: of its options, of everything, and of what expires next (net delta)."""

    options: _Greeks
    delta: float
    expiring_net_delta: float


def _sums(at: Situation, nearest_ms: int) -> _Sums:
    delta, expiring, options = 0.0, 0.0, [0.0, 0.0, 0.0, 0.0]
    for position in at.account.positions.values():
        contract, greeks = position.contract, _position_greeks(at.board, position)
        delta += greeks.delta
        if contract.kind is Kind.PERPETUAL:
            continue
        parts = (greeks.delta, greeks.gamma, greeks.vega, greeks.theta)
        options = [total + part for total, part in zip(options, parts, strict=True)]
        if contract.expiry_ms == nearest_ms:
            expiring += greeks.delta - float(position.size) * at.board.mark(contract)
    return _Sums(options=_Greeks(*options), delta=delta, expiring_net_delta=expiring)


def account_view(at: Situation) -> AccountView:
    """The account summary."""
    account, worth, nearest_ms = at.account, at.value(), _nearest_expiry_ms(at.board)
    exposures = list(at.exposures().values())
    margins = total_margins(at.rules, exposures)
    later = [e for e in exposures if e.contract.expiry_ms != nearest_ms]
    projected, sums = total_margins(at.rules, later), _sums(at, nearest_ms)
    options_upl, options_pl = _sum_profits(at, Kind.OPTION)
    _, futures_pl = _sum_profits(at, Kind.PERPETUAL)
    return AccountView(
        account=account.name,
        currency=account.currency,
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
        delta_total=sums.delta - worth.options_value,
        delta_total_map={f"{account.currency.lower()}_usd": sums.delta},
        projected_delta_total=sums.delta - worth.options_value - sums.expiring_net_delta,
        options_value=worth.options_value,
        options_delta=sums.options.delta,
        options_gamma=sums.options.gamma,
        options_vega=sums.options.vega,
        options_theta=sums.options.theta,
        options_pl=options_pl,
        options_session_upl=options_upl,
        options_session_rpl=account.options_session_rpl,
        futures_pl=futures_pl,
        futures_session_upl=worth.futures_upl,
        futures_session_rpl=worth.futures_rpl,
        session_upl=worth.futures_upl + options_upl,
        session_rpl=worth.futures_rpl + account.options_session_rpl,
        total_pl=futures_pl + options_pl,
        fees_paid=account.fees_paid,
        funding_paid=account.funding_paid,
        estimated_liquidation_ratio=_liquidation_ratio(at, worth, exposures),
    )


def _withdrawable(worth: Valuation, margins: MarginTotals) -> float:
    """Unrealised gains cannot be withdrawn before they are settled; losses count at once."""
    return max(min(worth.margin_balance, worth.balance) - margins.initial, 0.0)
