"""Pages reach somebody, whoever fails; and whatever fails, orders keep flowing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from bot.core.actions import Severity, Topic
from bot.core.events import Command, CommandGiven
from bot.runtime import channels, pager, paging
from bot.runtime.channels import Delivered, Outcome, Undelivered
from bot.runtime.clock import WireClock
from bot.runtime.pager import Channel, Pager, PagerPolicy, pause_after
from bot.runtime.paging import PagingPolicy
from tests.runtime.call_builders import alert, channel
from tests.runtime.call_server import HANG, Services, services
from tests.runtime.desk import Desk, House, until

SECOND_NS = 1_000_000_000
POLICY = PagerPolicy(
    paging=PagingPolicy(same_ns=300 * SECOND_NS, repeat_ns=600 * SECOND_NS, calm_ns=60 * SECOND_NS),
    stuck_ns=120 * SECOND_NS,
    open_ns=120 * SECOND_NS,
)


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pager, "BACKOFF_SECONDS", 0.01)
    monkeypatch.setattr(pager, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(pager, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(channels, "ATTEMPT_SECONDS_MAX", 60.0)  # on a busy machine


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give an attempt up soon. On a busy machine one that was heard is then made again, too."""
    monkeypatch.setattr(channels, "ATTEMPT_SECONDS_MAX", 0.2)


def pager_of(*ways: Channel, policy: PagerPolicy = POLICY) -> Pager:
    return Pager(daemon="deltaband test", channels=ways, policy=policy, wire=WireClock())


@contextlib.asynccontextmanager
async def at_work(made: Pager) -> AsyncIterator[Pager]:
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def way(
    served: Services,
    name: str,
    severity: Severity | None = Severity.INFO,
    fallback: str | None = None,
) -> Channel:
    return channel(name, served.webhook(name), severity, fallback)


async def test_each_channel_hears_what_is_loud_enough_for_it() -> None:
    async with services() as served:
        phone, desk = way(served, "phone", Severity.CRITICAL), way(served, "desk")
        async with at_work(pager_of(phone, desk)) as made:
            made.tell(alert("margin", Severity.WARNING, Topic.MARGIN))
            made.tell(alert("halted"))
            await until(lambda: sum(one.delivered for one in made.desks.values()) == 3)

    assert (served.texts("phone"), sorted(served.texts("desk"))) == (
        ["halted"],
        ["halted", "margin"],
    )
    assert [made.desks[name].delivered for name in ("phone", "desk")] == [1, 2]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("status", [HANG, 500, 404, 429])
