"""An acceptance on the embedded exchange: it passes whole, and fails where the venue fails."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from bot.core.margin.modelling import ModelName
from bot.exchange.clock import WireClocks
from bot.exchange.floor import ServerPolicy, TradingFloor
from bot.exchange.keys import DEMO_READ_KEY, ApiKey
from bot.exchange.server import ExchangeOptions, ExchangeServer, build
from bot.settings.margin_choice import named as named_model
from bot.venues.ccxt_venue import Clocks
from bot.venues.deribit_acceptance import Means, Subject, examine
from bot.venues.deribit_findings import Finding, Outcome
from bot.venues.deribit_network import Network
from bot.venues.deribit_readings import BookTerms
from bot.venues.deribit_requests import Credentials
from tests.exchange.wire import HOST_CLOCKS, line_to, until

BOOK = BookTerms(name="main", underlying="BTC", hedge="BTC-PERPETUAL", band_width_coin=0.5)
DEMO = Credentials(key="demo", secret="demo-secret")
MEANS = Means(
    clocks=Clocks(
        epoch_ms=lambda: time.time_ns() // 1_000_000,
        monotonic_ns=time.monotonic_ns,
        market_ms=lambda: 0,
    ),
    sleep=asyncio.sleep,
    label_end="check1",
    patience_s=0.6,
)
STANDARD = named_model(ModelName.DERIBIT_STANDARD)
PROOF = "cancel-on-disconnect proven"
ARMED = "cancel-on-disconnect armed"


@asynccontextmanager
async def venue(
    policy: ServerPolicy | None = None, clocks: WireClocks = HOST_CLOCKS
) -> AsyncIterator[ExchangeServer]:
    server = build(ExchangeOptions(seed=7, sim=True), clocks, policy=policy)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def subject(server: ExchangeServer, **changes: Any) -> Subject:
    asked = Subject(
        rest_url=f"http://127.0.0.1:{server.port}",
        ws_url=f"ws://127.0.0.1:{server.port}/ws/api/v2",
        network=Network.REHEARSAL,
        credentials=DEMO,
        currencies=("BTC",),
        label_prefix="db",
        books=(BOOK,),
        parameters=STANDARD,
    )
    return replace(asked, **changes)


async def examined(server: ExchangeServer, **changes: Any) -> dict[str, Finding]:
    findings = await examine(subject(server, **changes), MEANS)
    assert len({found.item for found in findings}) == len(findings)
    return {found.item: found for found in findings}


def named(findings: Mapping[str, Finding], outcome: Outcome) -> set[str]:
    return {item for item, found in findings.items() if found.outcome is outcome}


async def sim(server: ExchangeServer) -> Any:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{server.port}/sim/ledger") as answer,
    ):
        return await answer.json()


async def orders(server: ExchangeServer) -> list[tuple[str, str]]:
    """Every order the venue ever took: label and state."""
    return [(row["label"], row["state"]) for row in (await sim(server))["orders"]]


async def test_a_venue_that_is_as_it_must_be_passes_every_item():
    async with venue() as server:
        findings = await examined(server)

        assert named(findings, Outcome.FAILED) == set()
        assert named(findings, Outcome.NOT_CHECKED) == set()
        assert len(findings) == 16
        assert "-PERPETUAL: lot 10" in findings["book main"].said
        assert await orders(server) == [("dbcheck1", "cancelled")]
        await until(lambda: not server.connections)


async def test_a_key_that_only_reads_is_told_and_sends_nothing():
    async with venue() as server:
        reader = Credentials(key=DEMO_READ_KEY.client_id, secret=DEMO_READ_KEY.secret)
        findings = await examined(server, credentials=reader)

        assert named(findings, Outcome.FAILED) == {"right to trade"}
        assert named(findings, Outcome.NOT_CHECKED) == {ARMED, PROOF}
        assert await orders(server) == []


@pytest.mark.parametrize("right", ["wallet:read_write", "custody:read_write"])
async def test_a_key_that_may_move_money_out_is_refused_and_sends_nothing(right):
    key = ApiKey(
        client_id="demo",
        secret="demo-secret",
        account="demo",
        scope=f"account:read_write trade:read_write {right}",
    )
    async with venue(ServerPolicy(keys=(key,))) as server:
        findings = await examined(server)

        assert named(findings, Outcome.FAILED) == {"no right to withdraw"}
        assert right in findings["no right to withdraw"].said
        assert named(findings, Outcome.NOT_CHECKED) == {ARMED, PROOF}
        assert await orders(server) == []


async def test_a_wrong_secret_fails_the_login_and_what_needs_none_is_still_asked():
    async with venue() as server:
        findings = await examined(server, credentials=Credentials(key="demo", secret="guess"))

        assert named(findings, Outcome.FAILED) == {"login"}
        assert "does not accept API key 'demo'" in findings["login"].said
        assert {"addresses", "clock", "book main"} == named(findings, Outcome.OK)
        assert "guess" not in str(findings)


async def test_addresses_of_another_network_are_not_shown_the_key():
    async with venue() as server:
        findings = await examined(server, network=Network.LIVE)

        assert named(findings, Outcome.FAILED) == {"addresses"}
        assert named(findings, Outcome.OK) == set()
        assert server._opened == 0


@pytest.mark.parametrize(
    ("seconds", "failed"), [(30, {"clock"}), (-30, {"clock"}), (300, {"clock", "login"})]
)
async def test_a_clock_that_is_wrong_is_measured_against_the_venues_own_stamps(seconds, failed):
    clocks = replace(HOST_CLOCKS, epoch_ms=lambda: HOST_CLOCKS.epoch_ms() + 1_000 * seconds)
    async with venue(clocks=clocks) as server:
        findings = await examined(server)

        assert named(findings, Outcome.FAILED) == failed
        measured = re.search(r"clock is ([+-]\d+) ms", findings["clock"].said)
        assert measured is not None
        assert int(measured.group(1)) == pytest.approx(seconds * 1_000, abs=200)


async def test_a_venue_that_forgets_to_cancel_is_caught_and_the_order_is_cleared_away(monkeypatch):
    monkeypatch.setattr(TradingFloor, "disconnect", lambda self, session: self.hub.drop(session))
    async with venue() as server:
        findings = await examined(server)

        assert named(findings, Outcome.FAILED) == {PROOF}
        assert "still open" in findings[PROOF].said
        assert "BY HAND" not in findings[PROOF].said
        assert await orders(server) == [("dbcheck1", "cancelled")]


async def test_an_instrument_that_nobody_lists_fails_its_book_and_spares_the_others():
    gone = replace(BOOK, name="gone", hedge="BTC-1JAN20")
    async with venue() as server:
        findings = await examined(server, books=(gone, BOOK))
        alone = await examined(server, books=(gone,))

        assert named(findings, Outcome.FAILED) == {"book gone"}
        assert named(alone, Outcome.FAILED) == {"book gone"}
        assert named(alone, Outcome.NOT_CHECKED) == {
            "what-if: one order", "what-if: portfolio", PROOF,
        }  # fmt: skip


async def test_a_band_narrower_than_the_smallest_order_is_refused():
    async with venue() as server:
        findings = await examined(server, books=(replace(BOOK, band_width_coin=0.00001),))

        assert named(findings, Outcome.FAILED) == {"book main"}
        assert "more than the band is wide" in findings["book main"].said


async def test_somebody_who_trades_under_our_prefix_is_found():
    async with venue() as server, line_to(server) as line:
        await line.login()
        for label in ("db7", "strange"):
            await line.call(
                "private/buy", instrument_name="BTC-PERPETUAL", amount=10, type="limit",
                price=30_000, label=label,
            )  # fmt: skip
        findings = await examined(server)

        assert named(findings, Outcome.FAILED) == {"open orders"}
        assert "(db7)" in findings["open orders"].said
        assert sorted(await orders(server)) == [
            ("db7", "open"), ("dbcheck1", "cancelled"), ("strange", "open"),
        ]  # fmt: skip


async def test_nobody_at_the_address_fails_what_was_asked_and_raises_nothing():
    async with venue() as server:
        port = server.port
    findings = await examine(subject(server), MEANS)

    assert {found.item for found in findings if found.outcome is Outcome.FAILED} == {
        "clock", "login",
    }  # fmt: skip
    assert str(port) in next(found.said for found in findings if found.item == "clock")
