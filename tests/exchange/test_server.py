"""The exchange on real sockets: transports, envelopes, dead clients, slow clients."""

import asyncio
import hashlib
import hmac
import json
import urllib.parse
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from bot.exchange.auth import AuthPolicy
from bot.exchange.floor import ServerPolicy
from bot.exchange.keys import DEMO_KEY, ApiKey
from bot.exchange.server import ExchangeOptions, ExchangeServer, build
from tests.exchange.wire import (
    HOST_CLOCKS,
    PERPETUAL,
    Line,
    RpcFailedError,
    line_to,
    serving,
    until,
)


async def get(server: ExchangeServer, path: str, **headers: str) -> tuple[int, dict[str, Any]]:
    # The signature covers the address as it is sent: nothing may re-quote it on the way.
    url = URL(f"http://127.0.0.1:{server.port}{path}", encoded=True)
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as response:
        return response.status, await response.json()


async def post(server: ExchangeServer, body: object, **headers: str) -> tuple[int, dict[str, Any]]:
    url = f"http://127.0.0.1:{server.port}/api/v2"
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, data=json.dumps(body), headers=headers) as response,
    ):
        return response.status, await response.json()


def signed(method: str, path: str, body: str = "") -> str:
    ts = HOST_CLOCKS.epoch_ms()
    text = f"{ts}\nabc\n{method}\n{path}\n{body}\n"
    sig = hmac.new(b"demo-secret", text.encode(), hashlib.sha256).hexdigest()
    return f"deri-hmac-sha256 id=demo,ts={ts},sig={sig},nonce=abc"


async def resting_order(line: Line) -> str:
    book = await line.call("public/get_order_book", instrument_name=PERPETUAL)
    placed = await line.call(
        "private/buy", instrument_name=PERPETUAL, amount=10, price=book["min_price"]
    )
    assert placed["order"]["order_state"] == "open"
    return str(placed["order"]["order_id"])


async def test_an_answer_carries_the_times_that_the_venue_adds() -> None:
    async with serving() as server:
        status, body = await get(server, "/api/v2/public/test")

    assert status == 200
    assert body["jsonrpc"] == "2.0"
    assert "id" not in body
    assert body["usOut"] - body["usIn"] == body["usDiff"] >= 0
    assert body["testnet"] is True


async def test_an_unknown_method_is_answered_as_the_venue_does() -> None:
    async with serving() as server:
        status, body = await get(server, "/api/v2/private/nothing?amount=1")
        over_socket = None
        async with line_to(server) as line:
            with pytest.raises(RpcFailedError) as refused:
                await line.call("public/get_everything")
            over_socket = refused.value.code

    assert status == 400
    assert body["error"] == {"code": -32601, "message": "Method not found"}
    assert over_socket == -32601


async def test_what_is_no_call_is_told_so_and_the_line_stays_open() -> None:
    async with serving() as server, line_to(server) as line:
        answers = []
        for text in ("{", "[1]", '{"id":1}', '{"id":1,"method":"public/test","params":[1]}'):
            await line.socket.send_str(text)
            answers.append((await line.frame())["error"]["code"])

        assert answers == [-32700, -32600, -32600, -32602]
        assert (await line.call("public/test"))["version"]


async def test_a_missing_parameter_is_named() -> None:
    async with serving() as server:
        status, body = await get(server, "/api/v2/public/ticker")

    assert status == 400
    assert body["error"]["code"] == -32602
    assert body["error"]["data"] == {"reason": "value required", "param": "instrument_name"}


async def test_orders_are_taken_over_get_post_and_websocket_alike() -> None:
    query = {"instrument_name": PERPETUAL, "amount": "10", "type": "market", "reduce_only": "false"}
    path = "/api/v2/private/buy?" + urllib.parse.urlencode({**query, "label": "by get/1 2"})
    call = {"jsonrpc": "2.0", "id": 5, "method": "private/buy"}
    async with serving() as server:
        _, by_get = await get(server, path, Authorization=signed("GET", path))
        body = {**call, "params": {"instrument_name": PERPETUAL, "amount": 10, "type": "market"}}
        authorization = signed("POST", "/api/v2", json.dumps(body))
        _, by_post = await post(server, body, Authorization=authorization)
        async with line_to(server) as line:
            await line.login()
            by_socket = await line.call(
                "private/buy", instrument_name=PERPETUAL, amount=10, type="market"
            )
            position = await line.call("private/get_position", instrument_name=PERPETUAL)

    assert by_get["result"]["order"]["label"] == "by get/1 2"
    assert by_post["id"] == 5
    assert by_post["result"]["order"]["order_state"] == "filled"
    assert by_socket["order"]["filled_amount"] == 10
    assert position["size"] == 30


