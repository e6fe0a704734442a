"""How much may be asked of the exchange, and what happens to whoever asks more."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from bot.exchange.floor import ServerPolicy
from bot.exchange.limits import (
    GENEROUS_LIMITS,
    POOL_BY_METHOD,
    VENUE_LIMITS,
    CreditRule,
    LimitPolicy,
    Pool,
    RateLimits,
)
from bot.exchange.protocol import RpcError
from tests.exchange.wire import (
    PERPETUAL,
    Hall,
    RpcFailedError,
    hall,
    line_to,
    serving,
    until,
)

NS_PER_S = 1_000_000_000
VENUE = ServerPolicy(limits=VENUE_LIMITS)


def answered(call: Callable[[], object]) -> int:
    """How often a call is answered before it is too much."""
    for number in range(1_000):
        try:
            call()
        except (RpcFailedError, RpcError) as error:
            if error.code != 10028:
                raise
            return number
    raise AssertionError("there is no limit")


@pytest.mark.parametrize(
    ("method", "burst", "refilled_in_10_s"),
    [
        ("public/ticker", 100, 100),
        ("private/get_positions", 100, 100),
        ("private/buy", 20, 20),
        ("private/cancel", 20, 20),
        ("private/cancel_all", 20, 20),
        ("public/subscribe", 10, 10),
        ("public/get_instruments", 50, 10),
        ("private/get_transaction_log", 8, 8),
        ("private/simulate_portfolio", 1, 1),
    ],
)
def test_each_pool_has_the_venues_burst_and_refill(
    method: str, burst: int, refilled_in_10_s: int
) -> None:
    limits = RateLimits(VENUE_LIMITS)

    assert answered(lambda: limits.charge("demo", method, 0)) == burst
    assert answered(lambda: limits.charge("demo", method, 10 * NS_PER_S)) == refilled_in_10_s


def test_credits_come_back_one_request_at_a_time_and_the_wait_is_told() -> None:
    limits = RateLimits(VENUE_LIMITS)
    for _ in range(20):
        limits.charge("demo", "private/buy", 0)

    with pytest.raises(RpcError) as refused:
        limits.charge("demo", "private/buy", NS_PER_S // 5 - 1)
    assert refused.value.data == {"wait": 1}
    limits.charge("demo", "private/buy", NS_PER_S // 5)


def test_pools_are_apart_by_payer_and_by_what_is_asked() -> None:
    limits = RateLimits(VENUE_LIMITS)
    answered(lambda: limits.charge("demo", "private/buy", 0))

    limits.charge("demo", "private/cancel_all", 0)
    limits.charge("demo", "public/ticker", 0)
    limits.charge("demo_1", "private/buy", 0)


def test_a_drained_payer_is_refused_until_time_has_passed() -> None:
    limits = RateLimits(VENUE_LIMITS)
    limits.drain("demo", 0)

    assert answered(lambda: limits.charge("demo", "public/ticker", 0)) == 0
    limits.charge("demo", "public/ticker", NS_PER_S)


def test_a_pool_without_room_for_one_request_cannot_be() -> None:
    with pytest.raises(ValueError, match="room for a request"):
        CreditRule(cost=500, most=100, refill=10)


def test_an_account_and_a_strangers_address_pay_apart() -> None:
    world = hall(policy=VENUE)
    client, stranger = world.client().login(), world.client()
    assert answered(lambda: client.call("public/test")) == 100

    stranger.call("public/test")
    fellow = world.client()
    assert answered(lambda: fellow.call("public/test")) < 100  # the address is the stranger's too


def test_a_wrong_password_costs_as_much_as_a_right_one() -> None:
    world = hall(policy=VENUE)
    client = world.client()

    def guess() -> None:
        try:
            client.call("private/get_positions", currency="BTC")
        except RpcFailedError as error:
            if error.code != 13009:
                raise

    assert answered(guess) == 100


@pytest.mark.parametrize("limits", [VENUE_LIMITS, GENEROUS_LIMITS])
def test_the_summary_states_the_limits_that_hold(limits: LimitPolicy) -> None:
    client = hall(policy=ServerPolicy(limits=limits)).client().login()

    stated = client.call("private/get_account_summary", currency="BTC")["limits"]

    times = 1 if limits is VENUE_LIMITS else 1_000
    orders = {"burst": 20 * times, "rate": 5 * times}
    assert stated["non_matching_engine"] == {"burst": 100 * times, "rate": 20 * times}
    assert stated["matching_engine"] == {"trading": {"total": orders}, "cancel_all": orders}


@pytest.mark.parametrize(
    ("name", "policy"), [("venue", VENUE_LIMITS), ("generous", GENEROUS_LIMITS)]
)
def test_an_exchange_is_built_with_the_limits_that_were_asked_for(
    name: str, policy: LimitPolicy
) -> None:
    assert hall(limits=name).floor.limits.policy == policy


def test_by_default_a_thousand_orders_at_once_are_no_matter() -> None:
    client = hall().client().login()

    for _ in range(1_000):
        client.call("private/buy", instrument_name=PERPETUAL, amount=10, type="market")


def test_the_refused_order_never_reached_the_book() -> None:
    world: Hall = hall(policy=VENUE)
    client = world.client().login()

    def buy() -> None:
        client.call("private/buy", instrument_name=PERPETUAL, amount=10, type="market")

    assert answered(buy) == 20
    position = client.call("private/get_position", instrument_name=PERPETUAL)
    assert position["size"] == 200


async def test_a_socket_that_asks_too_much_is_told_and_closed_with_its_orders() -> None:
    async with serving(policy=VENUE) as server, line_to(server) as watcher:
        async with line_to(server) as greedy:
            await greedy.login()
            await greedy.call("private/enable_cancel_on_disconnect")
            low = (await greedy.call("public/ticker", instrument_name=PERPETUAL))["min_price"]
            await greedy.call("private/buy", instrument_name=PERPETUAL, amount=10, price=low)
            for number in range(400):  # a hundred, and twenty a second
                call = {"jsonrpc": "2.0", "id": number, "method": "public/test", "params": {}}
                await greedy.socket.send_str(json.dumps(call))
            told: list[Any] = []
            while (
                message := await greedy.socket.receive(timeout=60)
            ).type is aiohttp.WSMsgType.TEXT:
                told.append(json.loads(message.data))

            assert message.type is aiohttp.WSMsgType.CLOSE
            assert told[-1]["error"]["code"] == 10028
            assert all("result" in each for each in told[:-1])
        await until(lambda: server.connections == 1)
        server.floor.limits.policy = GENEROUS_LIMITS
        await watcher.login()
        assert await watcher.call("private/get_open_orders") == []


async def test_over_http_too_many_requests_are_429() -> None:
    async with serving(policy=VENUE) as server, aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{server.port}/api/v2/public/test"

        async def asked() -> tuple[int, Any]:
            async with http.get(url) as response:
                return response.status, await response.json()

        answers = await asyncio.gather(*(asked() for _ in range(400)))

    refused = [told for status, told in answers if status != 200]
    assert len(answers) - len(refused) >= 100
    assert {status for status, _ in answers} == {200, 429}
    assert refused[0]["error"] == {
        "code": 10028,
        "message": "too_many_requests",
        "data": {"wait": 1},
    }


def test_what_reaches_the_matching_engine_is_named() -> None:
    trading = {name for name, pool in POOL_BY_METHOD.items() if pool is Pool.TRADING}

    assert {"private/buy", "private/sell", "private/edit", "private/cancel"} <= trading
    assert "private/get_open_orders" not in POOL_BY_METHOD
