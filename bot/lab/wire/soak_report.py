"""What a soak's samples say: how memory grew, how late the loop woke, and which targets it met."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

import numpy as np

from bot.lab.wire.sampling import Sample, highest, quantile, since
from bot.lab.wire.soak import Soaked
from bot.quant.trend import Trend, theil_sen

SLOPE_MB_PER_HOUR_MAX: Final = 4.0
LAG_P99_MS_MAX: Final = 5.0
QUOTES_NORMAL: Final = 45.0  # a second, of each instrument: what a demo with nothing beside it gets
RATE_SHARE_MIN: Final = (
    0.8  # of the rate asked for; less, and the machine was busy with other things
)
POINTS_MAX: Final = 360  # the fit looks at every pair of points
CONFIDENCE: Final = 0.95
JUDGED_SECONDS_MIN: Final = 1_800.0  # shorter, a slope an hour is a guess: only a sure miss counts
SECONDS_PER_HOUR: Final = 3_600.0
MS: Final = 1_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What the part after the warm-up came to.

    `slope` is memory's in MB an hour; of tasks, descriptors and threads: how many more there are at
    the end. `lag_ms`: half of the loop's wake-ups, 99 of 100 and all were no later.
    """

    seconds: float
    slope: Trend
    rss_mb: tuple[float, float]
    tasks_more: float
    descriptors_more: float
    threads_more: float
    lag_ms: tuple[float, float, float]
    quotes_per_second: float
    rate_reached: float
    folds_per_second: float
    orders: float
    conflated_share: float
    cpu_share: float
    ledger_mb_per_hour: float
    tape_mb_per_hour: float


def figures(soaked: Soaked) -> Figures:
    """Reduce the samples after the warm-up."""
    judged = [one for one in soaked.samples if one.at_seconds >= soaked.plan.warm_up_seconds]
    first, last = judged[0], judged[-1]
    seconds = max(last.at_seconds - first.at_seconds, 1e-9)
    lag = since(last.lag, first.lag)
    quotes = last.quotes - first.quotes
    per_hour = SECONDS_PER_HOUR / seconds
    return Figures(
        seconds=seconds,
        slope=slope(judged),
        rss_mb=(first.rss_mb, last.rss_mb),
        tasks_more=_more([one.tasks for one in judged]),
        descriptors_more=_more([one.descriptors for one in judged]),
        threads_more=_more([one.threads for one in judged]),
        lag_ms=(quantile(lag, 0.50) * MS, quantile(lag, 0.99) * MS, highest(lag) * MS),
        quotes_per_second=quotes / seconds,
        rate_reached=quotes / seconds / (QUOTES_NORMAL * soaked.instruments_normal),
        folds_per_second=(last.folds - first.folds) / seconds,
        orders=last.orders,
        conflated_share=(last.conflated - first.conflated) / quotes if quotes else 0.0,
        cpu_share=(last.cpu_seconds - first.cpu_seconds) / seconds,
        ledger_mb_per_hour=(last.ledger_mb - first.ledger_mb) * per_hour,
        tape_mb_per_hour=(last.tape_mb - first.tape_mb) * per_hour,
    )


def slope(judged: Sequence[Sample]) -> Trend:
    """Fit resident memory over time robustly, in MB an hour.

    Points are medians of equal spans of time. The interval takes them as independent, which the
    memory of a process is not quite.
    """
    size = math.ceil(len(judged) / POINTS_MAX)
    spans = [judged[start : start + size] for start in range(0, len(judged), size)]
    hours = np.array([median(one.at_seconds for one in span) for span in spans]) / SECONDS_PER_HOUR
    memory = np.array([median(one.rss_mb for one in span) for span in spans])
    return theil_sen(hours, memory, CONFIDENCE)


def missed(soaked: Soaked, found: Figures) -> list[str]:
    """Return, in a sentence each, the targets that were missed."""
    checks = {
        f"memory grew by {found.slope.slope:.1f} MB an hour "
        f"({found.slope.low:.1f} to {found.slope.high:.1f}), not under "
        f"{SLOPE_MB_PER_HOUR_MAX:g}": not _grows(found),
        f"{found.tasks_more:g} tasks more at the end": found.tasks_more <= 0,
        f"{found.descriptors_more:g} descriptors more at the end": found.descriptors_more <= 0,
        f"loop lag p99 {found.lag_ms[1]:.1f} ms, not under {LAG_P99_MS_MAX:g}": (
            found.lag_ms[1] < LAG_P99_MS_MAX
        ),
        f"quotes came at {found.rate_reached:.1f} times the demo's rate, not {soaked.plan.rate:g}: "
        "this machine did not bring more": (
            found.rate_reached >= RATE_SHARE_MIN * soaked.plan.rate
        ),
        f"the books do not agree: {soaked.books}": soaked.books.agree,
        "it never hedged": found.orders > 0,
        f"it was in mode {soaked.mode}, not run": soaked.mode == "run",
        f"it ended with exit code {soaked.exit_code}": soaked.exit_code == 0,
    }
    return [said for said, is_met in checks.items() if not is_met]


def _grows(found: Figures) -> bool:
    """Whether memory grows too fast; of a short run only if that is beyond chance."""
    judged_by = found.slope.slope if found.seconds >= JUDGED_SECONDS_MIN else found.slope.low
    return judged_by >= SLOPE_MB_PER_HOUR_MAX


def _more(counts: Sequence[float]) -> float:
    """How many more there are in the last quarter than in the first, by their medians."""
    quarter = max(1, len(counts) // 4)
    return median(counts[-quarter:]) - median(counts[:quarter])
