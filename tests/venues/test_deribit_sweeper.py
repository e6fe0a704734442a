"""The watchdog's hand against the embedded exchange: it cancels by label, and proves it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from bot.runtime.clock import WireClock
from bot.venues.ccxt_socket import SocketLimits
from bot.venues.ccxt_venue import Clocks
from bot.venues.deribit_network import Network
from bot.venues.deribit_requests import Credentials
from bot.venues.deribit_sweeper import DeribitSweeper, Place, scope_refusal
from bot.venues.port import CannotCancelError
from bot.wiring.exchange import ExchangeOptions, build_exchange
from tests.venues.deribit_server import Failure, Silent, Vanish, serving
from tests.venues.edge import QUICK

WIRE = WireClock()
PERPETUAL = "BTC-PERPETUAL"
LOGIN = {
    "grant_type": "client_credentials",
    "client_id": "demo",
    "client_secret": "demo-secret",
    "scope": "session:desk",
}


class Desk:
    """An account at a served exchange, and how to trade on it beside everybody else."""

    def __init__(self, port: int) -> None:
        self.place = f"127.0.0.1:{port}"
        self.token = ""

    async def ask(self, method: str, **params: Any) -> Any:
        if method.startswith("private/") and not self.token:
            login = await self.ask("public/auth", **LOGIN)
            self.token = login["access_token"]
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"http://{self.place}/api/v2/{method}", params=params) as answer,
        ):
            told = await answer.json()
            assert "result" in told, told
            return told["result"]

    async def rests(self, label: str) -> None:
        ticker = await self.ask("public/ticker", instrument_name=PERPETUAL)
        await self.ask(
            "private/buy", instrument_name=PERPETUAL, amount=10, type="limit", label=label,
            price=int(ticker["mark_price"] * 0.9),
        )  # fmt: skip

    async def labels(self) -> list[str]:
        return sorted(row["label"] for row in await self.ask("private/get_open_orders"))

    def sweeper(self, key: str = "demo", secret: str = "demo-secret") -> DeribitSweeper:
        return DeribitSweeper(
            place=Place(
                rest_url=f"http://{self.place}",
                ws_url=f"ws://{self.place}/ws/api/v2",
                network=Network.REHEARSAL,
                credentials=Credentials(key=key, secret=secret),
            ),
            clocks=Clocks(
                epoch_ms=WIRE.epoch_ms, monotonic_ns=WIRE.monotonic_ns, market_ms=WIRE.epoch_ms
            ),
        )


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    server = build_exchange(ExchangeOptions(port=0, seed=3), lambda _: None)
    yield Desk(await server.start())
    await server.stop()


async def test_only_what_carries_the_labels_is_found_and_cancelled(desk: Desk) -> None:
    for label in ("dbaaaa0000001", "dbaaaa0000002", "dbbbbb0000001", "somebody"):
        await desk.rests(label)
    sweeper = desk.sweeper()
    try:
        await sweeper.prove()
        assert await desk.labels() == [
            "dbaaaa0000001",
            "dbaaaa0000002",
            "dbbbbb0000001",
            "somebody",
        ]
        found = await sweeper.open_labels("dbaaaa")
        assert sorted(found) == ["dbaaaa0000001", "dbaaaa0000002"]
        for label in found:
            await sweeper.cancel(label)
        assert await sweeper.open_labels("dbaaaa") == ()
        assert await desk.labels() == ["dbbbbb0000001", "somebody"]
    finally:
        await sweeper.close()


async def test_a_key_of_its_own_that_may_trade_and_no_more_is_enough(desk: Desk) -> None:
    await desk.rests("dbaaaa0000001")
    key = await desk.ask("private/create_api_key", max_scope="trade:read_write", name="dog")
    sweeper = desk.sweeper(key["client_id"], key["client_secret"])
    try:
        await sweeper.prove()
        (label,) = await sweeper.open_labels("dbaaaa")
        await sweeper.cancel(label)
        assert await desk.labels() == []
    finally:
        await sweeper.close()


@pytest.mark.parametrize(
    ("key", "secret", "said"),
    [
        ("demo-read", "demo-read-secret", "the scope lacks trade:read_write"),
        ("nobody", "demo-secret", "invalid_credentials"),
    ],
)
async def test_a_key_that_cannot_cancel_is_no_key_for_a_watchdog(
    desk: Desk, key: str, secret: str, said: str
) -> None:
    sweeper = desk.sweeper(key, secret)
    with pytest.raises(CannotCancelError, match=said):
        await sweeper.prove()


async def test_a_connection_that_ended_is_dialled_again(desk: Desk) -> None:
    sweeper = desk.sweeper()
    try:
        await sweeper.prove()
        assert sweeper._socket is not None
        await sweeper._socket.drop("the network went")
        await sweeper.prove()
    finally:
        await sweeper.close()


@pytest.mark.parametrize(
    "old",
    [Failure(code=13009, message="unauthorized"), Vanish(), Silent()],
    ids=["login", "cut", "mute"],
)
async def test_a_connection_that_outlived_its_login_or_its_network_is_no_alarm(old: object) -> None:
    async with serving() as server:
        sweeper = Desk(server.port).sweeper()
        sweeper.limits = replace(QUICK, sockets=SocketLimits(answer_timeout_s=2.0))
        try:
            await sweeper.prove()
            logins = len(server.methods("public/auth"))

            def answer(_: object) -> object:
                return 0 if len(server.methods("public/auth")) > logins else old

            server.rules["private/cancel_by_label"] = answer
            await sweeper.prove()
            assert len(server.methods("public/auth")) == logins + 1
        finally:
            await sweeper.close()


async def test_a_refusal_on_a_fresh_connection_is_told_at_once() -> None:
    async with serving() as server:
        sweeper = Desk(server.port).sweeper()
        server.rules["private/cancel_by_label"] = lambda _: Failure(code=13021, message="forbidden")
        with pytest.raises(CannotCancelError, match="forbidden"):
            await sweeper.prove()
        assert len(server.methods("public/auth")) == 1


async def test_nobody_at_the_address_is_told_as_it_is() -> None:
    gone = Desk(9)
    with pytest.raises(CannotCancelError, match="private/cancel_by_label: "):
        await gone.sweeper().prove()


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        ("trade:read_write", None),
        ("account:read_write trade:read_write wallet:read", None),
        ("trade:read", "lacks trade:read_write"),
        ("", "empty"),
        ("trade:read_write wallet:read_write", "may withdraw"),
    ],
)
def test_the_rights_of_a_key_are_judged(scope: str, said: str | None) -> None:
    refusal = scope_refusal(scope)
    assert refusal is None if said is None else said in str(refusal)
