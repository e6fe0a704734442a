"""What an account is judged by: its money, positions and open orders at one moment.

margin_balance is balance + futures session profit under standard margin; under portfolio margin the
options' value counts as well ("margin sharing does not apply to long option positions unless
portfolio margin is enabled", as the venue's support says), so that it is the equity. In a cross
account all currencies answer together: what is said of one is the sum in USD, converted.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bot.core.margin import deribit_portfolio
from bot.core.margin.report import Report
from bot.exchange.board import Board
from bot.exchange.contracts import Contract
from bot.exchange.margins import (
    Claims,
    Holding,
    MarginMemory,
    Need,
    Remembered,
    Required,
    changed,
    frames_of,
    need,
    order_reserve,
    reduces,
    required,
    size_in_coin,
    standard,
)
from bot.exchange.orders import Order, Reserve, signed
from bot.exchange.reports import Direction
from bot.exchange.rules import MarginModel, Rules
from bot.exchange.wallets import Valuation, Wallet, value_wallet

WHOLE: Final = "whole"
ALONE: Final = "alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One currency of an account: rules, market, funding meters, the open orders it answers for.

    `beside` are the account's other currencies where they answer for one another. `memory` keeps
    what was needed when that was last asked.
    """

    rules: Rules
    board: Board
    paid_of: Callable[[Contract], float]
    wallet: Wallet
    open_orders: Sequence[Order]
    model: MarginModel = MarginModel.SEGREGATED_SM
    beside: tuple["Situation", ...] = ()
    memory: MarginMemory = field(default_factory=MarginMemory)

    @property
    def currency_usd(self) -> float:
        """What one unit of the wallet's currency is worth."""
        for pair in self.board.pairs:
            if pair.base == self.wallet.currency and not pair.is_linear:
                return self.board.index_usd(pair)
        return 1.0

    def value(self, *, rounded: bool = False) -> Valuation:
        """The wallet's worth on the board's marks."""
        return value_wallet(self.wallet, self.board.mark, self.paid_of, rounded=rounded)

    def margin_balance(self, worth: Valuation | None = None) -> float:
        """What margin is held against, in the wallet's currency; `worth` is the wallet's own."""
        own = self._counted(self.value() if worth is None else worth)
        if not self.beside:
            return own
        usd = sum(one.currency_usd * one._counted(one.value()) for one in self.beside)  # noqa: SLF001
        return own + usd / self.currency_usd

    def _counted(self, worth: Valuation) -> float:
        return worth.equity if self.model.is_portfolio else worth.margin_balance

    # ---- margins -----------------------------------------------------------------------------

    def margins(self, extra: Order | None = None) -> Required:
        """What the account must hold, `extra` counted as if it were open."""
        now = self.claims()
        known = self._remembered(WHOLE, now)
        if extra is None:
            return known
        with_extra = (self._with(now[0], extra), *now[1:])
        if self.model.is_portfolio:
            return required(self.rules, self.board, self.model, with_extra, known.valued)
        return changed(self.rules, self.board, known, now, with_extra)

    def projected(self, nearest_ms: int) -> Required:
        """The same without what expires at `nearest_ms`."""
        claims = self.claims()
        later = tuple(
            Claims(
                currency=claim.currency,
                currency_usd=claim.currency_usd,
                holdings=tuple(h for h in claim.holdings if h.contract.expiry_ms != nearest_ms),
            )
            for claim in claims
        )
        if later == claims:
            return self._remembered(WHOLE, claims)
        return self._remembered("projected", later)

    def alone(self) -> Report:
        """Positions one by one under standard margin, which is how they are shown in any model."""
        holdings = tuple(holding.position for holding in self.holdings())
        claims = self._claims(holdings)
        if self.model is MarginModel.SEGREGATED_SM and not self.open_orders:
            whole = self._remembered(WHOLE, (claims,))
            if whole.report is not None:
                return whole.report
        frames = frames_of(self.board, self.wallet.currency, MarginModel.SEGREGATED_SM)
        key = (self.rules.standard_margin, frames, holdings)
        known = self.memory.alone.get(self._name)
        if known is not None and known[0] == key:
            return known[1]
        report = standard(self.board, self.rules.standard_margin, claims)
        self.memory.alone[self._name] = (key, report)
        return report

    def need(self, holding: Holding) -> Need:
        """What one instrument would need by itself under standard margin."""
        return need(self.board, self.rules.standard_margin, holding)

    def _remembered(self, kind: str, claims: tuple[Claims, ...]) -> Required:
        rules, known = self.rules, self.memory.whole.get((*self._name, kind))
        models = (rules.standard_margin, rules.portfolio_margin, self.model)
        terms = (*models, *frames_of(self.board, self.wallet.currency, self.model))
        if known is not None and known.terms == terms:
            if known.claims == claims:
                return known.required
            if not self.model.is_portfolio:
                found = changed(rules, self.board, known.required, known.claims, claims)
                self._remember(kind, terms, claims, found)
                return found
        valued = None if known is None else known.required.valued
        found = required(rules, self.board, self.model, claims, valued)
        self._remember(kind, terms, claims, found)
        return found

    def _remember(
        self, kind: str, terms: tuple[object, ...], claims: tuple[Claims, ...], found: Required
    ) -> None:
        self.memory.whole[(*self._name, kind)] = Remembered(
            terms=terms, claims=claims, required=found
        )

    @property
    def _name(self) -> tuple[str, str]:
        return self.wallet.account, self.wallet.currency

    # ---- what is held ------------------------------------------------------------------------

    def claims(self) -> tuple[Claims, ...]:
        """What each currency answers for, the wallet's own first."""
        others = (one._claims(one.holdings()) for one in self.beside)  # noqa: SLF001
        return (self._claims(self.holdings()), *others)

    def _with(self, claims: Claims, extra: Order) -> Claims:
        """The same with one more order open."""
        name = extra.contract.name
        kept = (holding for holding in claims.holdings if holding.contract.name != name)
        return self._claims((*kept, self.holding(extra.contract, extra)))

    def _claims(self, holdings: Iterable[Holding]) -> Claims:
        return Claims(
            currency=self.wallet.currency,
            currency_usd=self.currency_usd,
            holdings=tuple(holdings),
        )

    def holdings(self) -> tuple[Holding, ...]:
        """Position and open orders by instrument."""
        orders = self.open_orders
        positions = self.wallet.positions
        if not orders:
            return tuple(
                Holding(contract=position.contract, size=float(position.size))
                for position in positions.values()
            )
        by_contract: dict[str, tuple[Contract, list[Order]]] = {
            name: (position.contract, []) for name, position in positions.items()
        }
        for order in orders:
            contract = order.contract
            found = by_contract.get(contract.name)
            if found is None:
                found = by_contract[contract.name] = (contract, [])
            found[1].append(order)
        return tuple(self._holding(*found) for found in by_contract.values())

    def holding(self, contract: Contract, *extra: Order) -> Holding:
        """One instrument's position and open orders, `extra` counted as if they were open."""
        own = [order for order in self.open_orders if order.contract.name == contract.name]
        return self._holding(contract, [*own, *extra])

    def _holding(self, contract: Contract, orders: Sequence[Order]) -> Holding:
        buys, sells, premium, fees = 0.0, 0.0, 0.0, 0.0
        coin_usd = self.board.index_usd(contract.pair) if contract.pair.is_linear else 1.0
        for order in orders:
            held = _reserve(self.rules, order, coin_usd)
            if order.direction is Direction.BUY:
                buys += held.amount
            else:
                sells += held.amount
            premium += held.premium
            fees += held.fee
        size = float(self.wallet.size(contract.name))
        return Holding(
            contract=contract, size=size, buys=buys, sells=sells, premium=premium, fees=fees
        )

    # ---- orders ------------------------------------------------------------------------------

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

    def lowers_margin(self, order: Order) -> bool:
        """Whether a portfolio account would need no more if all of the order were filled.

        What it needs is convex in each size, so that no part of the order needs more either.
        """
        contract, held = order.contract, self.claims()
        row = Holding(contract=contract, size=0.0)
        if not any(holding.contract == contract for holding in held[0].holdings):
            held = (self._claims((*held[0].holdings, row)), *held[1:])
        before = required(self.rules, self.board, self.model, held, self.margins().valued).valued
        assert before is not None, "a portfolio account is valued"
        size = float(signed(order.direction, order.remaining))
        coins = size_in_coin(contract, size, self.board.mark(contract))
        after = deribit_portfolio.what_if(before, {contract.name: coins})
        return after.initial <= deribit_portfolio.report_of(before).initial


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
