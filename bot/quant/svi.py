"""One expiry's smile as raw SVI, and what keeps any smile free of butterfly arbitrage.

With k = ln(K/F) and w(k) the total implied variance (volatility squared times years),

    w(k)   = a + b (rho (k - m) + r),     r = sqrt((k - m)**2 + sigma**2)
    w'(k)  = b (rho + (k - m) / r)
    w''(k) = b sigma**2 / r**3

Its wings are straight, of slopes b (1 - rho) on the left and b (1 + rho) on the right. A smile has
no butterfly arbitrage where Durrleman's function is nowhere negative,

    g(k) = (1 - k w'/(2 w))**2 - (w'**2 / 4) (1/w + 1/4) + w''/2,

w is positive and no wing is steeper than 2 (R. Lee's bound). g is F times K times the density of
the spot at expiry, up to a positive factor. Source: J. Gatheral and A. Jacquier, "Arbitrage-free
SVI volatility surfaces" (2014), with their jump-wing parameters and their repair.
"""

import math
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

SLOPE_MAX: Final = 2.0  # of a wing, in total variance per unit of log-moneyness
# Where a slice is examined: k = m + sigma sinh(u), dense where it bends and a million sigma wide.
REACH: Final = 14.5
NODES: Final = 1161
REFINEMENTS: Final = 3  # of the worst node's neighbourhood, each eight times as dense
_U: Final = np.linspace(-REACH, REACH, NODES)


