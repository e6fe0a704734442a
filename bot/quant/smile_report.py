"""How near a surface is to its quotes, and how far from arbitrage, expiry by expiry."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bot.quant.arbitrage import Margins
from bot.quant.smile_quotes import Chosen, Drop, Quotes
from bot.quant.surface import curves

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """How well one expiry is fitted, and how far it is from arbitrage.

    Errors are against marks (mids where there are none), in vol points. `inside_share` is that of
    quotes nearer than half their spread. The worst quote is named by its strike. `g_min` at
    log-moneyness `g_min_at` is the least of Durrleman's function; `gap_min` the least rise of total
    variance since the expiry before, as a share of it (1 for the first). `prior_weight` is the
    weight of eSSVI blended in; `repair_vol_points` how far order in time, and that blend, moved the
    fit at the quote that they moved most.
    """

    years: float
    used: int
    dropped: Mapping[Drop, int]
    rmse_vol_points: float
    inside_share: float
    worst_strike: float
    worst_vol_points: float
    g_min: float
    g_min_at: float
    gap_min: float
    gap_min_at: float
    prior_weight: float
    repair_vol_points: float

    @property
    def is_repaired(self) -> bool:
        """Whether arbitrage moved a quote by more than a hundredth of a vol point."""
        return self.repair_vol_points > 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class FitReport:
    """The fit of every expiry, the earliest first, and what was left out of all of them.

    `unfitted` are years to expiries with too few good quotes, interpolated like any other time.
    `g_min_between` is the least of Durrleman's function half-way between expiries.
    """

    expiries: tuple[Expiry, ...]
    unfitted: tuple[float, ...]
    dropped: Mapping[Drop, int]
    g_min_between: float

    @property
    def is_free_of_arbitrage(self) -> bool:
        """Whether the grid shows none."""
        least = min(min(one.g_min, one.gap_min) for one in self.expiries)
        return least >= 0.0 and self.g_min_between >= 0.0


def account(
    quotes: Quotes,
    chosen: Chosen,
    free: FloatArray,
    rows: FloatArray,
    weights: FloatArray,
    found: Margins,
) -> FitReport:
    """The report on slices `rows`, of which `free` were the fit without regard to neighbours."""
    fitted = rows[:, 0]
    expiries = tuple(
        _expiry(quotes, chosen, i, (free[i], rows[i]), float(weights[i]), found)
        for i in range(fitted.size)
    )
    everything = np.ones(quotes.strike.size, dtype=np.bool_)
    sane = quotes.years[np.isfinite(quotes.years) & (quotes.years > 0.0)]
    return FitReport(
        expiries=expiries,
        unfitted=tuple(np.setdiff1d(sane, fitted).tolist()),
        dropped=chosen.dropped(everything),
        g_min_between=float(found.g_min_between.min()),
    )


def _expiry(
    quotes: Quotes,
    chosen: Chosen,
    i: int,
    rows: tuple[FloatArray, FloatArray],
    weight: float,
    found: Margins,
) -> Expiry:
    years = float(rows[1][0])
    here = quotes.years[chosen.at] == years
    at, vol, half = chosen.at[here], chosen.vol[here], chosen.half[here]
    k = np.log(quotes.strike[at] / quotes.forward[at])
    free, published = np.sqrt(np.maximum(curves(np.stack(rows), k)[:, 0], 0.0) / years)
    error = 100.0 * (published - vol)
    worst = int(np.argmax(np.abs(error)))
    spread = np.isfinite(half)
    inside = np.abs(error[spread]) < 100.0 * half[spread]
    return Expiry(
        years=years,
        used=at.size,
        dropped=chosen.dropped(quotes.years == years),
        rmse_vol_points=float(np.sqrt(np.mean(error * error))),
        inside_share=float(np.mean(inside)) if inside.size else float("nan"),
        worst_strike=float(quotes.strike[at[worst]]),
        worst_vol_points=float(error[worst]),
        g_min=float(found.g_min[i]),
        g_min_at=float(found.g_min_at[i]),
        gap_min=float(found.gap_min[i]),
        gap_min_at=float(found.gap_min_at[i]),
        prior_weight=weight,
        repair_vol_points=float(100.0 * np.abs(published - free).max()),
    )
