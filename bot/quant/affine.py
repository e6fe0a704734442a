"""Closed forms of the affine laws: characteristic functions, cumulants, option prices.

phi(u) = E[exp(i u X)] of X = ln(F_T / F_0), for complex u. The call price is Lewis's integral

    C = F - sqrt(F K) / pi * int_0^inf Re[exp(-i u k) phi(u - i/2)] / (u^2 + 1/4) du,  k = ln(K/F)

whose integrand is analytic in the strip |Im u| < 1/2, so that the trapezoidal rule converges
exponentially in 1/step. Sources: A. Lewis, "A simple option formula for general jump-diffusion and
other exponential Levy processes" (2001); Heston's exponent in the form whose logarithm stays on its
branch, Albrecher, Mayer, Schoutens and Tistaert, "The little Heston trap" (2007); the integral of
the jumps after Duffie, Pan and Singleton (2000).
"""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from bot.quant.processes.laws import AffineLaw, Brownian, Heston, Merton, Svcj

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

# The rule's error falls as exp(-2 pi / 2 / STEP) K/F^(1/2): 1e-54 of it is no limit.
STEP: Final = 0.025
NODES: Final = 4096  # a block; blocks are added until the integrand has died out
BLOCKS_MAX: Final = 256
NEGLIGIBLE: Final = 1e-19  # of the integrand, against a value of 4 at the origin
SMALL: Final = 1e-16
RING: Final = 64  # points of the circle that cumulants are read from


class Cumulants(NamedTuple):
    """Of ln(F_T / F_0); third / variance^1.5 is its skewness, fourth / variance^2 its excess."""

    mean: float
    variance: float
    third: float
    fourth: float


def characteristic(law: AffineLaw, u: ArrayLike, years: float) -> ComplexArray:
    """phi(u) for `years` ahead, shaped as `u`; complex arguments as far as the moments exist."""
    value: ComplexArray = np.exp(_exponent(law, np.asarray(u, dtype=np.complex128), years))
    return value


def call_prices(law: AffineLaw, forward: float, strike: ArrayLike, years: float) -> FloatArray:
    """Undiscounted calls in quote currency, shaped as `strike`, for `years` > 0 ahead.

    Absolute error under 1e-14 of the larger of forward and strike. ValueError if the law is so
    narrow that its characteristic function does not die out (vol sqrt(years) under about 4e-4).
    """
    strikes = np.asarray(strike, dtype=np.float64)
    k = np.log(strikes / forward).ravel()
    total = np.zeros(k.shape)
    for block in range(BLOCKS_MAX):
        u = STEP * np.arange(block * NODES, (block + 1) * NODES)
        height = characteristic(law, u - 0.5j, years) / (u * u + 0.25)
        if block == 0:
            height[0] *= 0.5
        total += (np.exp(-1j * np.outer(k, u)) @ height).real
        if np.abs(height[-1]) < NEGLIGIBLE:
            break
    else:
        raise ValueError(f"no density to integrate {years} years ahead under {law}")
    found: FloatArray = forward - np.sqrt(forward * strikes) * STEP / math.pi * total.reshape(
        strikes.shape
    )
    return found


def cumulants(law: AffineLaw, years: float) -> Cumulants:
    """The first four cumulants, from ln phi on a small circle around the origin.

    ln phi(u) = sum of cumulant_n (i u)^n / n!; Cauchy's formula by the trapezoidal rule, whose
    error is the term of order `RING`, which a radius well inside the strip of existence kills.
    """
    radius = 0.25
    angle = 2.0 * math.pi * np.arange(RING) / RING
    along = radius * np.exp(1j * angle)  # i u
    exponent = _exponent(law, along / 1j, years)
    terms = [
        math.factorial(n) * float(np.mean(exponent * np.exp(-1j * n * angle)).real) / radius**n
        for n in range(1, 5)
    ]
    return Cumulants(*terms)


def _exponent(law: AffineLaw, u: ComplexArray, years: float) -> ComplexArray:
    """Ln phi(u), continuous from 0 at u = 0."""
    iu = 1j * u
    match law:
        case Brownian(vol=vol, drift=drift):
            return (iu * drift + 0.5 * vol * vol * iu * (iu - 1.0)) * years
        case Merton(vol=vol, jumps_per_year=rate):
            jump = np.exp(iu * law.jump_mean + 0.5 * (iu * law.jump_deviation) ** 2) - 1.0
            diffusion = 0.5 * vol * vol * iu * (iu - 1.0)
            return (diffusion + rate * jump - iu * law.compensator) * years
        case Heston():
            return _Heston(law, iu, years).exponent
        case Svcj(heston=heston):
            pieces = _Heston(heston, iu, years)
            normal = np.exp(iu * law.jump_mean + 0.5 * (iu * law.jump_deviation) ** 2)
            jumped = normal * _jump_time(law, pieces, iu) - years
            return pieces.exponent + law.jumps_per_year * jumped - iu * law.compensator * years


class _Heston:
    """Heston's exponent A(t) + B(t) v0 and its pieces, at t = `years`.

    B(t) = c (1 - E) / (1 - g E) with E = exp(-d t). Where variance hardly varies (pull - d) / noise
    is a small difference over a small number; (pull - d) (pull + d) is known without one.
    """

    def __init__(self, law: Heston, iu: ComplexArray, years: float) -> None:
        noise = law.vol_of_variance**2
        pull = law.speed - law.correlation * law.vol_of_variance * iu
        self.years = years
        self.d = np.sqrt(pull * pull - noise * iu * (iu - 1.0))
        self.c = iu * (iu - 1.0) / (pull + self.d)
        self.g = noise * self.c / (pull + self.d)
        gone = -special.expm1(-self.d * years)
        self.decayed = 1.0 - gone
        slope = self.c * gone / (1.0 - self.g * self.decayed)
        level = self.c * years - 2.0 / noise * special.log1p(self.g * gone / (1.0 - self.g))
        self.exponent: ComplexArray = (
            law.speed * law.variance_mean * level + slope * law.variance_start
        )


def _jump_time(law: Svcj, heston: _Heston, iu: ComplexArray) -> ComplexArray:
    """int_0^T dt / (1 - m (B(t) + iu tilt)), m the mean variance jump.

    The integrand is (1 - g E) / (p - q E) with p, q below; partial fractions in E give the rest.
    """
    mean, g = law.variance_jump_mean, heston.g
    whole = 1.0 - iu * law.jump_tilt * mean
    p = whole - mean * heston.c
    q = whole * g - mean * heston.c
    gone = (1.0 - heston.decayed) / (p - q)
    z = q * gone
    small = np.abs(z) < SMALL  # there, as at u = 0, the quotient is 1 to round-off
    log_over_z = np.where(small, 1.0, special.log1p(z) / np.where(small, 1.0, z))
    integral: ComplexArray = heston.years / p + (q / p - g) / heston.d * gone * log_over_z
    return integral