async def test_a_bearer_token_opens_http_until_it_is_revoked() -> None:
    login = "grant_type=client_credentials&client_id=demo&client_secret=demo-secret"
    path = "/api/v2/private/get_positions?currency=BTC"
    async with serving() as server:
        _, body = await get(server, f"/api/v2/public/auth?{login}")
        token = body["result"]["access_token"]
        status, positions = await get(server, path, Authorization=f"bearer {token}")
        wrong, error = await get(server, path, Authorization=f"bearer {token}x")

    assert (status, positions["result"]) == (200, [])
    assert (wrong, error["error"]["code"]) == (400, 13009)


async def test_a_key_without_the_right_scope_is_forbidden_to_trade() -> None:
    reader = ApiKey(client_id="eye", secret="s", account="demo", scope="account:read trade:read")
    policy = ServerPolicy(keys=(DEMO_KEY, reader))
    async with serving(policy=policy) as server, line_to(server) as line:
        await line.call(
            "public/auth", grant_type="client_credentials", client_id="eye", client_secret="s"
        )
        await line.call("private/get_positions", currency="BTC")
        with pytest.raises(RpcFailedError) as refused:
            await line.call("private/cancel_all")

    assert refused.value.code == 13021


async def test_methods_of_a_connection_are_refused_over_http() -> None:
    async with serving() as server:
        _, body = await get(server, "/api/v2/public/set_heartbeat?interval=10")

    assert body["error"] == {"code": 10030, "message": "must_be_websocket_request"}


@pytest.mark.parametrize(("enabled", "left"), [(True, 0), (False, 1)])
async def test_a_broken_line_cancels_its_orders_if_it_asked_for_that(
    enabled: bool, left: int
) -> None:
    async with serving() as server, line_to(server) as watcher:
        await watcher.login()
        elsewhere = await resting_order(watcher)
        async with line_to(server) as line:
            await line.login()
            if enabled:
                await line.call("private/enable_cancel_on_disconnect")
            order_id = await resting_order(line)
            connection = line.socket._response.connection
            assert connection is not None
            assert connection.transport is not None
            connection.transport.abort()
        await until(lambda: server.connections == 1)

        orders = await watcher.call("private/get_open_orders")
        state = await watcher.call("private/get_order_state", order_id=order_id)

    assert len(orders) == 1 + left
    assert elsewhere in {order["order_id"] for order in orders}
    assert state.get("cancel_reason") == ("cancel_on_disconnect" if enabled else None)


async def test_a_goodbye_leaves_the_orders_where_they_are() -> None:
    async with serving() as server, line_to(server) as watcher:
        await watcher.login()
        async with line_to(server) as line:
            await line.login()
            await line.call("private/enable_cancel_on_disconnect")
            await resting_order(line)
            await line.socket.send_str('{"id":9,"method":"private/logout","params":{}}')
            message = await line.socket.receive(timeout=60)
        await until(lambda: server.connections == 1)

        assert message.type is aiohttp.WSMsgType.CLOSE
        assert len(await watcher.call("private/get_open_orders")) == 1


async def test_a_client_that_ignores_the_test_request_is_cut_off_and_one_that_answers_is_not() -> (
    None
):
    policy = ServerPolicy(heartbeat_min_s=0.3, pump_interval_ms=5)
    async with serving(policy=policy) as server, line_to(server) as deaf, line_to(server) as alive:
        await deaf.login()
        await deaf.call("private/enable_cancel_on_disconnect")
        await resting_order(deaf)
        await alive.login()
        for line in (deaf, alive):
            assert await line.call("public/set_heartbeat", interval=0.3) == "ok"
        asked = 0
        while asked < 3:
            frame = await alive.frame()
            if frame.get("params", {}).get("type") == "test_request":
                asked += 1
                await alive.call("public/test")

        heard = []
        while (message := await deaf.socket.receive(timeout=60)).type is aiohttp.WSMsgType.TEXT:
            heard.append(json.loads(message.data)["params"]["type"])

        assert heard.count("test_request") == 1
        await until(lambda: server.connections == 1)
        assert await alive.call("private/get_open_orders") == []


