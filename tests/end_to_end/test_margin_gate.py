"""A thin account in a rehearsal: what the gate lets through, and a crash with and without it."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from bot.core.hedger import Code, Decision, Verdict
from bot.core.state import Mode
from bot.exchange.contracts import BTC_USD
from bot.exchange.demo_book import demo_book
from bot.exchange.engine import Engine
from bot.exchange.reports import FillCause, OrderState
from bot.exchange.rules import MarginModel, OpeningAccount, Rules
from bot.exchange.synthetic import SyntheticMarket
from bot.exchange.venue_commands import Shock
from bot.runtime.loop import Stepped
from tests.end_to_end.in_process import ACCOUNT, trading

SEED: Final = 7
CRASH: Final = -0.15
WAIT_SECONDS: Final = 90.0
PATIENT: Final = ("orders.lifetime_seconds=10", "orders.silence_max_seconds=12")  # a slow machine
AFTER_SECONDS: Final = 1.0  # at sixty-fold speed a minute of the market
UNGATED: Final = (
    "margin.warn_percent=96",
    "margin.reduce_only_percent=97",
    "margin.hold_percent=98",
    "margin.emergency_percent=99",
    "margin.stressed_warn_percent=null",
    "margin.stressed_reduce_only_percent=null",
    "margin.funds_buffer_percent=0",
    "margin.doubt_buffer_percent=0",
)
pytestmark = pytest.mark.timeout(600)

ARITHMETIC: Final = re.compile(
    r"maintenance ([\d.]+) / balance ([\d.]+) = ([\d.]+)% after the fill"
)


@dataclass(slots=True)
class Seen:
    """Every decision that acted or changed, with the mode it was made in."""

    decisions: list[tuple[Mode, Decision]] = field(default_factory=list)
    mode: Mode = Mode.RECONCILING
    stressed: float = 0.0

    def __call__(self, stepped: Stepped) -> None:
        state = stepped.state
        self.mode = state.mode
        if "BTC" in state.margin_seen:
            self.stressed = state.margin_seen["BTC"].stressed_usage
        self.decisions += [(state.mode, decision) for decision in stepped.step.decisions]

    def any(self, *, code: Code, verdict: Verdict, mode: Mode, says: str) -> list[Decision]:
        """Decisions of this kind."""
        return [
            one
            for seen_in, one in self.decisions
            if (one.code, one.verdict, seen_in) == (code, verdict, mode) and says in one.reason
        ]


async def until(holds: Callable[[], object], what: str) -> None:
    """Wait for it, as long as a slow machine may take."""
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            while not holds():
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"not within {WAIT_SECONDS:g} s: {what}")


def venue(equity_coin: float, *, calls: bool = True) -> Engine:
    """The demo's exchange and book, or its puts alone, with so much equity."""
    market = SyntheticMarket(SEED, pairs=(BTC_USD,))
    held = {
        name: float(size)
        for name, size in demo_book(market.frame(BTC_USD)).items()
        if calls or name.endswith("-P")
    }
    opening = OpeningAccount(
        name=ACCOUNT,
        equity={"BTC": equity_coin},
        positions=held,
        margin_model=MarginModel.SEGREGATED_SM,
    )
    return Engine(market=market, rules=Rules(), accounts=[opening])


@asynccontextmanager
async def hedged(
    engine: Engine, folder: Path, *configured: str
) -> AsyncIterator[tuple[Seen, Callable[[float], None]]]:
    """A daemon that hedges there; what it decided, and a way to shock the market."""
    seen = Seen()
    words = ("log.level=error", *PATIENT, *configured)
    async with trading(engine, folder, *words, observers=(seen,)) as (_, server):

        def shock(move: float) -> None:
            server.floor.accept(engine.handle(Shock(underlying="BTC", move=move)))

        yield seen, shock


def liquidations(engine: Engine) -> int:
    return sum(fill.cause is FillCause.LIQUIDATION for fill in engine.ledger_fills())


