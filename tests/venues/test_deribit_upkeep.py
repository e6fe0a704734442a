"""Lists that are asked for again, lines that are replaced, logins that last, late stamps."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from bot.core.actions import ReadAccount, ReloadInstruments, Watch
from bot.core.events import (
    BadMessage,
    FillSeen,
    InstrumentsSeen,
    LinkDown,
    OrderRejected,
    OrderSeen,
    OrderSent,
    OrderUnknown,
    PositionsSeen,
    QuoteSeen,
    ReadFailed,
)
from bot.core.units import MS_PER_DAY, MS_PER_HOUR, MS_PER_MINUTE, NS_PER_SECOND
from bot.venues import deribit_line
from bot.venues.transit import Transit
from tests.venues.deribit_server import Failure, Server, Silent, serving
from tests.venues.edge import QUICK, Facts, kinds, one, running, submit, until, venue
from tests.venues.payloads import NOW_MS, PERPETUAL, position, ticker, trade

CHANGES = "user.changes.any.any.raw"
STATE = "instrument.state.any.any"
TICKER = f"ticker.{PERPETUAL}.raw"
NEW = "BTC-30JUN34-120000-C"


# ------------------------------------------------------------------------------ the listing


async def listed_again(server: Server, facts: Facts, cause: Callable[[], Any]) -> bool:
    """Do something, wait for the list that it has read again, and return whether by the socket."""
    await _caused(facts, cause)
    await until(lambda: facts.of(InstrumentsSeen))
    return server.methods("public/get_instruments")[-1].transport == "ws"


async def not_listed_again(facts: Facts, cause: Callable[[], Any]) -> bool:
    """Do something, and return whether no list of instruments came for a while after it."""
    await _caused(facts, cause)
    await asyncio.sleep(0.5)
    return not facts.of(InstrumentsSeen)


async def _caused(facts: Facts, cause: Callable[[], Any]) -> None:
    facts.clear()
    result = cause()
    if asyncio.iscoroutine(result):
        await result


async def test_the_list_is_read_again_when_something_comes_or_goes():
    async with serving() as server, running(venue(server)) as facts:
        came = {"instrument_name": NEW, "state": "started", "timestamp": NOW_MS}

        assert await listed_again(server, facts, lambda: server.push(STATE, came))
        assert facts.of(BadMessage) == []


async def test_what_comes_and_goes_elsewhere_is_no_reason_to_ask():
    async with serving() as server, running(venue(server)) as facts:
        came = {"instrument_name": "SOL_USDC-PERPETUAL", "state": "started", "timestamp": NOW_MS}

        assert await not_listed_again(facts, lambda: server.push(STATE, came))


@pytest.mark.parametrize("code", [10012, 10020, 11046, 13019, 13020])
async def test_a_refusal_that_knows_no_such_instrument_has_the_list_read_again(code: int):
    async with serving() as server, running(edge := venue(server)) as facts:
        server.rules["private/buy"] = lambda _: Failure(code=code, message="no")

        assert await listed_again(server, facts, lambda: edge.perform(submit()))


async def test_a_position_in_something_new_has_the_list_read_again_once():
    async with serving() as server, running(venue(server)) as facts:
        held = {"positions": [position(NEW, 0.1)]}

        assert await listed_again(server, facts, lambda: server.push(CHANGES, held))
        assert await not_listed_again(facts, lambda: server.push(CHANGES, held))
        await until(lambda: facts.of(PositionsSeen))
        assert one(facts, PositionsSeen).positions[0].instrument == NEW


async def test_an_expired_instrument_is_no_reason_to_ask():
    async with serving() as server, running(venue(server)) as facts:
        gone = {"trades": [trade(instrument="BTC-1JAN21-1000-P", amount=0.1)]}

        assert await not_listed_again(facts, lambda: server.push(CHANGES, gone))
        await until(lambda: facts.of(FillSeen))
        assert one(facts, FillSeen).instrument == "BTC-1JAN21-1000-P"


async def test_a_list_that_cannot_be_read_is_asked_for_until_it_can():
    async with serving() as server, running(venue(server)) as facts:
        server.rules["public/get_instruments"] = lambda _: []
        came = {"instrument_name": NEW, "state": "started", "timestamp": NOW_MS}
        assert await not_listed_again(facts, lambda: server.push(STATE, came))
        await until(lambda: facts.of(ReadFailed))
        assert "no instrument at all" in facts.of(ReadFailed)[0].reason

        assert await listed_again(server, facts, lambda: server.rules.pop("public/get_instruments"))


async def test_a_list_that_was_asked_for_by_order_and_did_not_come_is_asked_for_again():
    async with serving() as server, running(edge := venue(server)) as facts:
        facts.clear()
        busy = Failure(code=10041, message="settlement_in_progress")
        server.rules["public/get_instruments"] = lambda _: busy
        assert kinds(await edge.perform(ReloadInstruments(reason="expiry-roll"))) == [ReadFailed]

        del server.rules["public/get_instruments"]
        await until(lambda: facts.of(InstrumentsSeen))


# -------------------------------------------------------------------------- the daily roll


class Day:
    """A market clock that the test moves."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS // MS_PER_DAY * MS_PER_DAY + 7 * MS_PER_HOUR

    def read(self) -> int:
        return self.now_ms


