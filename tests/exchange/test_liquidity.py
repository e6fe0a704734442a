"""The house's quotes: where its levels stand, how they are consumed and come back."""

import math
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from bot.exchange.rules import HouseRules, Rules
from tests.exchange.engine_builders import (
    BUY,
    CALL,
    IOC,
    PERP,
    PUT,
    SELL,
    START_MS,
    engine,
    frame,
    order,
    placed,
)


def test_the_perpetuals_levels_are_the_frames_depth_in_whole_lots() -> None:
    venue = engine(frame(depth=((0, 1_005.0), (3, 29.9))))
    book = venue.book(PERP)
    assert book is not None
    assert book.asks == ((Decimal("100001.0"), Decimal(1_000)), (Decimal("100002.5"), Decimal(20)))
    assert book.bids == ((Decimal("99999.0"), Decimal(1_000)), (Decimal("99997.5"), Decimal(20)))


def test_an_options_levels_step_outward_on_its_ticks_and_grow() -> None:
    venue = engine()
    book, contract = venue.book(CALL.name), venue.contract(CALL.name)
    assert book is not None
    assert contract is not None
    for side, outward in ((book.bids, -1), (book.asks, 1)):
        prices, sizes = [p for p, _ in side], [a for _, a in side]
        assert len(side) == 4
        assert prices == sorted(prices, reverse=outward < 0)
        assert all(contract.is_on_tick(p) for p in prices)
        assert sizes == sorted(sizes)
        assert sizes[0] == 5
    assert book.bids[0][0] < book.asks[0][0]


def test_an_option_without_a_bid_has_no_bids_and_cannot_be_sold_at_market() -> None:
    none = np.array([np.nan, np.nan])
    venue = engine(replace(frame(), bid_price=none, bid_size_coin=np.zeros(2)))
    ticker = venue.ticker(CALL.name)
    assert ticker is not None
    assert ticker.best_bid_price is None
    assert ticker.best_bid_amount == 0
    assert ticker.option is not None
    assert ticker.option.bid_iv == 0.0
    assert ticker.option.ask_iv > 0.0
    assert placed(venue.handle(order(SELL, 1, name=CALL.name))).trades == ()


def test_bids_never_go_to_zero_or_below() -> None:
    cheap = replace(frame(), bid_price=np.array([0.0003, 0.0003]))
    book = engine(cheap).book(PUT.name)
    assert book is not None
    assert [p for p, _ in book.bids] == [Decimal("0.0003"), Decimal("0.0001")]


def test_what_a_taker_took_stays_gone_until_the_next_frame_and_then_comes_back_exponentially() -> (
    None
):
    seconds = (1, 4, 60)
    frames = [frame(START_MS + 1_000 * s) for s in seconds]
    venue = engine(frame(), *frames, rules=Rules(house=HouseRules(refill_seconds=4.0)))
    placed(venue.handle(order(BUY, 600, 100_001.0, tif=IOC)))
    shown = []
    venue.advance(START_MS + 999)
    for at_ms in (START_MS + 999, *(f.at_ms for f in frames)):
        venue.advance(at_ms)
        book = venue.book(PERP)
        assert book is not None
        shown.append(int(book.asks[0][1]))
    expected = [400.0] + [1_000 - 600 * math.exp(-s / 4) for s in seconds]
    assert shown == pytest.approx(expected, abs=10)
    assert shown[-1] == 1_000


def test_a_level_that_was_taken_whole_is_not_shown() -> None:
    venue = engine()
    placed(venue.handle(order(BUY, 1_000, 100_001.0)))
    book = venue.book(PERP)
    assert book is not None
    assert book.asks[0][0] == Decimal("100002.0")


def test_every_change_of_a_book_gets_a_new_change_id() -> None:
    venue = engine(frame(), frame(START_MS + 1_000))
    seen = []
    for act in (
        lambda: None,
        lambda: venue.handle(order(BUY, 10, 99_000.0)),
        lambda: venue.handle(order(BUY, 10, 100_001.0)),
        lambda: venue.advance(START_MS + 1_000),
    ):
        act()
        book = venue.book(PERP)
        assert book is not None
        seen.append(book.change_id)
    assert seen == sorted(set(seen))
