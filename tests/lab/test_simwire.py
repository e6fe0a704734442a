"""Simulated wires keep the order of their frames, lose what a cut loses, and refuse at the door."""

import asyncio
import random
from typing import Any

import pytest

from bot.lab.simloop import SimLoop
from bot.lab.simwire import FarEnd, Network, SimClient, Wire

URL = "ws://venue"


class Ear:
    """What a socket of the edge would hear."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def connected(self, client: SimClient) -> None:
        self.told.append("connected")

    def disconnected(self, client: SimClient, reason: str) -> None:
        self.told.append(f"gone: {reason}")

    def took(self, message: Any) -> None:
        self.told.append(message)

    def failed(self, reason: str) -> None:
        self.told.append(f"bad: {reason}")


class Venue:
    """A door that echoes every frame, and remembers what it heard."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.is_open = is_open
        self.heard_texts: list[str] = []
        self.is_lost = False
        self.wire: Wire | None = None

    def admitted(self, wire: Wire) -> FarEnd | None:
        self.wire = wire
        return self if self.is_open else None

    def asked(self, method: str, params: dict[str, Any]) -> str | None:
        return '{"result": 7}' if method == "public/get_time" else None

    def heard(self, text: str) -> None:
        self.heard_texts.append(text)
        assert self.wire is not None
        self.wire.put(text)

    def lost(self) -> None:
        self.is_lost = True


class Line:
    """A client on a wire to a venue, on a loop of its own."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.loop = SimLoop(random.Random(2))
        self.venue = Venue(is_open=is_open)
        self.network = Network(self.loop, random.Random(3), self.venue)
        self.ear = Ear()
        self.tap = self.network.client({"urls": {"api": {"rest": "", "ws": URL}}})
        self.tap.listener = self.ear
        self.client = self.tap.client(URL)

    def run(self, work: Any) -> Any:
        async def main() -> Any:
            self.client.connect(None, 0)
            await asyncio.sleep(0.1)
            return await work()

        return self.loop.run_until_complete(main())


@pytest.fixture
def line():
    made = Line()
    yield made
    made.loop.bury()


def test_frames_of_one_line_never_overtake_each_other(line):
    async def work() -> None:
        for number in range(50):
            await line.client.send(str(number))
        await asyncio.sleep(1.0)

    line.run(work)
    assert line.venue.heard_texts == [str(number) for number in range(50)]
    assert line.ear.told == ["connected", *range(50)]


def test_a_cut_loses_what_is_under_way_and_tells_both_ends(line):
    async def work() -> None:
        await line.client.send("1")
        await asyncio.sleep(0.0045)
        line.network.cut(0, "reset")
        await asyncio.sleep(1.0)

    line.run(work)
    assert line.ear.told in (["connected", "gone: reset"], ["connected", 1, "gone: reset"])
    assert line.venue.is_lost
    assert line.network.wires == []
    assert line.client.closed()


def test_sending_on_a_line_that_is_known_to_be_gone_is_an_error(line):
    async def work() -> None:
        line.network.cut(0, "reset")
        await asyncio.sleep(1.0)
        await line.client.send("1")

    with pytest.raises(ConnectionError):
        line.run(work)


def test_a_frame_that_is_no_json_is_a_complaint_and_ends_nothing(line):
    async def work() -> None:
        line.venue.wire.put("{")
        line.venue.wire.put("[1]")
        await asyncio.sleep(1.0)

    line.run(work)
    assert line.ear.told[1].startswith("bad: JSONDecodeError")
    assert line.ear.told[2] == [1]


def test_a_number_that_is_none_reaches_whoever_has_to_refuse_it(line):
    async def work() -> None:
        line.venue.wire.put('{"mark_iv": NaN}')
        await asyncio.sleep(1.0)

    line.run(work)
    assert repr(line.ear.told[-1]) == "{'mark_iv': nan}"


def test_a_closed_door_is_heard_of():
    line = Line(is_open=False)

    async def work() -> None:
        await asyncio.sleep(1.0)

    line.run(work)
    line.loop.bury()
    assert line.ear.told == ["gone: the venue takes no connection"]


def test_a_question_over_http_is_answered_or_lost(line):
    async def work() -> Any:
        answer = await line.tap.request("get_time", ["public"], "GET", {})
        with pytest.raises(Exception, match="reset"):
            await line.tap.request("get_order_book", ["public"], "GET", {})
        return answer

    assert line.run(work) == {"result": 7}
