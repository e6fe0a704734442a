"""Does a soak notice what grows, what stalls and what does not add up?"""

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest

from bot.lab.wire import sampling
from bot.lab.wire.sampling import Sample
from bot.lab.wire.soak import Books, Soaked, SoakPlan
from bot.lab.wire.soak_report import figures, missed

HOUR = 3_600
QUICK = {0.001: 0.90, 0.005: 1.0, 0.01: 1.0, math.inf: 1.0}


def sampled(second: int, rss_mb: float) -> Sample:
    beats = 10.0 * second
    return Sample(
        at_seconds=float(second),
        rss_mb=rss_mb,
        descriptors=30,
        threads=8,
        cpu_seconds=0.3 * second,
        tasks=25,
        quotes=3_150.0 * second,
        folds=160.0 * second,
        orders=float(second),
        conflated=0.0,
        ledger_mb=0.01 * second,
        tape_mb=0.02 * second,
        lag={bound: beats * share for bound, share in QUICK.items()},
    )


def soaked(mb_per_hour: float = 1.0, seconds: int = HOUR, noise_mb: float = 0.5) -> Soaked:
    """A soak that grows so fast after its first minutes, with a jump now and then."""
    chance = random.Random(3)
    samples = [
        sampled(
            second,
            250.0
            + 40.0 * min(second, seconds / 10) / (seconds / 10)
            + mb_per_hour * second / HOUR
            + chance.uniform(-noise_mb, noise_mb)
            + (25.0 if chance.random() < 0.02 else 0.0),
        )
        for second in range(seconds + 1)
    ]
    plan = SoakPlan(seconds=float(seconds), rate=10.0, seed=7, journal=Path("ledger.sqlite3"))
    books = Books(orders_at_venue=9, orders_in_journal=9, doubled=(), differences={})
    return Soaked(
        plan=plan,
        instruments=70,
        instruments_normal=7,
        samples=samples,
        mode="run",
        exit_code=0,
        books=books,
    )


def test_an_hour_that_stays_level_after_its_warm_up_meets_every_target():
    run = soaked()
    found = figures(run)
    assert missed(run, found) == []
    assert found.slope.slope == pytest.approx(1.0, abs=0.3)
    assert found.slope.low < 1.0 < found.slope.high
    assert found.lag_ms[0] < 1.0 < found.lag_ms[1] < found.lag_ms[2] == 5.0
    assert found.rate_reached == pytest.approx(10.0)
    assert found.cpu_share == pytest.approx(0.3)


def test_a_leak_of_six_megabytes_an_hour_is_found_among_the_noise():
    run = soaked(mb_per_hour=6.0)
    said = missed(run, figures(run))
    assert len(said) == 1
    assert said[0].startswith("memory grew by 6.")


def test_a_short_run_fails_by_its_slope_only_if_that_is_beyond_chance():
    noisy, sure = soaked(6.0, seconds=120, noise_mb=2.0), soaked(600.0, seconds=120)
    assert not any("memory" in each for each in missed(noisy, figures(noisy)))
    assert any("memory" in each for each in missed(sure, figures(sure)))


def test_what_grows_or_stalls_or_does_not_agree_is_named():
    run = soaked()
    last = [
        replace(one, tasks=26, descriptors=31) if one.at_seconds > HOUR / 2 else one
        for one in run.samples
    ]
    late = {0.001: 0.5, 0.005: 0.98, 0.01: 1.0, math.inf: 1.0}
    slow = [
        replace(one, lag={b: 10.0 * one.at_seconds * s for b, s in late.items()}) for one in last
    ]
    books = Books(orders_at_venue=9, orders_in_journal=9, doubled=("db-1",), differences={})
    bad = replace(run, samples=slow, mode="hold", exit_code=3, books=books)
    said = "\n".join(missed(bad, figures(bad)))
    for words in ("1 tasks more", "1 descriptors more", "loop lag p99", "db-1", "hold", "code 3"):
        assert words in said


def test_a_machine_that_brings_half_the_quotes_is_no_soak_at_ten_times_the_rate():
    run = soaked()
    slow = replace(run, samples=[replace(one, quotes=one.quotes / 2) for one in run.samples])
    assert "not 10" in "\n".join(missed(slow, figures(slow)))


PAGE = b"""# HELP deltaband_tasks Tasks of the event loop.
deltaband_tasks 12.0
deltaband_hedges_total{side="buy"} 3.0
deltaband_loop_lag_seconds_bucket{le="0.001"} 90.0
deltaband_loop_lag_seconds_bucket{le="0.005"} 98.0
deltaband_loop_lag_seconds_bucket{le="0.1"} 100.0
deltaband_loop_lag_seconds_bucket{le="+Inf"} 100.0
"""


def test_a_page_of_numbers_is_read_and_its_histogram_has_quantiles():
    told = sampling.exposed(PAGE)
    assert told["deltaband_tasks"] == 12.0
    assert told['deltaband_hedges_total{side="buy"}'] == 3.0
    lag = sampling.buckets(told, sampling.LAG)
    assert sampling.quantile(lag, 0.45) == pytest.approx(0.0005)
    assert sampling.quantile(lag, 0.99) == pytest.approx(0.0525)
    assert sampling.highest(lag) == 0.1
    assert math.isnan(sampling.quantile({math.inf: 0.0}, 0.5))
    before = {0.001: 90.0, 0.005: 97.0, 0.1: 99.0, math.inf: 99.0}
    assert sampling.quantile(sampling.since(lag, before), 0.5) == pytest.approx(0.003)
