"""Black's formula and its Greeks in 50-digit arithmetic, and a domain of options to try."""

from dataclasses import dataclass

import mpmath
import numpy as np

from bot.quant.black76 import BoolArray, FloatArray, GreeksFull

DIGITS = 50
MINUTE_YEARS = 1.0 / 525_600.0
DEVIATIONS_MAX, LOG_MONEYNESS_MAX = 8.0, 5.0

mpmath.mp.dps = DIGITS


@dataclass(frozen=True, kw_only=True, eq=False)
class Options:
    """Columns of options, and the two that follow from them."""

    forward: FloatArray
    strike: FloatArray
    years: FloatArray
    vol: FloatArray
    is_call: BoolArray
    discount: FloatArray

    def __len__(self) -> int:
        return len(self.forward)


def domain(count: int, seed: int) -> Options:
    """Options within 8 deviations and |ln(F/K)| <= 5; a minute to 5 years, 1 % to 500 %."""
    rng = np.random.default_rng(seed)
    years = np.exp(rng.uniform(np.log(MINUTE_YEARS), np.log(5.0), count))
    vol = np.exp(rng.uniform(np.log(0.01), np.log(5.0), count))
    log_strike = rng.uniform(-DEVIATIONS_MAX, DEVIATIONS_MAX, count) * vol * np.sqrt(years)
    forward = np.exp(rng.uniform(np.log(10.0), np.log(200_000.0), count))
    return Options(
        forward=forward,
        strike=forward * np.exp(np.clip(log_strike, -LOG_MONEYNESS_MAX, LOG_MONEYNESS_MAX)),
        years=years,
        vol=vol,
        is_call=rng.random(count) < 0.5,
        discount=rng.uniform(0.8, 1.0, count),
    )


def below(y: mpmath.mpf) -> mpmath.mpf:
    """N(y)."""
    return mpmath.erfc(-y / mpmath.sqrt(2)) / 2


@dataclass(frozen=True, kw_only=True)
class Exact:
    """One option to 50 digits: its Greeks, and the largest each may be near this option."""

    greeks: GreeksFull
    peaks: GreeksFull


def exact(options: Options, at: int) -> Exact:
    """Value option number `at`."""
    f, k, t, s, df = (
        mpmath.mpf(float(column[at]))
        for column in (
            options.forward,
            options.strike,
            options.years,
            options.vol,
            options.discount,
        )
    )
    sign = 1 if options.is_call[at] else -1
    x = s * mpmath.sqrt(t)
    d1 = mpmath.log(f / k) / x + x / 2
    d2 = d1 - x
    density, peak = mpmath.npdf(d1), mpmath.npdf(0)
    vega = df * f * mpmath.sqrt(t)
    return Exact(
        greeks=GreeksFull(
            price=df * sign * (f * below(sign * d1) - k * below(sign * d2)),
            delta=df * sign * below(sign * d1),
            gamma=df * density / (f * x),
            vega=vega * density,
            theta=-vega * density * s / (2 * t),
            rho=sign * t * df * k * below(sign * d2),
            vanna=-df * density * d2 / s,
            volga=vega * density * d1 * d2 / s,
            charm=df * density * d2 / (2 * t),
        ),
        peaks=GreeksFull(
            price=max(f, k),
            delta=df,
            gamma=df * peak / (f * x),
            vega=vega * peak,
            theta=vega * peak * s / (2 * t),
            rho=t * df * k,
            vanna=df * peak / s,
            volga=vega * peak / s,
            charm=df * peak / (2 * t),
        ),
    )
