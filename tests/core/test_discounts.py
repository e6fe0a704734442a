"""The discount factor of linear options, learned from their own marks."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import discounts, units
from bot.core.columns import OptionTable, requoted, table_of
from bot.core.instruments import Instrument
from tests.builders import START_MS, option, quote
from tests.core.pairs import BTC_USDC, ETH_USDC, Market

STRIKES = (60_000, 90_000, 100_000, 110_000, 150_000)
DAY_MS = units.MS_PER_DAY


def held(market: Market, days: float, *strikes: int, side: str = "C") -> list[Instrument]:
    """Options of one expiry; the same name in two expiries is told apart by its days."""
    expiry_ms = START_MS + int(days * DAY_MS)
    names = [market.option(strike, side) for strike in strikes]
    return [
        replace(market.terms(name, expiry_ms), name=f"{name}-{days:g}d{market.rate:g}")
        for name in names
    ]


def table(
    *parts: tuple[Market, list[Instrument]], odd: dict[str, float] | None = None
) -> OptionTable:
    """A table of quoted options, `odd` marks instead of the exact ones."""
    quotes = {
        one.name: replace(quoted, mark=(odd or {}).get(one.name, quoted.mark))
        for market, some in parts
        for one in some
        for quoted in [market.quote(one, START_MS, 0)]
    }
    return table_of([(one, 1.0) for _, some in parts for one in some], quotes)


def learned(of: OptionTable, now_ns: int = 0) -> list[float]:
    return [float(df) for df in discounts.learned(of, START_MS, now_ns).discount]


@given(st.floats(min_value=-0.05, max_value=0.3), st.sampled_from(["C", "P"]))
def test_exact_marks_tell_their_discount_factor_exactly(rate, side) -> None:
    market = replace(BTC_USDC, rate=rate)
    found = learned(table((market, held(market, 30, *STRIKES, side=side))))

    assert found == pytest.approx([math.exp(-rate * 30 / 365)] * len(STRIKES), rel=1e-12)


def test_marks_and_volatilities_as_published_tell_it_to_a_basis_point() -> None:
    some = held(BTC_USDC, 30, *STRIKES)
    seen = {one.name: BTC_USDC.quote(one, START_MS, 0) for one in some}
    rounded = {
        name: replace(one, mark=round(one.mark or 0.0, 2), iv=round(one.iv or 0.0, 4))
        for name, one in seen.items()
    }
    found = learned(table_of([(one, 1.0) for one in some], rounded))

    assert found == pytest.approx([math.exp(-0.04 * 30 / 365)] * len(STRIKES), abs=1e-4)


def test_one_odd_mark_does_not_count() -> None:
    some = held(BTC_USDC, 30, *STRIKES)
    odd = {some[2].name: 1.02 * (BTC_USDC.quote(some[2], START_MS, 0).mark or 0.0)}

    assert learned(table((BTC_USDC, some), odd=odd)) == pytest.approx(
        [math.exp(-0.04 * 30 / 365)] * len(STRIKES), rel=1e-9
    )


def test_an_expiry_without_a_good_quote_takes_the_rate_of_its_nearest_neighbour() -> None:
    worthless = held(BTC_USDC, 10, 400_000)  # a cent of error is many times its value
    near, far = held(BTC_USDC, 20, 100_000), held(BTC_USDC, 200, 100_000)
    slow, fast = replace(BTC_USDC, rate=0.02), replace(BTC_USDC, rate=0.08)
    found = learned(table((BTC_USDC, worthless), (slow, near), (fast, far)))

    assert found[0] == pytest.approx(math.exp(-0.02 * 10 / 365), rel=1e-12)


def test_where_no_expiry_tells_it_is_one_and_another_underlying_lends_no_rate() -> None:
    worthless = held(BTC_USDC, 10, 400_000)
    ether = held(ETH_USDC, 20, 3_000)
    found = learned(table((BTC_USDC, worthless), (ETH_USDC, ether)))

    assert found[0] == 1.0
    assert found[1] == pytest.approx(math.exp(-0.03 * 20 / 365), rel=1e-12)


def test_a_mark_that_no_rate_explains_is_no_evidence() -> None:
    some = held(BTC_USDC, 30, 100_000)
    odd = {some[0].name: 0.5 * (BTC_USDC.quote(some[0], START_MS, 0).mark or 0.0)}

    assert learned(table((BTC_USDC, some), odd=odd)) == [1.0]


def test_at_its_expiry_a_dollar_is_a_dollar() -> None:
    some = held(BTC_USDC, 1, 100_000)
    late = discounts.learned(table((BTC_USDC, some)), START_MS + DAY_MS, 0)

    assert late.discount.tolist() == [1.0]


def test_inverse_options_have_none_and_cost_nothing() -> None:
    of = table_of([(option(), 1.0)], {option().name: quote(option().name)})

    assert discounts.learned(of, START_MS, 0) is of
    assert of.discount.tolist() == [1.0]


def test_an_option_without_a_quote_has_no_factor_until_its_first() -> None:
    quoted, silent = held(BTC_USDC, 30, 100_000, 110_000)
    quotes = {quoted.name: BTC_USDC.quote(quoted, START_MS, 0)}
    some = table_of([(quoted, 1.0), (silent, 1.0)], quotes)
    found = learned(some)

    assert np.isfinite(found[0])
    assert np.isnan(found[1])


def test_the_first_quote_of_an_option_gives_it_a_factor_at_once() -> None:
    quoted, silent = held(BTC_USDC, 30, 100_000, 110_000)
    quotes = {quoted.name: BTC_USDC.quote(quoted, START_MS, 0)}
    once = discounts.learned(table_of([(quoted, 1.0), (silent, 1.0)], quotes), START_MS, 0)
    told = requoted(once, [BTC_USDC.quote(silent, START_MS, 1)])

    assert np.isfinite(discounts.learned(told, START_MS, 1).discount).all()


def test_factors_are_learned_again_after_a_second_or_for_a_first_quote() -> None:
    some = held(BTC_USDC, 30, *STRIKES)
    once = discounts.learned(table((BTC_USDC, some)), START_MS, 0)
    soon = discounts.learned(once, START_MS, units.NS_PER_SECOND - 1)
    later = discounts.learned(once, START_MS, units.NS_PER_SECOND)
    unquoted = replace(once, discount=np.full(len(STRIKES), np.nan), is_learned=False)

    assert soon is once
    assert later is not once
    assert later.learned_ns == units.NS_PER_SECOND
    assert np.isfinite(discounts.learned(unquoted, START_MS, 1).discount).all()


def test_what_is_known_better_counts_for_more() -> None:
    sure, *vague = held(BTC_USDC, 30, 100_000, 129_000, 130_000)
    odd = {one.name: 1.0004 * (BTC_USDC.quote(one, START_MS, 0).mark or 0.0) for one in vague}
    found = learned(table((BTC_USDC, [sure, *vague]), odd=odd))

    assert found[0] == pytest.approx(math.exp(-0.04 * 30 / 365), rel=1e-12)
