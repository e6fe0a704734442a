"""What recorded chains say: the venue's own arithmetic, and which delta hedges coin P&L.

Six-hourly chains of three months with the perpetual's price; skipped where they are absent. The
figures expected are those published for the same data (of a longer range): hedging with the net
delta removes 85 % of the root mean square of BTC marks, with the plain delta 63.5 %; on raw mids
65 % and 53 %. ETH marks: 83.4 % and 58.6 %.
"""

import numpy as np
import polars as pl
import pytest

from bot.quant.black76 import greeks
from bot.quant.implied_vol import implied_vol_inverse
from bot.quant.minimum_variance import (
    FloatArray,
    Moves,
    Quadratic,
    delta_shift,
    fitted,
    nothing_seen,
    updated,
)
from tests.quant.recorded import (
    DAY,
    calls,
    chains,
    column,
    fairly_quoted,
    liquid,
    perp_gain,
    six_hourly,
    unexplained,
)

pytestmark = pytest.mark.skipif(
    not six_hourly("BTC").exists(), reason="recorded chains are not here"
)

CURRENCIES = ("BTC", "ETH")


@pytest.mark.parametrize("currency", CURRENCIES)
def test_the_venues_marks_are_black_76_at_zero_rate_on_a_year_of_365_days(currency):
    table = chains(currency).filter(pl.col("years") > DAY)
    forward, strike, years, mark, iv = (
        column(table, name) for name in ("forward", "strike", "years", "mark", "mark_iv")
    )
    is_call = calls(table)

    value = greeks(forward, strike, years, iv, is_call)

    error = np.abs(value.price / forward - mark)
    delta = np.abs(value.delta - column(table, "delta"))
    points = np.abs(implied_vol_inverse(mark, forward, strike, years, is_call) - iv) * 100.0
    figures = (
        f"{currency}: {len(table)} marks, error p50 {np.median(error):.2e} "
        f"p90 {np.quantile(error, 0.9):.2e} coin, volatility p50 {np.nanmedian(points):.4f} "
        f"points, delta p50 {np.nanmedian(delta):.2e}"
    )
    assert np.median(error) < 2e-6, figures
    assert np.quantile(error, 0.9) < 1e-5, figures
    assert np.nanmedian(points) < 0.004, figures
    assert np.nanmedian(delta) < 2e-4, figures


def hedged(price: str, delta: str, table: pl.DataFrame) -> float:
    """Share of the root mean square of six-hour P&L, in coin, that the perpetual takes away."""
    change = column(table, f"{price}_next") - column(table, price)
    left = unexplained(table, price, delta)
    return float(1.0 - np.sqrt(np.nanmean(left**2) / np.nanmean(change**2)))


def test_the_net_delta_hedges_coin_where_the_plain_one_leaves_a_third():
    table = liquid("BTC")

    assert hedged("mark", "net", table) > 0.85
    assert hedged("mark", "plain", table) == pytest.approx(0.635, abs=0.01)
    assert hedged("mid", "net", table) > 0.65
    assert hedged("mid", "plain", table) == pytest.approx(0.53, abs=0.01)


