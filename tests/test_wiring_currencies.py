"""A daemon with four books on the embedded exchange: three currencies, one account."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot import settings
from bot.core.instruments import Instrument, Settlement
from bot.core.state import Mode, State
from bot.runtime.assembly import check_hedges
from bot.venues.port import VenueRefusedError
from bot.wiring.daemon import _account
from bot.wiring.exchange import ExchangeOptions, build_exchange
from tests.core.pairs import MARKETS
from tests.test_wiring import running

FOUR = Path(__file__).parent.parent / "config" / "demo-four.yaml"
FIGURES = {"BTC", "btc_usd", "ETH", "eth_usd", "btc_usdc", "eth_usdc"}


@pytest.fixture
async def exchange() -> AsyncIterator[str]:
    """Serve the exchange with short strangles on every market; the setting of its addresses."""
    options = ExchangeOptions(port=0, seed=3, book="demo-all", speed=1.0)
    server = build_exchange(options, lambda _: None)
    port = await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop()


def four(ledger: Path, place: str = "127.0.0.1:1", *more: str) -> settings.Settings:
    addresses = (f"venue.rest_url=http://{place}", f"venue.ws_url=ws://{place}/ws/api/v2")
    return settings.load(FOUR, (*addresses, f"journal.path={ledger}", *more))


def agreed(state: State) -> set[str]:
    """The venue's figures that ours is close to, in coins."""
    return {figure for figure, gap in state.gaps.items() if abs(gap.gap_coin) < 0.05}


async def test_our_deltas_are_the_venues_in_every_currency_and_on_every_index(
    exchange: str, tmp_path: Path
) -> None:
    async with running(four(tmp_path / "four.sqlite3", exchange)) as system:
        # What is published is rounded, and a moment older or newer than the quotes.
        seen = await system.window.until(
            lambda step: agreed(step.state) == FIGURES and step.state.mode is Mode.RUN, 60.0
        )
        state = system.loop.state
        assert seen, f"{state.mode}: {state.mode_reason}; compared so far: {state.gaps}"
        assert state.balances.keys() >= {"BTC", "ETH", "USDC"}
        status = system.window.status()
        assert status is not None
        assert [book.unpriced for book in status.books] == [None] * 4


def test_a_ledger_is_named_after_its_currencies_in_any_order(tmp_path: Path) -> None:
    one = four(tmp_path / "x", "127.0.0.1:1", "account.currencies=[USDC, BTC, ETH]")

    assert _account(one) == _account(four(tmp_path / "x")) == "deribit:BTC+ETH+USDC:db"


def test_a_hedge_that_is_not_what_its_name_says_is_refused(tmp_path: Path) -> None:
    listed: dict[str, Instrument] = {one.perp: one.terms(one.perp) for one in MARKETS}
    books = four(tmp_path / "x").policy().books

    def checked(listed: dict[str, Instrument]) -> None:
        check_hedges(books, listed, 0, place="deribit")

    checked(listed)
    wrong = replace(listed["BTC_USDC-PERPETUAL"], currency="BTC", settlement=Settlement.INVERSE)
    with pytest.raises(VenueRefusedError, match="settles in BTC, which is not what its name says"):
        checked({**listed, wrong.name: wrong})
    with pytest.raises(VenueRefusedError, match="ETH-PERPETUAL is not listed at deribit"):
        checked({k: v for k, v in listed.items() if k != "ETH-PERPETUAL"})
