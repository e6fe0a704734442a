"""Markets of every pair by hand, whose spots can be moved, and the exchange's account on them.

Forwards and futures move with the spot by an elasticity, and in the settlement window only by the
part that is still open; the perpetual's mark moves one to one. The smile is held in strike, and
nothing is rounded. The account is the exchange's own, which shares no arithmetic with the core.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

import numpy as np

from bot.core import units
from bot.core.dealing import BookPlan
from bot.core.events import (
    AccountRead,
    BalanceSeen,
    InstrumentsSeen,
    Link,
    LinkUp,
    QuoteSeen,
)
from bot.core.instruments import Instrument, Kind, Settlement
from bot.core.state import State
from bot.exchange import contracts
from bot.exchange.board import Board
from bot.exchange.contracts import BTC_USD, BTC_USDC, ETH_USD, ETH_USDC, Contract, Pair
from bot.exchange.market import FutureQuote, MarketFrame
from bot.exchange.portfolio import account_view
from bot.exchange.reports import AccountView
from bot.exchange.rules import Rules
from bot.exchange.situation import Situation
from bot.exchange.wallets import Valuation, Wallet, money, value_wallet
from bot.quant import black76
from tests.builders import START_MS, World, balance, policy, positions

NOW_MS = START_MS + 1_000
BUMP = 1e-5  # 0.1 bp
WINDOW_MS = 30 * units.MS_PER_MINUTE
FAR_MS = NOW_MS + 80 * units.MS_PER_DAY
DAYS_MS, MINUTES_MS = 9 * units.MS_PER_DAY, 10 * units.MS_PER_MINUTE  # until the near expiry
SPOTS: Mapping[str, float] = {"BTC": 95_000.0, "ETH": 3_100.0}
RATES: Mapping[Pair, float] = {BTC_USD: 0.0, ETH_USD: 0.0, BTC_USDC: 0.041, ETH_USDC: 0.023}
BALANCE: Mapping[str, float] = {"BTC": 37.0, "ETH": 900.0, "USDC": 4.2e6}
SMILE: Mapping[float, float] = {0.85: 0.64, 0.95: 0.66, 1.05: 0.62, 1.15: 0.58}


@dataclass(frozen=True, kw_only=True)
class Shifted:
    """One pair with positions: options by (expiry, moneyness, is_call), a dated future, a perp."""

    pair: Pair
    near_ms: int = NOW_MS + DAYS_MS
    elasticity: float = 1.0
    scale: float = 1.0
    options: Mapping[Contract, Decimal] = field(init=False)

    def __post_init__(self) -> None:
        spot, unit = SPOTS[self.pair.base], self.scale * (1 if self.pair.base == "BTC" else 20)
        legs = (
            (self.near_ms, 1.05, True, -12.0),
            (self.near_ms, 0.95, False, -9.5),
            (FAR_MS, 1.15, True, 4.0),
            (FAR_MS, 0.85, False, -3.3),
        )
        held = {
            contracts.option(self.pair, expiry_ms, round(spot * moneyness), is_call): Decimal(
                repr(size * unit)
            )
            for expiry_ms, moneyness, is_call, size in legs
        }
        object.__setattr__(self, "options", held)

    @property
    def perpetual(self) -> Contract:
        return contracts.perpetual(self.pair)

    @property
    def futures(self) -> tuple[Contract, ...]:
        return tuple(contracts.future(self.pair, at) for at in (self.near_ms, FAR_MS))

    def held(self) -> dict[Contract, Decimal]:
        """Everything held before the hedge is traded, native."""
        coins = self.scale * (1.0 if self.pair.base == "BTC" else 20.0)
        native = coins if self.pair.is_linear else coins * SPOTS[self.pair.base]
        near, far = self.futures
        return {
            **self.options,
            near: Decimal(repr(1.5 * native)),
            far: Decimal(repr(-0.7 * native)),
            self.perpetual: Decimal(repr(2.0 * native)),
        }

    def frame(self, move: float = 0.0) -> MarketFrame:
        """The market after its spot moved by the fraction `move`."""
        spot, options = SPOTS[self.pair.base], tuple(self.options)
        expiries = (self.near_ms, FAR_MS)
        forwards = {
            at: spot * over * (1 + move * self.elasticity * min(1.0, (at - NOW_MS) / WINDOW_MS))
            for at, over in zip(expiries, (1.003, 1.022), strict=True)
        }
        years = {at: (at - NOW_MS) / units.MS_PER_YEAR for at in expiries}
        discounts = {at: float(np.exp(-RATES[self.pair] * years[at])) for at in expiries}
        strike = np.array([one.strike for one in options], dtype=np.float64)
        forward = np.array([forwards[one.expiry_ms] for one in options])
        vol = np.array([SMILE[round(float(k) / spot, 2)] for k in strike])
        is_call = np.array([bool(one.is_call) for one in options])
        value = black76.greeks(
            forward,
            strike,
            [years[one.expiry_ms] for one in options],
            vol,
            is_call,
            [discounts[one.expiry_ms] for one in options],
        ).price
        mark, none = value if self.pair.is_linear else value / forward, np.zeros(len(options))
        return MarketFrame(
            pair=self.pair,
            at_ms=NOW_MS,
            index_usd=spot * (1 + move),
            perpetual=_quoted(self.perpetual, spot * 1.0007 * (1 + move)),
            futures=tuple(_quoted(one, forwards[one.expiry_ms]) for one in self.futures),
            forwards=forwards,
            discounts=discounts,
            contracts=options,
            mark_price=mark,
            mark_iv=vol,
            bid_price=mark,
            ask_price=mark,
            bid_size_coin=none,
            ask_size_coin=none,
            is_call=is_call,
            strike=strike,
            expiry_ms=np.array([one.expiry_ms for one in options], dtype=np.int64),
        )


def _quoted(contract: Contract, mark_usd: float) -> FutureQuote:
    return FutureQuote(
        contract=contract, mark_usd=mark_usd, bid_usd=mark_usd, ask_usd=mark_usd, depth=()
    )


@dataclass(frozen=True, kw_only=True)
class Desk:
    """An account of the exchange in one settlement currency, on markets that can be moved."""

    markets: tuple[Shifted, ...]

    @property
    def currency(self) -> str:
        (currency,) = {one.pair.settlement_currency for one in self.markets}
        return currency

    @property
    def board(self) -> Board:
        return Board.showing([one.frame() for one in self.markets])

    def wallet(self, hedges: Mapping[Contract, Decimal] | None = None) -> Wallet:
        """What is held, and hedges traded on top, all taken on at today's marks."""
        board = self.board
        start = money(BALANCE[self.currency])
        made = Wallet(account="main", currency=self.currency, balance=start)
        for held in (*(one.held() for one in self.markets), hedges or {}):
            for contract, size in held.items():
                made.trade(contract, size, board.mark(contract), 0.0)
        return made

    def worth(self, wallet: Wallet, moved: Pair | None = None, move: float = 0.0) -> Valuation:
        """The account after one pair's spot moved."""
        shifted = [one.frame(move) for one in self.markets if one.pair == moved]
        return value_wallet(wallet, self.board.at(shifted).mark, lambda _: 0.0)

    def view(self) -> AccountView:
        """What the exchange publishes of the account."""
        at = Situation(
            rules=Rules(),
            board=self.board,
            paid_of=lambda _: 0.0,
            wallet=self.wallet(),
            open_orders=(),
        )
        return account_view(at)

    def balance(self) -> BalanceSeen:
        """The same as the daemon would be told."""
        seen = self.view()
        told = balance(equity=seen.equity)
        return replace(
            told,
            currency=self.currency,
            delta_total_coin=seen.delta_total,
            delta_total_map=dict(seen.delta_total_map),
        )


