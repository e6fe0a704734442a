"""A daemon whose account is paid into and drawn from: it goes on, and is not blinded by it."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from bot.core import attribution
from bot.core.state import Mode, State
from bot.exchange.contracts import BTC_USD
from bot.exchange.demo_book import demo_book
from bot.exchange.engine import Engine
from bot.exchange.rules import MarginModel, OpeningAccount, Rules
from bot.exchange.synthetic import SyntheticMarket
from bot.exchange.venue_commands import Deposit
from bot.runtime.loop import Stepped
from tests.end_to_end.in_process import ACCOUNT, trading

pytestmark = pytest.mark.timeout(300)

WAIT_SECONDS: Final = 60.0
LIMITS: Final = ("log.level=error", "safety.loss_per_day_max_percent=10", "safety.loss_stop=halt")


class Seen:
    """The last state, and every mode that it was in."""

    def __init__(self) -> None:
        self.state: State | None = None
        self.modes: list[Mode] = []

    def __call__(self, stepped: Stepped) -> None:
        self.state = stepped.state
        self.modes.append(stepped.state.mode)

    async def until(self, holds: Callable[[State], object]) -> State:
        async with asyncio.timeout(WAIT_SECONDS):
            while self.state is None or not holds(self.state):
                await asyncio.sleep(0.02)
        return self.state


def venue() -> Engine:
    market = SyntheticMarket(7, pairs=(BTC_USD,))
    held = {name: float(size) for name, size in demo_book(market.frame(BTC_USD)).items()}
    opening = OpeningAccount(
        name=ACCOUNT,
        equity={"BTC": 100.0},
        positions=held,
        margin_model=MarginModel.SEGREGATED_SM,
    )
    beside = OpeningAccount(name="beside", equity={"BTC": 1.0})
    return Engine(market=market, rules=Rules(), accounts=[opening, beside])


async def test_a_withdrawal_stops_nothing_and_a_deposit_hides_no_loss(tmp_path: Path) -> None:
    engine, seen = venue(), Seen()
    async with trading(engine, tmp_path, *LIMITS, speed=1.0, observers=(seen,)) as (_, server):

        def brought(amount: str) -> None:
            command = Deposit(account=ACCOUNT, currency="BTC", amount=Decimal(amount))
            server.floor.accept(engine.handle(command))
            server.floor.publish()

        await seen.until(lambda state: state.cash_log.read_ns is not None and state.is_weighed)
        brought("-40")
        state = await seen.until(
            lambda state: (
                attribution.moved(state, "BTC") == -40
                and state.is_weighed
                and state.mode is Mode.RUN
            )
        )
        assert state.balances["BTC"].equity == pytest.approx(60.0, abs=0.5)
        assert Mode.HOLD in seen.modes, "for a moment it looked like a loss"
        assert Mode.HALT not in seen.modes

        engine.desk.accounts[ACCOUNT]["BTC"].pay_fee(Decimal(10))
        brought("10")
        await seen.until(lambda state: attribution.moved(state, "BTC") == -30)
        state = await seen.until(lambda state: state.mode is Mode.HALT)
        assert state.balances["BTC"].equity == pytest.approx(60.0, abs=0.5)
        assert state.mode_reason.startswith("lost ")