async def test_a_heartbeat_below_the_venues_ten_seconds_is_refused() -> None:
    async with serving() as server, line_to(server) as line:
        with pytest.raises(RpcFailedError) as refused:
            await line.call("public/set_heartbeat", interval=5)

    assert refused.value.code == -32602


async def test_a_reader_too_slow_for_its_queue_is_cut_off_and_others_do_not_wait() -> None:
    policy = ServerPolicy(queue_frames_max=20)
    async with serving(policy=policy, speed=60.0) as server, line_to(server) as lively:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1_024)
        writer.write(
            b"GET /ws/api/v2 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        call = b'{"id":1,"method":"public/get_instruments","params":{}}'
        frame = b"\x81" + bytes([0x80 | len(call)]) + b"\0\0\0\0" + call
        writer.write(frame * 60)  # a third of a megabyte each, and nobody reads them

        await until(lambda: server.connections == 1)

        assert (await lively.call("public/test"))["version"]
        writer.close()


async def test_a_frame_over_the_venues_limit_ends_the_connection() -> None:
    async with serving() as server, line_to(server) as line:
        await line.socket.send_str('{"id":1,"method":"public/test","x":"' + "x" * 33_000 + '"}')
        message = await line.socket.receive(timeout=60)

    assert message.type is aiohttp.WSMsgType.CLOSE
    assert message.data == 1009


async def test_an_expired_login_is_refused_until_it_is_refreshed() -> None:
    policy = ServerPolicy(auth=AuthPolicy(token_lifetime_s=1))
    async with serving(policy=policy) as server, line_to(server) as line:
        reply = await line.call(
            "public/auth",
            grant_type="client_credentials",
            client_id="demo",
            client_secret="demo-secret",
        )
        await asyncio.sleep(1.05)
        with pytest.raises(RpcFailedError) as refused:
            await line.call("private/get_positions", currency="BTC")
        await line.call(
            "public/auth", grant_type="refresh_token", refresh_token=reply["refresh_token"]
        )
        assert await line.call("private/get_positions", currency="BTC") == []

    assert reply["expires_in"] == 1
    assert refused.value.code == 13009


async def test_an_exchange_that_breaks_says_so_to_whoever_waits() -> None:
    async with serving() as server:
        server.floor.market_clock.speed = float("nan")

        with pytest.raises(ValueError, match="NaN"):
            await asyncio.wait_for(server.wait(), 60)


async def test_a_port_in_use_is_told_in_one_sentence() -> None:
    async with serving() as server:
        second = build(ExchangeOptions(port=server.port), HOST_CLOCKS)
        with pytest.raises(OSError, match=rf"127.0.0.1:{server.port}: is the port in use already"):
            await second.start()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("BTC-PERPETUAL: 15", "multiple of 10"),
        ("BTC-PERPETUAL: many", "signed number is expected"),
        ("BTC-PERPETUAL: .nan", "signed number is expected"),
        ("BTC-1JAN31-90000-C: 1", "not listed"),
        ("DOGE: 1", "nothing is listed on"),
        ("- 1", "a map of instrument to signed size"),
        ("BTC-PERPETUAL: 10\nBTC-PERPETUAL: 20", "not YAML"),
        ("a: [", "not YAML"),
    ],
)
def test_a_book_file_that_cannot_be_is_refused_with_its_name(
    tmp_path: Path, text: str, said: str
) -> None:
    path = tmp_path / "book.yaml"
    path.write_text(text)

    with pytest.raises(ValueError, match=said) as refused:
        build(ExchangeOptions(book=str(path)), HOST_CLOCKS)

    assert "book.yaml" in str(refused.value)


async def test_a_book_file_is_what_the_account_holds(tmp_path: Path) -> None:
    path = tmp_path / "book.yaml"
    path.write_text("BTC-PERPETUAL: -5000\n")
    async with serving(book=str(path), equity_coin=3.0) as server, line_to(server) as line:
        await line.login()
        positions = await line.call("private/get_positions", currency="any")
        account = await line.call("private/get_account_summary", currency="BTC")

    assert [(each["instrument_name"], each["size"]) for each in positions] == [(PERPETUAL, -5000)]
    assert account["equity"] == pytest.approx(3.0, rel=0.01)


def test_no_equity_is_refused() -> None:
    with pytest.raises(ValueError, match="equity must be a positive number of coins"):
        build(ExchangeOptions(equity_coin=0.0), HOST_CLOCKS)
