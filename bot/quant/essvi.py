"""eSSVI: a surface of three numbers an expiry that cannot be arbitraged, by construction.

Of one expiry, with k = ln(K/F) and w(k) the total implied variance,

    w(k) = (theta + rho psi k + sqrt((psi k + theta rho)**2 + theta**2 (1 - rho**2))) / 2,

where theta is the variance at the money, rho the skew and psi = theta phi the steepness: the wings'
slopes are psi (1 + rho) / 2 and psi (1 - rho) / 2. It is raw SVI of b = psi / 2 whose vertex is
bound to the money, three parameters instead of five: too stiff to follow a crypto smile within its
spread, and for that reason a good prior and a safe harbour.

No butterfly arbitrage if   psi (1 + |rho|) < 4   and   psi**2 (1 + |rho|) <= 4 theta.
The first is necessary; both together are sufficient, and give away up to half of the psi possible
where wings are flat (J. Gatheral and A. Jacquier, "Arbitrage-free SVI volatility surfaces", 2014,
theorem 4.2, which holds slice by slice).

No calendar arbitrage from one expiry to the next if
    theta2 >= theta1,  |rho2 psi2 - rho1 psi1| <= psi2 - psi1  and  psi2 / theta2 <= psi1 / theta1.
The first is necessary at the money and the second in the wings, where it orders the slopes; with
the third, which is convenient and not necessary, they are sufficient (S. Hendriks and C. Martini,
"The extended SSVI volatility surface", 2019, proposition 3.5).

Expiries are calibrated in turn, each within what the one before allows, after J. Corbetta, P.
Cohort, I. Laachir and C. Martini, "Robust calibration and arbitrage-free interpolation of SSVI
slices" (2019). Repeating rho and stepping up theta and psi is always allowed, so the sequence
cannot get stuck (the same ranges as in A. Mingone, "No arbitrage global parametrization for the
eSSVI volatility surface", 2022).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bot.quant.compiled import Argument, compile_kernel
from bot.quant.svi import Svi

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Essvi:
    """One expiry: variance at the money, skew and steepness.

    Raises:
        ValueError: theta or psi is not positive, or rho not inside (-1, 1).
    """

    theta: float
    rho: float
    psi: float

    def __post_init__(self) -> None:
        positive = 0.0 < self.theta < math.inf and 0.0 < self.psi < math.inf
        if not (positive and abs(self.rho) < 1.0):
            raise ValueError(f"{self} is no smile: theta > 0, psi > 0 and |rho| < 1 must hold")

    def svi(self) -> Svi:
        """The same slice in raw parameters."""
        wide = self.theta / self.psi
        bend = (1.0 - self.rho) * (1.0 + self.rho)
        return Svi(
            a=0.5 * self.theta * bend,
            b=0.5 * self.psi,
            rho=self.rho,
            m=-self.rho * wide,
            sigma=math.sqrt(bend) * wide,
        )

    @property
    def is_free_of_butterflies(self) -> bool:
        """Whether the sufficient condition holds: False proves nothing."""
        steep = self.psi * (1.0 + abs(self.rho))
        return steep < 4.0 and steep * self.psi <= 4.0 * self.theta

    def is_below(self, later: "Essvi") -> bool:
        """Whether no calendar arbitrage to `later` is certain: False proves nothing."""
        return (
            later.theta >= self.theta
            and abs(later.rho * later.psi - self.rho * self.psi) <= later.psi - self.psi
            and later.psi * self.theta <= self.psi * later.theta
        )

    def between(self, later: "Essvi", share: float) -> "Essvi":
        """The slice `share` of the way to a later one, free of both arbitrages if they are.

        theta, psi and tilt = rho psi are linear in `share`. psi + |tilt| < 4 and |change of tilt|
        <= change of psi are convex, psi / theta moves monotonically between its ends, and
        psi (psi + |tilt|) <= 4 theta survives since both factors rise from the one to the other.
        """
        theta, psi, tilt = (
            (1.0 - share) * first + share * second
            for first, second in (
                (self.theta, later.theta),
                (self.psi, later.psi),
                (self.rho * self.psi, later.rho * later.psi),
            )
        )
        return Essvi(theta=theta, rho=tilt / psi, psi=psi)


@cache
def _kernel() -> Callable[..., None]:
    from bot.quant import essvi_kernels

    arguments = (Argument.ROWS, Argument.INDICES, *(Argument.INPUT,) * 3)
    return compile_kernel(essvi_kernels.essvi_rows, arguments)


def warm() -> None:
    """Compile the kernel, or load it from the cache, now."""
    _kernel()


def calibrate(
    edges: ArrayLike, k: ArrayLike, variance: ArrayLike, weight: ArrayLike
) -> tuple[Essvi, ...]:
    """The slices nearest to quoted total variances, each expiry within what the one before allows.

    Quotes are grouped by expiry, the earliest first: those of expiry i are `edges[i]` up to
    `edges[i + 1]`, at least one each. `weight` multiplies the error in total variance before it is
    squared, and is such that 1 is an error one can live with. The answer satisfies
    `is_free_of_butterflies` and `is_below` strictly.
    """
    bounds = np.ascontiguousarray(edges, dtype=np.uint64)
    columns = [np.ascontiguousarray(values, dtype=np.float64) for values in (k, variance, weight)]
    assert np.all(bounds[1:] > bounds[:-1]), "an expiry without quotes has nothing to be fitted to"
    out = np.empty((bounds.size - 1, 3))
    _kernel()(out, bounds, *columns)
    return tuple(Essvi(theta=row[0], rho=row[1], psi=row[2]) for row in out.tolist())
