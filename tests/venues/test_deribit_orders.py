"""What becomes of an order: sent once, over the socket, and never guessed at."""

import asyncio
import json
from decimal import Decimal

import pytest

from bot.core.actions import (
    CancelOrder,
    TimeInForce,
)
from bot.core.events import (
    FillSeen,
    OrderRejected,
    OrderSeen,
    OrderSent,
    OrderUnknown,
    VenueStatus,
)
from bot.venues import deribit_outcomes
from tests.venues.deribit_server import Failure, Silent, Vanish, serving
from tests.venues.edge import QUICK, SOON_UNKNOWN, kinds, one, running, submit, until, venue
from tests.venues.payloads import NOW_MS, PERPETUAL, order, trade


async def test_an_order_goes_out_once_over_the_socket_with_exact_numbers():
    async with serving() as server, running(edge := venue(server)):
        result = await edge.perform(
            submit("db-7", "-30", limit=Decimal("99999.5"), reduce_only=True)
        )

        assert kinds(result) == [OrderSent, FillSeen, OrderSeen]
        assert [(request.transport, request.method) for request in server.placed] == [
            ("ws", "private/sell")
        ]
        sent = server.placed[0]
        assert '"amount":30,' in sent.text
        assert '"price":99999.5,' in sent.text
        assert sent.params == {
            "instrument_name": PERPETUAL,
            "amount": 30,
            "type": "limit",
            "price": 99999.5,
            "label": "db-7",
            "time_in_force": "immediate_or_cancel",
            "valid_until": NOW_MS + 2_000,
            "reduce_only": True,
        }


async def test_a_passive_order_is_rejected_rather_than_moved():
    async with serving() as server, running(edge := venue(server)):
        await edge.perform(submit(time_in_force=TimeInForce.GTC, post_only=True))

        params = server.placed[0].params
        assert params["post_only"] is True
        assert params["reject_post_only"] is True
        assert params["time_in_force"] == "good_til_cancelled"


@pytest.mark.parametrize("code", [10009, 10043, 11054, 10028, 10041, -32602])
async def test_a_definite_refusal_is_a_rejection(code):
    async with serving() as server, running(edge := venue(server)):
        server.rules["private/buy"] = lambda _: Failure(code=code, message="no")

        sent, rejected = await edge.perform(submit())

        assert isinstance(sent, OrderSent)
        assert isinstance(rejected, OrderRejected)
        assert (rejected.order_id, rejected.code, rejected.reason) == ("db-1", code, "no")
        assert rejected.arrived_ns is not None
        assert rejected.arrived_ns >= sent.wire_ns


@pytest.mark.parametrize("code", [10020, 10043, -32602])
async def test_a_refusal_of_our_terms_has_the_list_of_instruments_read_again(code):
    async with serving() as server, running(edge := venue(server)):
        server.rules["private/buy"] = lambda _: Failure(code=code, message="no")
        listed = len(server.methods("public/get_instruments"))

        await edge.perform(submit())

        await until(lambda: len(server.methods("public/get_instruments")) > listed)


@pytest.mark.parametrize("code", [10001, 11031, 11094, 13028, 13888, 99999])
async def test_an_error_that_proves_nothing_leaves_the_order_unknown(code):
    async with serving() as server, running(edge := venue(server)):
        server.rules["private/buy"] = lambda _: Failure(code=code, message="hm")

        assert kinds(await edge.perform(submit())) == [OrderSent, OrderUnknown]


@pytest.mark.parametrize(
    "answer",
    [
        Silent(),
        Vanish(),
        None,
        "ok",
        {"order": {}, "trades": []},
        {"order": order(label="another", state="filled", filled=100.0), "trades": []},
        {"order": order(state="melted"), "trades": []},
        {"order": order(), "trades": [{"trade_id": "1"}]},
    ],
    ids=lambda answer: type(answer).__name__,
)
async def test_an_answer_that_does_not_come_or_cannot_be_read_leaves_the_order_unknown(answer):
    async with serving() as server, running(edge := venue(server, SOON_UNKNOWN)):
        server.rules["private/buy"] = lambda _: answer

        result = await edge.perform(submit())

        assert kinds(result)[0] is OrderSent
        assert kinds(result)[-1] is OrderUnknown
        await asyncio.sleep(0.1)
        assert len(server.placed) == 1


