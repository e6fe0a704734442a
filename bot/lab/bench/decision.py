"""The decision: from a quote to the verdict on its book, at several numbers of options.

The core's own step on a book of short strangles in memory: no socket, no disk, no order.
"""

import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import cycle, islice
from typing import Final

from bot.core import engine, exposure, units
from bot.core.books import BookPolicy, Selector
from bot.core.dealing import BookPlan
from bot.core.engine import Policy
from bot.core.events import (
    AccountRead,
    BalanceSeen,
    ClockSeen,
    Fact,
    InstrumentsSeen,
    Link,
    LinkUp,
    PositionRow,
    PositionsSeen,
    QuoteSeen,
)
from bot.core.exposure import Exposure
from bot.core.hedger import HedgePolicy
from bot.core.instruments import Instrument, Kind, Settlement
from bot.core.margin.deribit_standard import FuturesRate, Rates
from bot.core.margin.modelling import DeribitStandard
from bot.core.orders import OrderPolicy
from bot.core.state import State
from bot.lab.bench.measures import Measured
from bot.quant.conventions import Convention

SIZES: Final = (200, 1_000, 5_000)
BURST: Final = 50
TARGETS_US: Final = {(200, 1): 60.0, (1_000, 1): 100.0, (5_000, 1): 300.0}
TICKS: Final = 300
START_MS: Final = 1_767_603_600_000
PERPETUAL: Final = "BTC-PERPETUAL"
INDEX_USD: Final = 100_000.0
FLAT: Final = (FuturesRate(size_coin_upper=1e9, initial=0.02, maintenance=0.0134),)
WIDE_COIN: Final = 1e6  # a band that is never left: the cost of deciding, not of trading


def decision(rounds: int, now_ns: Callable[[], int]) -> list[Measured]:
    """Measure one fold of one option's quote, and of a burst of them, in microseconds."""
    exposure.warm()
    return [
        *(_measured(options, 1, rounds, now_ns) for options in SIZES),
        _measured(SIZES[0], BURST, rounds, now_ns),
    ]


def _measured(options: int, quotes: int, rounds: int, now_ns: Callable[[], int]) -> Measured:
    """Return the median of each round's folds of so many quotes, the step alone."""
    desk = Desk(options)
    desk.ticks(TICKS, quotes, now_ns)  # warm
    return Measured(
        name=f"{'tick' if quotes == 1 else f'{quotes} quotes'} to decision, {options} options",
        unit="us",
        rounds=tuple(statistics.median(desk.ticks(TICKS, quotes, now_ns)) for _ in range(rounds)),
        more_is_better=False,
        target=TARGETS_US.get((options, quotes)),
        note="quotes folded, the book revalued, one verdict with its reason: half of all take less",
    )


class Desk:
    """A state that holds a book of options, and quotes for it."""

    def __init__(self, options: int) -> None:
        self._policy = _policy()
        self._state: State = engine.begin(engine.fresh_standing("bench", START_MS), START_MS, 0)
        self._now_ns = 0
        listed = tuple(_options(options))
        self._names = [item.name for item in listed]
        self._seen = {item.name: _quote(item.name) for item in listed} | {
            PERPETUAL: _quote(PERPETUAL)
        }
        self._fold(
            InstrumentsSeen(instruments=(_perpetual(), *listed)),
            LinkUp(link=Link.MARKET),
            LinkUp(link=Link.TRADING),
        )
        self._fold(*_account(self._names, self._now_ns))
        self._quote_all()  # adopts what the account holds
        valued = self._quote_all()
        assert isinstance(valued, Exposure), f"the book is valued: {valued}"
        assert valued.options_held == options, "every option is held"

    def ticks(self, count: int, quotes: int, now_ns: Callable[[], int]) -> list[float]:
        """Return the microseconds of `count` folds of so many quotes, each of another option."""
        took_us = []
        self._quote_all()  # the hedge's quote must not grow old in the middle
        names = cycle(self._names)
        for _ in range(count):
            seen = [self._seen[name] for name in islice(names, quotes)]
            facts = self._facts(*(self._at_now(quote) for quote in seen))
            since_ns = now_ns()
            step = engine.step(self._state, facts, self._policy)
            took_us.append((now_ns() - since_ns) / 1_000)
            self._state = step.state
            valued = step.exposures["main"]
            assert isinstance(valued, Exposure), f"the book is valued: {valued}"
        return took_us

    def _quote_all(self) -> object:
        return self._fold(*(self._at_now(quote) for quote in self._seen.values()))

    def _at_now(self, quote: QuoteSeen) -> QuoteSeen:
        arrived_ns = self._now_ns + units.NS_PER_MS
        return replace(
            quote, arrived_ns=arrived_ns, venue_ms=START_MS + arrived_ns // units.NS_PER_MS
        )

    def _fold(self, *facts: Fact) -> object:
        step = engine.step(self._state, self._facts(*facts), self._policy)
        self._state = step.state
        return step.exposures.get("main")

    def _facts(self, *facts: Fact) -> tuple[Fact, ...]:
        self._now_ns += units.NS_PER_MS
        clock = ClockSeen(
            market_ms=START_MS + self._now_ns // units.NS_PER_MS, wire_ns=self._now_ns
        )
        return (clock, *facts)


