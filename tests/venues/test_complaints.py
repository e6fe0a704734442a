"""Complaints: the first one by one, then one a second with the number of the others."""

from bot.core.events import BadMessage
from bot.venues.complaints import TOLD, Complaints


def test_of_many_complaints_some_are_told_and_all_are_counted():
    now_ns = [0]
    complaints = Complaints(lambda: now_ns[0])
    told: list[BadMessage] = []
    for number in range(100_000):
        now_ns[0] = number * 100_000  # ten seconds in all
        complaint = complaints.told(BadMessage(source="ticker", reason=f"number {number}"))
        told += [complaint] if complaint else []
    now_ns[0] += 10**9
    last = complaints.told(BadMessage(source="ticker", reason="the last"))

    at_once = int(TOLD.burst)
    assert [fact.reason for fact in told[:at_once]] == [f"number {n}" for n in range(at_once)]
    assert len(told) == at_once + 9
    assert last is not None
    later = (*told[at_once:], last)
    untold = sum(int(fact.reason.split("(after ")[1].split()[0]) for fact in later)
    assert untold + len(told) == 100_000


def test_what_is_said_now_and_then_is_told_as_it_is():
    now_ns = [0]
    complaints = Complaints(lambda: now_ns[0])
    for number in range(1_000):
        now_ns[0] = number * 10**9
        complaint = BadMessage(source="ticker", reason=f"number {number}")
        assert complaints.told(complaint) == complaint
