"""2,000 options as QuantLib values them: an independent library, to its own accuracy."""

import math
from functools import cache

import numpy as np
import pytest

from bot.quant.black76 import FloatArray, GreeksFull, greeks_full
from bot.quant.implied_vol import implied_vol
from tests.quant.exact import Options, domain

ql = pytest.importorskip("QuantLib")

COUNT = 2_000
EPS = np.finfo(np.float64).eps


@cache
def options() -> Options:
    return domain(COUNT, seed=2026)


def calculator(at: int, *, discount: float | None = None):
    """QuantLib's calculator of option number `at`; forward, deviation and discount go in."""
    some = options()
    kind = ql.Option.Call if some.is_call[at] else ql.Option.Put
    payoff = ql.PlainVanillaPayoff(kind, float(some.strike[at]))
    deviation = float(some.vol[at]) * math.sqrt(float(some.years[at]))
    held = float(some.discount[at]) if discount is None else discount
    return ql.BlackCalculator(payoff, float(some.forward[at]), deviation, held)


@cache
def theirs() -> dict[str, FloatArray]:
    """QuantLib's figures in our units."""
    some, rows = options(), []
    for at in range(COUNT):
        years, f = float(some.years[at]), float(some.forward[at])
        seen, held = calculator(at), calculator(at, discount=1.0)
        rows.append(
            (
                seen.value(),
                seen.deltaForward(),
                seen.gammaForward(),
                seen.vega(years),
                # With the spot at the forward and no discount, both stand still as ours do.
                float(some.discount[at]) * held.theta(f, years),
                seen.rho(years),
                seen.vanna(f, years),
                # Theirs is vega's slope in the deviation, vol sqrt(years).
                math.sqrt(years) * seen.volga(years),
            )
        )
    names = GreeksFull._fields[: len(rows[0])]
    return dict(zip(names, np.array(rows).T, strict=True))


def ours() -> GreeksFull:
    some = options()
    return greeks_full(some.forward, some.strike, some.years, some.vol, some.is_call, some.discount)


def test_prices_deltas_and_rhos_agree_to_round_off():
    some, found, known = options(), ours(), theirs()
    larger = np.maximum(some.forward, some.strike)

    assert np.max(np.abs(found.price - known["price"]) / larger) < 2e-15
    # Theirs takes the log of a rounded ratio, which a deviation of a thousandth magnifies.
    assert np.max(np.abs(found.delta - known["delta"])) < 5e-12
    assert np.max(np.abs(found.rho - known["rho"]) / (larger * some.years)) < 5e-12
    assert np.median(np.abs(found.delta - known["delta"])) < 1e-16


@pytest.mark.parametrize("row", ["gamma", "vega", "theta", "vanna", "volga"])
def test_every_greek_with_a_density_agrees_as_far_as_quantlib_s_density_does(row):
    some, found = options(), np.asarray(getattr(ours(), row))
    error = np.abs(found - theirs()[row]) / np.abs(found)
    deviation = some.vol * np.sqrt(some.years)
    away = np.abs(np.log(some.forward / some.strike) / deviation + deviation / 2)

    assert np.median(error) < 5e-13
    assert np.max(error[away < 3.0]) < 2e-10
    assert np.max(error) < 5e-9


def test_our_implied_volatility_explains_quantlib_s_price_as_well_as_its_own_does():
    """Both invert QuantLib's out-of-the-money prices; theirs is asked for all it can do."""
    some, errors = options(), []
    for at in range(0, COUNT, 4):
        f, k, years, df = (
            float(x[at]) for x in (some.forward, some.strike, some.years, some.discount)
        )
        deviation = float(some.vol[at]) * math.sqrt(years)
        kind = ql.Option.Call if k > f else ql.Option.Put
        price = ql.blackFormula(kind, k, f, deviation, df)
        if price < 1e-9 * f:
            continue  # theirs gives up in the wings
        known = ql.blackFormulaImpliedStdDev(
            kind, k, f, price, df, 0.0, ql.nullDouble(), 1e-14, 1_000
        )
        found = float(implied_vol(price, f, k, years, k > f, df)) * math.sqrt(years)
        vega = df * f * math.exp(-0.5 * (math.log(f / k) / deviation + deviation / 2) ** 2)
        # A price's own round-off is a band of volatilities; both must be in it.
        band = 4e-15 * max(f, k) / vega
        assert found == pytest.approx(deviation, rel=1e-12, abs=16 * band)
        errors.append((abs(found - deviation), abs(known - deviation)))

    assert len(errors) > COUNT / 10
    mine, their = np.array(errors).T
    assert np.median(mine) <= np.median(their) + EPS
