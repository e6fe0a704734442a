"""From quotes of one underlying to a volatility surface that cannot be arbitraged.

`fit` cleans the quotes (`smile_quotes`), calibrates eSSVI over all expiries (`essvi`: free of both
arbitrages by construction, but stiff), fits each expiry closely, in order with its neighbours
(`slices`), examines the result on a dense grid far into the wings, and where anything is left
blends it towards eSSVI by the least weight that removes it (`arbitrage`). What it gives is frozen:
a `Surface` and a `FitReport`.

Strikes without quotes lie on straight wings under Lee's bound; expiries without, on lines of total
variance (`surface`).
"""

from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from bot.quant import arbitrage, essvi, slices, surface
from bot.quant.arbitrage import least_weights, margins
from bot.quant.smile_quotes import Chosen, Drop, QuotePolicy, Quotes, choose
from bot.quant.smile_report import Expiry, FitReport, account
from bot.quant.surface import Surface, curves

__all__ = [
    "Drop", "Expiry", "Fit", "FitPolicy", "FitReport", "Mode", "QuotePolicy", "Quotes", "Surface",
    "Unfit", "fit", "warm",
]  # fmt: skip

FloatArray = NDArray[np.float64]

TOLERANCE_VOL_POINTS = 1.0  # added to the half-spread in a quote's weight, root of squares
HALF_SPREAD_UNKNOWN = 1.0  # vol points: of a mark that stands alone
TAIL_SPAN = (
    0.75  # forward variance beyond the last expiry: since one no later than this share of it
)


class Mode(Enum):
    """Whether arbitrage may be published."""

    CONSTRAINED = "constrained"  # none: neither butterfly nor calendar
    FREE = "free"  # each expiry by itself, whatever its neighbours say


@dataclass(frozen=True, slots=True, kw_only=True)
class FitPolicy:
    """How to fit, and to what."""

    quotes: QuotePolicy = field(default_factory=QuotePolicy)
    mode: Mode = Mode.CONSTRAINED


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """What became of the quotes."""

    surface: Surface
    report: FitReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """No surface: no expiry has enough quotes to believe."""

    reason: str


def warm() -> None:
    """Compile the kernels, or load them from the cache, now: some seconds once."""
    essvi.warm()
    slices.warm()
    surface.warm()
    arbitrage.warm()


def fit(quotes: Quotes, policy: FitPolicy | None = None) -> Fit | Unfit:
    """The surface nearest to `quotes`, and how near that is."""
    rules = policy or FitPolicy()
    chosen = choose(quotes, rules.quotes)
    if chosen.at.size == 0:
        reasons = ", ".join(
            f"{count} {reason.name.lower().replace('_', ' ')}"
            for reason, count in chosen.dropped(np.ones(quotes.strike.size, np.bool_)).items()
        )
        return Unfit(reason=f"no expiry has enough quotes: {reasons or 'none were given'}")
    samples = _samples(quotes, chosen)
    prior = essvi.calibrate(samples.edges, samples.k, samples.variance, samples.weight)
    free, harbour = slices.fit_slices(samples, prior, in_order=False)
    k = slices.grid(prior, samples.k, fine=True)
    rows, weights, found = free, np.zeros(len(prior)), margins(k, curves(free, k))
    if rules.mode is Mode.CONSTRAINED and not found.are_clear:
        rows, _ = slices.fit_slices(samples, prior, in_order=True)
        found = margins(k, curves(rows, k))
        if not found.are_clear:
            weights = least_weights(k, curves(rows, k), curves(harbour, k))
            rows = slices.blended(rows, harbour, weights)
            found = margins(k, curves(rows, k))
    return Fit(
        surface=Surface(rows=rows, tail_variance=_tail_variance(rows)),
        report=account(quotes, chosen, free, rows, weights, found),
    )


def _samples(quotes: Quotes, chosen: Chosen) -> slices.Samples:
    """The quotes used, in total variance and with their weights."""
    years = quotes.years[chosen.at]
    expiries, first = np.unique(years, return_index=True)
    half = np.where(np.isfinite(chosen.half), 100.0 * chosen.half, HALF_SPREAD_UNKNOWN)
    tolerance = np.sqrt(half * half + TOLERANCE_VOL_POINTS * TOLERANCE_VOL_POINTS)
    return slices.Samples(
        years=expiries,
        edges=np.append(first, years.size).astype(np.uint64),
        k=np.log(quotes.strike[chosen.at] / quotes.forward[chosen.at]),
        variance=chosen.vol * chosen.vol * years,
        # dvol = dw / (2 vol T)
        weight=100.0 / (2.0 * chosen.vol * years * tolerance),
    )


def _tail_variance(rows: FloatArray) -> float:
    """Forward variance a year at the money, over the last quarter of the time or more."""
    years, w = rows[:, 0], curves(rows, np.zeros(1))[:, 0, 0]
    before = np.flatnonzero(years <= TAIL_SPAN * years[-1])
    if before.size == 0:
        return float(w[-1] / years[-1])
    since = before[-1]
    return max(float((w[-1] - w[since]) / (years[-1] - years[since])), 0.0)