def known(desks: Iterable[Desk], plans: Iterable[BookPlan]) -> State:
    """The daemon's state at exactly the frames' moment, from facts with the same marks."""
    desks = tuple(desks)
    markets = [one for desk in desks for one in desk.markets]
    held = {one.name: str(size) for market in markets for one, size in market.held().items()}
    world = World(policy(*plans))
    world.now_ns = (NOW_MS - START_MS) * units.NS_PER_MS
    terms = tuple(instrument(one) for market in markets for one in market.held())
    balances = [replace(desk.balance(), arrived_ns=world.now_ns) for desk in desks]
    world.fold(
        InstrumentsSeen(instruments=terms),
        LinkUp(link=Link.MARKET),
        LinkUp(link=Link.TRADING),
        after_ms=0,
    )
    world.fold(
        positions(held, asked_ns=world.now_ns, arrived_ns=world.now_ns),
        *balances,
        AccountRead(asked_ns=world.now_ns),
        after_ms=0,
    )
    quotes = [
        quoted(desk.board, one, world.now_ns)
        for desk in desks
        for market in desk.markets
        for one in market.held()
    ]
    world.fold(*quotes, after_ms=0)
    world.fold(*balances, after_ms=0)
    return world.state


def instrument(contract: Contract) -> Instrument:
    """A contract of the exchange as the daemon lists it."""
    linear = contract.pair.is_linear
    return Instrument(
        name=contract.name,
        kind=Kind(contract.kind.value),
        settlement=Settlement.LINEAR if linear else Settlement.INVERSE,
        underlying=contract.pair.base,
        currency=contract.settlement_currency,
        lot=contract.lot,
        size_min=contract.lot,
        tick_size=contract.tick_size,
        expiry_ms=None if contract.kind is contracts.Kind.PERPETUAL else contract.expiry_ms,
        strike=contract.strike,
        is_call=contract.is_call,
        index_name=contract.pair.index_name,
    )


def quoted(board: Board, contract: Contract, arrived_ns: int) -> QuoteSeen:
    """A contract's mark as the daemon is quoted it."""
    mark, is_option = board.mark(contract), contract.is_option
    return QuoteSeen(
        instrument=contract.name,
        venue_ms=NOW_MS,
        arrived_ns=arrived_ns,
        bid=mark,
        ask=mark,
        mark=mark,
        index_usd=board.index_usd(contract.pair),
        forward_usd=board.underlying(contract) if is_option else None,
        iv=board.mark_iv(contract) if is_option else None,
    )
