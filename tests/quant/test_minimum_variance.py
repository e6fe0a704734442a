import math

import numpy as np
import pytest

from bot.quant.black76 import greeks_full
from bot.quant.coin_greeks import in_coin
from bot.quant.minimum_variance import (
    NO_SHIFT,
    Estimate,
    FloatArray,
    Moves,
    Quadratic,
    delta_shift,
    fitted,
    nothing_seen,
    updated,
)

TRUE = Quadratic(-0.2, 0.19, 0.06)
OTHER = Quadratic(0.1, -0.3, 0.2)
FORWARD = 90_000.0


def step(
    rng: np.random.Generator, quadratic: Quadratic = TRUE, *, noise: float = 0.0, count: int = 40
) -> Moves:
    """One step of calls whose volatility moved as the quadratic says, in coin."""
    strike = FORWARD * np.exp(rng.uniform(-0.3, 0.3, count))
    years = rng.uniform(2, 90, count) / 365
    value = greeks_full(FORWARD, strike, years, 0.5, is_call=True)
    vega = in_coin(value, FORWARD).vega
    move = np.full(count, rng.normal(0.0, 0.015))
    a, b, c = quadratic
    d = value.delta
    vol_move = move * (a + b * d + c * d * d) / np.sqrt(years)
    return Moves(
        unexplained=vega * (vol_move + noise * rng.normal(size=count)),
        vega=vega,
        black_delta=d,
        years=years,
        relative_move=move,
    )


def after(steps: list[Moves], *, memory_steps: float = math.inf) -> Estimate:
    estimate = nothing_seen()
    for seen in steps:
        estimate = updated(estimate, seen, memory_steps=memory_steps)
    return estimate


def rows(seen: Moves) -> tuple[FloatArray, FloatArray]:
    scale = seen.vega / np.sqrt(seen.years) * seen.relative_move
    return scale[:, None] * np.vander(seen.black_delta, 3, increasing=True), seen.unexplained


def test_volatility_that_follows_the_forward_is_learned_from_what_the_delta_missed():
    rng = np.random.default_rng(1)

    found = fitted(after([step(rng) for _ in range(5)]), prior_steps=0.0)

    assert found == pytest.approx(TRUE, abs=1e-9)


def test_nothing_is_added_to_the_delta_unless_somebody_says_how_much_to_believe():
    rng = np.random.default_rng(2)
    estimate = after([step(rng) for _ in range(50)])

    assert fitted(estimate) == NO_SHIFT
    assert fitted(nothing_seen(), prior_steps=0.0) == NO_SHIFT
    assert not delta_shift(0.4, 0.1, 30 / 365, fitted(estimate)).any()


def test_the_stronger_the_prior_the_smaller_the_shift():
    rng = np.random.default_rng(3)
    estimate = after([step(rng, noise=0.01) for _ in range(30)])
    delta = np.linspace(0.05, 0.95, 19)

    sizes = [
        float(np.sum(delta_shift(delta, 0.1, 30 / 365, fitted(estimate, prior_steps=prior)) ** 2))
        for prior in (0.0, 3.0, 30.0, 300.0, 3_000.0, math.inf)
    ]

    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 0.0
    assert sizes[-2] < 1e-3 * sizes[0]


def test_a_prior_as_old_as_the_record_halves_what_a_single_term_says():
    """Options of one delta inform one direction: a prior of as many steps is half the weight."""
    years, vega, move = 0.1, 0.12, 0.02
    seen = Moves(
        unexplained=np.full(8, vega * move * 0.3 / math.sqrt(years)),
        vega=np.full(8, vega),
        black_delta=np.zeros(8),
        years=np.full(8, years),
        relative_move=np.full(8, move),
    )
    estimate = after([seen] * 12)

    assert fitted(estimate, prior_steps=0.0) == pytest.approx((0.3, 0.0, 0.0), abs=1e-12)
    assert fitted(estimate, prior_steps=12.0) == pytest.approx((0.15, 0.0, 0.0), abs=1e-12)


