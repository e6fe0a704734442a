"""What befalls a WebSocket: each fault on a real socket, judged by client and venue's ledger."""

import asyncio
import json
import time
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType

from tests.exchange.fault_desk import Bench, bench, order, trading
from tests.exchange.wire import PERPETUAL, Line, RpcFailedError, line_to, until

TICKER = f"ticker.{PERPETUAL}.100ms"
SILENCE_S = 0.3
DELAY_MS = 1_500  # many times what a question takes, on a busy machine too


async def said(line: Line, at_least: int = 0) -> list[dict[str, Any]]:
    """So many frames, however long they take, and whatever comes in some time after them."""
    frames = [await line.frame() for _ in range(at_least)]
    try:
        async with asyncio.timeout(SILENCE_S):
            while True:
                frames.append(await line.frame())
    except TimeoutError:
        return frames


def channels(frames: list[dict[str, Any]]) -> list[str]:
    return [frame["params"]["channel"] for frame in frames if "params" in frame]


async def ends(line: Line) -> WSMsgType:
    """How the line ends."""
    while (message := await line.socket.receive(timeout=60)).type is WSMsgType.TEXT:
        pass
    return message.type


async def send(line: Line, method: str, **params: Any) -> None:
    await line.socket.send_str(
        json.dumps({"jsonrpc": "2.0", "id": 99, "method": method, "params": params})
    )


async def filled(desk: Bench, count: int) -> None:
    async with asyncio.timeout(60):
        while len((await desk.ledger())["fills"]) < count:
            await asyncio.sleep(0.02)


async def test_an_accepted_order_is_in_the_ledger_though_the_line_was_cut_before_it() -> None:
    async with bench() as desk, trading(desk) as line:
        await line.call("private/subscribe", channels=["user.changes.any.any.raw"])
        await desk.arm("drop_after_accept", method="private/buy")
        await send(line, "private/buy", **order("x-1"))
        assert await ends(line) is not WSMsgType.TEXT
        assert line.heard == []
        assert await desk.labels() == ["x-1"]
        assert len((await desk.ledger())["fills"]) == 1


async def test_an_answer_alone_may_be_lost_while_the_line_lives() -> None:
    async with bench() as desk, trading(desk) as line:
        await desk.arm("drop_after_accept", method="private/buy", cut=False)
        await send(line, "private/buy", **order("x-1"))
        assert await said(line) == []
        await line.call("public/test")
        assert len((await desk.ledger())["fills"]) == 1


async def test_an_order_dropped_before_the_venue_is_in_no_ledger() -> None:
    async with bench() as desk, trading(desk) as line:
        await desk.arm("drop_before", method="private/buy", cut=False)
        await send(line, "private/buy", **order("x-1"))
        assert await said(line) == []
        await line.call("private/buy", **order("x-2"))
        assert await desk.labels() == ["x-2"]
        await desk.arm("drop_before", method="private/buy")
        await send(line, "private/buy", **order("x-3"))
        assert await ends(line) is not WSMsgType.TEXT
        assert await desk.labels() == ["x-2"]


async def test_a_delayed_answer_is_overtaken_and_a_delayed_request_is_worked_on_late() -> None:
    async with bench() as desk, trading(desk) as line:
        await desk.arm("delay", method="private/buy", delay_ms=DELAY_MS)
        began = time.monotonic()
        await send(line, "private/buy", **order("x-1"))
        await line.call("public/test")
        assert line.heard == [], "the later question was answered first"
        await filled(desk, 1)
        assert (await line.frame())["id"] == 99
        assert time.monotonic() - began > 0.99 * DELAY_MS / 1_000

        await desk.arm("delay", method="private/buy", delay_ms=DELAY_MS, before=True)
        await send(line, "private/buy", **order("x-2"))
        await line.call("public/test")
        assert await desk.labels() == ["x-1"]
        assert (await line.frame())["id"] == 99
        assert await desk.labels() == ["x-1", "x-2"]


async def test_an_answer_and_a_push_can_come_twice() -> None:
    async with bench() as desk, trading(desk) as line:
        await line.call("private/subscribe", channels=["user.trades.any.any.raw"])
        await desk.arm("duplicate", method="private/buy")
        await desk.arm("duplicate", channel="user.trades.")
        await send(line, "private/buy", **order("x-1"))
        frames = await said(line, 4)
        assert [frame.get("id") for frame in frames] == [99, 99, None, None]
        assert frames[0] == frames[1]
        assert frames[2] == frames[3]
        assert await desk.labels() == ["x-1"]


