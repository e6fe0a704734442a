"""The daemon's HTTP interface, asked in the process."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from bot.core.events import Command, CommandGiven
from bot.core.state import Mode
from bot.dashboard import app as dashboard
from bot.dashboard.guard import Rules
from bot.dashboard.stream import LISTENERS_MAX
from tests.dashboard.scenes import SECOND_NS, Scene, plan, running

TOKEN = "a-token-for-tests"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
RULES = Rules(hosts=frozenset({"127.0.0.1", "localhost"}), token=TOKEN, token_to_read=False)


class Desk:
    """A client of the interface, and the facts that it caused."""

    def __init__(self, scene: Scene, rules: Rules = RULES) -> None:
        self.scene = scene
        self.posted: list[CommandGiven] = []
        built = dashboard.build(scene.window, self.obey, rules)
        transport = httpx.ASGITransport(app=built)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000")

    def obey(self, fact: CommandGiven) -> None:
        self.posted.append(fact)
        self.scene.fold(fact)

    async def get(self, path: str, **kwargs: Any) -> httpx.Response:
        return await self.client.get(path, **kwargs)

    async def command(self, body: Any, **headers: str) -> httpx.Response:
        sent = BEARER | headers
        return await self.client.post("/api/v1/commands", json=body, headers=sent)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk(running())
    async with desk.client:
        yield desk


def order(command: str = "pause", command_id: str = "12345678", **more: Any) -> dict[str, Any]:
    return {"command": command, "command_id": command_id, "actor": "tester", **more}


async def test_the_status_tells_delta_band_reason_and_what_the_venue_says(desk: Desk) -> None:
    answer = await desk.get("/api/v1/status")

    told = answer.json()
    book = told["books"][0]
    assert answer.status_code == 200
    assert (told["mode"]["name"], told["mode"]["reason"]) == ("run", "all inputs are good")
    assert book["deviation_coin"] == pytest.approx(-0.44, abs=0.01)
    assert book["band_coin"] == [-0.2, 0.2]
    assert book["decision"]["verdict"] == "hedge"
    assert "outside" in book["decision"]["reason"]
    assert told["positions"][0]["venue_size_native"] == -1.0
    assert told["open_orders"][0]["status"] == "requested"
    assert told["balances"][0]["margin_use"] == pytest.approx(0.05)
    assert {link["link"]: link["up"] for link in told["links"]} == {"market": True, "trading": True}


async def test_what_is_shown_is_what_was_decided_last(desk: Desk) -> None:
    desk.scene.quoted()

    answer = await desk.get("/api/v1/decisions")

    newest = answer.json()["decisions"]
    assert [one["code"] for one in newest[:2]] == ["in-flight", "outside-band"]
    assert newest[1]["order_id"].startswith("db")


async def test_a_question_for_no_decisions_or_too_many_is_refused_in_json(desk: Desk) -> None:
    for limit in ("0", "501", "many"):
        answer = await desk.get("/api/v1/decisions", params={"limit": limit})
        assert answer.status_code == 422
        assert answer.json()["error"].startswith("limit:")


async def test_before_the_first_step_the_daemon_says_so() -> None:
    desk = Desk(Scene())
    async with desk.client:
        status, ready = await desk.get("/api/v1/status"), await desk.get("/readyz")

    assert (status.status_code, ready.status_code) == (503, 503)
    assert ready.json()["reason"] == "starting"


async def test_a_pause_becomes_a_fact_and_the_answer_says_what_comes_next(desk: Desk) -> None:
    answer = await desk.command(order("pause", note="lunch"))

    told = answer.json()
    assert answer.status_code == 202
    assert desk.posted == [
        CommandGiven(command=Command.PAUSE, command_id="12345678", actor="tester", note="lunch")
    ]
    assert told["accepted"] is True
    assert told["mode"] == "hold"
    assert "until resume" in told["next"]
    assert desk.scene.state.mode is Mode.HOLD


async def test_a_flatten_of_a_halted_daemon_is_told_that_nothing_is_closed_yet(desk: Desk) -> None:
    desk.scene.command(Command.HALT)

    waits = await desk.command(order("flatten", note="close it") | {"confirmed": True})
    goes = await desk.command(order("resume", "resume-1", note="do it"))

    assert "NOTHING IS CLOSED" in waits.json()["next"]
    assert waits.json()["next"].endswith("mode now halt")
    assert "hedging goes on" not in goes.json()["next"]
    assert "then everything halts" in goes.json()["next"]


async def test_who_pauses_or_resumes_a_flatten_is_told_that_it_is_not_called_off(
    desk: Desk,
) -> None:
    await desk.command(order("flatten", note="close it") | {"confirmed": True})
    rests = await desk.command(order("pause", "pause-01"))
    goes = await desk.command(order("resume", "resume-1", note="do it"))
    stops = await desk.command(order("halt", "halt-001"))

    assert "goes on with the resume" in rests.json()["next"]
    assert "the flatten goes on" in goes.json()["next"]
    assert "`deltaband halt` calls it off" in goes.json()["next"]
    assert "a flatten is called off" in stops.json()["next"]


async def test_a_repeated_command_is_obeyed_once(desk: Desk) -> None:
    await desk.command(order("halt", "same-id-1"))
    desk.scene.command(Command.RESUME)

    again = await desk.command(order("halt", "same-id-1"))

    assert again.status_code == 202
    assert desk.scene.state.standing.halt_reason == ""


@pytest.mark.parametrize(
    "body",
    [
        order("sell everything"),
        order(command_id="short"),
        order(command_id="line\nbreak"),
        order(actor=""),
        order(note="x" * 201),
        order(extra="field"),
        order("resume"),
        order("resume", note="  "),
        order("flatten", note="the desk closes"),
        {"command": "pause"},
        ["pause"],
    ],
)
async def test_a_malformed_command_changes_nothing(desk: Desk, body: Any) -> None:
    answer = await desk.command(body)

    assert answer.status_code == 422
    assert answer.json()["error"]
    assert not desk.posted


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example:8000"}, 421),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
async def test_a_stranger_commands_nothing(
    desk: Desk, headers: dict[str, str], status: int
) -> None:
    answer = await desk.command(order(), **headers)

    assert answer.status_code == status
    assert answer.json()["status"] == status
    assert not desk.posted


async def test_a_rebound_name_reads_nothing(desk: Desk) -> None:
    answer = await desk.get("/api/v1/status", headers={"Host": "evil.example"})

    assert answer.status_code == 421


async def test_where_strangers_can_reach_it_reading_wants_the_token_too() -> None:
    rules = Rules(hosts=RULES.hosts, token=TOKEN, token_to_read=True)
    desk = Desk(running(), rules)
    async with desk.client:
        bare = await desk.get("/api/v1/status")
        known = await desk.get("/api/v1/status", headers=BEARER)
        alive = await desk.get("/healthz")

    assert (bare.status_code, known.status_code, alive.status_code) == (401, 200, 200)


async def test_a_body_larger_than_any_command_is_not_read(desk: Desk) -> None:
    answer = await desk.command(order(note="x" * 10_000))

    assert answer.status_code == 413


async def test_there_is_no_page_no_documentation_and_no_way_in_for_other_sites(desk: Desk) -> None:
    for path in ("/", "/docs", "/redoc", "/openapi.json", "/api/v1/nothing"):
        assert (await desk.get(path)).status_code == 404
    answer = await desk.get("/api/v1/status", headers={"Origin": "http://evil.example"})
    assert "access-control-allow-origin" not in answer.headers


async def test_a_loop_that_stands_still_is_not_healthy(desk: Desk) -> None:
    assert (await desk.get("/healthz")).status_code == 200

    desk.scene.now_ns += 11 * SECOND_NS
    answer = await desk.get("/healthz")

    assert answer.status_code == 503
    assert "has not stepped for 11.0 s" in answer.json()["reason"]
    assert (await desk.get("/readyz")).status_code == 503


async def test_a_paused_daemon_is_alive_but_not_ready(desk: Desk) -> None:
    assert (await desk.get("/readyz")).status_code == 200

    desk.scene.command(Command.PAUSE)

    assert (await desk.get("/healthz")).status_code == 200
    assert (await desk.get("/readyz")).status_code == 503


async def test_a_scrape_finds_delta_band_mode_and_counters(desk: Desk) -> None:
    answer = await desk.get("/metrics")

    lines = answer.text.splitlines()
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'deltaband_mode{mode="run"} 1.0' in lines
    assert 'deltaband_mode{mode="halt"} 0.0' in lines
    book = 'book="main",convention="coin",currency="BTC"'
    assert f'deltaband_book_band_coin{{{book},edge="low",underlying="BTC"}} -0.2' in lines
    assert any(line.startswith('deltaband_book_delta_coin{book="main"') for line in lines)
    assert "deltaband_orders_sent_total 1.0" in lines


async def test_a_halt_tells_only_what_the_venue_has_said_of_its_orders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The book has an order under way, of which the venue says nothing more."""
    monkeypatch.setattr(dashboard, "CANCELLED_SECONDS_MAX", 0.05)
    desk = Desk(running())
    (left,) = desk.scene.state.standing.orders
    async with desk.client:
        told = (await desk.command(order("halt"))).json()
    assert told["mode"] == "halt"
    assert f"1 orders are NOT known to be cancelled ({left})" in told["next"]
    assert "the venue has not confirmed it" in told["next"]
    assert "all orders are cancelled" not in told["next"]

    quiet = Desk(Scene())
    quiet.scene.connect()
    async with quiet.client:
        told = (await quiet.command(order("halt"))).json()
    assert "no order of this daemon rests at the venue" in told["next"]


async def test_the_stream_is_served_as_events_and_the_ninth_listener_is_turned_away(
    desk: Desk,
) -> None:
    stream = desk.scene.window.stream
    listeners = [stream.listen(None) for _ in range(LISTENERS_MAX)]
    waiting = [asyncio.ensure_future(anext(each)) for each in listeners]
    await asyncio.sleep(0)

    answer = await desk.get("/api/v1/stream")

    assert answer.status_code == 503
    assert "listen already" in answer.json()["error"]
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert not stream.is_full


async def test_a_flatten_that_cannot_go_on_says_what_keeps_it_in_the_first_line() -> None:
    scene = Scene(book=plan(band_low_coin=-9.0, band_high_coin=9.0), perp_native="50000")
    scene.connect()
    scene.quoted()
    scene.fold(seconds=5.0)
    scene.command(Command.FLATTEN)
    status = scene.window.status()
    assert status is not None
    kept = (
        "flattening by test: drill: 50000 BTC-PERPETUAL; unpriced: BTC-PERPETUAL: last good quote"
    )
    assert status.mode.reason.startswith(kept)
