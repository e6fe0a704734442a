"""What came from outside or went there: the transaction log read whole, or not at all."""

from decimal import Decimal

import pytest

from bot.core.actions import ReadCash
from bot.core.cash import MOVES, CashMoved, CashRead
from bot.core.events import ReadFailed
from bot.exchange.keys import DEMO_KEY, DEMO_SUB_KEY
from bot.exchange.venue_commands import Deposit, Transfer
from bot.venues.deribit_cash import TRANSACTION_LOG
from tests.venues.deribit_server import Failure, serving
from tests.venues.edge import one, running, venue
from tests.venues.payloads import NOW_MS
from tests.venues.test_embedded_exchange import edge_of, exchange

READ = ReadCash(since_ms=NOW_MS - 60_000)


def row(kind, change, row_id=61312, **changes):
    """A row of the log, as the venue's description shows it."""
    told = {
        "username": "TestUser",
        "user_seq": 6009,
        "user_id": 7,
        "type": kind,
        "trade_id": None,
        "timestamp": NOW_MS - 1_000,
        "side": "-",
        "instrument_name": None,
        "info": {"transfer_type": "subaccount", "other_user_id": 27, "other_user": "Subaccount"},
        "id": row_id,
        "equity": 3000.9275869,
        "currency": "BTC",
        "commission": 0,
        "change": change,
        "cashflow": change,
        "balance": 3001.22270418,
    }
    return told | changes


def page(*rows, continuation=None):
    return {"logs": list(rows), "continuation": continuation}


async def test_what_moved_is_told_with_its_sign_and_what_was_earned_is_not():
    rows = [
        row("transfer", -2.5, 4),
        row("settlement", 0.00215706, 3, instrument_name="BTC-PERPETUAL"),
        row("deposit", 0.65, 2, timestamp=NOW_MS - 2_000),
        row("trade", -0.0003, 1, instrument_name="BTC-PERPETUAL"),
        row("withdrawal", -1, 5, timestamp=NOW_MS),
        row("correction", 0.1, 6),
        row("a word of next year", 0.1, 7),
    ]
    async with serving() as server, running(edge := venue(server)):
        server.rules[TRANSACTION_LOG] = lambda _: page(*rows)

        told = await edge.perform(READ)

    moves = [move for move in told if isinstance(move, CashMoved)]
    assert [(move.move_id, move.change, move.kind) for move in moves] == [
        ("2", Decimal("0.65"), "deposit"),
        ("4", Decimal("-2.5"), "transfer"),
        ("5", Decimal(-1), "withdrawal"),
    ]
    read = one(told, CashRead)
    assert told[-1] is read
    assert read.asked_ms == NOW_MS
    (asked,) = server.methods(TRANSACTION_LOG)
    assert asked.params["start_timestamp"] == READ.since_ms
    assert asked.params["end_timestamp"] > NOW_MS, "the venue's clock may be ahead"


async def test_the_log_is_turned_to_its_last_page():
    def answer(params):
        if "continuation" in params:
            assert params["continuation"] == 7
            return page(row("deposit", 1.0, "old"))
        return page(row("deposit", 1.0, "new"), continuation=7)

    async with serving() as server, running(edge := venue(server)):
        server.rules[TRANSACTION_LOG] = answer

        told = await edge.perform(READ)

    assert {move.move_id for move in told if isinstance(move, CashMoved)} == {"old", "new"}


async def test_of_a_long_absence_only_what_moved_is_asked_for_and_not_every_trade():
    async with serving() as server, running(edge := venue(server)):
        server.rules[TRANSACTION_LOG] = lambda params: page(
            row(params["query"], 1.0, params["query"])
        )

        told = await edge.perform(ReadCash(since_ms=NOW_MS - 3 * 86_400_000))

    moves = [move for move in told if isinstance(move, CashMoved)]
    assert {move.kind for move in moves} == {"deposit", "withdrawal", "transfer", "swap"}


@pytest.mark.parametrize(
    "answer",
    [
        Failure(code=13021, message="forbidden"),
        None,
        {"logs": []},
        {"logs": None, "continuation": None},
        page(continuation=7),
        page(row("deposit", None)),
        page(row("deposit", float("inf"))),
        page(row("deposit", 1.0, None)),
        page(row(None, 1.0)),
        page(row("deposit", 1.0, timestamp=None)),
    ],
    ids=str,
)
async def test_a_log_that_fails_or_talks_nonsense_is_never_one_without_moves(answer):
    async with serving() as server, running(edge := venue(server)):
        server.rules[TRANSACTION_LOG] = lambda _: answer

        (failed,) = await edge.perform(READ)

    assert isinstance(failed, ReadFailed)
    assert failed.what == MOVES


async def test_the_embedded_exchange_tells_of_what_was_brought_and_taken():
    async with exchange() as server, running(edge := edge_of(server, currencies=("BTC", "ETH"))):
        engine, account = server.floor.engine, DEMO_KEY.account
        before = await edge.perform(ReadCash(since_ms=0))
        for command in (
            Deposit(account=account, currency="BTC", amount=Decimal("1.5")),
            Deposit(account=account, currency="BTC", amount=Decimal(-1)),
            Transfer(
                sender=account,
                recipient=DEMO_SUB_KEY.account,
                currency="ETH",
                amount=Decimal(2),
            ),
        ):
            server.floor.accept(engine.handle(command))

        told = await edge.perform(ReadCash(since_ms=0))

    moves = {move.move_id: move for move in told if isinstance(move, CashMoved)}
    known = {move.move_id for move in before if isinstance(move, CashMoved)}
    assert known < moves.keys(), "told again, by the same ids"
    fresh = sorted((move.currency, move.change) for at, move in moves.items() if at not in known)
    assert fresh == [("BTC", Decimal(-1)), ("BTC", Decimal("1.5")), ("ETH", Decimal(-2))]
