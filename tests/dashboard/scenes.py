"""One account as the loop sees it: two short options, a perpetual, and a window on it."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bot.core import engine
from bot.core.books import BookPolicy, Selector
from bot.core.dealing import BookPlan
from bot.core.engine import Policy, Step
from bot.core.events import (
    AccountRead,
    BalanceSeen,
    ClockSeen,
    Command,
    CommandGiven,
    Fact,
    InstrumentsSeen,
    Link,
    LinkUp,
    OpenOrdersSeen,
    PositionRow,
    PositionsSeen,
    QuoteSeen,
)
from bot.core.hedger import HedgePolicy
from bot.core.instruments import Instrument, Kind, Settlement
from bot.core.margin.deribit_standard import FuturesRate, Rates
from bot.core.margin.modelling import DeribitStandard
from bot.core.orders import OrderPolicy
from bot.dashboard.models import About
from bot.dashboard.window import Frame, Window
from bot.quant.conventions import Convention

START_MS = 1_765_000_000_000
START_NS = 5_000_000_000
SECOND_NS = 1_000_000_000
DAY_MS = 86_400_000
CALL = "BTC-100DAYS-100000-C"
PUT = "BTC-100DAYS-70000-P"
PERP = "BTC-PERPETUAL"


def perpetual() -> Instrument:
    return Instrument(
        name=PERP,
        kind=Kind.PERPETUAL,
        settlement=Settlement.INVERSE,
        underlying="BTC",
        currency="BTC",
        lot=Decimal(10),
        size_min=Decimal(10),
        tick_size=Decimal("0.5"),
    )


def option(name: str, strike: float, is_call: bool) -> Instrument:
    return Instrument(
        name=name,
        kind=Kind.OPTION,
        settlement=Settlement.INVERSE,
        underlying="BTC",
        currency="BTC",
        lot=Decimal("0.1"),
        size_min=Decimal("0.1"),
        tick_size=Decimal("0.0001"),
        expiry_ms=START_MS + 100 * DAY_MS,
        strike=strike,
        is_call=is_call,
    )


def plan(convention: Convention = Convention.COIN, **hedge: Any) -> BookPlan:
    limits: dict[str, Any] = {"band_low_coin": -0.2, "band_high_coin": 0.2, **hedge}
    return BookPlan(
        book=BookPolicy(
            name="main",
            selector=Selector(underlying="BTC"),
            convention=convention,
            hedge_instrument=PERP,
            currency="BTC",
        ),
        hedge=HedgePolicy(**limits),
    )


def policy(book: BookPlan) -> Policy:
    return Policy(
        books=(book,),
        external_book="main",
        orders=OrderPolicy(label_prefix="db"),
        model=DeribitStandard(
            parameters=Rates(
                futures={
                    "BTC": (FuturesRate(size_coin_upper=1000.0, initial=0.02, maintenance=0.01),)
                }
            )
        ),
    )


def quote(name: str, mark: float, at_ns: int, index_usd: float) -> QuoteSeen:
    tick = 0.5 if name == PERP else 0.0005
    return QuoteSeen(
        instrument=name,
        venue_ms=START_MS,
        arrived_ns=at_ns,
        bid=mark - tick,
        ask=mark + tick,
        mark=mark,
        index_usd=index_usd,
        forward_usd=index_usd,
        iv=0.5,
    )


@dataclass(kw_only=True)
class Scene:
    """The core in the hands of a test: facts go in, the window sees what comes of them."""

    book: BookPlan = field(default_factory=plan)
    call_size: str = "-1.0"
    put_size: str = "-0.1"
    perp_native: str = "0"
    now_ns: int = START_NS

    def __post_init__(self) -> None:
        frame = Frame(
            about=about(),
            plans=(self.book,),
            currencies=("BTC",),
            margin_limits={"warn": 0.5},
            wire_ns=lambda: self.now_ns,
        )
        self.window = Window(frame)
        self.state = engine.begin(engine.fresh_standing("a1", START_MS), START_MS, START_NS)

    def fold(self, *facts: Fact, seconds: float = 0.0) -> Step:
        self.now_ns += int(seconds * SECOND_NS)
        passed_ms = (self.now_ns - START_NS) // 1_000_000
        clock = ClockSeen(market_ms=START_MS + passed_ms, wire_ns=self.now_ns)
        step = engine.step(self.state, (clock, *facts), policy(self.book))
        self.state = step.state
        self.window.show(step)
        return step

    def connect(self) -> None:
        """Bring it to RUN, without quotes."""
        rows = tuple(
            PositionRow(instrument=name, size_native=Decimal(size), average_price=0.0)
            for name, size in (
                (CALL, self.call_size),
                (PUT, self.put_size),
                (PERP, self.perp_native),
            )
        )
        listed = (option(CALL, 100_000.0, True), option(PUT, 70_000.0, False), perpetual())
        self.fold(
            InstrumentsSeen(instruments=listed),
            LinkUp(link=Link.MARKET),
            LinkUp(link=Link.TRADING),
        )
        for _ in range(3):  # a difference is adopted when it was seen more than once
            self.fold(
                PositionsSeen(
                    positions=rows, complete=True, asked_ns=self.now_ns, arrived_ns=self.now_ns
                ),
                balance(self.now_ns),
                OpenOrdersSeen(orders=(), asked_ns=self.now_ns),
                AccountRead(asked_ns=self.now_ns),
                seconds=3.0,
            )

    def quoted(self, seconds: float = 1.0, index_usd: float = 100_000.0) -> Step:
        """Quote everything afresh, in a fold of its own."""
        at_ns = self.now_ns + int(seconds * SECOND_NS)
        marks = ((CALL, 0.1 * index_usd / 1e5), (PUT, 0.01), (PERP, index_usd))
        quotes = [quote(name, mark, at_ns, index_usd) for name, mark in marks]
        return self.fold(*quotes, seconds=seconds)

    def command(self, command: Command) -> Step:
        return self.fold(
            CommandGiven(
                command=command, command_id=f"id-{self.now_ns}", actor="test", note="drill"
            )
        )


def balance(at_ns: int) -> BalanceSeen:
    return BalanceSeen(
        currency="BTC",
        equity=10.0,
        margin_balance=10.0,
        available_funds=9.0,
        initial_margin=1.0,
        maintenance_margin=0.5,
        delta_total_coin=None,
        arrived_ns=at_ns,
    )


def running(**hedge: Any) -> Scene:
    """A book in RUN whose delta is about -0.44 coin, quoted."""
    scene = Scene(book=plan(**hedge))
    scene.connect()
    scene.quoted()
    return scene


def about() -> About:
    return About(
        version="0.0.0",
        libraries={},
        run_mode="rehearsal",
        venue="deribit",
        account="BTC",
        config="config.yaml",
        config_digest="00ff",
        journal="ledger.sqlite3",
        pid=1,
    )
