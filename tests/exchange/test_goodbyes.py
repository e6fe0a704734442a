"""How connections end, who is cut off, and which orders stay or go."""

import asyncio
import json
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from bot.exchange.floor import ServerPolicy
from bot.exchange.liveness import watch
from tests.exchange.wire import (
    PERPETUAL,
    Client,
    Hall,
    Line,
    RpcFailedError,
    hall,
    line_to,
    serving,
    until,
)

SECRET = {
    "grant_type": "client_credentials",
    "client_id": "demo",
    "client_secret": "demo-secret",
}
ENABLE, DISABLE = "private/enable_cancel_on_disconnect", "private/disable_cancel_on_disconnect"
READ = "private/get_cancel_on_disconnect"
ACCOUNT = {"scope": "account"}


def rest(client: Client, **more: Any) -> str:
    """A resting order's id."""
    low = client.call("public/ticker", instrument_name=PERPETUAL)["min_price"]
    order = {"instrument_name": PERPETUAL, "amount": 10, "price": low}
    return str(client.call("private/buy", **order, **more)["order"]["order_id"])


def hang_up(world: Hall, client: Client) -> None:
    """The line breaks."""
    world.floor.disconnect(client.session)


def open_ids(client: Client) -> set[str]:
    return {order["order_id"] for order in client.call("private/get_open_orders")}


def beat(world: Hall, client: Client, milliseconds: float) -> list[str]:
    """Let time pass; what the exchange said about hearts."""
    client.heard.clear()
    world.clocks.pass_ms(milliseconds)
    watch(world.floor, client.session)
    return [frame["params"]["type"] for frame in client.heard if frame["method"] == "heartbeat"]


# ---- heartbeats ------------------------------------------------------------------------------


def test_every_interval_brings_a_heartbeat_and_a_test_request() -> None:
    world = hall()
    client = world.client()
    client.call("public/set_heartbeat", interval=10)

    assert beat(world, client, 9_990) == []
    assert beat(world, client, 20) == ["heartbeat", "test_request"]
    client.call("public/test")
    assert beat(world, client, 10_010) == ["heartbeat", "test_request"]
    assert client.closed == []


def test_only_a_test_answers_a_test_request() -> None:
    world = hall()
    client = world.client()
    client.call("public/set_heartbeat", interval=10)
    beat(world, client, 10_010)
    client.call("public/get_time")  # it talks, and not about that

    beat(world, client, 10_010)

    assert len(client.closed) == 1
    assert "no answer to a test request" in client.closed[0]


def test_a_disabled_heartbeat_neither_beats_nor_cuts() -> None:
    world = hall()
    client = world.client()
    client.call("public/set_heartbeat", interval=10)
    beat(world, client, 10_010)

    client.call("public/disable_heartbeat")

    assert beat(world, client, 100_000) == []
    assert client.closed == []


def test_a_new_interval_begins_with_a_clean_slate() -> None:
    world = hall()
    client = world.client()
    client.call("public/set_heartbeat", interval=10)
    beat(world, client, 10_010)

    client.call("public/set_heartbeat", interval=30)

    assert beat(world, client, 29_000) == []
    assert beat(world, client, 1_010) == ["heartbeat", "test_request"]
    assert client.closed == []


@pytest.mark.parametrize("interval", [9.99, 0, -1, "soon", None])
def test_an_interval_of_less_than_ten_seconds_is_none(interval: object) -> None:
    client = hall().client()

    with pytest.raises(RpcFailedError) as refused:
        client.call("public/set_heartbeat", interval=interval)

    assert refused.value.code == -32602


# ---- cancel-on-disconnect --------------------------------------------------------------------


def test_a_connection_takes_its_own_orders_along_and_no_others() -> None:
    world = hall()
    watcher, leaver = world.client().login(), world.client().login()
    stays = rest(watcher)
    leaver.call(ENABLE)
    rest(leaver)

    hang_up(world, leaver)

    assert open_ids(watcher) == {stays}


def test_the_accounts_switch_holds_for_connections_opened_afterwards() -> None:
    world = hall()
    watcher, before = world.client().login(), world.client().login()
    watcher.call(ENABLE, **ACCOUNT)
    after = world.client().login()
    stays, goes = rest(before), rest(after)

    assert before.call(READ) == {"scope": "connection", "enabled": False}
    assert after.call(READ) == {"scope": "connection", "enabled": True}
    assert before.call(READ, **ACCOUNT) == {"scope": "account", "enabled": True}
    hang_up(world, before)
    hang_up(world, after)
    assert open_ids(watcher) == {stays}
    assert goes not in open_ids(watcher)


def test_a_connection_may_say_otherwise_than_its_account() -> None:
    world = hall()
    watcher = world.client().login()
    watcher.call(ENABLE, **ACCOUNT)
    other = world.client().login()
    other.call(DISABLE)
    stays = rest(other)
    other.login()  # again, which changes nothing

    hang_up(world, other)

    assert open_ids(watcher) == {stays}