async def test_both_connections_are_replaced_after_the_roll_and_nothing_is_missed():
    async with serving() as server:
        day = Day()
        async with running(edge := venue(server, market_ms=day.read)) as facts:
            await edge.perform(Watch(instruments=frozenset({PERPETUAL})))
            old = list(server.sockets)
            facts.clear()

            async def chatter() -> int:
                number = 0
                while not is_over.is_set():
                    number += 1
                    await server.push(TICKER, ticker(PERPETUAL, float(number)))
                    await server.push(CHANGES, {"trades": [trade(trade_id=str(number))]})
                    await asyncio.sleep(0.002)
                return number

            is_over = asyncio.Event()
            noise = asyncio.get_running_loop().create_task(chatter())
            day.now_ms += MS_PER_HOUR + 3 * MS_PER_MINUTE
            await until(lambda: all(socket.closed for socket in old))
            await asyncio.sleep(0.05)
            is_over.set()
            last = await noise
            # Each connection keeps its order: once the last is heard, what is missing was lost.
            await until(lambda: facts.of(FillSeen)[-1].trade_id == str(last))
            await until(lambda: facts.of(QuoteSeen)[-1].bid == last)

            assert facts.of(LinkDown) == []
            assert len([socket for socket in server.sockets if not socket.closed]) == 2
            assert server.subscribed() >= {TICKER, CHANGES, STATE, "user.portfolio.BTC"}
            ids = {int(fact.trade_id) for fact in facts.of(FillSeen)}
            assert ids == set(range(1, last + 1)), "a fill was lost in the change"
            bids = {fact.bid for fact in facts.of(QuoteSeen)}
            assert bids >= {float(number) for number in range(1, last + 1)}
            sent = await edge.perform(submit())
            assert kinds(sent)[0] is OrderSent
            assert facts.of(BadMessage) == []


async def test_a_connection_that_has_seen_the_roll_is_not_replaced():
    async with serving() as server:
        day = Day()
        day.now_ms += 4 * MS_PER_HOUR
        async with running(venue(server, market_ms=day.read)):
            lines = len(server.sockets)
            day.now_ms += 10 * MS_PER_HOUR
            await asyncio.sleep(0.15)

            assert len(server.sockets) == lines


async def test_when_no_fresh_connection_can_be_had_the_old_one_serves_on():
    async with serving() as server:
        day = Day()
        async with running(edge := venue(server, market_ms=day.read)) as facts:
            await edge.perform(Watch(instruments=frozenset({PERPETUAL})))
            old = list(server.sockets)
            facts.clear()
            server.rules["public/auth"] = lambda _: Failure(code=13004, message="no")
            day.now_ms += MS_PER_HOUR + 3 * MS_PER_MINUTE
            await until(lambda: len(facts.of(BadMessage)) >= 2)

            assert all("no fresh connection" in fact.reason for fact in facts.of(BadMessage))
            assert facts.of(LinkDown) == []
            assert OrderRejected not in kinds(await edge.perform(submit()))
            assert not any(socket.closed for socket in old)
            await until(lambda: [one for one in server.sockets if not one.closed] == old)


async def test_an_order_under_way_hears_its_answer_before_its_line_is_closed():
    async with serving() as server:
        day = Day()
        async with running(edge := venue(server, market_ms=day.read)) as facts:
            server.rules["private/buy"] = lambda _: Silent()
            late = asyncio.get_running_loop().create_task(edge.perform(submit()))
            await until(lambda: server.methods("private/buy"))
            line = edge._trading
            day.now_ms += MS_PER_HOUR + 3 * MS_PER_MINUTE
            await until(lambda: edge._trading is not line)
            asked = next(text for text in (item.text for item in server.placed))
            number = asked.split('"id":')[1].split(",")[0]
            wanted = {"instrument_name": PERPETUAL, "amount": 100, "label": "db-1"}
            answer = {"jsonrpc": "2.0", "id": int(number), "result": server.trade(wanted, "buy")}
            await server.say(json.dumps(answer))

            facts_of_order = await late
            assert OrderUnknown not in kinds(facts_of_order)
            assert one(facts_of_order, OrderSeen).order_id == "db-1"
            assert facts.of(LinkDown) == []


# ------------------------------------------------------------------------------- the login


