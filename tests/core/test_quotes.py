"""Which quotes reach the mathematics."""

import math
from dataclasses import replace

import pytest

from bot.core.exposure import Exposure, Unpriced
from bot.core.quotes import QuotePolicy, bad_quote
from tests.builders import CALL, PERP, World, option, perp, quote

POLICY = QuotePolicy()
NO_PRICE = [None, math.nan, math.inf, -math.inf, 0.0, -1.0]
OPTION_NUMBERS = ["mark", "index_usd", "forward_usd", "iv"]


def why(name: str, **changes: object) -> str | None:
    seen = replace(quote(name), **changes)  # type: ignore[arg-type]
    return bad_quote(seen, perp() if name == PERP else option(), POLICY)


def test_good_quotes_pass() -> None:
    assert why(PERP) is None
    assert why(CALL) is None


@pytest.mark.parametrize("number", NO_PRICE)
@pytest.mark.parametrize("field", OPTION_NUMBERS)
def test_an_option_needs_every_number_and_each_must_be_one(field, number) -> None:
    assert (why(CALL, **{field: number}) or "").startswith("no usable")


def test_a_short_option_in_its_last_hours_that_nobody_bids_for_does_not_stop_the_hedging() -> None:
    assert why(CALL, bid=None, ask=0.0001, mark=0.0) is None
    assert why(CALL, bid=0.0001, ask=0.0002, mark=0.0) == "no usable mark (0.0)"
    assert why(CALL, bid=None, ask=0.0001, mark=None) == "no usable mark (None)"
    assert why(CALL, bid=None, ask=0.0001, mark=0.0, iv=None) == "no usable volatility (None)"
    assert why(PERP, bid=None, ask=0.0001, mark=0.0) == "no usable mark (0.0)"


@pytest.mark.parametrize("number", NO_PRICE)
@pytest.mark.parametrize("field", ["mark", "index_usd"])
def test_a_perpetual_needs_a_mark_and_an_index(field, number) -> None:
    assert (why(PERP, **{field: number}) or "").startswith("no usable")


@pytest.mark.parametrize("name", [PERP, CALL])
@pytest.mark.parametrize("number", NO_PRICE[1:])
@pytest.mark.parametrize("side", ["bid", "ask"])
def test_a_side_that_is_no_price_spoils_the_quote(name, side, number) -> None:
    assert f"no usable {side}" in (why(name, **{side: number}) or "")


def test_a_perpetual_needs_no_volatility_and_no_forward() -> None:
    assert why(PERP, iv=None, forward_usd=None) is None


@pytest.mark.parametrize("name", [PERP, CALL])
def test_a_crossed_quote_is_bad_and_a_locked_one_is_not(name) -> None:
    assert "crossed" in (why(name, bid=0.05, ask=0.04) or "")
    assert why(name, bid=0.04, ask=0.04) is None


@pytest.mark.parametrize("name", [PERP, CALL])
def test_a_quote_without_a_side_is_bad(name) -> None:
    assert why(name, ask=None) == "one-sided: no ask"
    assert why(name, bid=None) == "one-sided: no bid"


def test_nobody_bids_for_a_worthless_option_and_that_is_no_fault() -> None:
    assert why(CALL, bid=None, ask=0.0005, mark=0.001) is None
    assert why(CALL, bid=None, ask=0.0015, mark=0.0011) == "one-sided: no bid"
    assert why(CALL, bid=None, ask=None, mark=0.0005) == "one-sided: no ask"


@pytest.mark.parametrize(
    "change",
    [{"iv": math.nan}, {"mark": -0.01}, {"bid": 0.05, "ask": 0.04}, {"ask": None}, {"iv": 0.0}],
)
def test_after_a_bad_quote_the_last_good_one_stays_ages_and_then_stops_the_book(change) -> None:
    world = World()
    world.begin({CALL: "-10"})
    world.quotes()
    good = world.state.quotes[CALL]
    bad = quote(CALL, arrived_ns=world.now_ns, **change)
    step = world.fold(bad)

    assert step.state.quotes[CALL] is good
    assert CALL in step.state.bad_quotes
    assert step.state.counts.bad_quotes == 1
    assert not hasattr(step.exposures["main"], "reason"), "the last good one is still young"
    world.now_ns += 31 * 10**9
    step = world.fold(bad, quote(PERP, arrived_ns=world.now_ns))
    assert "since then" in step.exposures["main"].reason  # type: ignore[union-attr]
    step = world.quotes()
    assert CALL not in step.state.bad_quotes
    assert not hasattr(step.exposures["main"], "reason")


def test_a_quote_of_what_is_not_listed_is_not_used() -> None:
    world = World()
    world.begin()
    step = world.fold(quote("BTC-4FEB26-150000-C"))

    assert step.state.quotes == {}
    assert step.state.bad_quotes == {"BTC-4FEB26-150000-C": "not a listed instrument"}


def test_the_latest_good_quote_of_a_burst_counts_whatever_came_around_it() -> None:
    world = World()
    world.begin({CALL: "-10"})
    step = world.fold(
        quote(CALL, iv=0.5),
        quote(CALL, iv=math.nan),
        quote(CALL, iv=0.7),
        quote(PERP, bid=None),
    )

    assert step.state.quotes[CALL].iv == 0.7
    assert step.state.bad_quotes == {PERP: "one-sided: no bid"}
    assert step.state.counts.quotes == 4


def test_a_feed_that_repeats_its_venue_time_does_not_look_alive() -> None:
    world = World()
    world.begin({CALL: "-10"})
    step = world.quotes()
    stuck = step.state.quotes[PERP].venue_ms
    for _ in range(31):
        world.now_ns += 10**9
        step = world.fold(
            quote(PERP, arrived_ns=world.now_ns, venue_ms=stuck, price=100_500.0),
            quote(CALL, arrived_ns=world.now_ns),
        )

    blind = step.exposures["main"]
    assert isinstance(blind, Unpriced)
    assert blind.reason == (
        "BTC-PERPETUAL: last good quote 34.1 s ago, since then its venue time stands still"
    )
    assert isinstance(world.quotes().exposures["main"], Exposure), "its time goes on again"


def test_a_quote_out_of_turn_is_no_news_and_a_time_that_went_back_begins_anew() -> None:
    world = World()
    world.begin({CALL: "-10"})
    world.quotes()
    known = world.state.quotes[PERP]
    late = quote(PERP, arrived_ns=known.arrived_ns, venue_ms=known.venue_ms - 700, price=9.0)
    step = world.fold(late)
    assert step.state.quotes[PERP] is known
    assert step.state.bad_quotes[PERP] == "700 ms older than the quote before it"

    step = world.fold(replace(late, venue_ms=known.venue_ms - 3_600_000))
    assert step.state.quotes[PERP].mark == 9.0