async def test_pushes_change_places_and_the_last_is_only_late() -> None:
    async with bench() as desk, trading(desk) as line:
        names = ["user.orders.any.any.raw", "user.trades.any.any.raw"]
        await line.call("private/subscribe", channels=names)
        await line.call("private/buy", **order("x-1"))
        straight = channels(line.heard + await said(line, 2 - len(line.heard)))
        line.heard.clear()
        await desk.arm("reorder", channel="user.")
        await line.call("private/buy", **order("x-2"))
        assert channels(line.heard + await said(line, 2 - len(line.heard))) == straight[::-1]
        line.heard.clear()
        await desk.arm("reorder", channel="user.orders.")
        await line.call("private/buy", **order("x-3"))
        assert channels(line.heard + await said(line, 1 - len(line.heard))) == [names[1]]
        assert channels(await said(line, 1)) == [names[0]]


async def test_in_a_window_pushes_change_places_two_by_two() -> None:
    async with bench() as desk, trading(desk) as line:
        await line.call("private/subscribe", channels=["user.trades.any.any.raw"])
        await desk.arm("reorder", channel="user.trades.", window_ms=60_000)
        for number in range(4):
            await line.call("private/buy", **order(f"x-{number}"))
        told = [(await line.told("user.trades.any.any.raw"))[0]["label"] for _ in range(4)]
        assert told == ["x-1", "x-0", "x-3", "x-2"]


async def test_half_a_frame_ends_the_line_and_half_a_text_does_not() -> None:
    async with bench() as desk, trading(desk) as line:
        await desk.arm("truncate", method="private/buy", whole=True)
        await send(line, "private/buy", **order("x-1"))
        half = (await line.socket.receive(timeout=60)).data
        with pytest.raises(json.JSONDecodeError):
            json.loads(half)
        await line.call("public/test")
        await desk.arm("truncate", method="private/buy")
        await send(line, "private/buy", **order("x-2"))
        assert (await line.socket.receive(timeout=60)).type is not WSMsgType.TEXT
        assert await desk.labels() == ["x-1", "x-2"]


async def test_a_garbage_frame_and_an_error_without_an_id_come_over_a_line_that_lives() -> None:
    async with bench() as desk, trading(desk) as line:
        await desk.arm("corrupt_compression", method="private/buy")
        await send(line, "private/buy", **order("x-1"))
        message = await line.socket.receive(timeout=60)
        assert message.type is WSMsgType.BINARY
        assert message.data[:2] == b"\x9f\x00"
        await desk.arm("error_frame", method="public/test", code=11051)
        await line.call("public/test")
        assert line.heard == [
            {"jsonrpc": "2.0", "error": {"code": 11051, "message": "too_many_requests"}}
        ]


async def test_an_answer_and_a_push_of_another_shape_say_whose_they_are_and_no_number() -> None:
    async with bench() as desk, line_to(desk.server) as line:
        await desk.arm("wrong_schema", method="public/get_time")
        told = await line.call("public/get_time")
        assert list(told) == ["value"]
        await line.call("public/subscribe", channels=[TICKER])
        await desk.arm("wrong_schema", channel=TICKER)
        while not isinstance((await line.told(TICKER))["mark_price"], dict):
            pass


async def test_a_stalled_channel_is_silent_while_the_rest_of_the_line_speaks() -> None:
    async with bench() as desk, line_to(desk.server) as line:
        index = "deribit_price_index.btc_usd"
        await line.call("public/subscribe", channels=[TICKER, index])
        await line.told(TICKER)
        await desk.arm("silent_stall", channel="ticker.", window_ms=60_000)
        await line.call("public/test")  # what was on its way is here before its answer
        line.heard.clear()
        assert set(channels(await said(line, 3))) == {index}
        await desk.arm("clear")
        assert await line.told(TICKER)


async def test_a_stuck_channel_goes_on_with_its_old_timestamp_or_its_old_message() -> None:
    async with bench() as desk, line_to(desk.server) as line:
        await line.call("public/subscribe", channels=[TICKER])
        await line.told(TICKER)
        await desk.arm("stuck_timestamp", channel=TICKER, window_ms=60_000)
        stamps = {(await line.told(TICKER))["timestamp"] for _ in range(4)}
        assert len(stamps) == 1
        await desk.arm("clear")
        assert (await line.told(TICKER))["timestamp"] > stamps.pop()
        await desk.arm("stuck_timestamp", channel=TICKER, whole=True, window_ms=60_000)
        tickers = [await line.told(TICKER) for _ in range(3)]
        assert tickers[0] == tickers[1] == tickers[2]


async def test_a_lost_change_of_a_book_shows_in_its_change_ids() -> None:
    async with bench() as desk, trading(desk) as line:
        channel = f"book.{PERPETUAL}.100ms"
        await line.call("public/subscribe", channels=[channel])
        known = (await line.told(channel))["change_id"]
        await desk.arm("sequence_gap")
        await until_struck(desk, line)
        assert (await line.told(channel))["prev_change_id"] != known


async def until_struck(desk: Bench, line: Line) -> None:
    async with asyncio.timeout(60):
        while not sum((await desk.struck()).values()):
            await line.call("private/buy", **order("x"))


