"""What an account says of itself, and what an acceptance makes of it."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.core.instruments import Instrument
from bot.venues import deribit_readings as readings
from bot.venues.deribit_findings import Outcome
from bot.venues.deribit_network import Network
from bot.venues.deribit_readings import BookTerms, ClockReading
from bot.venues.deribit_translate import MessageError
from tests.builders import CALL, PERP, option, perp

OK, FAILED, NOT_CHECKED = Outcome.OK, Outcome.FAILED, Outcome.NOT_CHECKED
BOOK = BookTerms(name="main", underlying="BTC", hedge=PERP, band_width_coin=0.1)
LISTED = {PERP: perp(), CALL: option()}
LIMITS = {
    "non_matching_engine": {"rate": 20, "burst": 100},
    "matching_engine": {"trading": {"total": {"rate": 5, "burst": 20}}},
}


def reading(**changes: Any) -> ClockReading:
    told = ClockReading(before_ms=1_000, after_ms=1_020, venue_us=1_010_000.0, market_ms=1_010)
    return replace(told, **changes)


@pytest.mark.parametrize(
    ("seen", "network", "outcome"),
    [
        (reading(), Network.LIVE, OK),
        (reading(venue_us=2_900_000.0, market_ms=2_900), Network.LIVE, OK),
        (reading(venue_us=3_100_000.0, market_ms=3_100), Network.LIVE, FAILED),
        (reading(venue_us=-1_100_000.0, market_ms=-1_100), Network.TESTNET, FAILED),
        (reading(market_ms=9_000_000_000), Network.TESTNET, FAILED),
        (reading(market_ms=9_000_000_000), Network.REHEARSAL, OK),
    ],
)
def test_only_a_rehearsals_market_may_live_in_another_time(seen, network, outcome):
    assert readings.clock(seen, network).outcome is outcome


def test_a_slow_way_widens_what_is_known_of_the_clock():
    slow = reading(before_ms=0, after_ms=4_000, venue_us=5_500_000.0, market_ms=5_500)

    assert slow.uncertainty_ms == 2_000
    assert readings.clock(slow, Network.LIVE).outcome is OK


@pytest.mark.parametrize("answer", [None, {}, {"usIn": 1, "usOut": "2", "result": 3}])
def test_an_answer_without_its_stamps_says_nothing_about_clocks(answer):
    with pytest.raises(MessageError):
        readings.clock_reading(answer, 0, 1)


@pytest.mark.parametrize(
    ("testnet", "expected", "outcome"),
    [
        (True, Network.TESTNET, OK),
        (False, Network.LIVE, OK),
        (True, Network.REHEARSAL, OK),
        (False, Network.TESTNET, FAILED),
        (True, Network.LIVE, FAILED),
        (None, Network.LIVE, NOT_CHECKED),
    ],
)
def test_the_venues_own_flag_is_compared_with_the_mode(testnet, expected, outcome):
    assert readings.network(testnet, expected).outcome is outcome


@pytest.mark.parametrize(
    ("book", "listed", "mark", "says"),
    [
        (BOOK, {CALL: option()}, 100_000.0, "is not listed"),
        (BOOK, {PERP: perp()}, 100_000.0, "no BTC option"),
        (BOOK, {PERP: perp(), CALL: option(underlying="ETH")}, 100_000.0, "no BTC option"),
        (BOOK, {PERP: perp(), CALL: option(currency="USDC")}, 100_000.0, "settles in BTC"),
        (BOOK, {**LISTED, PERP: perp(size_min=Decimal(15))}, 100_000.0, "whole number of lots"),
        (BOOK, LISTED, None, "no mark price"),
        (BOOK, LISTED, 90.0, "more than the band is wide"),
    ],
)
def test_a_book_that_cannot_be_hedged_says_why(book, listed: dict[str, Instrument], mark, says):
    found = readings.book(book, listed, mark)

    assert found.outcome is FAILED
    assert says in found.said


@pytest.mark.parametrize(
    ("summary", "outcome"),
    [
        ({"margin_model": "segregated_sm", "equity": 1.5}, OK),
        ({"margin_model": "segregated_pm", "equity": 1.5}, FAILED),
        ({"margin_model": "cross_sm", "equity": 1.5}, FAILED),
        ({"margin_model": "segregated_sm", "equity": None}, FAILED),
        ({"equity": 1.5}, NOT_CHECKED),
    ],
)
def test_only_a_margin_model_that_the_gate_computes_is_accepted(summary, outcome):
    assert readings.margin_model(summary, "BTC").outcome is outcome


def test_an_account_with_portfolio_margin_is_accepted_where_it_is_configured() -> None:
    netted = {"margin_model": "segregated_pm", "equity": 1.5}
    plain = {"margin_model": "segregated_sm", "equity": 1.5}

    assert readings.margin_model(netted, "BTC", "segregated_pm").outcome is OK
    refused = readings.margin_model(plain, "BTC", "segregated_pm")
    assert refused.outcome is FAILED
    assert "is segregated_sm, the configuration's segregated_pm" in refused.said


@pytest.mark.parametrize(
    ("limits", "outcome", "says"),
    [
        (LIMITS, OK, "20 questions a second (burst 100), 5 orders a second (burst 20)"),
        ({**LIMITS, "matching_engine": {"rate": 7, "burst": 9}}, OK, "7 orders"),
        ({**LIMITS, "matching_engine": None}, OK, "? orders"),
        ({**LIMITS, "non_matching_engine": {"rate": 1, "burst": 100}}, FAILED, "too few"),
        ({}, NOT_CHECKED, "does not state"),
        (None, NOT_CHECKED, "does not state"),
    ],
)
def test_the_rates_that_the_account_states_are_read_in_either_shape(limits, outcome, says):
    found = readings.rate_limits({"limits": limits})

    assert found.outcome is outcome
    assert says in found.said


def row(name: str, size: float) -> dict[str, Any]:
    direction = "buy" if size > 0 else "sell"
    return {"instrument_name": name, "size": size, "direction": direction, "average_price": 1.0}


@pytest.mark.parametrize(
    ("rows", "outcome"),
    [
        ([], OK),
        ([row(PERP, 100), row(CALL, -0.1)], OK),
        ([row(PERP, 100), row(PERP, -50)], FAILED),
        ([row("BTC-1JAN20", 100)], FAILED),
    ],
)
def test_an_account_holds_one_net_position_an_instrument(rows, outcome):
    assert readings.positions(rows, LISTED).outcome is outcome


@pytest.mark.parametrize(
    ("rows", "outcome"),
    [
        ([], OK),
        ([{"label": "x1"}, {}], OK),
        ([{"label": "db1"}], FAILED),
        ({"label": "db1"}, FAILED),
    ],
)
def test_an_order_under_our_prefix_is_found(rows, outcome):
    assert readings.open_orders(rows, "db").outcome is outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ({"buy": 0.01, "sell": 0.0}, OK),
        ({"buy": 0.0, "sell": 0.0}, FAILED),
        ({"buy": 0.01}, FAILED),
        (None, FAILED),
    ],
)
def test_a_hypothetical_order_needs_some_margin(answer, outcome):
    assert readings.hypothetical_margins(answer, "10").outcome is outcome


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [({"initial_margin": 1.0, "maintenance_margin": 0.5}, OK), ({}, FAILED), (None, FAILED)],
)
def test_a_simulated_portfolio_states_both_margins(answer, outcome):
    assert readings.simulated(answer, "BTC").outcome is outcome
