"""A dead-man service hears of a daemon that lives, of one that halts, and nothing of a dead one."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
import respx

from bot.core.events import Command, CommandGiven
from bot.runtime.clock import WireClock
from bot.runtime.heartbeat import Heartbeat, Sign, Switch, Vitals, sign
from bot.runtime.loop import Stepped
from tests.builders import CALL, World

SECOND_NS = 1_000_000_000
URL = "https://hc.example/c0ffee-uuid"
SWITCH = Switch(url=URL, interval_ns=60 * SECOND_NS)


@pytest.mark.parametrize(
    ("age_seconds", "mode", "trouble", "told"),
    [
        (None, "", "", Sign.SILENCE),
        (0.1, "run", "", Sign.BEAT),
        (0.1, "reconciling", "", Sign.BEAT),
        (0.1, "hold", "", Sign.BEAT),
        (0.1, "halt", "", Sign.FAIL),
        (0.1, "run", "no channel took alert 3", Sign.FAIL),
        (5.1, "run", "", Sign.SILENCE),
        (5.1, "halt", "", Sign.SILENCE),
        (5.1, "run", "no channel took alert 3", Sign.SILENCE),
    ],
)
def test_only_a_loop_that_turns_speaks_and_a_halt_is_a_failure(
    age_seconds: float | None, mode: str, trouble: str, told: Sign
) -> None:
    age_ns = None if age_seconds is None else int(age_seconds * SECOND_NS)

    assert sign(Vitals(fold_age_ns=age_ns, mode=mode, trouble=trouble)) is told


@pytest.mark.parametrize(
    ("url", "failed"),
    [
        ("https://hc.example/uuid", "https://hc.example/uuid/fail"),
        ("https://hc.example/uuid/", "https://hc.example/uuid/fail"),
        ("https://hc.example/uuid?create=1", "https://hc.example/uuid/fail?create=1"),
    ],
)
def test_a_failure_goes_to_its_own_address(url: str, failed: str) -> None:
    assert replace(SWITCH, url=url).request(Sign.BEAT, "").url == url
    assert replace(SWITCH, url=url).request(Sign.FAIL, "").url == failed


class Watch:
    """A heartbeat under a clock that stands until it is told, and a daemon that folds for it."""

    def __init__(self, switch: Switch = SWITCH) -> None:
        self.now_ns = 0
        self.trouble = ""
        self.world = World()
        self.heart = Heartbeat(
            switch=switch,
            wire=WireClock(monotonic_ns=lambda: self.now_ns, epoch_ms=lambda: 0),
            trouble=lambda: self.trouble,
        )

    def folds(self, *facts: CommandGiven) -> None:
        step = self.world.fold(*facts)
        self.heart.on_step(
            Stepped(
                fold=1,
                state=step.state,
                step=step,
                facts=facts,
                market_ms=0,
                wire_ns=self.now_ns,
                tick_to_decision_ns=None,
                tick_to_order_ns=(),
                journal_ns=None,
            )
        )

    async def looks(self, second: float) -> None:
        self.now_ns = int(second * SECOND_NS)
        async with httpx.AsyncClient() as client:
            await self.heart.look(client)


@contextlib.contextmanager
def outside() -> Iterator[list[str]]:
    """Answer as the service outside would; yields the paths that were asked, and the bodies."""
    heard: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        heard.append(f"{request.url.path} {request.content.decode()}")
        return httpx.Response(200, text="OK")

    with respx.mock(assert_all_called=False) as wire:
        wire.route(host="hc.example").mock(side_effect=answer)
        yield heard


async def test_a_beat_is_told_at_once_and_then_at_its_interval() -> None:
    watch = Watch()
    with outside() as heard:
        await watch.looks(0)
        assert heard == []
        for second in (1, 2, 30, 60, 61, 62, 122):
            watch.now_ns = second * SECOND_NS
            watch.folds()
            await watch.looks(second)

    assert [line.split()[0] for line in heard] == ["/c0ffee-uuid"] * 3
    assert "reconciling: market connection" in heard[0]


async def test_a_halt_is_told_at_once_and_the_resume_too() -> None:
    watch = Watch()
    watch.world.begin({CALL: "-10"})
    with outside() as heard:
        watch.folds()
        await watch.looks(1)
        watch.folds(CommandGiven(command=Command.HALT, command_id="c1", actor="ann"))
        await watch.looks(2)
        await watch.looks(3)
        watch.folds(
            CommandGiven(command=Command.RESUME, command_id="c2", actor="ann", note="looked")
        )
        await watch.looks(4)

    assert [line.split()[0] for line in heard] == [
        "/c0ffee-uuid",
        "/c0ffee-uuid/fail",
        "/c0ffee-uuid",
    ]
    assert "halt: halted by ann" in heard[1]


async def test_a_loop_that_stands_is_told_by_silence() -> None:
    watch = Watch()
    with outside() as heard:
        watch.folds()
        await watch.looks(1)
        for second in (61, 122, 183):
            await watch.looks(second)

    assert len(heard) == 1


async def test_what_no_channel_could_tell_is_told_as_a_failure() -> None:
    watch = Watch()
    with outside() as heard:
        watch.folds()
        await watch.looks(1)
        watch.trouble = "no channel took alert 3: run -> hold"
        await watch.looks(2)

    assert heard[1] == "/c0ffee-uuid/fail no channel took alert 3: run -> hold"


async def test_without_a_place_for_failures_they_are_told_by_silence() -> None:
    watch = Watch(replace(SWITCH, fail_suffix=""))
    with outside() as heard:
        watch.folds()
        watch.trouble = "no channel took alert 3"
        await watch.looks(1)
        await watch.heart.farewell("died")

    assert heard == []


async def test_a_beat_that_was_not_taken_is_told_again_soon_and_leaves_no_exception(
    capsys: pytest.CaptureFixture[str],
) -> None:
    watch = Watch()
    with respx.mock() as wire:
        route = wire.post(URL)
        route.side_effect = [httpx.ConnectError(f"no way to {URL}"), httpx.Response(200)]
        for second in (1, 5, 11, 12):
            watch.now_ns = second * SECOND_NS
            watch.folds()
            await watch.looks(second)

    assert (watch.heart.sent, watch.heart.failed) == (1, 1)
    told = capsys.readouterr()
    assert "c0ffee" not in told.out + told.err


async def test_an_end_that_nobody_meant_is_told_as_a_failure() -> None:
    watch = Watch()
    with outside() as heard:
        await watch.heart.farewell("loop died: ValueError")

    assert heard == ["/c0ffee-uuid/fail ended: loop died: ValueError"]
