"""Half a minute of the real venue, and single frames of other years, against tables done by hand.

The recordings are read where they lie beside the checkout, never copied; frames of our own making
in the same shapes, old ones among them, hold the same translators where there are none.
"""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.core.events import BadMessage, QuoteSeen
from bot.venues import deribit_translate as raw
from bot.venues.order_book import OrderBook
from tests.venues.payloads import CALL, NOW_MS, PERPETUAL, ticker

FIXTURES = Path(__file__).parents[2].parent / "shared" / "data" / "fixtures"
CAPTURE = FIXTURES / "cryptofeed_DERIBIT.ws.1.0.gz"
SINGLES = FIXTURES / "tardis_node_deribit_MPL2.jsonl"
recorded = pytest.mark.skipif(not CAPTURE.is_file(), reason="no recorded frames beside the house")

# The last quote of each instrument: bid, ask, mark, forward, volatility; None where nobody quotes.
LAST_QUOTES = {
    "BTC-24JUN22-15000-C": (0.583, 0.6235, 0.60449219, 33978.93, 0.8727),
    "BTC-24SEP21-34000-P": (0.1555, 0.1585, 0.15655506, 32374.64, 0.7657),
    "BTC-24SEP21-8000-P": (0.0005, 0.0015, 0.00090284, 32374.66, 1.4278),
    "BTC-25MAR22-30000-C": (0.274, 0.316, 0.30381477, 33425.22, 0.819),
    "BTC-30JUL21-24000-P": (0.002, 0.0025, 0.00221713, 32189.89, 1.1678),
    "BTC-31DEC21-300000-C": (0.005, 0.0055, 0.00525396, 32749.36, 1.3416),
    "BTC-31DEC21-34000-P": (0.2325, 0.236, 0.23341173, 32749.6, 0.8002),
    "ETH-23JUL21-2300-C": (None, 0.001, 1e-06, 2005.98, 1.1139),
    "ETH-27AUG21-4000-P": (None, None, 1.00458, 2001.05, 1.1716),
    "ETH-30JUL21-2800-C": (0.0015, 0.0025, 0.001983, 2004.48, 1.2073),
}
# The best level of each side after the last change, as (price, amount); None for an empty side.
LAST_BOOKS = {
    "BTC-24JUN22-15000-C": ((0.583, 9.0), (0.6235, 9.0)),
    "BTC-24SEP21-34000-P": ((0.1555, 0.8), (0.1585, 11.2)),
    "BTC-24SEP21-8000-P": ((0.0005, 153.1), (0.0015, 94.7)),
    "BTC-25MAR22-30000-C": ((0.274, 8.0), (0.316, 8.0)),
    "BTC-30JUL21-24000-P": ((0.002, 91.6), (0.0025, 13.7)),
    "BTC-31DEC21-300000-C": ((0.005, 2.1), (0.0055, 4.0)),
    "BTC-31DEC21-34000-P": ((0.2325, 1.5), (0.236, 8.4)),
    "ETH-23JUL21-2300-C": (None, (0.001, 274.0)),
    "ETH-27AUG21-4000-P": (None, None),
    "ETH-30JUL21-2800-C": ((0.0015, 4737.0), (0.0025, 873.0)),
}


def frames() -> Iterator[tuple[float, str, Any]]:
    """Yield receive time in ms, channel and data of every push of the capture."""
    text = gzip.decompress(CAPTURE.read_bytes()).decode()
    for line in text.splitlines():
        stamp, _, frame = line.partition(": ")
        if frame.startswith("{") and "<-" not in stamp:
            params = json.loads(frame).get("params", {})
            if "channel" in params:
                yield float(stamp) * 1_000.0, params["channel"], params["data"]


@recorded
def test_half_a_minute_of_tickers_becomes_the_quotes_that_were_read_by_hand():
    count, last = 0, {}
    for at_ms, channel, data in frames():
        if channel.startswith("ticker."):
            (seen,) = raw.pushed(channel, data, int(at_ms))
            assert isinstance(seen, QuoteSeen)
            assert -100.0 < at_ms - seen.venue_ms < 1_000.0, "a stamp is never old on arrival"
            count, last[seen.instrument] = count + 1, seen

    assert count == 89
    told = {
        name: (seen.bid, seen.ask, seen.mark, seen.forward_usd, seen.iv and round(seen.iv, 6))
        for name, seen in last.items()
    }
    assert told == LAST_QUOTES


@recorded
def test_half_a_minute_of_changes_makes_ten_whole_books_that_agree_with_the_quotes():
    books: dict[str, OrderBook] = {}
    seen: Counter[str] = Counter()
    for _, channel, data in frames():
        if channel.startswith("book."):
            name = channel.split(".")[1]
            assert books.setdefault(name, OrderBook()).take(data), books[name].trouble
            seen[data["type"]] += 1

    assert seen == {"snapshot": 10, "change": 36}
    told = {}
    for name, book in books.items():
        assert book.is_good
        bids, asks = book.levels()
        told[name] = (bids[0] if bids else None, asks[0] if asks else None)
    assert told == LAST_BOOKS
    for name, (bid, ask) in LAST_BOOKS.items():
        assert (bid and bid[0], ask and ask[0]) == LAST_QUOTES[name][:2]


