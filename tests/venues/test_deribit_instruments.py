"""Deribit's list of instruments into terms, with ticks and lots of our own reading."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.instruments import (
    Instrument,
    Kind,
    Settlement,
    TickStep,
    cap_price,
    size_native,
    tick_at,
)
from bot.venues import deribit_instruments as listing
from tests.venues.payloads import CALL, EXPIRY_MS, PERPETUAL, PUT, option, perpetual

FIXTURES = Path(__file__).parents[2].parent / "shared" / "data" / "fixtures"


def test_a_perpetual_counts_dollars_in_whole_contracts():
    assert listing.instrument(perpetual()) == Instrument(
        name=PERPETUAL,
        kind=Kind.PERPETUAL,
        settlement=Settlement.INVERSE,
        underlying="BTC",
        currency="BTC",
        lot=Decimal(10),
        size_min=Decimal(10),
        tick_size=Decimal("0.5"),
        maker_fee=Decimal(0),
        taker_fee=Decimal("0.0005"),
        index_name="btc_usd",
    )


def test_an_option_has_stepped_ticks_and_steps_of_its_smallest_amount():
    seen = listing.instrument(option(PUT, 90_000.0, "put"))

    assert seen.kind is Kind.OPTION
    assert (seen.strike, seen.is_call, seen.expiry_ms) == (90_000.0, False, EXPIRY_MS)
    assert seen.lot == seen.size_min == Decimal("0.1")
    assert seen.tick_steps == (TickStep(above_price=Decimal("0.005"), tick_size=Decimal("0.0005")),)
    assert not seen.is_usd_sized


def test_a_dated_future_keeps_its_expiry():
    row = perpetual(
        instrument_name="BTC-26DEC25", settlement_period="month", expiration_timestamp=EXPIRY_MS
    )

    assert listing.instrument(row).kind is Kind.FUTURE
    assert listing.instrument(row).expiry_ms == EXPIRY_MS


def test_a_cap_lands_on_a_tick_that_the_venue_accepts():
    """ccxt's own rounding gives 0.0433, which the venue refuses (10043)."""
    seen = listing.instrument(option(CALL, 100_000.0, "call"))

    assert cap_price(seen, 0.04327, +1) == Decimal("0.0430")
    assert cap_price(seen, 0.04327, -1) == Decimal("0.0435")
    assert cap_price(seen, 0.00437, +1) == Decimal("0.0043")


def test_an_amount_is_rounded_to_lots_by_us():
    seen = listing.instrument(perpetual())

    assert size_native(seen, 0.00057, 100_000.0) == 50
    assert size_native(seen, 0.00009, 100_000.0) == 0


STEPPED = [
    listing.instrument(option(CALL, 100_000.0, "call")),
    listing.instrument(
        option(
            "BTC_USDC-26DEC25-100000-C",
            100_000.0,
            "call",
            settlement_currency="USDC",
            instrument_type="linear",
            tick_size=5.0,
            tick_size_steps=[
                {"above_price": 100.0, "tick_size": 20.0},
                {"above_price": 1_000.0, "tick_size": 100.0},
            ],
        )
    ),
    listing.instrument(perpetual()),
]


@pytest.mark.parametrize("terms", STEPPED, ids=lambda terms: terms.name)
@pytest.mark.parametrize("direction", [+1, -1])
@given(share=st.floats(min_value=0.0, max_value=2.0))
def test_a_cap_of_any_price_is_exactly_on_the_venues_step_and_never_beyond_the_price(
    terms: Instrument, direction: int, share: float
):
    top = float(terms.tick_steps[-1].above_price) if terms.tick_steps else 100_000.0
    price = share * top

    cap = cap_price(terms, price, direction)

    assert cap % tick_at(terms, cap) == 0
    assert (Decimal(repr(price)) - cap) * direction >= 0
    coarsest = max((terms.tick_size, *(step.tick_size for step in terms.tick_steps)))
    assert abs(cap - Decimal(repr(price))) <= coarsest


def test_a_linear_perpetual_counts_coins_in_its_own_contracts():
    seen = listing.instrument(
        perpetual(
            instrument_name="BTC_USDC-PERPETUAL",
            settlement_currency="USDC",
            instrument_type="linear",
            contract_size=0.0001,
            min_trade_amount=0.0001,
            price_index="btc_usdc",
        )
    )

    assert not seen.is_usd_sized
    assert (seen.settlement, seen.index_name) == (Settlement.LINEAR, "btc_usdc")
    assert size_native(seen, 0.00057, 100_000.0) == Decimal("0.0005")
    assert size_native(seen, -0.12345678, 100_000.0) == Decimal("-0.1234")
    assert size_native(seen, 0.00009, 100_000.0) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "option_combo"},
        {"kind": "future_combo"},
        {"kind": "spot"},
        {"kind": ["option"]},
        {"settlement_currency": "USDC"},
        {"settlement_currency": None},
        {"is_active": False},
    ],
    ids=str,
)
def test_what_is_not_ours_to_trade_is_left_out_in_silence(changes):
    assert listing.instruments([perpetual(**changes)], ("BTC",)) == ((), ())


@pytest.mark.parametrize(
    "changes",
    [
        {"strike": None},
        {"strike": 0.0},
        {"option_type": "straddle"},
        {"option_type": None},
        {"tick_size": None},
        {"tick_size": 0.0},
        {"min_trade_amount": 0.0},
        {"expiration_timestamp": None},
        {"instrument_type": "quanto"},
        {"tick_size_steps": [{"above_price": 0.005}]},
        {"tick_size_steps": "none"},
        {"base_currency": None},
    ],
    ids=str,
)
def test_a_row_that_cannot_be_read_is_left_out_and_reported(changes):
    good = option(PUT, 90_000.0, "put")

    read, bad = listing.instruments([option(CALL, 1.0, "call") | changes, good], ("BTC",))

    assert [item.name for item in read] == [PUT]
    assert len(bad) == 1
    assert CALL in bad[0].reason


@pytest.mark.skipif(not FIXTURES.is_dir(), reason="no recorded payloads beside the house")
def test_recorded_instruments_are_all_readable():
    folder = FIXTURES / "nautilus_deribit_LGPL3"
    names = ("http_get_instrument.json", "http_get_instrument_option.json")
    rows = [json.loads((folder / name).read_text())["result"] for name in names]
    rows += json.loads((folder / "http_get_instruments.json").read_text())["result"]

    for currency in {row["settlement_currency"] for row in rows}:
        read, bad = listing.instruments(rows, (currency,))
        assert bad == ()
        wanted = {row["instrument_name"] for row in rows if listing.is_wanted(row, (currency,))}
        assert {item.name for item in read} == wanted
