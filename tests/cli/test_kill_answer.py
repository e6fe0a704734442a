"""Is a start that is too slow missed, and one that waits for the venue's proof measured apart?"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from bot import settings
from bot.cli.answer import Exit
from bot.cli.wire import DOUBTFUL_SECONDS_MAX, _killed_answer
from bot.core.units import NS_PER_SECOND
from bot.lab.wire.kills import Killed, Start
from bot.lab.wire.old_ledger import Opened
from bot.lab.wire.processes import DEMO
from bot.lab.wire.repeat import Repeated

QUICK = (Start(seconds=2.0, in_doubt=False),) * 9
AGAIN = Repeated(ok=True, runs=1, folds=1, folds_untaped=0, actions=0, orders=0, difference="")
READ = (Start(seconds=0.2, in_doubt=False),) * 9


def doubtful(seconds: float) -> Start:
    return Start(seconds=seconds, in_doubt=True)


def answer(starts: Sequence[Start] = QUICK, openings: Sequence[Start] = READ):
    killed = Killed(
        kills=9,
        kills_while_starting=0,
        orders=1,
        fills=1,
        starts=starts,
        violations=(),
        journal=Path("ledger"),
    )
    opened = Opened(rows=1, mb=1.0, starts=starts, openings=openings)
    return _killed_answer(killed, AGAIN, opened)


def test_quick_starts_are_all_that_is_asked_and_none_in_doubt_is_said_so():
    told = answer()
    assert told.exit_code is Exit.DONE
    assert told.payload["exec_to_run_s"] == {"starts": 9, "p50": 2.0, "p99": 2.0, "max": 2.0}
    assert told.payload["exec_to_run_in_doubt_s"]["starts"] == 0


def test_an_order_in_doubt_counts_for_the_whole_start_and_is_told_apart():
    told = answer((*QUICK, doubtful(4.2)), (*READ, doubtful(2.2)))
    assert told.exit_code is Exit.DONE
    assert told.payload["exec_to_run_s"]["max"] == 4.2
    assert told.payload["exec_to_run_in_doubt_s"]["starts"] == 1
    month = told.payload["month_old_ledger"]
    assert month["openings"] == 10
    assert month["opening_to_run_s"] == {"starts": 9, "p50": 0.2, "p99": 0.2, "max": 0.2}
    assert month["opening_to_run_in_doubt_s"]["max"] == 2.2


def test_what_an_order_in_doubt_may_take_is_what_the_demo_s_configuration_makes_of_it():
    orders = settings.load(DEMO).policy().orders
    proof_ns = orders.lifetime_ns + orders.unproved_ns + orders.query_interval_ns
    assert proof_ns == DOUBTFUL_SECONDS_MAX * NS_PER_SECOND


@pytest.mark.parametrize(
    ("starts", "openings", "words"),
    [
        ((doubtful(5.5),), READ, "from exec to RUN p99 5.5 s, not under 5"),
        (QUICK, (Start(seconds=1.2, in_doubt=False),), "ledger to RUN p99 1.2 s, not under 1"),
        (QUICK, (*READ, doubtful(5.3)), "in doubt p99 5.3 s, not under 5"),
        (QUICK, (doubtful(0.2),), "its reading was not measured"),
    ],
)
def test_each_that_is_too_slow_is_missed(starts, openings, words):
    told = answer(starts, openings)
    assert told.exit_code is Exit.FAILED
    (missed,) = told.payload["missed"]
    assert words in missed
