"""What is no call, what is a wrong call, and how either is answered, on real sockets."""

import gzip
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from bot.exchange.floor import ServerPolicy
from bot.exchange.server import ExchangeServer
from tests.exchange.wire import PERPETUAL, line_to, serving

CALL = {"jsonrpc": "2.0", "id": 7, "method": "public/test", "params": {}}
DEEP = "[" * 30_000
TICKER = {"instrument_name": PERPETUAL}


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in CALL.items() if name not in names}


# What is sent, the code it is answered with, and the id that the answer carries.
MALFORMED: list[tuple[object, int, object]] = [
    ("", -32700, None),
    ("{", -32700, None),
    ("nonsense", -32700, None),
    ('{"id":1,}', -32700, None),
    ('{"jsonrpc":"2.0","id":NaN,"method":"public/test"}', -32700, None),
    ('{"jsonrpc":"2.0","id":1,"method":"public/test","params":{"x":Infinity}}', -32700, None),
    (DEEP, -32700, None),
    ([], -32600, None),
    ([CALL], -32600, None),
    ([CALL, CALL], -32600, None),
    (5, -32600, None),
    ("null", -32600, None),
    ('"public/test"', -32600, None),
    ({}, -32600, None),
    (without("id"), -32600, None),
    (CALL | {"id": None}, -32600, None),
    (CALL | {"id": True}, -32600, None),
    (CALL | {"id": [1]}, -32600, None),
    (CALL | {"id": {"n": 1}}, -32600, None),
    ('{"jsonrpc":"2.0","id":1e999,"method":"public/test"}', -32600, None),
    (CALL | {"jsonrpc": "1.0"}, -32600, 7),
    (CALL | {"jsonrpc": 2.0}, -32600, 7),
    (without("method"), -32600, 7),
    (CALL | {"method": 5}, -32600, 7),
    (CALL | {"method": None}, -32600, 7),
    (CALL | {"params": [PERPETUAL]}, -32602, 7),
    (CALL | {"params": "x"}, -32602, 7),
    (CALL | {"params": 1}, -32602, 7),
    (CALL | {"method": ""}, -32601, 7),
    (CALL | {"method": "public/nothing"}, -32601, 7),
    (CALL | {"method": "PUBLIC/TEST"}, -32601, 7),
    (CALL | {"method": "test"}, -32601, 7),
    (CALL | {"method": "subscription"}, -32601, 7),
]
WELL_FORMED: list[tuple[dict[str, Any], object]] = [
    (CALL, 7),
    (without("params"), 7),
    (without("jsonrpc"), 7),
    (CALL | {"params": None}, 7),
    (CALL | {"id": 0}, 0),
    (CALL | {"id": -1}, -1),
    (CALL | {"id": 1.5}, 1.5),
    (CALL | {"id": ""}, ""),
    (CALL | {"id": "abc-ü"}, "abc-ü"),
    (CALL | {"id": 2**63}, 2**63),
    (CALL | {"method": "/public/test"}, 7),
    (CALL | {"method": "/api/v2/public/test"}, 7),
    (CALL | {"params": {"unknown": [1, {"deep": None}]}}, 7),
]


def text_of(sent: object) -> str:
    return sent if isinstance(sent, str) else json.dumps(sent)


async def test_over_a_socket_each_malformed_call_has_its_code_and_the_line_stays_open() -> None:
    async with serving() as server, line_to(server) as line:
        for sent, code, call_id in MALFORMED:
            await line.socket.send_str(text_of(sent))
            body = await line.frame()

            assert body["error"]["code"] == code, sent
            assert body.get("id") == call_id, sent
            assert body["usOut"] - body["usIn"] == body["usDiff"], sent
        assert (await line.call("public/test"))["version"]


async def test_over_http_each_malformed_call_has_its_code_and_status_400() -> None:
    async with serving() as server, posting(server) as post:
        for sent, code, call_id in MALFORMED:
            status, body = await post("", text_of(sent))

            assert (status, body["error"]["code"], body.get("id")) == (400, code, call_id), sent


async def test_well_formed_calls_get_their_id_back_as_it_was() -> None:
    async with serving() as server, line_to(server) as line, posting(server) as post:
        for call, call_id in WELL_FORMED:
            await line.socket.send_str(json.dumps(call))
            over_socket = await line.frame()
            _, over_http = await post("", json.dumps(call))

            for body in (over_socket, over_http):
                assert body["result"]["version"], call
                assert body["id"] == call_id, call
                assert type(body["id"]) is type(call_id), call
                assert body["jsonrpc"] == "2.0"
                assert body["testnet"] is True


async def test_bytes_are_read_as_text_and_broken_ones_are_no_call() -> None:
    async with serving() as server, line_to(server) as line:
        await line.socket.send_bytes(json.dumps(CALL).encode())
        assert "result" in await line.frame()
        await line.socket.send_bytes(b'{"id":1,"method":"\xff"}')
        assert (await line.frame())["error"]["code"] == -32700


