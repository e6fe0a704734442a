"""Whether slices of total variance can be arbitraged, and the least that mends it.

Everything is judged on one grid of log-moneyness, the same for all expiries. In total variance a
blend of two surfaces is ordered in time if both are (it is linear), and each slice's Durrleman
function is checked again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bot.quant.compiled import Argument, compile_kernel
from bot.quant.svi import durrleman

FloatArray = NDArray[np.float64]

# What a repair leaves at the nodes of the grid, so that none reappears between them.
G_LEAST: Final = 1e-4
GAP_LEAST: Final = 2e-4  # of the variance before; eSSVI itself keeps twice that
WEIGHTS: Final = np.linspace(0.0, 1.0, 65)  # of the prior, tried in turn against butterflies


@dataclass(frozen=True, slots=True, kw_only=True)
class Margins:
    """How far slices are from arbitrage, one number an expiry; negative is arbitrage.

    `g_min` is the least of Durrleman's function, at log-moneyness `g_min_at`. `gap_min` is the
    least rise of total variance since the expiry before, as a share of it, at `gap_min_at`; of the
    first expiry since variance 0, which it must exceed: 1. `g_min_between` is the least of
    Durrleman's function half-way to the expiry before (infinite for the first).
    """

    g_min: FloatArray
    g_min_at: FloatArray
    gap_min: FloatArray
    gap_min_at: FloatArray
    g_min_between: FloatArray

    @property
    def are_clear(self) -> bool:
        """Whether there is none, at expiries and between them, with something to spare."""
        g = np.minimum(self.g_min, self.g_min_between)
        return bool(np.all(g >= G_LEAST) and np.all(self.gap_min >= GAP_LEAST))


def density(k: FloatArray, slices: FloatArray) -> FloatArray:
    """Durrleman's g of slices of shape (..., 3, k.size), as w, w' and w''."""
    return durrleman(k, slices[..., 0, :], slices[..., 1, :], slices[..., 2, :])


@cache
def _kernel() -> Callable[..., None]:
    from bot.quant import surface_kernels

    arguments = (Argument.ROWS, Argument.TABLE, Argument.INPUT)
    return compile_kernel(surface_kernels.margin_rows, arguments)


def warm() -> None:
    """Compile the kernel, or load it from the cache, now."""
    _kernel()


def margins(k: FloatArray, slices: FloatArray) -> Margins:
    """Examine slices of shape (expiries, 3, k.size), as w, w' and w''."""
    out = np.empty((slices.shape[0], 5))
    _kernel()(out, slices.reshape(-1, k.size), k)
    g_min, g_min_at, gap_min, gap_min_at, between = out.T
    return Margins(
        g_min=g_min, g_min_at=g_min_at, gap_min=gap_min, gap_min_at=gap_min_at,
        g_min_between=between,
    )  # fmt: skip


def blend(weights: FloatArray, slices: FloatArray, prior: FloatArray) -> FloatArray:
    """Each slice moved by its weight in [0, 1] towards that of the prior."""
    share = weights[:, np.newaxis, np.newaxis]
    return (1.0 - share) * slices + share * prior


def _against_butterflies(
    k: FloatArray, one: FloatArray, prior: FloatArray, at_least: float
) -> float:
    """The least weight tried, not under `at_least`, at which one slice has no butterfly."""
    for weight in (at_least, *WEIGHTS[at_least < WEIGHTS].tolist()):
        if density(k, (1.0 - weight) * one + weight * prior).min() >= G_LEAST:
            return float(weight)
    return 1.0


def _room(slices: FloatArray) -> FloatArray:
    """By how much each slice but the first is over the least that it has to be."""
    w = slices[:, 0, :]
    room: FloatArray = w[1:] - w[:-1] * (1.0 + GAP_LEAST)
    return room


def _against_crossing(room: FloatArray, prior_room: FloatArray) -> float:
    """The least weight, the same for two expiries, at which one is not below the other.

    room + weight (prior_room - room) >= 0 everywhere.
    """
    under = room < 0.0
    if not under.any():
        return 0.0
    needed = -room[under] / (np.maximum(prior_room[under], 0.0) - room[under])
    # A hair more, or round-off would leave what was to be removed.
    return min(float(needed.max()) * (1.0 + 1e-9) + 1e-12, 1.0)


def least_weights(k: FloatArray, slices: FloatArray, prior: FloatArray) -> FloatArray:
    """Weights of an arbitrage-free prior that leave the blend free of both arbitrages, per expiry.

    A butterfly costs its own slice the least weight that removes it; a crossing costs both slices
    the same weight. A raised weight may cross the next neighbour in turn, so it goes on until
    nothing changes: weights only rise, and all at 1 is the prior itself.
    """
    count = slices.shape[0]
    weights = np.zeros(count)
    room, prior_room = _room(slices), _room(prior)
    for _ in range(count * 4):
        before = weights.copy()
        now = blend(weights, slices, prior)
        for i in np.flatnonzero(density(k, now).min(axis=1) < G_LEAST).tolist():
            weights[i] = _against_butterflies(k, slices[i], prior[i], weights[i])
        crossed = _room(blend(weights, slices, prior)).min(axis=1) < 0.0
        for i in np.flatnonzero(crossed).tolist():
            shared = _against_crossing(room[i], prior_room[i])
            weights[i : i + 2] = max(weights[i], weights[i + 1], shared)
        if np.array_equal(weights, before):
            return weights
    return np.ones(count)