def shortfall(left: FloatArray) -> float:
    """Mean of the worst twentieth of what a hedge left."""
    sound = np.sort(left[np.isfinite(left)])
    return float(sound[: len(sound) // 20].mean())


def test_the_worst_six_hours_of_the_net_delta_cost_a_third_of_the_plain_one_s():
    """Published: -0.0034 and -0.0090 coin of BTC marks."""
    table = liquid("BTC")
    net, plain = (shortfall(unexplained(table, "mark", delta)) for delta in ("net", "plain"))

    assert -0.0035 < net < 0.0
    assert plain < 3.0 * net


def test_ether_is_hedged_by_its_net_delta_too():
    table = liquid("ETH")

    assert hedged("mark", "net", table) == pytest.approx(0.834, abs=0.01)
    assert hedged("mark", "plain", table) == pytest.approx(0.586, abs=0.01)


@pytest.mark.parametrize("currency", CURRENCIES)
def test_without_gross_outliers_in_its_mids_the_net_delta_takes_three_quarters(currency):
    table = fairly_quoted(liquid(currency))

    figures = {
        f"{currency} {price}, {delta} delta": round(hedged(price, delta, chosen), 3)
        for price, chosen in (("mark", liquid(currency)), ("mid", table))
        for delta in ("net", "plain")
    }
    assert hedged("mid", "net", table) > 0.75, figures
    assert hedged("mid", "plain", table) < 0.61, figures


STEPS_TO_LEARN = 60
MEMORY_STEPS = 240.0


def steps_of(currency: str, cp: str) -> list[Moves]:
    """Each six hours of one side's marks, of options with a black delta of 0.05 to 0.95."""
    table = (
        liquid(currency)
        .filter((pl.col("cp") == cp) & pl.col("plain").abs().is_between(0.05, 0.95))
        .filter((pl.col("ts_next") - pl.col("ts")).dt.total_hours() < 7)
        .sort("ts")
    )
    columns: dict[str, FloatArray] = {
        "unexplained": unexplained(table, "mark", "net"),
        "vega": column(table, "coin_vega"),
        "black_delta": column(table, "plain"),
        "years": column(table, "years"),
        "relative_move": perp_gain(table),
    }
    stamps = table["ts"].to_numpy()
    edges = np.flatnonzero(stamps[1:] != stamps[:-1]) + 1
    pieces = zip(*(np.split(values, edges) for values in columns.values()), strict=True)
    return [Moves(**dict(zip(columns, piece, strict=True))) for piece in pieces]


def gain(steps: list[Moves], prior_steps: float) -> float:
    """Squared error that the shift took off the net delta's, each step judged before it teaches."""
    estimate, before, after = nothing_seen(), 0.0, 0.0
    for number, seen in enumerate(steps):
        if number >= STEPS_TO_LEARN:
            quadratic = fitted(estimate, prior_steps=prior_steps)
            shift = delta_shift(seen.black_delta, seen.vega, seen.years, quadratic)
            left = seen.unexplained - shift * seen.relative_move
            before += float(np.nansum(seen.unexplained**2))
            after += float(np.nansum(left**2))
        estimate = updated(estimate, seen, memory_steps=MEMORY_STEPS)
    return 1.0 - after / before


@pytest.mark.parametrize(
    ("currency", "cp", "published"),
    [
        ("BTC", "C", (-0.196, 0.193, 0.051)),
        ("BTC", "P", (-0.019, 0.115, -0.113)),
        ("ETH", "C", (-0.154, 0.080, 0.153)),
        ("ETH", "P", (0.016, 0.166, -0.014)),
    ],
)
def test_the_minimum_variance_shift_takes_off_a_little_out_of_sample(currency, cp, published):
    """A few percent of squared error: 2 to 10 here, 1.8 to 5.1 published of a longer range.

    Fragile: judged on the last hundred steps alone it is as likely to lose (a day of March on which
    spot and volatility rose together undoes it). So it is nothing unless a user says otherwise.
    """
    steps = steps_of(currency, cp)
    estimate = nothing_seen()
    for seen in steps:
        estimate = updated(estimate, seen)
    delta = np.array([0.1, 0.3, 0.5, 0.7, 0.9]) * (1 if cp == "C" else -1)

    found = fitted(estimate, prior_steps=0.0)
    gains = [gain(steps, prior_steps) for prior_steps in (0.0, 60.0, np.inf)]
    figures = f"{currency} {cp}: {len(steps)} steps, {found}, gains {gains}"
    # Three coefficients of nearly collinear terms differ more than the move that they describe.
    shifts = [
        delta_shift(delta, 1.0, 1.0, quadratic) for quadratic in (found, Quadratic(*published))
    ]
    assert shifts[0] == pytest.approx(shifts[1], abs=0.05)
    assert 0.0 < gains[0] < 0.12, figures
    assert 0.0 < gains[1] < 0.12, figures
    assert gains[2] == 0.0
