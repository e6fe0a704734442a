from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from bot.exchange.board import Board
from bot.exchange.contracts import BTC_USD, PAIRS, parse_name
from bot.exchange.demo_book import comfortable_equity, demo_book, net_delta_coin
from bot.exchange.margins import Claims, Holding, standard
from bot.exchange.rules import Rules
from bot.exchange.server import read_book
from bot.exchange.synthetic import SyntheticMarket

SEEDS = range(10)
HOUR_MS = 3_600_000
EIGHT_MS = 1_772_697_600_000  # 2026-03-05 08:00 UTC, when the day's options expire


@pytest.mark.parametrize("seed", SEEDS)
def test_the_demo_starts_nearly_flat_with_strangles_sold_on_three_expiries(seed):
    frame = SyntheticMarket(seed).frame(BTC_USD)
    book = demo_book(frame)
    contracts = [parse_name(name) for name in book]
    names = {contract.name for contract in frame.contracts}

    assert len(book) == 6
    assert set(book) <= names
    assert all(size < 0 and size % Decimal("0.1") == 0 for size in book.values())
    assert len({contract.expiry_ms for contract in contracts}) == 3
    assert sum(bool(contract.is_call) for contract in contracts) == 3
    assert 0 < abs(net_delta_coin(frame, book)) < 0.15


@pytest.mark.parametrize("seed", SEEDS)
def test_the_demo_book_lives_longer_than_a_night_and_is_quoted_on_both_sides(seed):
    frame = SyntheticMarket(seed).frame(BTC_USD)
    column = {contract.name: at for at, contract in enumerate(frame.contracts)}

    for name in demo_book(frame):
        assert parse_name(name).expiry_ms > frame.at_ms + 12 * HOUR_MS
        assert np.isfinite(frame.bid_price[column[name]])
        assert np.isfinite(frame.ask_price[column[name]])


def test_an_hour_of_market_moves_the_demo_book_by_more_than_a_coin():
    widest = []
    for seed in range(4):
        market = SyntheticMarket(seed, pairs=(BTC_USD,))
        book = demo_book(market.frame(BTC_USD))
        market.advance(market.start_ms + HOUR_MS // 2)
        middle = net_delta_coin(market.frame(BTC_USD), book)
        market.advance(market.start_ms + HOUR_MS)
        widest.append(max(abs(middle), abs(net_delta_coin(market.frame(BTC_USD), book))))

    assert np.median(widest) > 1.0


@pytest.mark.parametrize("seed", SEEDS)
def test_the_demo_s_equity_leaves_two_thirds_of_its_margin_free(seed):
    frame = SyntheticMarket(seed).frame(BTC_USD)
    book, rules = demo_book(frame), Rules()
    held = [Holding(contract=parse_name(name), size=float(size)) for name, size in book.items()]
    claims = Claims(currency="BTC", currency_usd=frame.index_usd, holdings=tuple(held))
    needed = standard(Board.showing([frame]), rules.standard_margin, claims).initial

    assert 0.25 < needed / comfortable_equity(frame, book) < 0.35


def test_a_book_of_one_s_own_may_hold_the_perpetual_and_long_options():
    frame = SyntheticMarket(1).frame(BTC_USD)
    call = next(contract.name for contract in frame.contracts if contract.is_call)
    book = {"BTC-PERPETUAL": Decimal(-2_500_000), call: Decimal(3)}

    assert comfortable_equity(frame, {}) == 1.0
    needed = 2_500_000 / frame.perpetual.mark_usd * 0.02
    assert comfortable_equity(frame, book) == max(round(needed / 0.30, 1), 1.0)
    assert net_delta_coin(frame, {"BTC-PERPETUAL": Decimal(-500_000)}) == pytest.approx(
        -500_000 / frame.perpetual.mark_usd
    )


def test_without_quotes_there_is_no_demo_book():
    frame = SyntheticMarket(1).frame(BTC_USD)
    dark = replace(frame, bid_price=np.full(len(frame.contracts), np.nan))

    with pytest.raises(ValueError, match="quoted on both sides, and there are 0"):
        demo_book(dark)


@pytest.mark.parametrize("left_hours", [8, 2])
def test_the_demo_of_every_pair_holds_something_that_expires_soon(left_hours):
    market = SyntheticMarket(5, EIGHT_MS - left_hours * HOUR_MS)
    book = read_book("demo-all", market)
    for pair in PAIRS:
        held = {name: size for name, size in book.items() if parse_name(name).pair == pair}
        soon = [name for name in held if parse_name(name).expiry_ms == EIGHT_MS]

        assert held.keys() - soon == demo_book(market.frame(pair)).keys()
        assert all(size < 0 for size in held.values())
        assert len(soon) in {0, 2}
        assert not pair.is_linear or left_hours < 8 or soon
        assert pair.is_linear or soon


def test_an_expiry_within_the_hour_is_left_alone():
    market = SyntheticMarket(5, EIGHT_MS - HOUR_MS)
    book = read_book("demo-all", market)

    assert all(parse_name(name).expiry_ms > EIGHT_MS for name in book)