async def test_where_the_first_channel_fails_the_second_is_told(
    status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with services(phone=status) as served:
        phone = way(served, "phone", Severity.CRITICAL, "desk")
        async with at_work(pager_of(phone, way(served, "desk", None))) as made:
            made.tell(alert("halted"))
            await until(lambda: made.desks["phone"].failed == 1)
            monkeypatch.setattr(channels, "ATTEMPT_SECONDS_MAX", 60.0)  # the other may be slow
            await until(lambda: made.desks["desk"].delivered == 1)

    assert set(served.texts("desk")) == {"halted"}
    assert made.desks["phone"].failed == 1
    assert made.desks["phone"].failing
    assert not made.undelivered


async def test_a_channel_that_hangs_holds_up_no_other() -> None:
    async with services(phone=HANG) as served:
        async with at_work(pager_of(way(served, "phone"), way(served, "desk"))) as made:
            for number in range(5):
                made.tell(alert("book " + "abcde"[number]))
            await until(lambda: len(set(served.texts("desk"))) == 5, seconds=20)
        assert served.texts("phone") == []


async def test_a_passing_fault_is_tried_again_and_told_once() -> None:
    async with services(phone=[503, 200]) as served:
        phone = way(served, "phone", Severity.INFO, "desk")
        async with at_work(pager_of(phone, way(served, "desk", None))) as made:
            made.tell(alert("halted"))
            await until(lambda: bool(served.heard))
            await asyncio.sleep(0.05)

    assert [at for at, _ in served.heard] == ["phone"]
    assert made.desks["phone"].failed == 0


async def test_what_no_channel_takes_is_known_until_one_takes_something() -> None:
    async with services(phone=404, desk=500) as served:
        ways = (way(served, "phone", fallback="desk"), way(served, "desk", fallback="phone"))
        async with at_work(pager_of(*ways)) as made:
            made.tell(alert("halted"))
            await until(lambda: bool(made.undelivered))
            assert made.undelivered == "no channel took alert 1: halted"
            served.status.clear()
            made.tell(alert("liquidated", topic=Topic.LIQUIDATED))
            await until(lambda: not made.undelivered)

    assert "liquidated" in served.texts("desk")


async def test_a_channel_that_has_failed_is_asked_once_a_message_until_it_answers() -> None:
    async with services(phone=503) as served:
        phone = way(served, "phone", Severity.INFO, "desk")
        async with at_work(pager_of(phone, way(served, "desk", None))) as made:
            for number, text in enumerate(("halted", "liquidated", "ended"), start=1):
                made.tell(alert(text))
                await until(lambda: made.desks["desk"].delivered == number)  # noqa: B023
            served.status.clear()
            made.tell(alert("over"))
            await until(lambda: served.texts("phone") == ["over"])
            await until(lambda: not made.desks["phone"].failing)

    assert served.asked.count("phone") == 3 + 1 + 1 + 1


async def test_channels_that_stand_in_for_each_other_pass_a_page_round_once() -> None:
    async with services(phone=404, desk=404, mail=404) as served:
        phone = way(served, "phone", Severity.CRITICAL, "desk")
        ring = way(served, "desk", None, "mail"), way(served, "mail", None, "desk")
        async with at_work(pager_of(phone, *ring)) as made:
            made.tell(alert("halted"))
            await until(lambda: bool(made.undelivered))
            await asyncio.sleep(0.05)

    assert served.asked == ["phone", "desk", "mail"]


async def test_a_call_does_not_wait_for_a_service_that_wants_to_be_left_alone() -> None:
    async with services() as served:
        phone = way(served, "phone", Severity.CRITICAL, "desk")
        async with at_work(pager_of(phone, way(served, "desk", None))) as made:
            made.desks["phone"].pace.close(60.0, WireClock().monotonic_ns())
            made.tell(alert("halted"))
            await until(lambda: served.texts("desk") == ["halted"])

    assert served.texts("phone") == []


async def test_a_call_is_repeated_until_a_person_has_heard(tmp_path) -> None:
    often = replace(POLICY, paging=replace(POLICY.paging, repeat_ns=SECOND_NS // 20))
    async with services() as served, House(tmp_path) as house:
        made = pager_of(way(served, "phone"), policy=often)
        house.loop.watch(made.on_step)
        house.alerts._listen = made.tell
        async with at_work(made), running(house):
            await until(lambda: house.loop.state.mode == "run")
            house.inbox.admit(command(Command.HALT, "c1"))
            await until(lambda: len(served.texts("phone")) >= 4)
            house.inbox.admit(command(Command.ACK, "c2"))
            await until(lambda: served.texts("phone")[-1].startswith("heard by ann: why"))
            await asyncio.sleep(0.15)
            assert served.texts("phone")[-1].startswith("heard by ann: why")
            assert made.board.unheard == 0
    kinds = [body["kind"] for _, body in served.heard if body["topic"] == "halt"]
    assert kinds[:3] == ["new", "repeat", "repeat"]


def command(what: Command, command_id: str) -> CommandGiven:
    return CommandGiven(command=what, command_id=command_id, actor="ann", note="why")


@contextlib.asynccontextmanager
async def running(house: House) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job()) for job in (house.outbox.run, house.loop.run)]
        venue = group.create_task(house.desk.run())
        yield
        house.loop.stop()
        await house.loop.ended.wait()
        for task in (*tasks, venue):
            task.cancel()


@pytest.mark.usefixtures("compiled_kernels")
async def test_orders_keep_flowing_while_every_channel_hangs(tmp_path) -> None:
    """Alerts by the thousand, channels that never answer: each hedge still goes out at once."""
    async with services(phone=HANG, desk=HANG) as served, House(tmp_path) as house:
        made = pager_of(way(served, "phone", fallback="desk"), way(served, "desk"))
        house.loop.watch(made.on_step)
        house.alerts._listen = made.tell
        async with at_work(made), running(house):
            await until(lambda: house.loop.state.mode == "run")
            for number in range(1, 4):
                house.outbox.perform(
                    tuple(alert("fault " + chr(97 + n % 26) * (n // 26 + 1)) for n in range(200))
                )
                house.desk.somebody_trades(100_000)
                await until(lambda: len(house.desk.requests) >= number, seconds=20)  # noqa: B023
            await until(lambda: served.hanging >= 2)
    assert len(house.desk.requests) >= 3
    assert served.heard == []
    assert all(desk.queue.dropped > 100 for desk in made.desks.values())
    assert all(len(desk.queue) <= 51 for desk in made.desks.values())
    assert house.loop.observers_dropped == 0


async def test_a_fault_of_the_pager_itself_does_not_reach_whoever_raises_an_alert(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults: list[str] = []

    def broken(*_: object) -> None:
        faults.append("once more")
        raise ValueError("a mistake of ours")

    async with services() as served, House(tmp_path) as house:
        made = pager_of(way(served, "phone"))
        monkeypatch.setattr(paging, "ticked", broken)
        house.alerts._listen = made.tell
        async with at_work(made):
            await until(lambda: len(faults) >= 2)  # the pager has begun again after the first
            house.alerts.tell(alert("halted"))
            await until(lambda: served.texts("phone") == ["halted"])
            monkeypatch.setattr(paging, "raised", broken)
            house.alerts.tell(alert("again"))

    assert [raised.text for raised in house.alerts.recent] == ["halted", "again"]


async def test_a_daemon_that_reconnects_for_too_long_calls_once(tmp_path) -> None:
    soon = replace(POLICY, stuck_ns=SECOND_NS // 20)
    async with services() as served, House(tmp_path, desk=Mute()) as house:
        made = pager_of(way(served, "phone", Severity.CRITICAL), policy=soon)
        house.loop.watch(made.on_step)
        async with at_work(made), running(house):
            await until(lambda: bool(served.heard))
            await asyncio.sleep(0.3)
    (text,) = served.texts("phone")
    assert text.startswith("reconciling for over 0.05 s: the account has not been read")


class Mute(Desk):
    """A venue that quotes and never tells of the account."""

    def account(self):
        return ()


async def test_the_end_is_told_with_what_still_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pager, "FAREWELL_SECONDS", 60.0)
    async with services(phone=HANG) as served:
        made = pager_of(way(served, "phone"))
        async with at_work(made):
            made.tell(alert("disk full"))
            await until(lambda: served.hanging >= 1)
        served.status.clear()
        await made.farewell("loop died: the ledger cannot be written", Severity.CRITICAL)

    heard = list(dict.fromkeys(served.texts("phone")))
    assert heard == ["disk full", "ended: loop died: the ledger cannot be written"]


async def test_an_end_is_not_held_up_by_a_channel_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pager, "FAREWELL_SECONDS", 4.0)  # longer than machines stand still
    async with services(phone=HANG) as served:
        made = pager_of(way(served, "phone"), way(served, "desk"))
        await asyncio.wait_for(made.farewell("stopped", Severity.INFO), 30)

    assert served.texts("desk") == ["ended: stopped"]


async def test_an_end_without_channels_takes_no_time_and_makes_no_client() -> None:
    def refused() -> httpx.AsyncClient:
        raise AssertionError("nobody to tell")

    made = Pager(daemon="d", channels=(), policy=POLICY, wire=WireClock(), client=refused)

    await made.farewell("stopped", Severity.CRITICAL)


BUSY, GONE = Undelivered(reason="HTTP 503"), Undelivered(reason="HTTP 404", is_final=True)


@pytest.mark.parametrize(
    ("attempt", "outcome", "pause"),
    [
        (1, Delivered(), None),
        (1, Delivered(wait_seconds=5.0), None),
        (1, GONE, None),
        (1, BUSY, 0.01),
        (2, BUSY, 0.02),
        (3, BUSY, None),
        (1, replace(BUSY, wait_seconds=12.0), 12.0),
        (1, replace(BUSY, wait_seconds=16.0), None),
    ],
)
def test_only_what_may_pass_is_tried_again_and_not_for_long(
    attempt: int, outcome: Outcome, pause: float | None
) -> None:
    assert pause_after(attempt, outcome, 3) == pause
