"""Where the money came from, against the exchange's own account: the parts are its equity's change.

Books of coins and of dollars side by side: options, dated futures and perpetuals found at the
start, then traded back and forth with fees and funding, on a market that moves in between.
"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from bot.core.attribution import Pnl, pnl_of
from bot.core.events import (
    AccountRead,
    InstrumentsSeen,
    Link,
    LinkUp,
    PositionRow,
    PositionsSeen,
)
from bot.exchange.board import Board
from bot.exchange.contracts import BTC_USD, BTC_USDC, ETH_USD, ETH_USDC, Contract
from bot.exchange.wallets import Wallet, money, value_wallet
from bot.quant.conventions import Convention
from tests.builders import World, fill, policy
from tests.shifted_markets import SPOTS, Desk, Shifted, instrument, quoted
from tests.test_conventions_against_exchange import plan

DESKS = (
    Desk(markets=(Shifted(pair=BTC_USD),)),
    Desk(markets=(Shifted(pair=ETH_USD),)),
    Desk(markets=(Shifted(pair=BTC_USDC), Shifted(pair=ETH_USDC))),
)
MOVES = (0.03, -0.11, 0.06, -0.02)
METERS = (0.002, -0.004, 0.001, 0.009)  # funding paid so far by who is long, of its value


def begun() -> World:
    """Everything that the desks hold, found at the start and quoted at its mark."""
    plans = [
        plan(one.pair, Convention.COIN, one.perpetual.name.lower(), share=0.5)
        for desk in DESKS
        for one in desk.markets
    ]
    world = World(policy(*plans))
    markets = [one for desk in DESKS for one in desk.markets]
    held = {one.name: size for market in markets for one, size in market.held().items()}
    terms = tuple(instrument(one) for market in markets for one in market.held())
    world.fold(
        InstrumentsSeen(instruments=terms),
        LinkUp(link=Link.MARKET),
        LinkUp(link=Link.TRADING),
    )
    now_ns = world.now_ns
    rows = tuple(
        PositionRow(instrument=name, size_native=size, average_price=1.0, realized_funding_coin=0.0)
        for name, size in held.items()
    )
    found = PositionsSeen(positions=rows, complete=True, asked_ns=now_ns, arrived_ns=now_ns)
    balances = [replace(desk.balance(), arrived_ns=now_ns) for desk in DESKS]
    requoted(world, 0.0)
    world.fold(found, *balances, AccountRead(asked_ns=now_ns))
    return world


def requoted(world: World, move: float) -> None:
    quotes = []
    for desk in DESKS:
        board = desk.board.at([one.frame(move) for one in desk.markets])
        quotes += [
            quoted(board, one, world.now_ns) for market in desk.markets for one in market.held()
        ]
    world.fold(*quotes, after_ms=0)


def test_options_hedge_fees_and_funding_are_what_the_exchanges_equity_changed_by() -> None:
    world, rng = begun(), np.random.default_rng(7)
    wallets = {desk.currency: desk.wallet() for desk in DESKS}
    before = {desk.currency: desk.worth(wallets[desk.currency]).equity for desk in DESKS}
    assert all(earned(world, desk).total == pytest.approx(0.0, abs=1e-9) for desk in DESKS)

    for turn, move in enumerate(MOVES):
        requoted(world, move)
        for desk in DESKS:
            wallet, meter = wallets[desk.currency], METERS[turn]
            board = desk.board.at([one.frame(move) for one in desk.markets])
            traded(world, desk, wallet, board, rng, meter)
            now = value_wallet(wallet, board.mark, metered(meter)).equity
            found, changed = earned(world, desk), now - before[desk.currency]
            assert found.total == pytest.approx(changed, rel=1e-9, abs=1e-9)
            assert found.fees < 0.0 < abs(found.funding)
            assert min(abs(found.options), abs(found.hedge)) > 1e-3 * abs(changed)


def earned(world: World, desk: Desk) -> Pnl:
    found = pnl_of(world.state, desk.currency)
    assert found is not None
    return found


def metered(meter: float) -> Callable[[Contract], float]:
    return lambda contract: meter * per_native(contract)


def per_native(contract: Contract) -> float:
    """What a share of its value is, in one native unit of a contract."""
    price = SPOTS[contract.pair.base]
    return price if contract.pair.is_linear else 1.0 / price


def traded(
    world: World,
    desk: Desk,
    wallet: Wallet,
    board: Board,
    rng: np.random.Generator,
    meter: float,
) -> None:
    """Trade everything some way at some price, after funding has been paid."""
    for contract in (one for market in desk.markets for one in market.held()):
        paid = meter * per_native(contract)
        wallet.accrue(contract.name, paid)
        coins = float(rng.normal()) * (5.0 if contract.pair.base == "BTC" else 100.0)
        price = board.mark(contract) * (1.0 + float(rng.normal()) * 1e-3)
        lots = coins * price if contract.is_sized_in_usd else coins
        size = Decimal(repr(round(lots, 3)))
        fee = abs(coins) * 1e-4 * (SPOTS[contract.pair.base] if contract.pair.is_linear else 1.0)
        wallet.trade(contract, size, price, paid)
        wallet.pay_fee(money(fee))
        made = fill(size=str(size), name=contract.name, price=price, fee=fee)
        world.fold(replace(made, trade_id=f"{contract.name} {meter}"), after_ms=0)
    for market in desk.markets:
        position = wallet.positions[market.perpetual.name]
        row = PositionRow(
            instrument=position.contract.name,
            size_native=position.size,
            average_price=1.0,
            realized_funding_coin=float(position.session_funding),
        )
        told = PositionsSeen(
            positions=(row,), complete=False, asked_ns=None, arrived_ns=world.now_ns
        )
        world.fold(told, after_ms=0)