def _policy() -> Policy:
    plan = BookPlan(
        book=BookPolicy(
            name="main",
            selector=Selector(underlying="BTC"),
            convention=Convention.COIN,
            hedge_instrument=PERPETUAL,
            currency="BTC",
        ),
        hedge=HedgePolicy(band_low_coin=-WIDE_COIN, band_high_coin=WIDE_COIN),
    )
    return Policy(
        books=(plan,),
        external_book="main",
        orders=OrderPolicy(label_prefix="db"),
        model=DeribitStandard(parameters=Rates(futures={"BTC": FLAT})),
    )


def _perpetual() -> Instrument:
    return Instrument(
        name=PERPETUAL,
        kind=Kind.PERPETUAL,
        settlement=Settlement.INVERSE,
        underlying="BTC",
        currency="BTC",
        lot=Decimal(10),
        size_min=Decimal(10),
        tick_size=Decimal("0.5"),
        index_name="btc_usd",
    )


def _options(count: int) -> Iterator[Instrument]:
    expiry_ms = START_MS + 30 * units.MS_PER_DAY
    for number in range(count):
        strike, is_call = 50_000 + 500 * (number // 2), number % 2 == 0
        yield replace(
            _perpetual(),
            name=f"BTC-4FEB26-{strike}-{'C' if is_call else 'P'}",
            kind=Kind.OPTION,
            lot=Decimal("0.1"),
            size_min=Decimal("0.1"),
            tick_size=Decimal("0.0001"),
            expiry_ms=expiry_ms,
            strike=float(strike),
            is_call=is_call,
        )


def _quote(name: str) -> QuoteSeen:
    seen = QuoteSeen(
        instrument=name,
        venue_ms=START_MS,
        arrived_ns=0,
        bid=INDEX_USD - 0.5,
        ask=INDEX_USD + 0.5,
        mark=INDEX_USD,
        index_usd=INDEX_USD,
    )
    if name == PERPETUAL:
        return seen
    return replace(seen, bid=0.0325, ask=0.0330, mark=0.0327, forward_usd=INDEX_USD, iv=0.60)


def _account(names: list[str], now_ns: int) -> tuple[Fact, ...]:
    rows = tuple(
        PositionRow(instrument=name, size_native=Decimal("-0.1"), average_price=0.03)
        for name in names
    )
    balance = BalanceSeen(
        currency="BTC",
        equity=10_000.0,
        margin_balance=10_000.0,
        available_funds=8_000.0,
        initial_margin=200.0,
        maintenance_margin=100.0,
        delta_total_coin=None,
        arrived_ns=now_ns,
    )
    positions = PositionsSeen(positions=rows, complete=True, asked_ns=now_ns, arrived_ns=now_ns)
    return (positions, balance, AccountRead(asked_ns=now_ns))
