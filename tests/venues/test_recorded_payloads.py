"""Recorded messages of the real venue, read where they lie beside the checkout, never copied."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.core.events import (
    BalanceSeen,
    OrderSeen,
    QuoteSeen,
    VenueStatus,
)
from bot.venues import deribit_translate as raw
from tests.venues.edge import one

FIXTURES = Path(__file__).parents[2].parent / "shared" / "data" / "fixtures"
recorded = pytest.mark.skipif(not FIXTURES.is_dir(), reason="no recorded payloads beside the house")


def load(name: str) -> Any:
    return json.loads((FIXTURES / "nautilus_deribit_LGPL3" / name).read_text())


@recorded
def test_a_recorded_ticker_becomes_a_quote():
    params = load("ws_ticker.json")["params"]

    (seen,) = raw.pushed(params["channel"], params["data"], 1)

    assert isinstance(seen, QuoteSeen)
    assert (seen.bid, seen.ask, seen.mark) == (92283.5, 92284.0, 92281.78)
    assert seen.funding_8h == 1.742e-05


@recorded
@pytest.mark.parametrize("name", ["ws_order_buy_response.json", "ws_order_sell_response.json"])
def test_a_recorded_order_answer_is_read(name):
    result = load(name)["result"]

    facts = raw.placed(result, 1)

    seen = one(facts, OrderSeen)
    assert seen.order_id == result["order"]["label"]
    assert (seen.size_native > 0) is ("buy" in name)


@recorded
@pytest.mark.parametrize(
    "name", ["ws_order_stop_market_response.json", "ws_order_stop_market_no_filled_amount.json"]
)
def test_a_recorded_stop_order_rests_unfilled(name):
    result = load(name)["result"]

    seen = raw.order(result.get("order", result), 1)

    assert seen.status is VenueStatus.OPEN
    assert seen.filled_native == 0


@recorded
def test_a_recorded_cancellation_says_who_asked():
    seen = raw.order(load("ws_order_cancel_response.json")["result"], 1)

    assert seen.status is VenueStatus.CANCELLED
    assert seen.reason == "user_request"


@recorded
@pytest.mark.parametrize(
    "name", ["http_get_account_summaries.json", "http_get_account_summaries_cross_margin.json"]
)
def test_recorded_summaries_become_balances(name):
    summaries = load(name)["result"]["summaries"]

    facts = [raw.balance(row, 1) for row in summaries]

    assert len(facts) == len({fact.currency for fact in facts}) > 1


@recorded
def test_a_recorded_portfolio_push_becomes_a_balance():
    params = load("ws_portfolio.json")["params"]

    (seen,) = raw.pushed(params["channel"], params["data"], 1)

    assert isinstance(seen, BalanceSeen)
    assert (seen.currency, seen.equity, seen.initial_margin) == ("USDT", 55.00055, 1.100011)


def recorded_frames() -> Iterator[dict[str, Any]]:
    for line in (FIXTURES / "tardis_node_deribit_MPL2.jsonl").read_text().splitlines():
        yield json.loads(line)
    text = gzip.decompress((FIXTURES / "cryptofeed_DERIBIT.ws.1.0.gz").read_bytes()).decode()
    for line in text.splitlines():
        stamp, _, frame = line.partition(": ")
        if frame.startswith("{") and "<-" not in stamp:
            yield json.loads(frame)


@recorded
def test_recorded_ticker_frames_are_all_readable():
    read = 0
    for frame in recorded_frames():
        params = frame.get("params", {})
        if params.get("channel", "").startswith("ticker."):
            (seen,) = raw.pushed(params["channel"], params["data"], 1)
            assert isinstance(seen, QuoteSeen), seen
            read += 1
    assert read > 3
