"""Paths of a law, walked in place: a million at once for the lab, or one for a market.

The first row of the state is the log of the spot over its start, whatever the law of a spot; the
second of Heston's and SVCJ's is the variance a year; those of a `SurfaceMarket` are named in
`surface`, of a `Perpetual` in `perpetual`. The loops are in `*_kernels`: lognormal and Merton's
steps are exact however long; Heston's and SVCJ's keep the mean exactly and err by second order.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bot.quant.compiled import Argument, compile_kernel
from bot.quant.processes.laws import AffineLaw, Brownian, Heston, Merton, Svcj
from bot.quant.processes.perpetual import EIGHT_HOURS_YEARS, Perpetual
from bot.quant.processes.streams import keys
from bot.quant.processes.surface import Factor, SurfaceMarket

FloatArray = NDArray[np.float64]

Law = AffineLaw | SurfaceMarket | Perpetual

LOG_SPOT: Final = 0
VARIANCE: Final = 1

Kernel = Callable[..., None]
ARGUMENTS: Final = (
    Argument.ROWS,
    Argument.STREAMS,
    Argument.INPUT,
    Argument.INPUT,
    Argument.INDICES,
)


@cache
def _diffusion_kernel() -> Kernel:
    from bot.quant.processes import diffusion_kernels

    return compile_kernel(diffusion_kernels.diffusion_rows, ARGUMENTS)


@cache
def _surface_kernel() -> Kernel:
    from bot.quant.processes import surface_kernels

    return compile_kernel(surface_kernels.surface_rows, ARGUMENTS)


@cache
def _perpetual_kernel() -> Kernel:
    from bot.quant.processes import perpetual_kernels

    return compile_kernel(perpetual_kernels.perpetual_rows, ARGUMENTS)


@cache
def _affine_kernel() -> Kernel:
    from bot.quant.processes import affine_kernels

    return compile_kernel(affine_kernels.affine_rows, ARGUMENTS)


def warm() -> None:
    """Compile the kernels, or load them from the cache, now: seconds once."""
    _diffusion_kernel()
    _surface_kernel()
    _perpetual_kernel()
    _affine_kernel()


class Paths:
    """`paths` paths of one law, all from its start; `state` has shape (rows, paths).

    Path i is the same whatever its neighbours: it is number `first_path + i` of the seed.
    """

    def __init__(
        self,
        law: Law,
        *,
        step_years: float,
        seed: int,
        paths: int = 1,
        first_path: int = 0,
    ) -> None:
        if not step_years > 0.0:
            raise ValueError(f"a step of {step_years} years leads nowhere")
        self._words = keys(seed, first_path, paths)
        self._once = np.ones(1, dtype=np.uint64)
        start: tuple[float, ...]
        match law:
            case Brownian() | Merton():
                self._kernel = _diffusion_kernel()
                self._law, self._chances = _diffusion_step(law, step_years)
                start = (0.0,)
            case Heston(variance_start=variance) | Svcj(heston=Heston(variance_start=variance)):
                self._kernel = _affine_kernel()
                self._law, self._chances = _affine_step(law, step_years)
                start = (0.0, variance)
            case SurfaceMarket():
                self._kernel = _surface_kernel()
                self._law, self._chances = _surface_step(law, step_years)
                start = law.start
            case Perpetual(premium=premium):
                self._kernel = _perpetual_kernel()
                self._law, self._chances = _perpetual_step(law, step_years)
                start = (premium.mean, 0.0)
        self.state: FloatArray = np.repeat(np.array(start)[:, None], paths, axis=1)

    @property
    def spot(self) -> FloatArray:
        """Each path's spot over its start, where the law is a spot's."""
        spot: FloatArray = np.exp(self.state[LOG_SPOT])
        return spot

    def step(self, steps: int = 1) -> None:
        """Move every path by so many steps."""
        count = self._once if steps == 1 else np.array([steps], dtype=np.uint64)
        self._kernel(self.state, self._words, self._chances, self._law, count)

    def walk(self, records: int, steps: int = 1) -> FloatArray:
        """The states after each of `records` stretches of so many steps: (records, rows, paths)."""
        told = np.empty((records, *self.state.shape))
        for record in told:
            self.step(steps)
            record[...] = self.state
        return told


def _diffusion_step(law: Brownian | Merton, years: float) -> tuple[FloatArray, FloatArray]:
    """What `diffusion_rows` calls its law, and the chances of jumps."""
    variance = law.vol**2 * years
    match law:
        case Brownian(drift=drift):
            return np.array([drift * years - 0.5 * variance, variance, 0.0, 0.0]), np.empty(0)
        case Merton(jump_mean=mean, jump_deviation=deviation):
            drift = -law.compensator * years - 0.5 * variance
            step = np.array([drift, variance, mean, deviation**2])
            return step, _chances(law.jumps_per_year * years)


def _affine_step(law: Heston | Svcj, years: float) -> tuple[FloatArray, FloatArray]:
    """The fields of `affine_kernels.Step`, and the chances of jumps in half a step.

    After Andersen (2008), equations 17, 18 and 33, with the integral of the variance over the step
    as the mean of its ends.
    """
    heston = law.heston if isinstance(law, Svcj) else law
    jumps, chances = (0.0, 0.0, 0.0, 0.0, 0.0), np.empty(0)
    if isinstance(law, Svcj):
        sizes = (law.jump_mean, law.jump_deviation, law.jump_tilt, law.variance_jump_mean)
        jumps = (law.compensator * years, *sizes)
        chances = _chances(0.5 * law.jumps_per_year * years)
    speed, mean, noise = heston.speed, heston.variance_mean, heston.vol_of_variance
    rho = heston.correlation
    decay, gone = math.exp(-speed * years), -math.expm1(-speed * years)
    half, slope = 0.5 * years * (speed * rho / noise - 0.5), rho / noise
    k1, k2, k3 = half - slope, half + slope, 0.5 * years * (1.0 - rho * rho)
    variance = (
        decay,
        mean * gone,
        noise**2 * decay * gone / speed,
        mean * noise**2 * gone**2 / (2.0 * speed),
    )
    plain = -slope * speed * mean * years
    return np.array([*variance, k1, k2, k3, k3, k2 + 0.5 * k3, plain, *jumps]), chances


def _surface_step(law: SurfaceMarket, years: float) -> tuple[FloatArray, FloatArray]:
    """What `surface_rows` calls its law and its scale."""
    jumps = law.jumps
    excitement = (
        jumps.up_per_year,
        jumps.down_per_year,
        jumps.decay,
        jumps.decay * jumps.branching_self,
        jumps.decay * jumps.branching_cross,
        jumps.up_mean,
        jumps.down_mean,
        jumps.up_compensator,
        jumps.down_compensator,
    )
    anchor = math.exp(-math.log(2.0) * years / law.smile.anchor_half_life_years)
    factors = (
        number for each in (law.level, law.slope, law.skew) for number in _factor(each, years)
    )
    return np.array([*excitement, *factors]), np.array([years, law.vol**2 * years, anchor])


def _perpetual_step(law: Perpetual, years: float) -> tuple[FloatArray, FloatArray]:
    """What `perpetual_rows` calls its law, and nothing."""
    decay, noise = law.premium.step(years)
    hours = years / EIGHT_HOURS_YEARS
    step = (law.premium.mean, decay, noise, law.dampener, law.cap_8h, hours)
    return np.array(step), np.empty(0)


def _factor(law: Factor, years: float) -> tuple[float, float, float, float, float]:
    """Mean, decay, noise with the spot's and of its own, response to jumps: of one step."""
    decay = math.exp(-law.speed * years)
    noise = law.deviation * math.sqrt(1.0 - decay * decay)
    own = math.sqrt(1.0 - law.correlation**2)
    return law.mean, decay, noise * law.correlation, noise * own, law.jump_response


def _chances(mean: float) -> FloatArray:
    """The chances of at most 0, 1, 2, ... events, as far as a uniform number can tell them from 1.

    ValueError if steps are so long that most have many jumps.
    """
    if mean > 8.0:
        raise ValueError(f"{mean:.1f} jumps a step are too many: take shorter steps")
    chances, term, at_most = [], math.exp(-mean), 0.0
    for count in range(64):
        at_most += term
        if at_most >= 1.0 - 2.0**-54:
            break
        chances.append(at_most)
        term *= mean / (count + 1)
    return np.array(chances)
