"""Options one by one at every node, against the formula and against the book's own grid."""

from dataclasses import replace

import numpy as np
import pytest

from bot.quant import scenario_values, scenarios
from bot.quant.black76 import greeks
from bot.quant.scenario_values import Options, values

GROW = np.array([0.34, 0.84, 1.0, 1.16, 6.0])


def some(count: int = 37, *, inverse: bool, still: float = 0.0) -> tuple[Options, np.ndarray]:
    rng = np.random.default_rng(5)
    terms = Options(
        moving=np.full(count, 100_000.0 - still),
        still=np.full(count, still),
        strike=100_000.0 * np.exp(rng.normal(0.0, 0.3, count)),
        years=rng.choice([0.0, 0.02, 0.3, 1.0], count),
        discount=np.ones(count) if inverse else rng.uniform(0.9, 1.0, count),
        is_call=rng.random(count) < 0.5,
        is_inverse=np.full(count, inverse),
    )
    return terms, rng.uniform(0.2, 1.5, (len(GROW), count))


@pytest.mark.parametrize("inverse", [True, False])
def test_each_value_is_the_formulas_at_the_moved_forward(inverse):
    terms, vols = some(inverse=inverse)

    found = values(terms, GROW, vols)

    for node, grow in enumerate(GROW):
        moved = terms.moving * grow
        price = greeks(
            moved, terms.strike, terms.years, vols[node], terms.is_call, terms.discount
        ).price
        assert found[node] == pytest.approx(price / moved if inverse else price, rel=1e-15)


def test_the_known_part_of_a_settlement_average_does_not_move():
    terms, vols = some(inverse=False, still=40_000.0)

    found = values(terms, GROW, vols)

    moved = 40_000.0 + 60_000.0 * GROW[:, None]
    expected = greeks(moved, terms.strike, terms.years, vols, terms.is_call, terms.discount).price
    assert found == pytest.approx(expected, rel=1e-15)


def test_the_sum_over_a_book_is_the_grid_of_the_book():
    terms, _ = some(inverse=True)
    size, vol = np.linspace(-3.0, 2.0, 37), np.full(37, 0.6)
    held = scenarios.Holdings(
        size=size,
        forward=terms.moving,
        strike=terms.strike,
        years=terms.years,
        vol=vol,
        discount=terms.discount,
        expiry=(terms.years * 1e6).astype(np.int64),
        is_call=terms.is_call,
        is_inverse=terms.is_inverse,
    )

    worth = values(terms, GROW, np.tile(vol, (len(GROW), 1)))

    grid = scenarios.revalue(held, GROW - 1.0).profit.sum(axis=-1)[0, 0]
    assert (worth - worth[2]) @ size == pytest.approx(grid, rel=1e-11, abs=1e-12)


@pytest.mark.parametrize("column", ["moving", "strike", "discount", "years", "vol"])
def test_an_option_without_an_input_is_never_priced(column):
    terms, vols = some(inverse=True)
    if column == "vol":
        vols[:, 3] = np.nan
    else:
        broken = getattr(terms, column).copy()
        broken[3] = np.nan
        terms = replace(terms, **{column: broken})

    found = values(terms, GROW, vols)

    assert np.isnan(found[:, 3]).all()
    assert np.isfinite(np.delete(found, 3, axis=1)).all()


def test_volatilities_of_another_shape_are_refused():
    terms, vols = some(inverse=True)

    with pytest.raises(ValueError, match="vols must have shape"):
        values(terms, GROW, vols[:2])
    scenario_values.warm()
