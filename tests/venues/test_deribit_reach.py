"""How much the venue is asked, and for how much of the account."""

import asyncio
from dataclasses import replace

from bot.core.actions import QueryOrder, ReadAccount
from bot.core.events import (
    InstrumentsSeen,
    OrderRejected,
    OrderSeen,
    PositionsSeen,
    ReadFailed,
)
from bot.core.units import NS_PER_SECOND
from bot.venues.credits import CreditPolicy, Kind, Rate
from tests.venues.deribit_server import Failure, serving
from tests.venues.edge import QUICK, kinds, one, running, submit, until, venue
from tests.venues.payloads import NOW_MS, PERPETUAL, order, position

CHANGES = "user.changes.any.any.raw"
STATE = "instrument.state.any.any"
TICKER = f"ticker.{PERPETUAL}.raw"
NEW = "BTC-30JUN34-120000-C"


# ----------------------------------------------------------------------------- the credits


async def test_an_order_that_the_venues_rate_leaves_no_room_for_is_not_sent():
    async with serving() as server:
        few = CreditPolicy(
            questions=QUICK.credits.questions,
            subscriptions=QUICK.credits.subscriptions,
            matching=Rate(burst=4.0, per_second=0.5),
        )
        async with running(edge := venue(server, replace(QUICK, credits=few))):
            answers = [await edge.perform(submit(f"db-{number}")) for number in range(5)]

            assert [kinds(answer)[-1] for answer in answers[:3]] == [OrderSeen] * 3
            refused = one(answers[4], OrderRejected)
            assert refused.code == -1
            assert "takes no more orders for" in refused.reason
            assert len(server.placed) == 3


async def test_the_venues_own_limits_are_learned_from_the_account():
    async with serving() as server:
        limits = {
            "non_matching_engine": {"burst": 100, "rate": 20},
            "matching_engine": {"trading": {"total": {"burst": 40, "rate": 10}}},
        }
        server.limits = limits
        async with running(edge := venue(server)):
            await edge.perform(ReadAccount(reason="x", trades_since_ms=0))

            assert edge._pacer.rate(Kind.QUESTION) == Rate(burst=75.0, per_second=15.0)
            assert edge._pacer.rate(Kind.ORDER) == Rate(burst=40.0, per_second=10.0)


async def test_a_question_refused_for_its_rate_waits_as_long_as_the_venue_says_and_orders_do_not():
    async with serving() as server, running(edge := venue(server)):
        refusals = [Failure(code=10028, message="too_many_requests", data={"wait": 0.3})]
        server.rules["private/get_order_state_by_label"] = lambda params: (
            refusals.pop() if refusals else server.private_get_order_state_by_label(params)
        )
        started_ns = edge._clocks.monotonic_ns()
        question = QueryOrder(order_id="db-1", instrument=PERPETUAL, requested_ms=NOW_MS)
        asked = asyncio.get_running_loop().create_task(edge.perform(question))
        await until(lambda: not refusals)
        await edge.perform(submit("db-2"))
        assert edge._clocks.monotonic_ns() - started_ns < 0.25 * NS_PER_SECOND

        assert ReadFailed not in kinds(await asked)
        assert edge._clocks.monotonic_ns() - started_ns >= 0.29 * NS_PER_SECOND


# -------------------------------------------------------------------------- the currencies


async def test_every_currency_is_subscribed_read_and_kept_apart():
    async with serving() as server:
        server.currencies = ("BTC", "ETH", "USDC")
        linear = "BTC_USDC-PERPETUAL"
        async with running(edge := venue(server, currencies=("BTC", "USDC"))) as facts:
            assert server.subscribed() >= {"user.portfolio.BTC", "user.portfolio.USDC"}
            server.positions = [
                position(PERPETUAL, 100.0),
                position(linear, 0.5),
                position("ETH-PERPETUAL", 7.0),
            ]
            server.orders = [
                order(instrument=linear, order_id="u", amount=0.1),
                order(instrument="ETH-PERPETUAL", order_id="e"),
            ]
            listed = {item.currency for item in facts.of(InstrumentsSeen)[0].instruments}
            read = await edge.perform(ReadAccount(reason="x", trades_since_ms=NOW_MS))

            assert listed == {"BTC", "USDC"}
            names = {row.instrument for row in one(read, PositionsSeen).positions}
            assert names == {PERPETUAL, linear}
            asked = server.methods("private/get_user_trades_by_currency")
            assert [item.params["currency"] for item in asked] == ["BTC", "USDC"]
            question = QueryOrder(order_id="x", instrument=linear, requested_ms=NOW_MS)
            await edge.perform(question)
            stated = server.methods("private/get_order_state_by_label")[-1]
            assert stated.params["currency"] == "USDC"


async def test_a_currency_without_a_summary_is_no_whole_account():
    async with serving() as server:
        server.currencies = ("BTC", "USDC")
        async with running(edge := venue(server, currencies=("BTC", "USDC"))):
            server.currencies = ("BTC",)
            read = await edge.perform(ReadAccount(reason="x", trades_since_ms=NOW_MS))

            assert kinds(read) == [ReadFailed]
            assert "no summary of the account in USDC" in one(read, ReadFailed).reason
