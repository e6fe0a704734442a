"""Quotes over real sockets: exactly the wanted channels, none of them silent unnoticed."""

import asyncio
from dataclasses import replace

from bot.core.actions import (
    Watch,
)
from bot.core.events import (
    BadMessage,
    Link,
    LinkDown,
    QuoteSeen,
)
from tests.venues.deribit_server import Failure, Server, Silent, serving
from tests.venues.edge import QUICK, Facts, HandClock, running, until, venue
from tests.venues.payloads import CALL, PERPETUAL, PUT, ticker


async def spoken(server: Server, facts: Facts, name: str) -> None:
    """Push quotes of one instrument until one is heard: its line may just be dialled again."""
    told = len(facts.of(QuoteSeen))
    while len(facts.of(QuoteSeen)) == told:
        await server.push(f"ticker.{name}.raw", ticker(name, 1.0))
        await asyncio.sleep(0.005)


async def test_subscriptions_follow_the_wanted_set():
    async with serving() as server, running(edge := venue(server)) as facts:
        await edge.perform(Watch(instruments=frozenset({PERPETUAL, CALL})))
        assert {name for name in server.subscribed() if name.startswith("ticker")} == {
            f"ticker.{PERPETUAL}.raw",
            f"ticker.{CALL}.raw",
        }
        assert {fact.instrument for fact in facts.of(QuoteSeen)} == {PERPETUAL, CALL}

        await edge.perform(Watch(instruments=frozenset({CALL, PUT})))
        assert {name for name in server.subscribed() if name.startswith("ticker")} == {
            f"ticker.{CALL}.raw",
            f"ticker.{PUT}.raw",
        }


async def test_many_channels_go_out_in_frames_of_bounded_size():
    async with serving() as server:
        limits = replace(QUICK, channels_per_frame=5, frame_bytes_max=120)
        async with running(edge := venue(server, limits)):
            names = frozenset(f"BTC-{number:05d}" for number in range(23))

            await edge.perform(Watch(instruments=names))

            frames = server.methods("public/subscribe")
            assert sum(len(frame.params["channels"]) for frame in frames) == 23 + 1
            assert max(len(frame.params["channels"]) for frame in frames) <= 5
            assert max(len(str(frame.params["channels"])) for frame in frames) <= 150


async def test_a_channel_that_the_venue_refuses_is_reported_and_not_insisted_on():
    async with serving() as server, running(edge := venue(server)) as facts:
        server.rules["public/subscribe"] = lambda params: [
            name for name in params["channels"] if CALL not in name
        ]

        await edge.perform(Watch(instruments=frozenset({PERPETUAL, CALL})))
        await edge.perform(Watch(instruments=frozenset({PERPETUAL, CALL})))

        refused = [fact for fact in facts.of(BadMessage) if fact.source == f"ticker.{CALL}.raw"]
        assert len(refused) == 1


async def test_a_channel_that_was_refused_once_is_asked_for_again_after_a_while():
    async with serving() as server:
        limits = replace(QUICK, refused_retry_s=0.05)
        async with running(edge := venue(server, limits)) as facts:
            server.rules["public/subscribe"] = lambda params: [
                name for name in params["channels"] if CALL not in name
            ]
            await edge.perform(Watch(instruments=frozenset({PERPETUAL, CALL})))
            del server.rules["public/subscribe"]

            await until(lambda: f"ticker.{CALL}.raw" in server.subscribed())
            await until(lambda: CALL in {fact.instrument for fact in facts.of(QuoteSeen)})
            assert facts.of(LinkDown) == []


async def test_quotes_whose_subscription_was_broken_off_half_way_are_subscribed_after_all():
    async with serving() as server:
        limits = replace(QUICK, channels_per_frame=1)
        async with running(edge := venue(server, limits)) as facts:
            hangs = f"ticker.{CALL}.raw"
            server.rules["public/subscribe"] = lambda params: (
                Silent() if params["channels"] == [hangs] else params["channels"]
            )
            watch = Watch(instruments=frozenset({CALL, PUT}))
            broken_off = asyncio.get_running_loop().create_task(edge.perform(watch))
            await until(
                lambda: server.methods("public/subscribe")[-1].params["channels"] == [hangs]
            )
            del server.rules["public/subscribe"]
            broken_off.cancel()  # as by whoever bounds how long an action may take

            await until(lambda: f"ticker.{PUT}.raw" in server.subscribed())
            assert facts.of(LinkDown) == []


async def test_a_silent_channel_is_subscribed_again_and_then_the_line_is_recycled_once():
    async with serving() as server:
        clock = HandClock()
        limits = replace(QUICK, stall_after_s=15.0, silence_max_s=1e6)
        edge = venue(server, limits, monotonic_ns=clock.read)
        async with running(edge) as facts:
            await edge.perform(Watch(instruments=frozenset({PERPETUAL, CALL})))

            while len(facts.of(BadMessage)) < 4:
                await spoken(server, facts, PERPETUAL)
                clock.pass_s(8.0)
                await asyncio.sleep(0.03)

            assert {fact.source for fact in facts.of(BadMessage)} == {f"ticker.{CALL}.raw"}
            downs = [fact for fact in facts.of(LinkDown) if fact.link is Link.MARKET]
            assert len(downs) == 1
            assert f"ticker.{CALL}.raw" in downs[0].reason
            again = server.methods("public/unsubscribe")[0].params["channels"]
            assert again == [f"book.{PERPETUAL}.100ms", f"ticker.{CALL}.raw"]


async def test_when_nobody_knows_what_is_subscribed_the_line_starts_over():
    async with serving() as server, running(edge := venue(server)) as facts:
        server.rules["public/subscribe"] = lambda _: "ok"
        await edge.perform(Watch(instruments=frozenset({PERPETUAL})))
        del server.rules["public/subscribe"]

        await until(lambda: facts.of(QuoteSeen))

        downs = [fact for fact in facts.of(LinkDown) if fact.link is Link.MARKET]
        assert "subscriptions are uncertain" in downs[0].reason
        assert f"ticker.{PERPETUAL}.raw" in server.subscribed()


async def test_a_quote_that_cannot_be_asked_for_does_not_hold_up_the_others():
    async with serving() as server, running(edge := venue(server)) as facts:

        def answer(params):
            if params["instrument_name"] == CALL:
                return Failure(code=13020, message="not_found")
            return ticker(params["instrument_name"], 7.0)

        server.rules["public/ticker"] = answer
        await edge.perform(Watch(instruments=frozenset({PERPETUAL, CALL})))

        assert [fact.instrument for fact in facts.of(QuoteSeen)] == [PERPETUAL]
        assert "not_found" in facts.of(BadMessage)[0].reason
