"""Each delta convention against the exchange's own account engine.

Two frames made by hand lie 0.1 bp above and below the spot: forwards and the perpetual's mark move
with it, the smile is held in strike, and nothing is rounded. The exchange's account, which shares
no arithmetic with the core, is valued on both. Hedged by the core's own delta, the equity that the
convention names may keep at most a millionth of what it moves unhedged.
"""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from bot.core import exposure, units
from bot.core.events import AccountRead, InstrumentsSeen, Link, LinkUp
from bot.core.exposure import Exposure
from bot.core.quotes import QuotePolicy
from bot.exchange import contracts
from bot.exchange.board import Board
from bot.exchange.contracts import BTC_USD
from bot.exchange.market import FutureQuote, MarketFrame
from bot.exchange.portfolio import Situation, account_view
from bot.exchange.rules import Rules
from bot.exchange.wallets import Wallet, money, value_wallet
from bot.quant import black76, conventions
from bot.quant.conventions import Convention
from tests.builders import PERP, START_MS, World, balance, book, option, policy, positions, quote

SPOT = 95_000.0
PERP_MARK = 95_060.0
BUMP = 1e-5  # 0.1 bp
PERPETUAL = contracts.perpetual(BTC_USD)
NEAR_MS = START_MS + 9 * units.MS_PER_DAY
FAR_MS = START_MS + 80 * units.MS_PER_DAY
FORWARDS = {NEAR_MS: 95_300.0, FAR_MS: 97_100.0}
COINS = 37.0
PERP_HELD_USD = Decimal(200_000)

HELD: dict[contracts.Contract, tuple[str, float]] = {  # size, volatility
    contracts.option(BTC_USD, NEAR_MS, 100_000.0, True): ("-12", 0.62),
    contracts.option(BTC_USD, NEAR_MS, 90_000.0, False): ("-9.5", 0.66),
    contracts.option(BTC_USD, FAR_MS, 110_000.0, True): ("4", 0.58),
    contracts.option(BTC_USD, FAR_MS, 80_000.0, False): ("-3.3", 0.64),
}


def frame(move: float) -> MarketFrame:
    """The market after the spot moved by the fraction `move`; marks as the pricing gives them."""
    held = tuple(HELD)
    forwards = {expiry: forward * (1 + move) for expiry, forward in FORWARDS.items()}
    forward = np.array([forwards[one.expiry_ms] for one in held])
    strike = np.array([one.strike for one in held], dtype=np.float64)
    expiry_ms = np.array([one.expiry_ms for one in held], dtype=np.int64)
    is_call = np.array([bool(one.is_call) for one in held])
    vol = np.array([of for _, of in HELD.values()])
    years = (expiry_ms - START_MS) / units.MS_PER_YEAR
    coin = black76.greeks(forward, strike, years, vol, is_call).price / forward
    none = np.zeros(len(held))
    mark = PERP_MARK * (1 + move)
    return MarketFrame(
        pair=BTC_USD,
        at_ms=START_MS,
        index_usd=SPOT * (1 + move),
        perpetual=FutureQuote(
            contract=PERPETUAL, mark_usd=mark, bid_usd=mark - 1, ask_usd=mark + 1, depth=()
        ),
        futures=(),
        forwards=forwards,
        discounts=dict.fromkeys(forwards, 1.0),
        contracts=held,
        mark_price=coin,
        mark_iv=vol,
        bid_price=coin,
        ask_price=coin,
        bid_size_coin=none,
        ask_size_coin=none,
        is_call=is_call,
        strike=strike,
        expiry_ms=expiry_ms,
    )


BOARD = Board.showing([frame(0.0)])


def account(perp_usd: Decimal) -> Wallet:
    """The exchange's account: coins, the options, and a perpetual taken on at today's mark."""
    made = Wallet(account="main", currency="BTC", balance=money(COINS))
    for contract, (size, _) in HELD.items():
        made.trade(contract, Decimal(size), BOARD.mark(contract), 0.0)
    made.trade(PERPETUAL, perp_usd, BOARD.mark(PERPETUAL), 0.0)
    return made


