"""The daemon's margin against the exchange's, at every account update of a rehearsal.

A balance is told at one instant of the venue, the quotes of fifteen instruments at others. What is
compared is therefore the daemon's own state (positions, instruments, terms) with each quote
replaced by the ticker that the venue would have sent at the very instant of the balance, worded and
rounded as it words it, and read by the daemon's own translation. Updates between a fill at the
venue and its news at the daemon have other positions on both sides: they are counted, not compared.
"""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from typing_extensions import override

from bot.core.events import BalanceSeen
from bot.core.margin.holding import account_of
from bot.core.margin.modelling import DeribitPortfolio, DeribitStandard, Model
from bot.core.state import State, retabled
from bot.exchange import summaries, views
from bot.exchange.contracts import BTC_USD
from bot.exchange.demo_book import comfortable_equity, demo_book
from bot.exchange.engine import Engine
from bot.exchange.market import Market
from bot.exchange.reports import AccountView
from bot.exchange.rules import MarginModel, OpeningAccount, Rules
from bot.exchange.synthetic import SyntheticMarket
from bot.exchange.venue_commands import SetMarginModel
from bot.runtime.loop import Stepped
from bot.settings.margin_parameters import Deribit, parameters
from bot.venues import deribit_translate
from tests.end_to_end.in_process import ACCOUNT, trading
from tests.end_to_end.processes import PATIENCE
from tests.exchange.test_recorded import CHAIN_A, with_recordings

HEDGE: Final = "BTC-PERPETUAL"
GAP_MAX: Final = 1e-6  # relative
UPDATES_MIN: Final = int(os.environ.get("DELTABAND_MARGIN_UPDATES", "6"))  # of each model

