"""Credits: never more than the venue allows, a cancel before everything, and lessons learned."""

import asyncio
from typing import Any

import pytest

from bot.venues.credits import Bucket, CreditPolicy, Kind, Rate
from bot.venues.pacing import Pacer

SECOND_NS = 1_000_000_000
FEW = CreditPolicy(
    questions=Rate(burst=5.0, per_second=10.0), matching=Rate(burst=8.0, per_second=4.0)
)


class Wire:
    """A wire clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.slept_s: list[float] = []

    def read(self) -> int:
        return self.now_ns

    async def sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.now_ns += int(seconds * SECOND_NS)


def paced(policy: CreditPolicy = FEW) -> tuple[Wire, Pacer]:
    wire = Wire()
    return wire, Pacer(policy=policy, monotonic_ns=wire.read, sleep=wire.sleep)


async def test_questions_are_bounded_in_rate_after_their_burst():
    wire, pacer = paced()

    for _ in range(25):
        await pacer.wait(Kind.QUESTION)

    assert wire.now_ns == pytest.approx(2 * SECOND_NS, rel=0.01)
    wire.now_ns += 60 * SECOND_NS
    wire.slept_s.clear()
    for _ in range(5):
        await pacer.wait(Kind.QUESTION)
    assert wire.slept_s == []


async def test_neither_an_order_nor_a_cancel_waits_behind_questions():
    wire, pacer = paced()
    for _ in range(200):
        pacer._credits.take(Kind.QUESTION, wire.now_ns)

    assert await pacer.wait_at_most(Kind.ORDER, 0.0) is None
    await pacer.wait(Kind.CANCEL)
    assert wire.slept_s == []


async def test_a_cancel_finds_a_credit_when_orders_have_taken_all_that_they_may():
    wire, pacer = paced()
    sent = 0
    while await pacer.wait_at_most(Kind.ORDER, 0.0) is None:
        sent += 1

    assert sent == 6  # a quarter of eight is for cancels
    await pacer.wait(Kind.CANCEL)
    await pacer.wait(Kind.CANCEL)
    assert wire.slept_s == []


async def test_an_order_that_would_grow_old_waiting_takes_no_credit():
    wire, pacer = paced()
    while await pacer.wait_at_most(Kind.ORDER, 0.0) is None:
        pass

    late_s = await pacer.wait_at_most(Kind.ORDER, 0.2)
    assert late_s == pytest.approx(0.25)
    assert await pacer.wait_at_most(Kind.ORDER, 0.3) is None
    assert wire.slept_s == pytest.approx([0.25])


async def test_the_accounts_own_limits_are_learned_and_a_share_of_them_is_used():
    _, pacer = paced()

    pacer.learn(
        {
            "non_matching_engine": {"burst": 1500, "rate": 1000},
            "matching_engine": {"trading": {"total": {"burst": 250, "rate": 200}}},
        }
    )

    assert pacer.rate(Kind.QUESTION) == Rate(burst=1125.0, per_second=750.0)
    assert pacer.rate(Kind.ORDER) == pacer.rate(Kind.CANCEL) == Rate(burst=250.0, per_second=200.0)


@pytest.mark.parametrize("burst", [1, 2, 250, 20_000])
async def test_learning_limits_holds_up_no_order(burst: int):
    wire, pacer = paced()

    pacer.learn({"matching_engine": {"trading": {"total": {"burst": burst, "rate": burst}}}})

    assert await pacer.wait_at_most(Kind.ORDER, 0.0) is None
    assert wire.slept_s == []


@pytest.mark.parametrize(
    "limits",
    [
        None,
        {},
        [],
        {"non_matching_engine": None, "matching_engine": {"trading": 3}},
        {"non_matching_engine": {"burst": 0, "rate": 20}},
        {"non_matching_engine": {"burst": 10, "rate": "20"}},
        {"matching_engine": {"trading": {"total": {"burst": True, "rate": 5}}}},
    ],
)
async def test_limits_that_make_no_sense_change_nothing(limits: Any):
    _, pacer = paced()

    pacer.learn(limits)

    assert pacer.rate(Kind.QUESTION) == FEW.questions
    assert pacer.rate(Kind.ORDER) == FEW.matching


async def test_a_refusal_stops_the_questions_for_as_long_as_the_venue_said():
    wire, pacer = paced()

    pacer.refused(Kind.QUESTION, {"wait": 3.5})
    await pacer.wait(Kind.QUESTION)

    assert wire.now_ns == 3.5 * SECOND_NS
    assert await pacer.wait_at_most(Kind.ORDER, 0.0) is None  # orders were not refused


@pytest.mark.parametrize("seconds", [60, 86_400, 1e300])
async def test_a_cancel_is_tried_soon_however_long_the_venue_says_to_wait(seconds: float):
    wire, pacer = paced()

    pacer.refused(Kind.ORDER, {"wait": seconds})
    await pacer.wait(Kind.CANCEL)

    assert wire.now_ns == 4 * SECOND_NS  # a cancel may take five, then it is given up


async def test_whoever_stops_waiting_leaves_the_credit_to_the_next():
    wire, pacer = paced()
    pacer.refused(Kind.CANCEL, {"wait": 3})
    hung = Pacer(policy=FEW, monotonic_ns=wire.read, sleep=asyncio.sleep)
    hung._credits = pacer._credits
    for _ in range(50):
        waiting = asyncio.get_running_loop().create_task(hung.wait(Kind.CANCEL))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait({waiting})

    await pacer.wait(Kind.CANCEL)

    assert wire.now_ns == 3 * SECOND_NS


@pytest.mark.parametrize("data", [None, {}, "soon", {"wait": -1}, {"wait": "2"}, {"wait": True}])
async def test_a_refusal_that_says_no_time_costs_a_second(data: Any):
    wire, pacer = paced()

    pacer.refused(Kind.QUESTION, data)
    await pacer.wait(Kind.QUESTION)

    assert wire.now_ns == SECOND_NS


def test_the_rate_is_halved_by_each_refusal_and_comes_back_with_quiet():
    bucket = Bucket(Rate(burst=1.0, per_second=10.0), 0)

    def gap_ns(now_ns: int) -> int:
        bucket.take(now_ns)
        return bucket.wait_ns(now_ns)

    assert gap_ns(0) == SECOND_NS // 10
    bucket.refused(0, 0.0)
    bucket.refused(0, 0.0)
    later = 10 * SECOND_NS
    assert gap_ns(later) > 2 * SECOND_NS // 10
    much_later = 200 * SECOND_NS
    assert gap_ns(much_later) == pytest.approx(SECOND_NS / 10)


def test_refusals_without_end_leave_a_tenth_of_the_rate():
    bucket = Bucket(Rate(burst=1.0, per_second=10.0), 0)
    for _ in range(50):
        bucket.refused(0, 0.0)

    assert bucket.wait_ns(0) == SECOND_NS