async def test_a_renewal_that_fails_is_tried_again_while_the_token_lives(
    monkeypatch: pytest.MonkeyPatch,
):
    # Due at once and with hours left: a machine that stands still does not outlast the token.
    monkeypatch.setattr(deribit_line, "TOKEN_SHARE", 1e-5)
    monkeypatch.setattr(deribit_line, "RETRY_SHARE", 1e-6)
    async with serving() as server:
        server.expires_in = 36_000.0
        async with running(venue(server)) as facts:
            asked = len(server.methods("public/auth"))
            server.rules["public/auth"] = lambda _: Failure(code=10028, message="too_many_requests")
            await until(lambda: len(server.methods("public/auth")) >= asked + 4)
            assert facts.of(LinkDown) == []
            del server.rules["public/auth"]
            done = len(server.methods("public/auth"))
            await until(lambda: len(server.methods("public/auth")) >= done + 2)
            await asyncio.sleep(0.3)

            assert facts.of(LinkDown) == []
            assert {fact.source for fact in facts.of(BadMessage)} == {"deribit"}


async def test_what_a_renewed_login_made_the_venue_forget_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(deribit_line, "TOKEN_SHARE", 1e-5)
    async with serving() as server:
        server.expires_in = 36_000.0
        async with running(venue(server)) as facts:
            armed = len(server.methods("private/enable_cancel_on_disconnect"))

            def forget(params: dict[str, Any]) -> Any:
                for channels in server.channels.values():
                    channels.difference_update({CHANGES, "user.portfolio.BTC"})
                return server.public_auth(params)

            server.rules["public/auth"] = forget
            logins = len(server.methods("public/auth"))
            await until(lambda: len(server.methods("public/auth")) >= logins + 2)
            monkeypatch.setattr(deribit_line, "TOKEN_SHARE", 0.8)
            await until(lambda: {CHANGES, "user.portfolio.BTC"} <= server.subscribed())

            assert len(server.methods("private/enable_cancel_on_disconnect")) > armed
            assert facts.of(LinkDown) == []


async def test_a_renewed_login_whose_orders_would_outlive_the_line_ends_it(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(deribit_line, "TOKEN_SHARE", 1e-5)
    async with serving() as server:
        server.expires_in = 36_000.0
        async with running(venue(server)) as facts:
            server.cancels_on_disconnect = False
            await until(lambda: facts.of(LinkDown))

            assert "cancel-on-disconnect is not armed" in facts.of(LinkDown)[0].reason


@pytest.mark.parametrize("code", [10000, 13004, 13009])
async def test_a_login_that_the_venue_no_longer_knows_is_made_anew(code: int):
    async with serving() as server, running(edge := venue(server)) as facts:
        server.rules["private/get_positions"] = lambda _: Failure(code=code, message="who?")
        read = await edge.perform(ReadAccount(reason="x", trades_since_ms=0))
        assert kinds(read) == [ReadFailed]
        del server.rules["private/get_positions"]

        await until(lambda: facts.of(LinkDown))
        assert facts.of(LinkDown)[0].reason == "the venue no longer knows the login"
        await until(lambda: edge._trading.is_ready)
        assert PositionsSeen in kinds(
            await edge.perform(ReadAccount(reason="x", trades_since_ms=0))
        )


# ------------------------------------------------------------------------------ the stamps


def aged(seconds: dict[float, float]) -> Callable[[int, int], float]:
    """Frames with this bid are so old; the stamp carries the bid, for the test's convenience."""
    return lambda venue_ms, _: seconds.get(float(venue_ms - NOW_MS), 0.0) * NS_PER_SECOND


async def test_a_quote_whose_stamp_is_old_on_arrival_is_not_believed_and_told_once():
    late = aged({2.0: 6.0, 3.0: 7.0})
    async with serving() as server:
        limits = QUICK
        async with running(edge := venue(server, limits, age_ns=late)) as facts:
            await edge.perform(Watch(instruments=frozenset({PERPETUAL})))
            facts.clear()
            for bid in (1.0, 2.0, 3.0, 4.0):
                stamp = NOW_MS + int(bid)
                await server.push(TICKER, ticker(PERPETUAL, bid, timestamp=stamp))
            await until(lambda: len(facts.of(QuoteSeen)) == 2)

            assert [fact.bid for fact in facts.of(QuoteSeen)] == [1.0, 4.0]
            (bad,) = facts.of(BadMessage)
            assert bad.reason == "late: the venue's stamp is 6.0 s old on arrival"
            ages = edge.transit.ages()
            assert ages is not None
            assert ages.most_ms == 7_000.0
            assert edge.transit.late_frames == 2


def test_ages_tell_the_transport_from_the_queue():
    transit = Transit(age_ns=lambda venue_ms, at_ns: at_ns - venue_ms * 1e6, late_s=5.0)
    for number, age_ms in enumerate((42.0, 40.0, 300.0)):
        assert not transit.is_late(number, int((number + age_ms) * 1e6))

    ages = transit.ages()
    assert ages is not None
    assert (ages.frames, ages.least_ms, ages.median_ms, ages.most_ms) == (3, 40.0, 42.0, 300.0)
    assert transit.is_late(0, 5_000_000_001)