@recorded
def test_one_change_left_out_of_the_recording_is_missed_by_the_book_that_lacks_it():
    books: dict[str, OrderBook] = {}
    lost: set[str] = set()
    skipped = False
    for _, channel, data in frames():
        if channel == "book.BTC-24SEP21-8000-P.raw" and data["type"] == "change" and not skipped:
            skipped = True
        elif channel.startswith("book.") and not books.setdefault(channel, OrderBook()).take(data):
            lost.add(channel)

    assert lost == {"book.BTC-24SEP21-8000-P.raw"}


SINGLE_QUOTES = [
    ("BTC-PERPETUAL", 10095.0, 10095.5, 10094.1, None, 0.00016281),
    ("BTC-PERPETUAL", 8304.0, 8304.5, 8304.39, None, -8.477e-05),
    ("BTC-8JUN20-8750-P", None, None, 0.0, 0.70, None),
    ("BTC-5JUN20-9250-C", 0.0365, 0.04, 0.03847784, 0.6321, None),
    ("ETH-5JUN20-310-P", None, None, 0.33859, 1.1863, None),
    ("ETH-10JUN20-270-C", None, None, 0.000632, 0.7296, None),
    ("BTC-STRD-30SEP22-20000", None, None, 0.1922, 1.4918, None),
    ("BTC-FS-30SEP22_PERP", None, None, 10.12, None, None),
    ("BTC-CSR12-16SEP22-21000_23000", 0.003, 0.008, 0.0053, None, None),
    ("MATIC_USDC-9MAR24-1d02-C", None, None, 0.139, 2.0964, None),
]


@recorded
def test_single_frames_of_other_years_become_the_quotes_that_were_read_by_hand():
    told = []
    for line in SINGLES.read_text().splitlines():
        params = json.loads(line)["params"]
        if params["channel"].startswith("ticker."):
            (seen,) = raw.pushed(params["channel"], params["data"], 1)
            assert isinstance(seen, QuoteSeen)
            iv = None if seen.iv is None else round(seen.iv, 6)
            told.append((seen.instrument, seen.bid, seen.ask, seen.mark, iv, seen.funding_8h))

    assert told == SINGLE_QUOTES


@recorded
def test_a_book_of_2019_without_a_type_is_begun_and_its_later_change_does_not_follow():
    rows = [json.loads(line)["params"] for line in SINGLES.read_text().splitlines()]
    begun, later = (item["data"] for item in rows if item["channel"] == "book.ETH-PERPETUAL.raw")
    book = OrderBook()

    assert book.take(begun)
    assert book.levels() == (
        [(217.8, 1895.0), (217.75, 712.0)],
        [(218.6, 179803.0), (218.65, 7887.0)],
    )
    assert not book.take(later)
    assert "gap" in book.trouble


# ------------------------------------------------------------------- frames of our own making


def test_a_closed_option_of_our_own_making_has_a_mark_and_no_sides():
    data = ticker(CALL, 0.0, state="closed", mark_price=0.0, mark_iv=70.0, best_ask_price=0.0)

    (seen,) = raw.pushed(f"ticker.{CALL}.raw", data, 1)

    assert isinstance(seen, QuoteSeen)
    assert (seen.bid, seen.ask, seen.mark, seen.iv) == (None, None, 0.0, 0.7)


def test_a_combo_of_our_own_making_has_no_negative_price_and_no_negative_volatility():
    data = ticker("BTC-FS-30SEP34_PERP", -7.0, best_ask_price=-5.0, mark_price=10.12, mark_iv=-74.2)

    (seen,) = raw.pushed("ticker.BTC-FS-30SEP34_PERP.raw", data, 1)

    assert isinstance(seen, QuoteSeen)
    assert (seen.bid, seen.ask, seen.mark, seen.iv) == (None, None, 10.12, None)


def test_an_old_book_of_our_own_making_begins_without_a_type():
    begun = {
        "timestamp": NOW_MS,
        "instrument_name": PERPETUAL,
        "change_id": 5,
        "bids": [["new", 100.0, 10.0]],
        "asks": [["new", 101.0, 20.0]],
    }
    follows = begun | {
        "prev_change_id": 5,
        "change_id": 8,
        "bids": [["delete", 100.0, 0.0]],
        "asks": [],
    }
    book = OrderBook()

    assert book.take(begun)
    assert book.take(follows)
    assert book.levels() == ([], [(101.0, 20.0)])


def test_a_frame_of_our_own_making_that_breaks_off_is_bad_and_nothing_else():
    data = ticker(PERPETUAL, 100.0)
    del data["timestamp"]

    (seen,) = raw.pushed(f"ticker.{PERPETUAL}.raw", data, 1)

    assert isinstance(seen, BadMessage)
