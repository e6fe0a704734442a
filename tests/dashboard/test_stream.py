"""What happens is told as it happens, and a listener who is slow costs nobody but himself."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from bot.core.events import Command
from bot.dashboard import stream, views
from bot.dashboard.stream import Listener, Stream
from tests.dashboard.scenes import Scene, running


def parsed(text: bytes) -> tuple[str, int | None, Any]:
    """Return kind, number and content of an event."""
    lines = dict(line.split(": ", 1) for line in text.decode().strip().split("\n"))
    number = int(lines["id"]) if "id" in lines else None
    return lines["event"], number, json.loads(lines["data"])


async def told(events: AsyncIterator[bytes], times: int) -> list[tuple[str, int | None, Any]]:
    return [parsed(await anext(events)) for _ in range(times)]


async def opened(scene: Scene) -> AsyncIterator[bytes]:
    """Listen, and hear of the mode."""
    step = scene.window.step
    assert step is not None
    events = scene.window.stream.listen(step.state)
    ((kind, _, mode),) = await told(events, 1)
    assert (kind, mode["name"]) == ("mode", "run")
    return events


async def test_a_hedge_is_told_with_its_reason_and_the_order_that_left() -> None:
    scene = Scene()
    scene.connect()
    events = scene.window.stream.listen(None)
    coming = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    step = scene.quoted()
    sent = [made for made in step.decisions if made.order_id]
    assert len(sent) == 1
    heard = [parsed(await coming)]
    heard += await told(events, len(step.decisions) + len(step.actions))

    decisions = [what for kind, _, what in heard if kind == "decision"]
    orders = [what["action"] for kind, _, what in heard if kind == "action"]
    assert decisions[0]["reason"] == sent[0].reason
    assert sent[0].order_id in {order.get("order_id") for order in orders}
    assert heard[0][0] == "mode"
    numbers = [number for _, number, _ in heard]
    assert numbers == list(range(1, len(heard) + 1))


async def test_a_change_of_mode_is_told_once_to_everybody() -> None:
    scene = running()
    first, second = await opened(scene), await opened(scene)
    steps = (scene.command(Command.HALT), scene.quoted(), scene.command(Command.RESUME))

    happened = 2 + sum(len(step.decisions) + len(step.actions) for step in steps)
    for events in (first, second):
        heard = await told(events, happened)
        first_mode, second_mode = [mode for kind, _, mode in heard if kind == "mode"]
        assert heard[0][0] == "mode"
        assert first_mode["name"] == "halt"
        assert first_mode["halted"]
        assert second_mode["name"] != "halt"


async def test_who_is_slow_loses_the_oldest_and_is_told_how_many() -> None:
    listener = Listener()
    mode = views.mode(running().state)
    for number in range(stream.WAITING_MAX + 7):
        listener.put(number, (0, mode))

    heard = await told(listener.texts(), stream.WAITING_MAX + 1)

    assert heard[0] == ("lost", None, {"events": 7})
    assert [number for _, number, _ in heard[1:]] == list(range(7, stream.WAITING_MAX + 7))


async def test_who_leaves_is_forgotten_and_who_comes_too_many_is_turned_away() -> None:
    scene = running()
    told_to = [await opened(scene) for _ in range(stream.LISTENERS_MAX)]
    assert scene.window.stream.is_full

    await told_to[0].aclose()  # type: ignore[attr-defined]

    assert not scene.window.stream.is_full


async def test_a_line_on_which_nothing_happens_shows_that_it_lives() -> None:
    assert await anext(Listener().texts(quiet_seconds=0.01)) == stream.COMMENT


async def test_before_the_first_fold_there_is_nothing_to_tell_and_a_fold_is_heard() -> None:
    scene, heard = running(), Stream()
    events = heard.listen(None)
    waiting = anext(events)
    coming = asyncio.ensure_future(waiting)
    await asyncio.sleep(0)
    step = scene.window.step
    assert step is not None
    heard.show(step)

    assert parsed(await coming)[0] == "mode"
