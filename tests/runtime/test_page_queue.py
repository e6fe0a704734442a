"""What waits for a channel: bounded, loudest first, at the channel's pace."""

import pytest

from bot.core.actions import Severity
from bot.runtime.page_queue import Letter, Pace, PageQueue
from tests.runtime.call_builders import page

SECOND_NS = 1_000_000_000
LEVELS = {"i": Severity.INFO, "w": Severity.WARNING, "c": Severity.CRITICAL}


def letter(name: str) -> Letter:
    """Return a letter whose first character is its severity's."""
    return Letter(page=page(name, LEVELS[name[0]]), page_id=name)


def names(queue: PageQueue) -> str:
    return " ".join(queue.take().page_id for _ in range(len(queue)))


@pytest.mark.parametrize(
    ("put", "taken", "dropped"),
    [
        ("i1 w1 c1", "c1 w1 i1", 0),
        ("w1 w2 c1 c2 i1", "c1 c2 w1 w2 i1", 0),
        ("i1 i2 i3 i4 i5 i6", "i2 i3 i4 i5 i6", 1),
        ("c1 c2 c3 w1 i1 c4", "c1 c2 c3 c4 w1", 1),
        ("c1 c2 c3 c4 c5 i1", "c1 c2 c3 c4 c5", 1),
        ("w1 w2 w3 w4 w5 c1 c2", "c1 c2 w3 w4 w5", 2),
        ("c1 c2 c3 c4 c5 c6", "c2 c3 c4 c5 c6", 1),
    ],
)
def test_the_loudest_go_first_and_the_oldest_of_the_least_loud_is_dropped(
    put: str, taken: str, dropped: int
) -> None:
    queue = PageQueue(waiting_max=5)
    for name in put.split():
        queue.put(letter(name))

    assert queue.dropped == dropped
    assert names(queue) == taken


def test_an_empty_queue_has_nothing_to_give() -> None:
    queue = PageQueue()

    assert queue.loudest is None
    with pytest.raises(IndexError):
        queue.take()


def sent_at(pace: Pace, severities: str) -> list[int]:
    """Send one after the other as soon as the pace allows; the seconds at which they went."""
    now_ns, seconds = 0, []
    for name in severities:
        while wait_ns := pace.wait_ns(LEVELS[name], now_ns):
            now_ns += wait_ns
        pace.spend(now_ns)
        seconds.append(round(now_ns / SECOND_NS))
    return seconds


@pytest.mark.parametrize(
    ("per_minute", "severities", "seconds"),
    [
        (3, "www", [0, 0, 20]),
        (3, "wwc", [0, 0, 0]),
        (3, "wwcc", [0, 0, 0, 20]),
        (1, "www", [0, 60, 120]),
        (60, "w" * 61, [0] * 59 + [1, 2]),
    ],
)
def test_a_channel_is_told_no_faster_than_it_may_be_and_one_place_is_kept_for_a_call(
    per_minute: int, severities: str, seconds: list[int]
) -> None:
    assert sent_at(Pace(per_minute, 0), severities) == seconds


def test_a_service_that_wants_to_be_left_alone_is_left_alone_even_with_a_call() -> None:
    pace = Pace(10, 0)
    pace.close(30.0, 5 * SECOND_NS)
    pace.close(1.0, 6 * SECOND_NS)

    assert pace.wait_ns(Severity.CRITICAL, 10 * SECOND_NS) == 25 * SECOND_NS
    assert pace.wait_ns(Severity.CRITICAL, 35 * SECOND_NS) == 0


def test_a_silent_hour_saves_up_no_more_than_a_minute_of_messages() -> None:
    pace = Pace(2, 0)
    waits = []
    for _ in range(3):
        waits.append(pace.wait_ns(Severity.CRITICAL, 3_600 * SECOND_NS))
        pace.spend(3_600 * SECOND_NS)

    assert waits == [0, 0, 30 * SECOND_NS]