def durrleman(k: ArrayLike, w: ArrayLike, slope: ArrayLike, curvature: ArrayLike) -> FloatArray:
    """Durrleman's g from a smile's total variance and its two derivatives in k, broadcast.

    Negative where the smile implies a negative density. -inf where w is not positive: such a smile
    prices nothing.
    """
    at, variance, first, second = (
        np.asarray(values, dtype=np.float64) for values in (k, w, slope, curvature)
    )
    priced = variance > 0.0
    safe = np.where(priced, variance, 1.0)
    drift = 1.0 - 0.5 * at * first / safe
    g = drift * drift - 0.25 * first * first * (1.0 / safe + 0.25) + 0.5 * second
    return np.where(priced, g, -np.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Svi:
    """Raw parameters, in total variance (`a`, `b`) and log-moneyness (`m`, `sigma`) of one expiry.

    Raises:
        ValueError: b is negative, rho not inside (-1, 1), sigma not positive, or one not finite.
    """

    a: float
    b: float
    rho: float
    m: float
    sigma: float

    def __post_init__(self) -> None:
        finite = math.isfinite(self.a) and math.isfinite(self.b) and math.isfinite(self.m)
        if not (finite and self.b >= 0.0 and abs(self.rho) < 1.0 and 0.0 < self.sigma < math.inf):
            raise ValueError(f"{self} is no smile: b >= 0, |rho| < 1 and sigma > 0 must hold")

    def variance(self, k: ArrayLike) -> FloatArray:
        """Total implied variance w at log-moneyness k = ln(K/F), of k's shape."""
        from_m = np.asarray(k, dtype=np.float64) - self.m
        w: FloatArray = self.a + self.b * (self.rho * from_m + np.hypot(from_m, self.sigma))
        return w

    def slope(self, k: ArrayLike) -> FloatArray:
        """dw/dk."""
        from_m = np.asarray(k, dtype=np.float64) - self.m
        first: FloatArray = self.b * (self.rho + from_m / np.hypot(from_m, self.sigma))
        return first

    def curvature(self, k: ArrayLike) -> FloatArray:
        """d2w/dk2, never negative."""
        from_m = np.asarray(k, dtype=np.float64) - self.m
        second: FloatArray = self.b * self.sigma**2 / np.hypot(from_m, self.sigma) ** 3
        return second

    def vol(self, k: ArrayLike, years: float) -> FloatArray:
        """Implied volatility per square root of a year; nan where w is negative."""
        w = self.variance(k)
        volatility: FloatArray = np.sqrt(np.where(w >= 0.0, w, np.nan) / years)
        return volatility

    @property
    def variance_min(self) -> float:
        """The least total variance, negative if this is no smile at all."""
        return self.a + self.b * self.sigma * math.sqrt((1.0 - self.rho) * (1.0 + self.rho))

    @property
    def slope_left(self) -> float:
        """How steeply variance rises towards strike 0."""
        return self.b * (1.0 - self.rho)

    @property
    def slope_right(self) -> float:
        """How steeply variance rises towards infinite strikes."""
        return self.b * (1.0 + self.rho)


@dataclass(frozen=True, slots=True, kw_only=True)
class JumpWings:
    """The same smile in words of a trader, at `years` to expiry.

    `v` is the variance a year at the money and `v_min` the least one; `psi` the slope of volatility
    at the money, and `p` and `c` the slopes of the put and the call wing, all in units of the
    square root of total variance at the money.
    """

    v: float
    psi: float
    p: float
    c: float
    v_min: float
    years: float

    @classmethod
    def of(cls, svi: Svi, years: float) -> Self:
        """Raw parameters as jump wings; variance at the money must be positive."""
        w = float(svi.variance(0.0))
        assert w > 0.0, "a smile has variance at the money"
        root = math.sqrt(w)
        return cls(
            v=w / years,
            psi=0.5 * float(svi.slope(0.0)) / root,
            p=svi.slope_left / root,
            c=svi.slope_right / root,
            v_min=svi.variance_min / years,
            years=years,
        )

    def raw(self) -> Svi:
        """The raw parameters.

        Raises:
            ValueError: no SVI slice has these jump wings.
        """
        w, least = self.v * self.years, self.v_min * self.years
        root = math.sqrt(w)
        b = 0.5 * root * (self.c + self.p)
        if b == 0.0:
            return Svi(a=w, b=0.0, rho=0.0, m=0.0, sigma=1.0)
        rho = (self.c - self.p) / (self.c + self.p)
        beta = rho - 2.0 * self.psi * root / b  # m over its distance sqrt(m**2 + sigma**2)
        if not (abs(beta) < 1.0 and abs(rho) < 1.0):
            raise ValueError(f"{self} is no SVI slice: psi is steeper than its wings")
        bend = math.sqrt((1.0 - rho) * (1.0 + rho))
        width = math.sqrt((1.0 - beta) * (1.0 + beta))  # sigma over that distance
        room = 1.0 - rho * beta - bend * width
        if room <= 0.0:
            raise ValueError(f"{self} is no SVI slice: its least variance is at the money")
        distance = (w - least) / (b * room)
        sigma = width * distance
        return Svi(a=least - b * sigma * bend, b=b, rho=rho, m=beta * distance, sigma=sigma)

    def repaired(self) -> "JumpWings":
        """Gatheral and Jacquier's repair: the same put wing and money, a call wing that fits them.

        c = p + 2 psi and v_min = 4 v p c / (p + c)**2 make it a slice of SSVI, free of butterfly
        arbitrage if that is (its wings at most 2 and its curvature bounded).
        """
        c = self.p + 2.0 * self.psi
        v_min = self.v * 4.0 * self.p * c / (self.p + c) ** 2
        return JumpWings(v=self.v, psi=self.psi, p=self.p, c=c, v_min=v_min, years=self.years)


@dataclass(frozen=True, slots=True, kw_only=True)
class Butterfly:
    """How far a slice is from butterfly arbitrage.

    `g_min` is the least of Durrleman's function over all strikes, found at `g_min_at`;
    `variance_min` the least total variance; `slope_left` and `slope_right` those of the wings,
    against `SLOPE_MAX`.
    """

    g_min: float
    g_min_at: float
    variance_min: float
    slope_left: float
    slope_right: float

    @property
    def is_free(self) -> bool:
        """Whether there is none."""
        steepest = max(self.slope_left, self.slope_right)
        return self.g_min >= 0.0 and self.variance_min > 0.0 and steepest <= SLOPE_MAX


def butterfly(svi: Svi) -> Butterfly:
    """Examine a slice on a dense grid that reaches far into its wings, refined where it is worst.

    Farther out g is monotone towards (1 - (slope / 2)**2) / 4 of the wing, which is examined too.
    """
    u, step = _U, 2.0 * REACH / (NODES - 1)
    worst, worst_at = math.inf, 0.0
    for _ in range(1 + REFINEMENTS):
        k = svi.m + svi.sigma * np.sinh(u)
        g = durrleman(k, svi.variance(k), svi.slope(k), svi.curvature(k))
        at = int(np.argmin(g))
        if g[at] < worst:
            worst, worst_at = float(g[at]), float(k[at])
        u = u[at] + np.linspace(-step, step, 17)
        step /= 8.0
    left, right = (0.25 - (slope / 4.0) ** 2 for slope in (svi.slope_left, svi.slope_right))
    if min(left, right) < worst:
        worst, worst_at = min(left, right), -math.inf if left < right else math.inf
    return Butterfly(
        g_min=worst,
        g_min_at=worst_at,
        variance_min=svi.variance_min,
        slope_left=svi.slope_left,
        slope_right=svi.slope_right,
    )
