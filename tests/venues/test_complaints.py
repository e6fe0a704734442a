"""Complaints: the first one by one, then one a second with the number of the others."""

from bot.core.events import BadMessage
from bot.venues.complaints import TOLD, Complaints


def test_of_a_million_complaints_a_few_hundred_are_told_and_none_is_forgotten():
    now_ns = [0]
    complaints = Complaints(lambda: now_ns[0])
    told: list[BadMessage] = []
    for number in range(100_000):
        now_ns[0] = number * 100_000  # ten seconds in all
        complaint = complaints.told(BadMessage(source="ticker", reason=f"number {number}"))
        told += [complaint] if complaint else []
    now_ns[0] += 10**9
    last = complaints.told(BadMessage(source="ticker", reason="the last"))

    assert len(told) == TOLD.burst + 9
    assert [fact.reason for fact in told[: int(TOLD.burst)]] == [
        f"number {number}" for number in range(int(TOLD.burst))
    ]
    untold = [
        int(fact.reason.split("(after ")[1].split()[0]) for fact in (*told[200:], last) if fact
    ]
    assert sum(untold) + len(told) == 100_000


def test_what_is_said_now_and_then_is_told_as_it_is():
    now_ns = [0]
    complaints = Complaints(lambda: now_ns[0])
    for number in range(1_000):
        now_ns[0] = number * 10**9
        complaint = BadMessage(source="ticker", reason=f"number {number}")
        assert complaints.told(complaint) == complaint