async def test_a_half_open_socket_takes_everything_and_says_nothing() -> None:
    async with bench() as desk, trading(desk) as line:
        await line.call("public/subscribe", channels=[TICKER])
        await line.told(TICKER)
        await desk.arm("half_open", method="private/buy")
        await send(line, "private/buy", **order("x-1"))
        await send(line, "public/test")
        await line.socket.ping()
        assert await said(line) == []
        assert not line.socket.closed
        assert await desk.labels() == []
        async with trading(desk) as other:  # it was that socket only
            await other.call("private/buy", **order("x-2"))


async def test_a_handshake_can_be_refused_or_never_answered() -> None:
    async with bench() as desk:
        await desk.arm("http_status", method="connect", status=502)
        with pytest.raises(aiohttp.WSServerHandshakeError, match="502"):
            async with line_to(desk.server):
                pass
        await desk.arm("half_open", method="connect")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SILENCE_S), line_to(desk.server):
                pass
        async with line_to(desk.server) as line:
            await line.call("public/test")


async def test_a_slow_reader_works_on_what_came_meanwhile_late_and_in_order() -> None:
    async with bench() as desk, trading(desk) as line:
        await line.call("public/subscribe", channels=["deribit_price_index.btc_usd"])
        await desk.arm("slow_reader", method="private/buy", delay_ms=DELAY_MS)
        began = time.monotonic()
        await send(line, "private/buy", **order("x-1"))
        await send(line, "private/buy", **order("x-2"))
        await asyncio.sleep(0.1)
        assert await desk.labels() == []
        await line.call("public/test")
        assert time.monotonic() - began > 0.99 * DELAY_MS / 1_000
        assert any("params" in frame for frame in line.heard), "it spoke while it did not read"
        assert await desk.labels() == ["x-1", "x-2"]


async def test_dead_tokens_are_refused_on_every_line_until_a_new_login() -> None:
    async with bench() as desk, trading(desk) as line:
        await desk.arm("token_expiry")
        with pytest.raises(RpcFailedError, match="13009"):
            await line.call("private/buy", **order("x-1"))
        await line.login()
        await line.call("private/buy", **order("x-2"))
        await desk.arm("token_expiry", method="private/buy")
        with pytest.raises(RpcFailedError, match="13009"):
            await line.call("private/buy", **order("x-3"))


async def test_a_trade_is_taken_back_once_and_its_owner_is_told() -> None:
    async with bench() as desk, trading(desk) as line:
        await line.call("private/subscribe", channels=["user.changes.any.any.raw"])
        status, body = await desk.lever("POST", {"kind": "bust"})
        assert (status, body["error"]["data"]["param"]) == (400, "trade_id")
        for label in ("x-1", "x-2"):
            await line.call("private/buy", **order(label))
        sizes = []
        for _ in range(2):
            await desk.arm("bust")
            sizes.append((await desk.ledger())["positions"].get(PERPETUAL, 0))
        assert sizes == [10, 0]
        told = [await line.told("user.changes.any.any.raw") for _ in range(4)]
        assert [change["position"][0]["size"] for change in told] == [10, 20, 10, 0]
        assert (await desk.lever("POST", {"kind": "bust"}))[0] == 400


async def test_a_rate_limit_refuses_for_a_while_and_then_closes_the_session() -> None:
    async with bench() as desk, trading(desk) as line:
        await desk.arm("rate_limit", window_ms=300)
        for label in ("x-1", "x-2"):
            with pytest.raises(RpcFailedError, match="10028"):
                await line.call("private/buy", **order(label))
        ledger = await desk.ledger()
        assert [row["label"] for row in ledger["requests"]] == ["x-1", "x-2"]
        assert ledger["orders"] == []
        assert await ends(line) is WSMsgType.CLOSE
        async with trading(desk) as again:
            await again.call("private/buy", **order("x-3"))
            await desk.arm("rate_limit", method="private/buy", cut=False)
            with pytest.raises(RpcFailedError, match="10028"):
                await again.call("private/buy", **order("x-4"))
            await again.call("private/buy", **order("x-5"))


async def test_the_time_that_the_venue_tells_can_be_wrong() -> None:
    async with bench() as desk, line_to(desk.server) as line:
        true = await line.call("public/get_time")
        await desk.arm("clock_step", step_ms=-3_600_000)
        assert -3_600_500 < await line.call("public/get_time") - true < -3_590_000
        assert abs(await line.call("public/get_time") - true) < 5_000


async def test_pings_and_heartbeats_are_answered_through_a_stall() -> None:
    async with bench() as desk, line_to(desk.server) as line:
        await line.call("public/set_heartbeat", interval=10)
        await desk.arm("silent_stall", window_ms=60_000)
        session = next(iter(desk.server.floor.sessions.values()))
        assert session.heartbeat is not None
        session.heartbeat.beaten_ns = 0
        beat = session.heartbeat
        await until(lambda: beat.beaten_ns != 0)
        assert {frame["method"] for frame in await said(line)} == {"heartbeat"}
        await line.socket.ping()
        await line.call("public/test")
