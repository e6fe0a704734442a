"""Doors that are shut: maintenance, locked indices, strangers, the settlement's pause."""

from typing import Any

import aiohttp
import pytest

from bot.exchange.floor import ServerPolicy
from tests.exchange.wire import PERPETUAL, Client, RpcFailedError, hall, line_to, serving

ORDER = {"instrument_name": PERPETUAL, "amount": 10, "type": "market"}
STATE = "platform_state"
STRANGERS = "platform_state.public_methods_state"
SETTLEMENT_MS = 1_767_600_000_000 + 86_400_000  # 2026-01-06 08:00 UTC


def refusal(client: Client, method: str, **params: Any) -> int:
    with pytest.raises(RpcFailedError) as refused:
        client.call(method, **params)
    return int(refused.value.code)


def test_maintenance_refuses_trading_tells_its_channel_and_passes() -> None:
    world = hall()
    client = world.client().login()
    client.call("public/subscribe", channels=[STATE])

    world.floor.platform.set_maintenance(is_on=True)
    assert client.told(STATE) == [{"maintenance": True}]
    assert client.call("public/status")["locked"] == "true"
    for method, params in (("private/buy", ORDER), ("private/cancel_all", {})):
        assert refusal(client, method, **params) == 11051
    assert client.call("private/get_open_orders") == []
    assert client.call("public/ticker", instrument_name=PERPETUAL)["state"] == "open"

    world.floor.platform.set_maintenance(is_on=False)
    assert client.told(STATE) == [{"maintenance": False}]
    assert client.call("public/status")["locked"] == "false"
    client.call("private/buy", **ORDER)


def test_a_switch_that_is_there_already_is_not_told_twice() -> None:
    world = hall()
    client = world.client().login()
    client.call("public/subscribe", channels=[STATE, STRANGERS])

    for _ in range(2):
        world.floor.platform.set_maintenance(is_on=True)
        world.floor.platform.lock_index("btc_usd", is_locked=True)
        world.floor.platform.serve_strangers(is_on=False)

    assert client.told(STATE) == [{"maintenance": True}, {"price_index": "btc_usd", "locked": True}]
    assert client.told(STRANGERS) == [{"allow_unauthenticated_public_requests": False}]


def test_a_locked_index_takes_no_order_and_lets_go() -> None:
    world = hall()
    client = world.client().login()
    low = client.call("public/ticker", instrument_name=PERPETUAL)["min_price"]
    limit = {"instrument_name": PERPETUAL, "amount": 10, "price": low}
    order_id = client.call("private/buy", **limit)["order"]["order_id"]

    world.floor.platform.lock_index("btc_usd", is_locked=True)
    assert refusal(client, "private/buy", **ORDER) == 10019
    assert refusal(client, "private/edit", order_id=order_id, amount=20, price=low) == 10019
    assert "btc_usd" in client.call("public/status")["locked_indices"]
    client.call("private/cancel", order_id=order_id)

    world.floor.platform.lock_index("btc_usd", is_locked=False)
    client.call("private/buy", **ORDER)
    assert client.call("public/status") == {"locked": "false", "locked_indices": []}


def test_a_lock_on_something_else_is_no_matter() -> None:
    world = hall()
    client = world.client().login()
    world.floor.platform.lock_index("sol_usdc", is_locked=True)

    client.call("private/buy", **ORDER)
    assert client.call("public/status")["locked"] == "false"


def test_strangers_are_sent_away_and_those_who_are_known_are_served() -> None:
    world = hall()
    stranger, known = world.client(), world.client().login()
    world.floor.platform.serve_strangers(is_on=False)

    assert refusal(stranger, "public/ticker", instrument_name=PERPETUAL) == 10066
    known.call("public/ticker", instrument_name=PERPETUAL)
    stranger.call("public/test")
    stranger.login().call("public/ticker", instrument_name=PERPETUAL)


async def test_who_shows_a_token_is_no_stranger_even_where_none_is_needed() -> None:
    token = "grant_type=client_credentials&client_id=demo&client_secret=demo-secret"
    async with serving() as server, aiohttp.ClientSession() as http:
        root = f"http://127.0.0.1:{server.port}/api/v2/public"
        async with http.get(f"{root}/auth?{token}") as response:
            access = (await response.json())["result"]["access_token"]
        server.floor.platform.serve_strangers(is_on=False)
        statuses = []
        for shown in (f"bearer {access}", "bearer made-up", "nonsense"):
            headers = {"Authorization": shown}
            url = f"{root}/ticker?instrument_name={PERPETUAL}"
            async with http.get(url, headers=headers) as response:
                statuses.append(response.status)
        async with http.get(f"{root}/test", headers={"Authorization": "nonsense"}) as response:
            statuses.append(response.status)

    assert statuses == [200, 400, 400, 200]


def test_trading_pauses_while_profits_are_settled_if_the_exchange_is_asked_to() -> None:
    start = {"from_ms": SETTLEMENT_MS - 500}
    for pause_s, code in ((0.0, None), (5.0, 10041)):
        world = hall(policy=ServerPolicy(settlement_pause_s=pause_s), **start)
        client = world.client().login()
        client.call("private/buy", **ORDER)
        world.pass_ms(1_000)

        if code is None:
            client.call("private/buy", **ORDER)
        else:
            assert refusal(client, "private/buy", **ORDER) == code
            world.pass_ms(5_100)
            client.call("private/buy", **ORDER)


async def test_over_http_maintenance_is_503_and_public_data_go_on() -> None:
    token = "grant_type=client_credentials&client_id=demo&client_secret=demo-secret"
    async with serving() as server, aiohttp.ClientSession() as http:
        root = f"http://127.0.0.1:{server.port}/api/v2"
        async with http.get(f"{root}/public/auth?{token}") as response:
            access = (await response.json())["result"]["access_token"]
        server.floor.platform.set_maintenance(is_on=True)
        headers = {"Authorization": f"Bearer {access}"}
        async with http.get(f"{root}/private/cancel_all", headers=headers) as response:
            assert response.status == 503
            assert (await response.json())["error"]["message"] == "system_maintenance"
        async with http.get(f"{root}/public/ticker?instrument_name={PERPETUAL}") as response:
            assert response.status == 200


async def test_the_news_of_the_platform_reach_a_real_socket_at_once() -> None:
    async with serving() as server, line_to(server) as line:
        await line.call("public/subscribe", channels=[STATE])

        server.floor.platform.lock_index("btc_usd", is_locked=True)

        assert await line.told(STATE) == {"price_index": "btc_usd", "locked": True}
