"""One pass over a book gives what its options give one by one, and the same each time."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.quant import black76, conventions
from bot.quant.book_totals import Totals, totals
from bot.quant.conventions import Convention

NOW_MS = 1_767_603_600_000
MS_PER_YEAR = 365 * 86_400_000
INDEX_USD = 99_500.0

Columns = dict[str, np.ndarray]


def book(count: int, seed: int = 1, *, linear: bool = False) -> Columns:
    """Options from a minute to a year away, some of them inside the settlement window."""
    rng = np.random.default_rng(seed)
    left_ms = rng.choice([60_000, 900_000, 86_400_000, 30 * 86_400_000, MS_PER_YEAR], count)
    forward = 100_000.0 * rng.uniform(0.9, 1.1, count)
    return {
        "size": rng.normal(0.0, 5.0, count),
        "strike": forward * np.exp(rng.normal(0.0, 0.05, count)),
        "expiry_ms": NOW_MS + left_ms,
        "is_call": rng.random(count) < 0.5,
        "forward": forward,
        "vol": rng.uniform(0.3, 1.2, count),
        "discount": np.exp(-0.04 * left_ms / MS_PER_YEAR) if linear else np.ones(count),
        "quoted_ns": np.arange(count, dtype=np.int64),
    }


def added(held: Columns, *, linear: bool = False, oldest_ns: int = 0) -> Totals:
    return totals(**held, now_ms=NOW_MS, oldest_ns=oldest_ns, is_linear=linear)


def one_by_one(held: Columns, *, linear: bool) -> tuple[float, ...]:
    years = (held["expiry_ms"] - NOW_MS) / MS_PER_YEAR
    f, q = held["forward"], held["size"]
    seen = black76.greeks(f, held["strike"], years, held["vol"], held["is_call"], held["discount"])
    weight = conventions.expiry_weight(NOW_MS, held["expiry_ms"])
    coins = np.ones_like(f) if linear else 1.0 / f
    mark = np.zeros_like(f) if linear else seen.price / f
    moving = seen.delta * f if linear else seen.delta - mark
    rows = (
        q * seen.price * coins,
        q * weight * moving,
        q * weight**2 * seen.gamma * f**2 * coins,
        q * seen.vega,
        q * seen.theta,
    )
    return tuple(math.fsum(row) for row in rows)


@pytest.mark.parametrize("linear", [False, True], ids=["inverse", "linear"])
@pytest.mark.parametrize("count", [0, 1, 7, 8, 200, 1_003])
def test_a_book_comes_to_the_sum_of_its_options(count, linear):
    held = book(count, linear=linear)

    whole = added(held, linear=linear)

    scale = [1.0, 10.0, 100.0, 1e5, 1e7]  # of the largest parts: what round-off is measured by
    for found, wanted, unit in zip(whole[:5], one_by_one(held, linear=linear), scale, strict=True):
        assert found == pytest.approx(wanted, rel=1e-12, abs=1e-13 * unit * (1 + count))


@pytest.mark.parametrize("convention", list(Convention))
def test_totals_make_the_deltas_of_every_convention(convention):
    held, e = book(300), 0.9
    whole = added(held)
    years = (held["expiry_ms"] - NOW_MS) / MS_PER_YEAR
    seen = black76.greeks(held["forward"], held["strike"], years, held["vol"], held["is_call"])
    wanted = conventions.option_delta_coin(
        convention,
        held["size"],
        seen.delta,
        seen.price / held["forward"],
        e,
        conventions.expiry_weight(NOW_MS, held["expiry_ms"]),
    )

    value = whole.value if convention is Convention.BOOK else 0.0
    assert e * whole.delta + value == pytest.approx(math.fsum(wanted), rel=1e-12)


def test_totals_make_the_delta_of_a_linear_book():
    held, e = book(300, linear=True), 0.9
    years = (held["expiry_ms"] - NOW_MS) / MS_PER_YEAR
    delta = black76.greeks(
        held["forward"], held["strike"], years, held["vol"], held["is_call"], held["discount"]
    ).delta
    weight = conventions.expiry_weight(NOW_MS, held["expiry_ms"])
    wanted = conventions.linear_option_delta_coin(
        held["size"], delta, held["forward"], INDEX_USD, e, weight
    )

    found = e * added(held, linear=True).delta / INDEX_USD
    assert found == pytest.approx(math.fsum(wanted), rel=1e-12)


@given(st.integers(0, 40), st.integers(0, 45))
def test_quotes_from_before_the_oldest_allowed_are_counted(count, oldest_ns):
    assert added(book(count), oldest_ns=oldest_ns).stale == min(count, oldest_ns)


@pytest.mark.parametrize("column", ["forward", "vol", "discount", "strike"])
@pytest.mark.parametrize("number", [math.nan, math.inf, -1.0])
def test_one_option_that_cannot_be_priced_leaves_no_total(column, number):
    held = book(50)
    held[column][31] = number
    held["size"][31] = 0.0

    assert all(math.isnan(total) for total in added(held)[:5])


def test_an_option_that_has_expired_is_worth_what_it_pays_and_moves_no_more():
    held = book(1) | {"expiry_ms": np.array([NOW_MS - 1]), "is_call": np.array([True])}
    held |= {"size": np.array([2.0]), "forward": np.array([1.1e5]), "strike": np.array([1e5])}

    whole = added(held)

    assert whole.value == pytest.approx(2.0 / 11.0)
    assert whole[1:5] == (0.0, 0.0, 0.0, 0.0)


@settings(max_examples=30)
@given(st.integers(0, 300), st.integers(0, 7))
def test_totals_are_the_same_bits_wherever_the_columns_lie(count, shift):
    """A sum that was taken in vectors from an aligned address would depend on the address."""
    held = book(count)
    moved = {}
    for name, column in held.items():
        room = np.empty(count + shift, dtype=column.dtype)
        room[shift:] = column
        moved[name] = room[shift:]
        moved[name].setflags(write=False)

    assert added(moved) == added(held)


def test_columns_of_several_lengths_are_refused():
    held = book(5)
    held["vol"] = held["vol"][:4]

    with pytest.raises(ValueError, match="differ from length 5"):
        added(held)


def test_a_column_of_another_type_is_refused():
    held = book(5)
    held["vol"] = held["vol"].astype(np.float32)

    with pytest.raises(TypeError, match="No matching definition"):
        added(held)
