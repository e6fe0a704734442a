from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.exchange.contracts import (
    BTC_USD,
    PERPETUAL_EXPIRY_MS,
    Kind,
    expiry_code,
    option,
    option_name,
    parse_expiry_code,
    parse_name,
    perpetual,
)


def at_eight(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, 8, tzinfo=UTC).timestamp() * 1000)


def test_the_perpetual_is_listed_as_the_venue_lists_it():
    contract = parse_name("BTC-PERPETUAL")

    assert contract.kind is Kind.PERPETUAL
    assert (contract.quote, contract.settlement_currency) == ("USD", "BTC")
    assert contract.lot == contract.contract_size == Decimal(10)
    assert contract.tick_size == Decimal("0.5")
    assert contract.tick_steps == ()
    assert contract.expiry_ms == PERPETUAL_EXPIRY_MS
    assert (contract.strike, contract.is_call) == (None, None)
    assert (contract.maker_fee, contract.taker_fee) == (Decimal(0), Decimal("0.0005"))


def test_an_option_s_name_says_all_of_its_terms():
    contract = parse_name("BTC-5JAN26-90000-P")

    assert contract.kind is Kind.OPTION
    assert contract.expiry_ms == at_eight(2026, 1, 5)
    assert (contract.strike, contract.is_call) == (90_000.0, False)
    assert contract.lot == Decimal("0.1")
    assert contract.quote == "BTC"
    assert contract.creation_ms < contract.expiry_ms


@pytest.mark.parametrize(
    ("price", "tick"),
    [("0.0001", "0.0001"), ("0.005", "0.0001"), ("0.0051", "0.0005"), ("0.2", "0.0005")],
)
def test_an_option_s_price_step_grows_above_half_a_percent_of_a_coin(price, tick):
    assert parse_name("BTC-26DEC25-90000-C").tick_at(Decimal(price)) == Decimal(tick)


def test_a_price_between_the_steps_is_refused_and_rounds_either_way():
    contract = parse_name("BTC-26DEC25-90000-C")

    assert not contract.is_on_tick(Decimal("0.04327"))
    assert contract.floor_price(Decimal("0.04327")) == Decimal("0.0430")
    assert contract.ceil_price(Decimal("0.04327")) == Decimal("0.0435")
    assert contract.ceil_price(Decimal("0.00501")) == Decimal("0.0055")
    assert perpetual(BTC_USD).floor_price(Decimal("95000.74")) == Decimal("95000.5")


@given(st.decimals("0.0001", "2", places=6), st.booleans())
def test_rounding_a_price_gives_a_valid_one_less_than_a_step_away(price, up):
    contract = parse_name("BTC-26DEC25-90000-C")

    rounded = contract.ceil_price(price) if up else contract.floor_price(price)

    assert contract.is_on_tick(rounded)
    assert (rounded >= price) if up else (rounded <= price)
    assert abs(rounded - price) < Decimal("0.0005")


@given(
    st.integers(20_454, 40_000),  # days since 1970: January 2026 to 2079
    st.one_of(st.integers(1, 400_000).map(float), st.sampled_from([0.5, 12.25, 1500.5])),
    st.booleans(),
)
def test_names_lead_back_to_the_terms_they_were_made_of(day, strike, is_call):
    expiry_ms = day * 86_400_000 + 8 * 3_600_000

    contract = parse_name(option_name(BTC_USD, expiry_ms, strike, is_call))

    assert contract == option(BTC_USD, expiry_ms, strike, is_call)
    assert parse_expiry_code(expiry_code(expiry_ms)) == expiry_ms


def test_the_day_of_an_expiry_has_no_leading_zero():
    assert expiry_code(at_eight(2026, 1, 5)) == "5JAN26"
    assert expiry_code(at_eight(2025, 12, 26)) == "26DEC25"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "BTC",
        "BTC-26DEC2",
        "DOGE-PERPETUAL",
        "BTC_USDT-26DEC25-90000-C",
        "BTC-26DEC25-90000-X",
        "BTC-26DEZ25-90000-C",
        "BTC-99DEC25-90000-C",
        "BTC-DEC25-90000-C",
        "BTC-26DEC25-ninety-C",
        "BTC-26DEC25--5-C",
        "BTC-26DEC25-nan-C",
    ],
)
def test_what_is_not_listed_here_is_not_an_instrument(name):
    with pytest.raises(ValueError):
        parse_name(name)
