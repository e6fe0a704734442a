"""One place that knows which fields a fact, an instrument or a policy needs."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from bot.core import engine, units
from bot.core.actions import Action, SubmitOrder
from bot.core.books import BookPolicy, Selector
from bot.core.dealing import BookPlan
from bot.core.engine import Policy, Step
from bot.core.events import (
    AccountRead,
    BalanceSeen,
    ClockSeen,
    Fact,
    FillCause,
    FillSeen,
    InstrumentsSeen,
    Link,
    LinkUp,
    OrderSeen,
    PositionRow,
    PositionsSeen,
    QuoteSeen,
    VenueStatus,
)
from bot.core.hedger import HedgePolicy
from bot.core.instruments import Instrument, Kind, Settlement, TickStep
from bot.core.margin.deribit_standard import FuturesRate, Rates
from bot.core.margin.gating_stages import GatePolicy
from bot.core.margin.modelling import DeribitStandard
from bot.core.orders import OrderPolicy
from bot.core.standing import Standing
from bot.core.state import State
from bot.quant.conventions import Convention

START_MS = 1_767_603_600_000  # 2026-01-05 09:00 UTC
INSTANCE = "t1a2"
PERP = "BTC-PERPETUAL"
CALL = "BTC-4FEB26-110000-C"
PUT = "BTC-4FEB26-110000-P"
EXPIRY_MS = START_MS + 30 * units.MS_PER_DAY
FLAT = (FuturesRate(size_coin_upper=1e9, initial=0.02, maintenance=0.0134),)
RATES = Rates(futures={"BTC": FLAT, "ETH": FLAT})
MODEL = DeribitStandard(parameters=RATES)


def perp(**changes: object) -> Instrument:
    """BTC-PERPETUAL as Deribit lists it."""
    listed = Instrument(
        name=PERP,
        kind=Kind.PERPETUAL,
        settlement=Settlement.INVERSE,
        underlying="BTC",
        currency="BTC",
        lot=Decimal(10),
        size_min=Decimal(10),
        tick_size=Decimal("0.5"),
        taker_fee=Decimal("0.0005"),
        index_name="btc_usd",
    )
    return replace(listed, **changes)  # type: ignore[arg-type]


def option(name: str = CALL, **changes: object) -> Instrument:
    """An inverse BTC option, 30 days from the start, strike and side from its name."""
    _, _, strike, side = name.split("-")
    listed = Instrument(
        name=name,
        kind=Kind.OPTION,
        settlement=Settlement.INVERSE,
        underlying="BTC",
        currency="BTC",
        lot=Decimal("0.1"),
        size_min=Decimal("0.1"),
        tick_size=Decimal("0.0001"),
        tick_steps=(TickStep(above_price=Decimal("0.005"), tick_size=Decimal("0.0005")),),
        expiry_ms=EXPIRY_MS,
        strike=float(strike),
        is_call=side == "C",
        index_name="btc_usd",
    )
    return replace(listed, **changes)  # type: ignore[arg-type]


def quote(
    name: str = PERP, *, arrived_ns: int = 0, price: float = 100_000.0, **changes: object
) -> QuoteSeen:
    """A good quote: of the perpetual at `price`, or of an option with the index there."""
    seen = QuoteSeen(
        instrument=name,
        venue_ms=START_MS + arrived_ns // units.NS_PER_MS,
        arrived_ns=arrived_ns,
        bid=price - 0.5,
        ask=price + 0.5,
        mark=price,
        index_usd=price,
    )
    if name != PERP:
        seen = replace(
            seen, bid=0.0325, ask=0.0330, mark=0.0327, index_usd=price, forward_usd=price, iv=0.60
        )
    return replace(seen, **changes)  # type: ignore[arg-type]


def balance(*, equity: float = 10.0, arrived_ns: int = 0, **changes: object) -> BalanceSeen:
    """A comfortable account."""
    seen = BalanceSeen(
        currency="BTC",
        equity=equity,
        margin_balance=equity,
        available_funds=0.8 * equity,
        initial_margin=0.2 * equity,
        maintenance_margin=0.1 * equity,
        delta_total_coin=None,
        arrived_ns=arrived_ns,
    )
    return replace(seen, **changes)  # type: ignore[arg-type]


def positions(
    held: dict[str, str], *, complete: bool = True, asked_ns: int | None = 0, arrived_ns: int = 0
) -> PositionsSeen:
    """A report of native sizes."""
    rows = tuple(
        PositionRow(instrument=name, size_native=Decimal(size), average_price=1.0)
        for name, size in held.items()
    )
    return PositionsSeen(
        positions=rows, complete=complete, asked_ns=asked_ns, arrived_ns=arrived_ns
    )


def fill(
    order_id: str = "",
    *,
    size: str = "10",
    trade_id: str = "T1",
    name: str = PERP,
    **changes: object,
) -> FillSeen:
    """A trade at 100,000 USD (0.03 coin for an option), fee 5 bp."""
    price = 100_000.0 if name == PERP else 0.03
    seen = FillSeen(
        trade_id=trade_id,
        order_id=order_id,
        venue_order_id="V1",
        instrument=name,
        size_native=Decimal(size),
        price=price,
        fee=abs(float(size)) / price * 0.0005 if name == PERP else 0.0003,
        is_maker=False,
        cause=FillCause.TRADE,
        venue_ms=START_MS,
    )
    return replace(seen, **changes)  # type: ignore[arg-type]


def order_seen(
    order_id: str, status: VenueStatus, *, size: str = "10", filled: str = "0", name: str = PERP
) -> OrderSeen:
    """What the venue says of an order."""
    return OrderSeen(
        order_id=order_id,
        venue_order_id="V1",
        instrument=name,
        status=status,
        size_native=Decimal(size),
        filled_native=Decimal(filled),
    )


def book(
    name: str = "main", *, convention: Convention = Convention.COIN, **hedge: object
) -> BookPlan:
    """A book of all BTC options, band of a tenth of a coin either side."""
    policy = HedgePolicy(band_low_coin=-0.1, band_high_coin=0.1)
    return BookPlan(
        book=BookPolicy(
            name=name,
            selector=Selector(underlying="BTC"),
            convention=convention,
            hedge_instrument=PERP,
            currency="BTC",
        ),
        hedge=replace(policy, **hedge),  # type: ignore[arg-type]
    )


def policy(*plans: BookPlan, **changes: object) -> Policy:
    """One book `main`, everything else at its defaults."""
    chosen = plans or (book(),)
    made = Policy(
        books=chosen,
        external_book=chosen[0].book.name,
        orders=OrderPolicy(label_prefix="db"),
        model=MODEL,
        gate=GatePolicy(gap_max=1e9),  # the balances of most tests are made up
    )
    return replace(made, **changes)  # type: ignore[arg-type]


class World:
    """Folds facts through the real engine under its own clock: a wire ms is a market ms."""

    def __init__(self, rules: Policy | None = None, standing: Standing | None = None) -> None:
        self.policy = rules or policy()
        self.now_ns = 0
        known = standing or engine.fresh_standing(INSTANCE, START_MS)
        self.state: State = engine.begin(known, START_MS, 0)
        self.last: Step | None = None

    @property
    def now_ms(self) -> int:
        """The market clock."""
        return START_MS + self.now_ns // units.NS_PER_MS

    def fold(self, *facts: Fact, after_ms: int = 100) -> Step:
        """Let time pass and fold facts."""
        self.now_ns += after_ms * units.NS_PER_MS
        clock = ClockSeen(market_ms=self.now_ms, wire_ns=self.now_ns)
        self.last = engine.step(self.state, (clock, *facts), self.policy)
        self.state = self.last.state
        return self.last

    def begin(self, held: dict[str, str] | None = None, *, equity: float = 10.0) -> Step:
        """Connect and read the account. Nothing is quoted yet, so nothing is adopted yet."""
        named = {name for name in (held or {}) if name != PERP} | {CALL, PUT}
        listed = (perp(), *(option(name) for name in sorted(named)))
        self.fold(
            InstrumentsSeen(instruments=listed),
            LinkUp(link=Link.MARKET),
            LinkUp(link=Link.TRADING),
        )
        return self.fold(
            positions(held or {}, asked_ns=self.now_ns, arrived_ns=self.now_ns),
            balance(equity=equity, arrived_ns=self.now_ns),
            AccountRead(asked_ns=self.now_ns),
        )

    def quotes(self, price: float = 100_000.0, *facts: Fact, after_ms: int = 100) -> Step:
        """Quote everything held, and the perpetual, at one price of the underlying."""
        held = list(self.state.standing.positions.keys() | self.state.reported.keys())
        names = sorted({*held, PERP})
        arrived = self.now_ns + after_ms * units.NS_PER_MS
        seen = [quote(name, arrived_ns=arrived, price=price) for name in names]
        return self.fold(*facts, *seen, after_ms=after_ms)

    def orders(self) -> list[SubmitOrder]:
        """Return the orders of the last fold."""
        return submits(self.last.actions if self.last else ())

    def settle(self, order: SubmitOrder, *also: Fact) -> Step:
        """Let the venue fill an order whole: fill, order and position in one frame, with others."""
        before = self.state.standing.positions.get(order.instrument, Decimal(0))
        size = str(order.size_native)
        return self.fold(
            self._fill_of(order),
            replace(
                order_seen(order.order_id, VenueStatus.FILLED, size=size, filled=size),
                instrument=order.instrument,
            ),
            positions(
                {order.instrument: str(before + order.size_native)},
                complete=False,
                asked_ns=None,
                arrived_ns=self.now_ns,
            ),
            *also,
        )

    def _fill_of(self, order: SubmitOrder) -> FillSeen:
        told = fill(order.order_id, size=str(order.size_native), trade_id=f"T-{order.order_id}")
        if order.instrument == PERP:
            return told
        mark = self.state.quotes[order.instrument].mark
        assert mark is not None
        return replace(told, instrument=order.instrument, price=mark, fee=0.0)


def submits(actions: Sequence[Action]) -> list[SubmitOrder]:
    """Return the orders among actions."""
    return [action for action in actions if isinstance(action, SubmitOrder)]
