from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.exchange.contracts import (
    BTC_USD,
    PAIRS,
    PERPETUAL_EXPIRY_MS,
    Kind,
    Pair,
    SettlementPeriod,
    expiry_code,
    future,
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

    for pair in PAIRS:
        contract = parse_name(option_name(pair, expiry_ms, strike, is_call))
        assert contract == option(pair, expiry_ms, strike, is_call)
        dated = future(pair, expiry_ms)
        assert parse_name(dated.name) == dated
        assert parse_name(perpetual(pair).name) == perpetual(pair)
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


@pytest.mark.parametrize(
    ("name", "settles_in", "quote", "index", "lot", "tick"),
    [
        ("BTC-27MAR26", "BTC", "USD", "btc_usd", "10", "2.5"),
        ("ETH-27MAR26", "ETH", "USD", "eth_usd", "1", "0.25"),
        ("ETH-27MAR26-3000-C", "ETH", "ETH", "eth_usd", "1", "0.0001"),
        ("BTC_USDC-PERPETUAL", "USDC", "USDC", "btc_usdc", "0.0001", "0.5"),
        ("BTC_USDC-27MAR26-90000-P", "USDC", "USDC", "btc_usdc", "0.01", "5"),
        ("ETH_USDC-27MAR26-3000-C", "USDC", "USDC", "eth_usdc", "0.1", "0.2"),
    ],
)
def test_each_pair_has_the_venue_s_currencies_index_lots_and_ticks(
    name, settles_in, quote, index, lot, tick
):
    contract = parse_name(name)

    assert (contract.settlement_currency, contract.quote) == (settles_in, quote)
    assert contract.pair.index_name == index
    assert (contract.lot, contract.tick_size) == (Decimal(lot), Decimal(tick))


@pytest.mark.parametrize(
    ("name", "price", "tick"),
    [
        ("BTC_USDC-27MAR26-90000-P", "1000", "5"),
        ("BTC_USDC-27MAR26-90000-P", "1020", "20"),
        ("ETH_USDC-27MAR26-3000-C", "50", "0.2"),
        ("ETH_USDC-27MAR26-3000-C", "51", "1"),
    ],
)
def test_linear_options_step_wider_where_they_are_dear(name, price, tick):
    assert parse_name(name).tick_at(Decimal(price)) == Decimal(tick)


@pytest.mark.parametrize(
    ("name", "period"),
    [
        ("BTC-PERPETUAL", SettlementPeriod.PERPETUAL),
        ("BTC-14JAN26-90000-C", SettlementPeriod.DAY),
        ("BTC-16JAN26-90000-C", SettlementPeriod.WEEK),
        ("BTC-13JAN23-16000-P", SettlementPeriod.WEEK),  # as in the venue's own example
        ("BTC-30JAN26", SettlementPeriod.MONTH),
        ("BTC-29SEP23", SettlementPeriod.MONTH),  # likewise
    ],
)
def test_the_settlement_period_is_read_off_the_calendar(name, period):
    assert parse_name(name).settlement_period is period


@pytest.mark.parametrize("pair", PAIRS)
def test_only_inverse_futures_are_counted_in_usd(pair: Pair):
    dated = future(pair, at_eight(2026, 3, 27))

    assert perpetual(pair).is_sized_in_usd is dated.is_sized_in_usd is (pair.quote == "USD")
    assert not option(pair, dated.expiry_ms, 3_000.0, True).is_sized_in_usd