async def test_one_id_twice_is_answered_twice() -> None:
    async with serving() as server, line_to(server) as line:
        for _ in range(2):
            await line.socket.send_str(json.dumps(CALL))

        assert [(await line.frame())["id"] for _ in range(2)] == [7, 7]


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({}, "amount"),
        ({"amount": "many"}, "amount"),
        ({"amount": True}, "amount"),
        ({"amount": None}, "amount"),
        ({"amount": [10]}, "amount"),
        ({"amount": "1e400000"}, "amount"),
        ({"amount": "NaN"}, "amount"),
        ({"amount": 10, "post_only": "perhaps"}, "post_only"),
        ({"amount": 10, "label": ["x"]}, "label"),
        ({"amount": 10, "time_in_force": "never"}, "time_in_force"),
    ],
)
async def test_a_wrong_parameter_is_named(params: dict[str, Any], param: str) -> None:
    call = CALL | {"method": "private/buy", "params": TICKER | {"type": "market"} | params}
    async with serving() as server, line_to(server) as line:
        await line.login()
        await line.socket.send_str(json.dumps(call))
        error = (await line.frame())["error"]

    assert (error["code"], error["message"]) == (-32602, "Invalid params")
    assert error["data"]["param"] == param


# ---- HTTP ------------------------------------------------------------------------------------


@asynccontextmanager
async def posting(server: ExchangeServer) -> AsyncIterator[Any]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as http:

        async def post(path: str, body: str) -> tuple[int, dict[str, Any]]:
            async with http.post(f"/api/v2{path}", data=body) as response:
                return response.status, await response.json()

        yield post


async def test_a_body_posted_to_a_methods_address_may_leave_the_method_out() -> None:
    call = without("method") | {"params": TICKER}
    async with serving() as server, posting(server) as post:
        status, body = await post("/public/ticker", json.dumps(call))
        assert (status, body["result"]["instrument_name"]) == (200, PERPETUAL)
        _, body = await post("/public/ticker", json.dumps(CALL))
        assert body["result"].keys() == {"version"}  # what the body says holds
        status, body = await post("", json.dumps(without("method")))
        assert (status, body["error"]["code"]) == (400, -32600)


@pytest.mark.parametrize(
    ("query", "lines"),
    [
        ("currency=BTC&kind=future&expired=false", 1),
        ("currency=BTC&kind=future&expired=true", 0),
        ("currency=BTC&kind=future", 1),
    ],
)
async def test_a_query_carries_booleans_as_words(query: str, lines: int) -> None:
    async with serving() as server, aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{server.port}/api/v2/public/get_instruments?{query}"
        async with http.get(url) as response:
            listed = (await response.json())["result"]

    assert len([each for each in listed if each["settlement_period"] == "perpetual"]) == lines


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v2/public/test", 200),
        ("GET", "/api/v2/public/nothing", 400),
        ("GET", "/api/v2/private/get_positions", 400),
        ("GET", "/api/v2/public/set_heartbeat?interval=10", 400),
        ("GET", "/api/v1/public/test", 404),
        ("GET", "/", 404),
        ("PUT", "/api/v2/public/test", 405),
        ("DELETE", "/api/v2/public/test", 405),
        ("GET", "/ws/api/v2", 400),
    ],
)
async def test_each_address_has_its_status(method: str, path: str, status: int) -> None:
    async with serving() as server, aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{server.port}{path}"
        async with http.request(method, url) as response:
            assert response.status == status
            if path.startswith("/api/v2") and status in (200, 400):
                assert response.content_type == "application/json"
                assert "jsonrpc" in await response.json()


@pytest.mark.parametrize("accepted", ["gzip, deflate", "identity", ""])
async def test_a_long_answer_is_packed_for_those_who_can_unpack_it(accepted: str) -> None:
    headers = {"Accept-Encoding": accepted}
    async with (
        serving() as server,
        aiohttp.ClientSession(auto_decompress=False) as http,
        http.get(
            f"http://127.0.0.1:{server.port}/api/v2/public/get_instruments", headers=headers
        ) as response,
    ):
        content = await response.read()
        is_packed = response.headers.get("Content-Encoding") == "gzip"

    assert is_packed == ("gzip" in accepted)
    body = json.loads(gzip.decompress(content) if is_packed else content)
    assert len(body["result"]) > 100
    assert not is_packed or len(content) < 60_000


async def test_frames_are_packed_where_the_exchange_and_the_client_want_it() -> None:
    url = "ws://127.0.0.1:{}/ws/api/v2"
    for packs, offered in ((True, 15), (True, 0), (False, 15)):
        policy = ServerPolicy(compresses_frames=packs)
        async with (
            serving(policy=policy) as server,
            aiohttp.ClientSession() as http,
            http.ws_connect(url.format(server.port), compress=offered, max_msg_size=0) as socket,
        ):
            await socket.send_str(json.dumps(CALL | {"method": "public/get_instruments"}))
            answer = json.loads((await socket.receive(timeout=60)).data)

            assert bool(socket.compress) == (packs and offered > 0)
            assert len(answer["result"]) > 100