@pytest.mark.parametrize("memory_steps", [math.inf, 240.0, 5.0])
def test_the_running_sums_are_the_weighted_least_squares_of_all_that_was_seen(memory_steps):
    rng = np.random.default_rng(4)
    steps = [step(rng, noise=0.02) for _ in range(25)]

    found = fitted(after(steps, memory_steps=memory_steps), prior_steps=0.0)

    weights = [(1 - 1 / memory_steps) ** (age / 2) for age in range(len(steps))][::-1]
    parts = [tuple(w * part for part in rows(seen)) for w, seen in zip(weights, steps, strict=True)]
    x = np.concatenate([part[0] for part in parts])
    y = np.concatenate([part[1] for part in parts])
    assert found == pytest.approx(tuple(np.linalg.lstsq(x, y)[0]), rel=1e-6, abs=1e-9)


def test_an_old_regime_is_forgotten():
    rng = np.random.default_rng(5)
    turned = [step(rng) for _ in range(60)] + [step(rng, OTHER) for _ in range(60)]

    short = fitted(after(turned, memory_steps=10.0), prior_steps=0.0)
    long = fitted(after(turned), prior_steps=0.0)

    assert short == pytest.approx(OTHER, abs=0.02)
    assert max(abs(a - b) for a, b in zip(long, OTHER, strict=True)) > 0.05


def test_what_is_no_number_teaches_nothing():
    rng = np.random.default_rng(6)
    seen = step(rng)
    hurt = seen.unexplained.copy()
    hurt[3] = np.nan
    expired = seen.years.copy()
    expired[7] = 0.0
    partly = Moves(
        unexplained=hurt,
        vega=seen.vega,
        black_delta=seen.black_delta,
        years=expired,
        relative_move=seen.relative_move,
    )
    before = after([step(rng)])

    assert fitted(updated(before, partly), prior_steps=0.0) == pytest.approx(TRUE, abs=1e-9)
    nobody = Moves(**{name: np.full(3, np.nan) for name in Moves.__slots__})
    assert updated(before, nobody) is before


def test_an_estimate_is_a_value_that_a_later_step_does_not_touch():
    rng = np.random.default_rng(7)
    first = after([step(rng)])
    information = first.information.copy()

    second = updated(first, step(rng), memory_steps=20.0)

    assert (first.information == information).all()
    assert (first.steps, second.steps) == (1.0, 1.95)
    with pytest.raises(ValueError, match="read-only"):
        second.response[0] = 1.0


def test_dollars_and_coins_learn_the_same():
    rng = np.random.default_rng(8)
    coins = [step(rng, noise=0.01) for _ in range(6)]
    dollars = [
        Moves(
            unexplained=FORWARD * seen.unexplained,
            vega=FORWARD * seen.vega,
            black_delta=seen.black_delta,
            years=seen.years,
            relative_move=seen.relative_move,
        )
        for seen in coins
    ]

    in_coins, in_dollars = (fitted(after(side), prior_steps=4.0) for side in (coins, dollars))

    assert in_coins == pytest.approx(in_dollars, rel=1e-6)


def test_the_shift_is_what_the_volatility_s_expected_move_is_worth():
    years, vol, strike = 20 / 365, 0.5, 95_000.0
    value = greeks_full(FORWARD, strike, years, vol, is_call=True)
    shift = delta_shift(value.delta, in_coin(value, FORWARD).vega, years, TRUE)

    def price(move: float) -> float:
        d = float(value.delta)
        followed = vol + move * (TRUE.a + TRUE.b * d + TRUE.c * d * d) / math.sqrt(years)
        return float(greeks_full(FORWARD * (1 + move), strike, years, followed, is_call=True).price)

    by_move = (price(1e-5) - price(-1e-5)) / (2e-5 * FORWARD)
    assert value.delta + shift == pytest.approx(by_move, abs=1e-8)
    assert delta_shift([0.5, 0.5], [0.1, 0.1], [0.0, 0.1], TRUE)[0] == 0.0


@pytest.mark.parametrize(
    ("options", "words"),
    [({"memory_steps": 0.5}, "forgets"), ({"memory_steps": math.nan}, "forgets")],
)
def test_a_memory_shorter_than_a_step_is_refused(options, words):
    with pytest.raises(ValueError, match=words):
        updated(nothing_seen(), step(np.random.default_rng(9)), **options)


@pytest.mark.parametrize("prior", [-1.0, math.nan])
def test_a_prior_that_cannot_be_is_refused(prior):
    with pytest.raises(ValueError, match="cannot be"):
        fitted(after([step(np.random.default_rng(10))]), prior_steps=prior)