def test_switched_off_for_the_account_new_connections_leave_their_orders() -> None:
    world = hall()
    watcher = world.client().login()
    watcher.call(ENABLE, **ACCOUNT)
    watcher.call(DISABLE, **ACCOUNT)
    other = world.client().login()
    stays = rest(other)

    hang_up(world, other)

    assert watcher.call(READ, **ACCOUNT)["enabled"] is False
    assert open_ids(watcher) == {stays}


def test_the_switch_of_one_account_is_not_that_of_another() -> None:
    world = hall()
    world.client().login().call(ENABLE, **ACCOUNT)
    child = world.client()
    secret = {"client_id": "demo-sub", "client_secret": "demo-sub-secret"}
    child.call("public/auth", **SECRET | secret)

    assert child.call(READ)["enabled"] is False


def test_who_trades_with_a_token_in_each_call_has_the_accounts_switch_too() -> None:
    world = hall()
    watcher = world.client().login()
    watcher.call(ENABLE, **ACCOUNT)
    reply = watcher.call("public/auth", **SECRET, scope="session:desk")
    nameless = world.client()
    rest(nameless, access_token=reply["access_token"])

    hang_up(world, nameless)

    assert open_ids(watcher) == set()


@pytest.mark.parametrize("keeps_token", [True, False])
def test_a_goodbye_leaves_the_orders_and_kills_the_sessions_tokens_unless_told_not_to(
    keeps_token: bool,
) -> None:
    world = hall()
    leaver = world.client()
    reply = leaver.call("public/auth", **SECRET, scope="session:desk")
    leaver.call(ENABLE)
    stays = rest(leaver)
    leaver.call("private/logout", **({"invalidate_token": False} if keeps_token else {}))
    hang_up(world, leaver)

    again, token = world.client(), {"access_token": reply["access_token"]}
    if keeps_token:
        assert len(again.call("private/get_open_orders", **token)) == 1
    else:
        with pytest.raises(RpcFailedError, match="13009"):
            again.call("private/get_open_orders", **token)
    assert open_ids(world.client().login()) == {stays}


async def test_over_http_only_the_accounts_switch_can_be_read() -> None:
    auth = "&".join(f"{name}={value}" for name, value in SECRET.items())
    async with serving() as server, aiohttp.ClientSession() as http:
        root = f"http://127.0.0.1:{server.port}/api/v2"
        async with http.get(f"{root}/public/auth?{auth}") as response:
            token = (await response.json())["result"]["access_token"]
        answers = []
        for query in ("?scope=account", "?scope=connection", ""):
            headers = {"Authorization": f"bearer {token}"}
            async with http.get(f"{root}/{READ}{query}", headers=headers) as response:
                answers.append(await response.json())

    assert answers[0]["result"] == {"scope": "account", "enabled": False}
    assert [each["error"]["code"] for each in answers[1:]] == [10030, 10030]


# ---- on real sockets -------------------------------------------------------------------------


async def resting(line: Line) -> None:
    low = (await line.call("public/ticker", instrument_name=PERPETUAL))["min_price"]
    await line.call("private/buy", instrument_name=PERPETUAL, amount=10, price=low)


async def test_an_idle_connection_is_closed_and_takes_its_orders_along() -> None:
    policy = ServerPolicy(idle_max_s=0.4, pump_interval_ms=5)
    async with serving(policy=policy) as server, line_to(server) as watcher:
        async with line_to(server) as idle:
            await idle.login()
            await idle.call(ENABLE)
            await resting(idle)
            async with asyncio.timeout(60):
                while server.connections == 2:
                    await watcher.call("public/test")
                    await asyncio.sleep(0.05)
            assert (await idle.socket.receive(timeout=60)).type is aiohttp.WSMsgType.CLOSE
        await watcher.login()
        assert await watcher.call("private/get_open_orders") == []


async def test_a_ping_of_the_socket_is_life_enough() -> None:
    policy = ServerPolicy(idle_max_s=0.4, pump_interval_ms=5)
    async with serving(policy=policy) as server, line_to(server) as line:
        for _ in range(12):
            await line.socket.ping()
            await asyncio.sleep(0.05)

        assert (await line.call("public/test"))["version"]


async def test_the_thirty_third_connection_from_an_address_is_refused_with_429() -> None:
    async with serving() as server, AsyncExitStack() as stack:
        lines = [await stack.enter_async_context(line_to(server)) for _ in range(32)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await stack.enter_async_context(line_to(server))
        assert refused.value.status == 429

        await lines[0].socket.close()
        await until(lambda: server.connections == 31)
        late = await stack.enter_async_context(line_to(server))
        assert (await late.call("public/test"))["version"]


@pytest.mark.parametrize(("size", "is_taken"), [(32_768, True), (32_769, False)])
async def test_a_frame_of_32_kilobytes_is_taken_and_one_byte_more_ends_the_line(
    size: int, is_taken: bool
) -> None:
    call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "public/test", "params": {"x": ""}})
    async with serving() as server, line_to(server) as line:
        await line.socket.send_str(call.replace('""', '"' + "y" * (size - len(call)) + '"'))
        message = await line.socket.receive(timeout=60)

    if is_taken:
        assert "result" in json.loads(message.data)
    else:
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1009)
