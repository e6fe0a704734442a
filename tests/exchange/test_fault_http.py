"""What befalls a request over HTTP, and the routes that arm it."""

import aiohttp
import pytest

from tests.exchange.fault_desk import Bench, bench
from tests.exchange.wire import PERPETUAL, line_to

LOST = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
ORDER = f"private/buy?instrument_name={PERPETUAL}&amount=10&type=market&label=x"


async def place(desk: Bench) -> aiohttp.ClientResponse:
    """Buy over HTTP, with a token got beforehand."""
    async with desk.http.get(
        f"{desk.url}/api/v2/public/auth?grant_type=client_credentials"
        "&client_id=demo&client_secret=demo-secret&scope=session:s"
    ) as answer:
        token = (await answer.json())["result"]["access_token"]
    desk.http.headers["Authorization"] = f"bearer {token}"
    return await desk.get(ORDER)


async def test_an_answer_lost_over_http_leaves_the_order_and_a_request_lost_leaves_none() -> None:
    async with bench() as desk:
        await desk.arm("drop_after_accept", method="private/buy")
        with pytest.raises(LOST):
            await place(desk)
        assert await desk.labels() == ["x"]
        assert len((await desk.ledger())["fills"]) == 1
        await desk.arm("drop_before", method="private/buy")
        with pytest.raises(LOST):
            await place(desk)
        assert await desk.labels() == ["x"]


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [("html_200", 200, "<html>"), ("empty_200", 200, ""), ("http_status", 502, "<html>")],
)
async def test_a_gateway_answers_in_place_of_the_venue(kind: str, status: int, body: str) -> None:
    how = {"status": status} if kind == "http_status" else {}
    async with bench() as desk:
        await desk.arm(kind, method="private/buy", **how)
        response = await place(desk)
        assert (response.status, (await response.text())[:6]) == (status, body)
        assert await desk.labels() == []
        await desk.arm(kind, method="private/buy", processed=True, **how)
        await place(desk)
        assert len((await desk.ledger())["fills"]) == 1


async def test_a_gateway_may_speak_json() -> None:
    async with bench() as desk:
        await desk.arm("http_status", status=429, content="json", code=10028, message="slow down")
        response = await desk.get("public/test")
        assert response.status == 429
        assert (await response.json())["error"] == {"code": 10028, "message": "slow down"}


async def test_half_a_body_and_a_body_that_is_no_gzip_cannot_be_read() -> None:
    async with bench() as desk:
        await desk.arm("truncate", method="public/get_instruments")
        with pytest.raises(aiohttp.ClientPayloadError):
            await desk.get("public/get_instruments?currency=BTC&kind=future")
        await desk.arm("corrupt_compression", method="public/test")
        with pytest.raises(aiohttp.ClientPayloadError):
            await desk.get("public/test")
        assert (await desk.get("public/test")).status == 200


async def test_an_answer_of_another_shape_keeps_its_packing_and_loses_its_numbers() -> None:
    async with bench() as desk:
        await desk.arm("wrong_schema", method="public/get_time")
        assert list((await (await desk.get("public/get_time")).json())["result"]) == ["value"]
        path = "public/get_instruments?currency=BTC&kind=future"  # long enough to be packed
        await desk.arm("wrong_schema", method="public/get_instruments")
        bent = (await (await desk.get(path)).json())["result"][0]
        right = (await (await desk.get(path)).json())["result"][0]
        assert bent["tick_size"] == {"value": right["tick_size"]}
        assert bent["instrument_name"] == right["instrument_name"]
        assert (bent["unheard_of"], "unheard_of" in right) == ({}, False)
        await desk.arm("wrong_schema", method="public/nothing")
        assert (await (await desk.get("public/nothing")).json())["error"]["code"] == -32601


async def test_a_server_that_never_answers_is_left_by_its_client() -> None:
    async with bench() as desk:
        await desk.arm("half_open", method="public/test", transport="http")
        with pytest.raises(TimeoutError):
            await desk.http.get(
                f"{desk.url}/api/v2/public/test", timeout=aiohttp.ClientTimeout(total=0.3)
            )
        assert (await desk.get("public/test")).status == 200


async def test_maintenance_refuses_trading_and_passes() -> None:
    async with bench() as desk, line_to(desk.server) as line:
        await line.call("public/subscribe", channels=["platform_state"])
        number = await desk.arm("maintenance", window_ms=60_000)
        response = await place(desk)
        assert (await response.json())["error"]["code"] == 11051
        assert (await desk.get("public/test")).status == 200
        status, body = await desk.lever("DELETE", query=f"?id={number}")
        assert (status, body["cleared"][0]["struck"]) == (200, 1)
        assert (await place(desk)).status == 200
        await desk.arm("maintenance", window_ms=50)
        told = [(await line.told("platform_state"))["maintenance"] for _ in range(4)]
        assert told == [True, False, True, False]
        assert (await place(desk)).status == 200


async def test_the_levers_list_what_is_armed_and_refuse_what_is_not() -> None:
    async with bench() as desk:
        await desk.arm("html_200", method="public/test", count=2)
        await desk.get("public/test")
        assert (await desk.lever("GET"))[1]["faults"] == [
            {
                "id": 1, "kind": "html_200", "method": "public/test", "count": 2,
                "processed": False, "seen": 1, "struck": 1, "over": False,
            }
        ]  # fmt: skip
        status, body = await desk.lever("POST", {"kind": "html_200", "rate": 2})
        assert status == 400
        assert body["error"]["data"] == {
            "param": "rate",
            "reason": "must be above 0 and at most 1, got 2",
        }
        assert (await desk.lever("DELETE", query="?id=7"))[0] == 400
        _, told = await desk.lever("GET", query="?describe")
        assert len(told["kinds"]) == 22
        assert len((await desk.lever("POST", {"kind": "clear"}))[1]["cleared"]) == 1
        assert (await desk.lever("GET"))[1] == {"faults": []}
