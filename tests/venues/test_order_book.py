"""A book of our own: whole or not at all, and never merged over anything that was lost."""

import random
from typing import Any

import pytest

from bot.venues.order_book import OrderBook


def snapshot(**changes: Any) -> dict[str, Any]:
    return {
        "type": "snapshot",
        "timestamp": 1_000,
        "instrument_name": "BTC-PERPETUAL",
        "change_id": 10,
        "bids": [["new", 99.5, 100.0], ["new", 99.0, 200.0], ["new", 90.0, 900.0]],
        "asks": [["new", 100.0, 50.0], ["new", 100.1, 30.0], ["new", 110.0, 900.0]],
        **changes,
    }


def change(before: int, after: int, **changes: Any) -> dict[str, Any]:
    return {
        "type": "change",
        "timestamp": 2_000,
        "prev_change_id": before,
        "change_id": after,
        "bids": [],
        "asks": [],
        **changes,
    }


def begun() -> OrderBook:
    book = OrderBook()
    assert book.take(snapshot())
    return book


def test_a_snapshot_and_the_changes_that_follow_it_make_the_book():
    book = begun()

    assert book.take(change(10, 15, bids=[["change", 99.5, 70.0], ["delete", 99.0, 0.0]]))
    assert book.take(change(15, 16, bids=[["new", 99.9, 5.0]], asks=[["delete", 100.0, 0.0]]))

    bids, asks = book.levels()
    assert bids == [(99.9, 5.0), (99.5, 70.0), (90.0, 900.0)]
    assert asks == [(100.1, 30.0), (110.0, 900.0)]
    assert book.is_good


def test_depth_counts_what_rests_near_the_best_price():
    touch = begun().touch(0.006)

    assert touch is not None
    assert (touch.bid, touch.bid_depth_native) == (99.5, 300.0)
    assert (touch.ask, touch.ask_depth_native) == (100.0, 80.0)
    assert touch.venue_ms == 1_000


def test_a_change_that_does_not_follow_drops_the_book_and_says_why_once():
    book = begun()

    assert not book.take(change(11, 12, bids=[["new", 99.9, 5.0]]))
    assert book.trouble == "gap: change 12 follows 11, the book is at 10"
    assert not book.is_good
    assert book.touch(0.01) is None
    assert book.take(change(12, 13)), "a lost book has nothing new to say"
    assert book.levels() == ([], [])


def test_only_a_snapshot_begins_a_book_and_nothing_of_the_old_one_is_in_it():
    book = begun()
    book.take(change(11, 12))

    assert book.take(snapshot(change_id=20, bids=[["new", 80.0, 1.0]], asks=[["new", 81.0, 1.0]]))
    assert book.levels() == ([(80.0, 1.0)], [(81.0, 1.0)])


def test_a_snapshot_over_a_living_book_replaces_it():
    """A reconnect in which stock ccxt merges both and shows a crossed book."""
    book = begun()

    assert book.take(snapshot(change_id=90, bids=[["new", 120.0, 1.0]], asks=[["new", 121.0, 1.0]]))
    assert book.levels() == ([(120.0, 1.0)], [(121.0, 1.0)])


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ({"bids": [["new", 100.0, 1.0]]}, "locked"),
        ({"bids": [["new", 100.05, 1.0]]}, "crossed"),
        ({"asks": [["new", 99.0, 1.0]]}, "crossed"),
    ],
)
def test_a_book_whose_sides_meet_is_dropped(rows: dict[str, Any], word: str):
    book = begun()

    assert not book.take(change(10, 11, **rows))
    assert word in book.trouble


@pytest.mark.parametrize(
    "odd",
    [
        {"bids": [["delete", 1.0, 0.0]]},
        {"bids": [["change", 1.0, 5.0]]},
        {"bids": [["new", 99.5, 5.0]]},
        {"bids": [["new", 98.0, 0.0]]},
        {"bids": [["new", 98.0, -1.0]]},
        {"bids": [["new", float("nan"), 1.0]]},
        {"bids": [["new", "98", 1.0]]},
        {"bids": [["put", 98.0, 1.0]]},
        {"bids": [[98.0, 1.0]]},
        {"bids": None},
        {"asks": {"100": 1}},
        {"type": "update"},
        {"change_id": None},
        {"prev_change_id": "10"},
        {"timestamp": 1.5},
    ],
    ids=str,
)
def test_what_a_book_cannot_have_come_from_costs_the_book(odd: dict[str, Any]):
    book = begun()

    assert not book.take(change(10, 11) | odd)
    assert not book.is_good


def test_a_snapshot_that_cannot_be_read_leaves_no_book():
    book = begun()

    assert not book.take(snapshot(bids=[["new", 99.5, 1.0], ["new", 99.5, 2.0]]))
    assert not book.is_good


def test_an_empty_side_is_a_book_and_no_touch():
    book = OrderBook()

    assert book.take(snapshot(bids=[]))
    assert book.is_good
    assert book.touch(0.1) is None


@pytest.mark.parametrize("seed", range(20))
def test_a_thousand_changes_leave_what_a_plain_dictionary_would(seed: int):
    """The venue as a pair of dictionaries, and one lost frame in fifty that may not be missed."""
    rng = random.Random(seed)
    book, change_id = OrderBook(), 1
    sides = {
        "bids": {100.0 - n: 1.0 for n in range(1, 6)},
        "asks": {100.0 + n: 1.0 for n in range(1, 6)},
    }

    def whole() -> dict[str, Any]:
        rows = {name: [["new", *level] for level in side.items()] for name, side in sides.items()}
        return snapshot(change_id=change_id, **rows)

    assert book.take(whole())
    for _ in range(50):
        name, sign = rng.choice((("bids", -1), ("asks", 1)))
        side = sides[name]
        price = 100.0 + sign * rng.randint(1, 8)
        action = rng.choice(("change", "delete")) if price in side else "new"
        amount = 0.0 if action == "delete" else float(rng.randint(1, 9))
        side[price] = amount
        if not amount:
            del side[price]
        before, change_id = change_id, change_id + rng.randint(1, 3)
        is_lost = rng.random() < 0.02
        if not is_lost and book.is_good:
            assert book.take(change(before, change_id, **{name: [[action, price, amount]]}))
        elif not is_lost:
            assert book.take(whole())
        else:
            book.take(change(before + 1_000, change_id))
            assert not book.is_good
        if book.is_good:
            bids, asks = book.levels()
            assert dict(bids) == sides["bids"]
            assert dict(asks) == sides["asks"]
            assert [price for price, _ in bids] == sorted(sides["bids"], reverse=True)
            assert [price for price, _ in asks] == sorted(sides["asks"])