def equity(convention: Convention, perp_usd: Decimal, move: float) -> float:
    """What the convention holds still, in USD at the spot before the move, by the exchange."""
    board = BOARD.at([frame(move)])
    now = value_wallet(account(perp_usd), board.mark, lambda _: 0.0)
    match convention:
        case Convention.COIN:
            return now.equity * SPOT
        case Convention.USD:
            return now.equity * board.index_usd(BTC_USD)
        case Convention.BOOK:  # collateral is left alone: the options and the perpetual's profit
            return (now.options_value + now.futures_upl) * board.index_usd(BTC_USD)


def moved(convention: Convention, perp_usd: Decimal) -> float:
    up, down = (equity(convention, perp_usd, move) for move in (BUMP, -BUMP))
    return (up - down) / 2


def own(convention: Convention) -> Exposure:
    """The daemon's exposure, from facts with the same marks."""
    wide = book(convention=convention, band_low_coin=-1e9, band_high_coin=1e9)
    world = World(policy(wide))
    listed = [
        option(one.name, expiry_ms=one.expiry_ms, strike=one.strike, is_call=one.is_call)
        for one in HELD
    ]
    held = {one.name: size for one, (size, _) in HELD.items()} | {PERP: str(PERP_HELD_USD)}
    worth = value_wallet(account(PERP_HELD_USD), BOARD.mark, lambda _: 0.0)
    world.begin(held, equity=worth.equity)
    quotes = [
        quote(
            one.name,
            mark=BOARD.mark(one),
            bid=BOARD.mark(one),
            ask=BOARD.mark(one),
            iv=BOARD.mark_iv(one),
            forward_usd=BOARD.underlying(one),
            index_usd=BOARD.index_usd(BTC_USD),
        )
        for one in HELD
    ]
    hedge = quote(PERP, price=PERP_MARK, index_usd=SPOT)
    facts = (
        InstrumentsSeen(instruments=tuple(listed)),
        LinkUp(link=Link.TRADING),
        positions(held),
        balance(equity=worth.equity),
        AccountRead(asked_ns=world.now_ns),
    )
    world.fold(*facts, *quotes, hedge)
    at_frame = replace(world.state, now_ms=START_MS)  # the frame's moment, to the millisecond
    found = exposure.exposure_of(at_frame, wide.book, QuotePolicy())
    assert isinstance(found, Exposure), found
    assert found.options_held == len(HELD)
    return found


@pytest.mark.parametrize("convention", list(Convention))
def test_hedged_by_our_delta_the_exchanges_own_account_stands_still(convention) -> None:
    seen = own(convention)
    order_usd = Decimal(repr(float(conventions.hedge_notional_usd(seen.delta_coin, PERP_MARK))))

    unhedged = moved(convention, PERP_HELD_USD)
    hedged = moved(convention, PERP_HELD_USD + order_usd)

    assert abs(unhedged) > 0.1, "there was something to hedge"
    assert abs(hedged) < 1e-6 * abs(unhedged)


@pytest.mark.parametrize("convention", list(Convention))
def test_hedged_by_another_conventions_delta_it_does_not(convention) -> None:
    wrong = Convention.BOOK if convention is not Convention.BOOK else Convention.COIN
    order_usd = Decimal(repr(-own(wrong).delta_coin * PERP_MARK))

    residual = moved(convention, PERP_HELD_USD + order_usd)
    assert abs(residual) > 0.005 * abs(moved(convention, PERP_HELD_USD))


@pytest.mark.parametrize("price", [SPOT, FORWARDS[NEAR_MS]], ids=["index", "forward"])
def test_hedged_at_another_price_than_the_perpetuals_mark_it_does_not(price) -> None:
    order_usd = Decimal(repr(-own(Convention.COIN).delta_coin * price))

    residual = moved(Convention.COIN, PERP_HELD_USD + order_usd)
    assert abs(residual) > 1e-4 * abs(moved(Convention.COIN, PERP_HELD_USD))


def test_our_account_delta_is_the_one_that_the_exchange_publishes() -> None:
    at = Situation(
        rules=Rules(),
        board=BOARD,
        paid_of=lambda _: 0.0,
        wallet=account(PERP_HELD_USD),
        open_orders=(),
    )

    assert own(Convention.COIN).delta_coin == pytest.approx(account_view(at).delta_total, rel=1e-9)
