"""The engine as a whole: deterministic, chunk-proof, honest in its ledger, quick."""

import time
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.exchange.commands import (
    Answer,
    BookChanged,
    Event,
    MarketMoved,
    PositionChanged,
    Refused,
    TradingEngine,
)
from bot.exchange.contracts import BTC_USD
from bot.exchange.engine import Engine
from bot.exchange.reports import Direction, OrderState
from bot.exchange.rules import OpeningAccount, Rules
from bot.exchange.synthetic import SyntheticMarket
from bot.exchange.venue_commands import SetPosition, Shock
from tests.exchange.engine_builders import (
    BUY,
    CALL,
    IOC,
    PERP,
    SELL,
    START_MS,
    engine,
    frame,
    order,
    placed,
    refused,
)


def _synthetic(seed: int) -> Engine:
    market = SyntheticMarket(seed)
    names = [c.name for c in market.frame(BTC_USD).contracts[::60]]
    demo = OpeningAccount(name="demo", equity={"BTC": 30.0}, positions=dict.fromkeys(names, -0.5))
    return Engine(market=market, rules=Rules(), accounts=[demo])


def _told(events: Sequence[Event]) -> list[str]:
    return [f"frame {e.frame.at_ms}" if isinstance(e, MarketMoved) else repr(e) for e in events]


def _session(seed: int, stops: Sequence[int]) -> list[str]:
    """Trade at fixed moments, letting time pass in the portions given (ms after the start)."""
    venue, told = _synthetic(seed), []
    start = venue.now_ms
    acts = {2_500: (BUY, "0"), 7_000: (SELL, "1"), 7_300: (BUY, "-30"), 15_999: (SELL, "2.5")}
    for stop in sorted({*stops, *acts, 20_000}):
        told += _told(venue.advance(start + stop))
        if stop not in acts:
            continue
        direction, offset = acts[stop]
        perpetual = venue.frame(BTC_USD).perpetual
        touch = perpetual.bid_usd if direction is SELL else perpetual.ask_usd
        done = venue.handle(order(direction, 200_000, float(touch) + float(offset)))
        assert isinstance(done, Answer)
        told += _told(done.events)
    told.append(repr(venue.account("demo", "BTC")))
    return told


@given(st.lists(st.integers(1, 20_000), max_size=12))
@settings(max_examples=8, deadline=None)
def test_the_portions_in_which_time_passes_change_nothing(stops: list[int]) -> None:
    assert _session(3, stops) == _session(3, [])


def test_another_seed_is_another_day() -> None:
    assert _session(3, []) != _session(4, [])


def test_the_engine_is_what_its_seam_promises() -> None:
    venue: TradingEngine = engine()
    assert (venue.pairs, venue.currencies) == ((BTC_USD,), ("BTC",))
    assert venue.contracts()[0].name == PERP


def test_time_never_runs_backwards() -> None:
    venue = engine()
    venue.advance(START_MS + 5_000)
    assert venue.advance(START_MS) == []
    assert venue.now_ms == START_MS + 5_000


def test_the_ledger_shows_refused_orders_and_their_reasons() -> None:
    venue = engine()
    refused(venue.handle(order(BUY, 10, 100_000.25, label="crooked")))
    placed(venue.handle(order(BUY, 10, 100_001.0, label="straight", tif=IOC)))
    states = {o.label: (o.order_state, o.reject_code) for o in venue.ledger_orders()}
    assert states == {
        "crooked": (OrderState.REJECTED, 10043),
        "straight": (OrderState.FILLED, None),
    }
    assert venue.orders_by_label("demo", "crooked") == []
    assert venue.order("demo", venue.ledger_orders()[0].order_id) is None


def test_the_positions_of_the_ledger_are_the_sum_of_its_fills() -> None:
    venue = engine(frame(), frame(START_MS + 1_000, index=99_990.0))
    for direction, amount, price in ((BUY, 1_500, 100_002.0), (SELL, 400, 99_999.0)):
        placed(venue.handle(order(direction, amount, price)))
    placed(venue.handle(order(BUY, 700, 99_995.0)))
    venue.advance(START_MS + 1_000)
    total = sum(
        (f.amount if f.direction is BUY else -f.amount for f in venue.ledger_fills()), Decimal(0)
    )
    assert venue.ledger_positions("demo") == {PERP: total}
    assert total == 1_800


def test_the_events_of_a_command_tell_money_and_books_once_and_last() -> None:
    done = engine().handle(order(BUY, 3_000, 100_002.0))
    assert isinstance(done, Answer)
    kinds = [type(e).__name__ for e in done.events]
    assert kinds == [
        "Traded", "PositionChanged", "Traded", "PositionChanged", "OrderChanged",
        "PortfolioChanged", "BookChanged",
    ]  # fmt: skip
    sizes = [e.size for e in done.events if isinstance(e, PositionChanged)]
    assert sizes == [1_000, 3_000]
    assert isinstance(done.events[-1], BookChanged)


def test_a_shock_moves_every_later_frame() -> None:
    venue = engine(frame(), frame(START_MS + 1_000))
    assert isinstance(venue.handle(Shock(underlying="BTC", move=-0.1)), Answer)
    assert venue.index_usd("btc_usd") == 100_000
    venue.advance(START_MS + 1_000)
    assert venue.index_usd("btc_usd") == pytest.approx(90_000)
    assert isinstance(venue.handle(Shock(underlying="ETH", move=-0.1)), Refused)
    assert isinstance(venue.handle(Shock(underlying="BTC", move=-1.0)), Refused)


@pytest.mark.parametrize(("name", "size"), [(PERP, "15"), (CALL.name, "0.05"), ("NONE", "1")])
def test_a_position_that_could_not_exist_is_refused(name: str, size: str) -> None:
    done = engine().handle(SetPosition(account="demo", instrument_name=name, size=Decimal(size)))
    assert isinstance(done, Refused)


def test_an_account_opens_with_the_equity_it_was_given_whatever_its_positions_cost() -> None:
    venue = engine(equity=7.5, positions={CALL.name: -4, PERP: 250_000})
    assert venue.equity("demo", "BTC") == pytest.approx(7.5, abs=1e-12)
    assert venue.account("demo", "BTC").balance > 7.5  # the premium of the sold calls
    with pytest.raises(ValueError, match="opening position of 3 in NONE"):
        engine(positions={"NONE": 3})


def test_a_query_changes_nothing() -> None:
    venue = _synthetic(5)
    venue.advance(venue.now_ms + 3_000)
    first = [repr(venue.account("demo", "BTC")), repr(venue.ticker(PERP)), repr(venue.book(PERP))]
    venue.margins("demo", PERP, Decimal(10), Decimal(100_000))
    venue.positions("demo")
    again = [repr(venue.account("demo", "BTC")), repr(venue.ticker(PERP)), repr(venue.book(PERP))]
    assert first == again


def test_a_frame_costs_the_engine_less_than_a_millisecond() -> None:
    """1,500 options, ten held, two orders resting: what the market itself costs is taken off."""
    venue, alone = _synthetic(6), SyntheticMarket(6)
    for direction, offset in ((Direction.BUY, -5_000), (Direction.SELL, 5_000)):
        price = round(float(venue.frame(BTC_USD).index_usd)) + offset
        placed(venue.handle(order(direction, 100, price, post_only=True)))
    start, count = venue.now_ms, 300
    began = time.process_time()
    alone.advance(start + 1_000 * count)
    market_s = time.process_time() - began
    began = time.process_time()
    venue.advance(start + 1_000 * count)
    engine_s = time.process_time() - began - market_s
    assert engine_s / (count * len(venue.pairs)) < 0.001