async def test_an_answer_that_is_both_a_refusal_and_an_order_leaves_the_order_unknown():
    async with serving() as server, running(edge := venue(server)):
        server.rules["private/buy"] = lambda _: Silent()
        sent = asyncio.get_running_loop().create_task(edge.perform(submit()))
        await until(lambda: server.placed)
        number = json.loads(server.placed[0].text)["id"]
        both = {
            "error": {"code": 10009, "message": "not_enough_funds"},
            "result": server.trade({"amount": 100, "label": "db-1", "instrument_name": "X"}, "buy"),
        }
        await server.say(json.dumps({"jsonrpc": "2.0", "id": number} | both))

        assert kinds(await sent) == [OrderSent, OrderUnknown]


async def test_an_order_on_a_line_that_is_known_to_be_down_was_not_sent():
    async with serving() as server:
        async with running(edge := venue(server)):
            pass
        (rejected,) = await edge.perform(submit())

        assert isinstance(rejected, OrderRejected)
        assert rejected.code == -1
        assert rejected.reason.startswith("not sent")
        assert server.placed == []


async def test_an_order_that_meets_a_halt_at_the_socket_is_not_sent():
    halts: list[str] = []
    async with serving() as server, running(edge := venue(server, shut=lambda: "".join(halts))):
        await edge.perform(submit("db-1"))
        halts.append("halted by a person")  # while the next one waits for its turn
        told = await edge.perform(submit("db-2"))

        assert kinds(told) == [OrderRejected]
        assert one(told, OrderRejected).reason == "not sent: halted by a person"
        assert [request.params["label"] for request in server.placed] == ["db-1"]


async def test_an_answer_that_comes_after_its_time_is_still_heard():
    async with serving() as server, running(edge := venue(server, SOON_UNKNOWN)) as facts:
        server.rules["private/buy"] = lambda _: Silent()
        assert kinds(await edge.perform(submit())) == [OrderSent, OrderUnknown]
        number = max(int(heard.text.split('"id":')[1].split(",")[0]) for heard in server.placed)

        await server.say(
            f'{{"jsonrpc":"2.0","id":{number},"result":{{"order":'
            f'{{"order_id":"BTC-9","label":"db-1","order_state":"cancelled","amount":100.0,'
            f'"filled_amount":0.0,"direction":"buy","instrument_name":"{PERPETUAL}"}},"trades":[]}}}}'
        )

        await until(lambda: facts.of(OrderSeen))
        assert facts.of(OrderSeen)[0].status is VenueStatus.CANCELLED


async def test_a_cancelled_order_is_told_with_what_it_had_filled():
    async with serving() as server, running(edge := venue(server)):
        server.orders.append(order(filled=40.0))
        server.trades.append(trade(amount=40.0))

        result = await edge.perform(CancelOrder(order_id="db-1", instrument=PERPETUAL))

        assert kinds(result) == [FillSeen, OrderSeen]
        assert one(result, OrderSeen).status is VenueStatus.CANCELLED
        assert one(result, OrderSeen).filled_native == 40


async def test_a_cut_line_makes_its_order_unknown_at_once_and_not_after_a_timeout():
    async with serving() as server, running(edge := venue(server)):
        server.rules["private/buy"] = lambda _: Vanish()

        async with asyncio.timeout(QUICK.order_timeout_s / 2):
            result = await edge.perform(submit())

        assert "connection lost" in one(result, OrderUnknown).reason


@pytest.mark.parametrize(
    ("code", "is_passing"),
    [(11051, True), (10028, True), (-1, True), (13009, True), (10009, False), (10043, False)],
)
def test_a_venue_that_takes_no_orders_now_has_not_judged_this_one(code: int, is_passing: bool):
    assert deribit_outcomes.rejected(submit(), code, "no").is_passing is is_passing