def refusals(engine: Engine) -> list[str | None]:
    """What the venue refused of what it was asked for."""
    orders = engine.ledger_orders()
    return [one.reject_message for one in orders if one.order_state is OrderState.REJECTED]


async def test_in_reduce_only_what_lowers_the_stressed_use_goes_and_what_raises_it_does_not(
    tmp_path: Path,
) -> None:
    """Short puts: the hedge that is sold helps in a crash, and buying it back would harm."""
    engine = venue(5.35, calls=False)
    async with hedged(engine, tmp_path) as (seen, shock):
        await until(lambda: seen.mode is Mode.DEGRADED, "reduce-only")
        await until(lambda: _at_rest(seen), "hedges that lower the stressed use, in reduce-only")
        sold = engine.ledger_positions(ACCOUNT)["BTC-PERPETUAL"]
        assert sold < 0
        shock(0.05)
        await until(
            lambda: _stopped(seen), "a hedge that would raise the stressed use, trimmed or refused"
        )
    told = _stopped(seen)[0].reason
    said = ARITHMETIC.search(told)
    assert said is not None, told
    maintenance, balance, percent = map(float, said.groups())
    assert 100.0 * maintenance / balance == pytest.approx(percent, abs=0.06)
    assert "spot -15%" in told
    assert refusals(engine) == []
    assert liquidations(engine) == 0


def _at_rest(seen: Seen) -> list[Decision]:
    return seen.any(code=Code.INSIDE_BAND, verdict=Verdict.HOLD, mode=Mode.DEGRADED, says="")


def _stopped(seen: Seen) -> list[Decision]:
    return [
        one
        for verdict in (Verdict.REFUSED, Verdict.TRIMMED)
        for mode in Mode
        for one in seen.any(code=Code.MARGIN, verdict=verdict, mode=mode, says="before, limit")
    ]


async def test_a_gated_account_lives_through_a_crash_by_buying_back_in_time(
    tmp_path: Path,
) -> None:
    engine = venue(9.5)
    before = engine.ledger_positions(ACCOUNT)
    async with hedged(engine, tmp_path, "margin.buy_back_options=true") as (seen, shock):
        await until(lambda: _bought_back(seen), "an option bought back before anything happened")
        await until(
            lambda: seen.mode is Mode.RUN and seen.stressed < 1.0, "the stage of reduce-only left"
        )
        shock(CRASH)
        await until(lambda: engine.account(ACCOUNT, "BTC").maintenance_margin > 7.5, "the crash")
        await asyncio.sleep(AFTER_SECONDS)
        await until(lambda: seen.stressed < 1.2, "margin use falling after the crash")
    after = engine.ledger_positions(ACCOUNT)
    view = engine.account(ACCOUNT, "BTC")

    assert liquidations(engine) == 0
    assert view.maintenance_margin < view.margin_balance
    assert refusals(engine) == []
    options = [name for name in before if abs(after.get(name, Decimal(0))) < abs(before[name])]
    assert options, "nothing was bought back"
    assert all(abs(after.get(name, Decimal(0))) <= abs(size) for name, size in before.items())


def _bought_back(seen: Seen) -> list[Decision]:
    return [
        one
        for mode in (Mode.RUN, Mode.DEGRADED)
        for one in seen.any(code=Code.MARGIN, verdict=Verdict.HEDGE, mode=mode, says="buy back")
    ]


def options_traded(engine: Engine) -> bool:
    return any(fill.instrument_name.endswith(("-P", "-C")) for fill in engine.ledger_fills())


async def test_the_same_account_without_the_gate_is_liquidated_by_the_same_crash(
    tmp_path: Path,
) -> None:
    engine = venue(9.5)
    async with hedged(engine, tmp_path, *UNGATED) as (seen, shock):
        await until(lambda: seen.mode is Mode.RUN, "hedging")
        shock(CRASH)
        await until(lambda: liquidations(engine), "the venue's liquidation")
        await until(lambda: options_traded(engine), "options sold by it")

    assert engine.insurance_fund("BTC") > 0  # the fee of it
    assert engine.excess("BTC") == 0
