"""Questions about orders and the account: whole answers or none."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core.actions import (
    CancelOrder,
    QueryOrder,
    ReadAccount,
    ReloadInstruments,
)
from bot.core.events import (
    AccountRead,
    BadMessage,
    BalanceSeen,
    FillSeen,
    InstrumentsSeen,
    OpenOrdersSeen,
    OrderNotFound,
    OrderSeen,
    PositionsSeen,
    ReadFailed,
    Source,
)
from bot.venues.ccxt_socket import SocketLimits
from bot.venues.deribit_account import (
    OPEN_ORDERS_BY_CURRENCY,
    STATE_BY_LABEL,
    USER_TRADES,
    ReadLimits,
)
from tests.venues.deribit_server import Failure, Silent, Vanish, serving
from tests.venues.edge import QUICK, Facts, kinds, one, running, until, venue
from tests.venues.payloads import CALL, NOW_MS, PERPETUAL, PUT, order, position, summary, trade

QUERY = QueryOrder(order_id="db-1", instrument=PERPETUAL, requested_ms=NOW_MS)
READ = ReadAccount(reason="start", trades_since_ms=NOW_MS - 1_000)


async def test_an_order_is_not_found_only_when_every_source_says_so():
    async with serving() as server, running(edge := venue(server)):
        (absent,) = await edge.perform(QUERY)

        assert isinstance(absent, OrderNotFound)
        assert absent.sources == tuple(Source)
        assert absent.asked_ms == NOW_MS
        asked = {request.method for request in server.heard}
        assert asked >= {STATE_BY_LABEL, OPEN_ORDERS_BY_CURRENCY, USER_TRADES}


@pytest.mark.parametrize(
    "method",
    [
        "private/get_order_state_by_label",
        "private/get_open_orders_by_currency",
        "private/get_user_trades_by_currency",
    ],
)
@pytest.mark.parametrize(
    "answer", [Failure(code=10001, message="error"), None, {"trades": []}, [{}]], ids=str
)
async def test_a_source_that_fails_or_answers_nonsense_is_never_read_as_not_found(method, answer):
    async with serving() as server, running(edge := venue(server)):
        server.rules[method] = lambda _: answer

        (failed,) = await edge.perform(QUERY)

        assert isinstance(failed, ReadFailed)


async def test_two_orders_under_one_label_are_both_reported():
    async with serving() as server, running(edge := venue(server)):
        for number in (1, 2):
            server.orders.append(order(order_id=f"BTC-{number}", filled=100.0, state="filled"))
            server.trades.append(trade(order_id=f"BTC-{number}", trade_id=str(number)))
        server.trades.append(trade(order_id="BTC-3", trade_id="3", label="somebody-else"))

        result = await edge.perform(QUERY)

        assert kinds(result) == [FillSeen, FillSeen, OrderSeen, OrderSeen]
        assert sum(fact.size_native for fact in result if isinstance(fact, FillSeen)) == 200


async def test_an_order_that_the_label_forgot_is_found_by_its_trade():
    async with serving() as server, running(edge := venue(server)):
        server.trades.append(trade(order_id="BTC-8"))
        server.rules["private/get_order_state"] = lambda _: order(
            order_id="BTC-8", filled=100.0, state="filled"
        )

        assert kinds(await edge.perform(QUERY)) == [FillSeen, OrderSeen]


async def test_a_question_gone_unanswered_is_asked_again_but_not_for_ever():
    async with serving() as server, running(edge := venue(server)):
        server.rules["private/get_positions"] = lambda _: Silent()
        # Only now: to log in may take its time on a busy machine.
        edge._trading.socket._limits = SocketLimits(answer_timeout_s=1.0)

        (failed,) = await edge.perform(READ)

        assert isinstance(failed, ReadFailed)
        assert len(server.methods("private/get_positions")) == QUICK.read_attempts


async def test_an_account_is_read_whole_and_in_order():
    async with serving() as server, running(edge := venue(server)):
        server.orders.append(order(label="", order_id="BTC-5"))
        server.trades.append(trade())
        server.positions = [position(PERPETUAL, -500.0), position(CALL, 1.5), position(PUT, 0.0)]

        result = await edge.perform(READ)

        assert kinds(result) == [OpenOrdersSeen, FillSeen, PositionsSeen, BalanceSeen, AccountRead]
        positions = one(result, PositionsSeen)
        assert positions.complete
        assert {row.instrument: row.size_native for row in positions.positions} == {
            PERPETUAL: Decimal(-500),
            CALL: Decimal("1.5"),
        }
        assert positions.asked_ns == one(result, AccountRead).asked_ns <= positions.arrived_ns


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("private/get_open_orders", Failure(code=10001, message="error")),
        ("private/get_positions", [{"instrument_name": PERPETUAL, "size": None}]),
        ("private/get_positions", [position(PERPETUAL, 500.0, direction="sell")]),
        ("private/get_positions", None),
        ("private/get_account_summaries", {"summaries": []}),
        ("private/get_account_summaries", {"summaries": [summary(equity=None)]}),
        ("private/get_user_trades_by_currency", {"trades": [], "has_more": None}),
    ],
)
async def test_a_partial_account_is_a_failed_read_and_nothing_else(method, answer):
    async with serving() as server, running(edge := venue(server)):
        server.rules[method] = lambda _: answer

        assert kinds(await edge.perform(READ)) == [ReadFailed]


async def test_trades_are_read_to_the_last_page_and_each_once():
    async with serving() as server:
        limits = replace(QUICK, reads=ReadLimits(page_size=3))
        async with running(edge := venue(server, limits)):
            # Two trades share every stamp, so that a page ends in the middle of a pair.
            server.trades = [
                trade(trade_id=str(number), timestamp=NOW_MS + number // 2) for number in range(11)
            ]

            result = await edge.perform(READ)

            fills = [fact.trade_id for fact in result if isinstance(fact, FillSeen)]
            assert fills == [str(number) for number in range(11)]


async def test_more_trades_in_one_millisecond_than_a_page_holds_are_not_cut_short():
    async with serving() as server:
        limits = replace(QUICK, reads=ReadLimits(page_size=3))
        async with running(edge := venue(server, limits)):
            server.trades = [
                trade(trade_id=str(number), timestamp=READ.trades_since_ms) for number in range(4)
            ]

            assert kinds(await edge.perform(READ)) == [ReadFailed]
            assert len(server.methods("private/get_user_trades_by_currency")) == 1


async def test_old_trades_are_looked_for_in_the_archive_as_well():
    async with serving() as server, running(edge := venue(server)):
        day_ms = 86_400_000

        await edge.perform(replace(READ, trades_since_ms=NOW_MS - 3 * day_ms))

        asked = server.methods("private/get_user_trades_by_currency")
        assert [request.params.get("historical", False) for request in asked] == [True, False]


async def test_the_account_can_be_read_over_http_while_the_socket_is_down():
    async with serving() as server:
        edge = venue(server)
        facts = Facts()
        await edge.open(facts.append)
        server.cut()
        await until(lambda: not edge._trading.is_ready and not edge._market.is_ready)
        try:
            result = await edge.perform(READ)
        finally:
            await edge.close()

        assert kinds(result)[-1] is AccountRead
        assert {
            request.transport
            for request in server.heard
            if request.method in {"private/get_positions", "private/get_open_orders"}
        } == {"http"}


async def test_instruments_are_listed_again_on_request_and_broken_rows_are_left_out():
    async with serving() as server, running(edge := venue(server)) as facts:
        rows = server.public_get_instruments({})
        rows[1]["min_trade_amount"] = 0.0
        server.rules["public/get_instruments"] = lambda _: rows

        assert await edge.perform(ReloadInstruments(reason="roll")) == ()

        names = [item.name for item in facts.of(InstrumentsSeen)[-1].instruments]
        assert names == sorted([PERPETUAL, PUT])
        assert any(CALL in fact.reason for fact in facts.of(BadMessage))


async def test_a_busy_venue_is_asked_again_after_a_moment():
    async with serving() as server, running(edge := venue(server)):
        answers = [Failure(code=10028, message="too_many_requests"), server.positions]
        server.rules["private/get_positions"] = lambda _: answers.pop(0)

        assert kinds(await edge.perform(READ))[-1] is AccountRead


async def test_a_refused_question_is_not_asked_again():
    async with serving() as server, running(edge := venue(server)):
        server.rules["private/get_positions"] = lambda _: Failure(code=13021, message="forbidden")

        failed = one(await edge.perform(READ), ReadFailed)

        assert "forbidden" in failed.reason
        assert len(server.methods("private/get_positions")) == 1


async def test_with_the_socket_down_an_error_over_http_is_a_failed_read_too():
    async with serving() as server:
        edge = venue(server)
        await edge.open(Facts().append)
        server.cut()
        await until(lambda: not edge._trading.is_ready and not edge._market.is_ready)
        server.rules["private/get_positions"] = lambda _: Failure(code=10001, message="error")
        try:
            assert kinds(await edge.perform(READ)) == [ReadFailed]
        finally:
            await edge.close()


async def test_a_cancel_without_an_answer_is_reported_as_a_question_not_answered():
    async with serving() as server, running(edge := venue(server)):
        server.rules["private/cancel_by_label"] = lambda _: Vanish()

        failed = one(
            await edge.perform(CancelOrder(order_id="db-1", instrument=PERPETUAL)), ReadFailed
        )

        assert failed.what == "cancel db-1"