pytestmark = pytest.mark.timeout(600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the venue was when it told a balance."""

    model: MarginModel
    at_ms: int
    positions: Mapping[str, float]
    open_orders: int
    tickers: Mapping[str, Mapping[str, Any]]


class TellingEngine(Engine):
    """The exchange's engine, which keeps what it was whenever it told the account's money."""

    def __init__(self, market: Market, opening: OpeningAccount) -> None:
        super().__init__(market=market, rules=Rules(), accounts=[opening])
        self.told: dict[tuple[float, ...], Told] = {}

    @override
    def account(self, account: str, currency: str, model: MarginModel | None = None) -> AccountView:
        view = super().account(account, currency, model)
        if model is None and currency == "BTC":
            shown = summaries.portfolio(view)
            held = {name: float(s) for name, s in self.ledger_positions(account).items()}
            tickers = {name: self.ticker(name) for name in (*held, HEDGE)}
            self.told[_figures(shown)] = Told(
                model=view.margin_model,
                at_ms=self.frame(BTC_USD).at_ms,
                positions=held,
                open_orders=len(self.open_orders(account)),
                tickers={name: views.ticker(t) for name, t in tickers.items() if t is not None},
            )
        return view


def _figures(shown: Mapping[str, Any]) -> tuple[float, ...]:
    names = ("equity", "margin_balance", "initial_margin", "maintenance_margin")
    return tuple(float(shown[name]) for name in names)


@dataclass(slots=True)
class Comparison:
    """Compares at every balance that is folded. Gaps are relative to the venue's figure."""

    engine: TellingEngine
    models: Mapping[MarginModel, Model]
    gaps: dict[MarginModel, list[float]] = field(default_factory=dict)
    own_gaps: list[float] = field(default_factory=list)
    in_flight: int = 0
    unknown: int = 0

    def __call__(self, stepped: Stepped) -> None:
        for fact in stepped.facts:
            if isinstance(fact, BalanceSeen) and fact.currency == "BTC":
                self._compare(stepped.state, fact)

    def _compare(self, state: State, seen: BalanceSeen) -> None:
        figures = (seen.equity, seen.margin_balance, seen.initial_margin, seen.maintenance_margin)
        told = self.engine.told.get(figures)
        if told is None:
            self.unknown += 1
            return
        ours = {name: float(size) for name, size in state.standing.positions.items() if size}
        if ours != told.positions or told.open_orders:
            self.in_flight += 1
            return
        model = self.models[told.model]
        self.gaps.setdefault(told.model, []).append(_gap(_at(state, told), model, seen))
        self.own_gaps.append(_gap(state, model, seen))


def _at(state: State, told: Told) -> State:
    """The daemon's state with the venue's quotes of one instant."""
    quotes = {
        name: deribit_translate.quote(ticker, state.now_ns) for name, ticker in told.tickers.items()
    }
    return retabled(replace(state, quotes=quotes, now_ms=told.at_ms))


def _gap(state: State, model: Model, seen: BalanceSeen) -> float:
    report = model.report(account_of(state, "BTC", also=(HEDGE,)))
    return max(
        abs(report.initial - seen.initial_margin) / seen.initial_margin,
        abs(report.maintenance - seen.maintenance_margin) / seen.maintenance_margin,
    )


async def rehearsed(market: Market, folder: Path) -> Comparison:
    """Run a daemon against the exchange in this process, under one model after the other."""
    frame = market.frame(BTC_USD)
    book = demo_book(frame)
    opening = OpeningAccount(
        name=ACCOUNT,
        equity={"BTC": comfortable_equity(frame, book)},
        positions={name: float(size) for name, size in book.items()},
    )
    engine = TellingEngine(market, opening)
    shipped = parameters(Deribit)
    comparison = Comparison(
        engine,
        {
            MarginModel.SEGREGATED_SM: DeribitStandard(parameters=shipped.standard),
            MarginModel.SEGREGATED_PM: DeribitPortfolio(parameters=shipped.portfolio),
        },
    )
    async with trading(engine, folder, observers=(comparison,)) as (_, server):
        await _enough(comparison, MarginModel.SEGREGATED_SM)
        change = SetMarginModel(account=ACCOUNT, model=MarginModel.SEGREGATED_PM, forced=True)
        server.floor.accept(engine.handle(change))
        await _enough(comparison, MarginModel.SEGREGATED_PM)
    return comparison


async def _enough(comparison: Comparison, model: MarginModel) -> None:
    """Wait until so many updates were compared, and most of all, however slow the machine is."""

    def is_enough() -> bool:
        compared = sum(map(len, comparison.gaps.values()))
        few = len(comparison.gaps.get(model, ())) < UPDATES_MIN
        return not few and comparison.in_flight <= compared

    async with asyncio.timeout(PATIENCE):
        while not is_enough():
            await asyncio.sleep(0.05)


def assert_they_agree(found: Comparison) -> None:
    """Every update that can be compared agrees, under both models, and nearly all can be."""
    compared = sum(map(len, found.gaps.values()))
    worst = {model.value: max(gaps) for model, gaps in found.gaps.items()}
    print(  # noqa: T201 - for who runs it with -s
        f"{compared} updates compared, {found.in_flight} with a fill under way, largest gap "
        + ", ".join(f"{name} {gap:.1e}" for name, gap in worst.items())
        + f"; with the daemon's own quotes, of other instants, {max(found.own_gaps):.1e}"
    )
    assert set(found.gaps) == {MarginModel.SEGREGATED_SM, MarginModel.SEGREGATED_PM}
    assert max(worst.values()) < GAP_MAX
    assert found.unknown == 0
    assert found.in_flight <= compared


async def test_local_and_venue_margin_agree_at_every_account_update_of_a_demo(
    tmp_path: Path,
) -> None:
    found = await rehearsed(SyntheticMarket(7, pairs=(BTC_USD,)), tmp_path)

    assert_they_agree(found)


@with_recordings
async def test_local_and_venue_margin_agree_on_a_recorded_market(tmp_path: Path) -> None:
    from bot.exchange.recorded import RecordedMarket

    begin = datetime(2025, 12, 10, 18, tzinfo=UTC)
    market = RecordedMarket.load(CHAIN_A, round(begin.timestamp() * 1000))
    found = await rehearsed(market, tmp_path)

    assert_they_agree(found)


@pytest.mark.parametrize("model", list(MarginModel))
def test_the_exchange_s_models_are_those_that_the_daemon_may_run_with(model: MarginModel) -> None:
    shipped = parameters(Deribit)
    rules = Rules()
    ours = shipped.portfolio if model.is_portfolio else shipped.standard
    theirs = rules.portfolio_margin if model.is_portfolio else rules.standard_margin
    assert replace(ours, provenance=()) == theirs
