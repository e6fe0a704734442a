"""Losses of a day and from the peak, in the money that the books protect."""

from dataclasses import replace

from bot.core import codec, units
from bot.core.cash import CashMoved, CashRead
from bot.core.events import Command, CommandGiven
from bot.core.safety import SafetyPolicy, Stop
from bot.core.standing import Standing
from bot.core.state import Mode
from bot.quant.conventions import Convention
from tests.builders import CALL, START_MS, World, balance, book, policy

LIMITS = SafetyPolicy(loss_per_day_max=0.10, drawdown_max=0.20)
HOUR_MS = units.MS_PER_HOUR
READ_AFTER_MS = 6_000


def steady(convention: Convention = Convention.COIN, **changes: object) -> World:
    plan = book(convention=convention, band_low_coin=-1e6, band_high_coin=1e6)
    world = World(policy(plan, safety=replace(LIMITS, **changes)))  # type: ignore[arg-type]
    world.begin({CALL: "-1"})
    world.quotes()
    told(world, 10.0)
    assert mode_of(world) is Mode.RUN
    return world


def told(world: World, equity: float, price: float = 100_000.0, after_ms: int = 100) -> None:
    """The venue tells of the equity, with quotes."""
    at = world.now_ns + after_ms * units.NS_PER_MS
    world.quotes(price, balance(equity=equity, arrived_ns=at), after_ms=after_ms)


def log_read(world: World, *moved: CashMoved, price: float = 100_000.0) -> None:
    """Some seconds later the venue's log was read, and told of this; nothing else moved."""
    asked_ns = world.now_ns + READ_AFTER_MS * units.NS_PER_MS
    read = CashRead(asked_ns=asked_ns, asked_ms=world.now_ms + READ_AFTER_MS)
    world.quotes(price, *moved, read, after_ms=READ_AFTER_MS)


def sure(world: World, equity: float, after_ms: int = 100) -> None:
    """The venue tells of the equity, and by its log nothing had moved until then."""
    told(world, equity, after_ms=after_ms)
    log_read(world)
    told(world, equity)
    log_read(world)


def mode_of(world: World) -> Mode:
    return world.state.mode


def given(command: Command, at: int = 1) -> CommandGiven:
    return CommandGiven(command=command, command_id=f"c{at}", actor="op", note="looked")


def test_a_loss_over_the_days_limit_holds_with_its_arithmetic_and_clears() -> None:
    world = steady()
    told(world, 9.1)
    assert mode_of(world) is Mode.RUN
    told(world, 8.9)
    assert mode_of(world) is Mode.HOLD
    assert world.state.mode_reason == (
        "lost 110,000 USD since 08:00 UTC, 11.0% of 1,000,000, limit 10.0%"
    )
    told(world, 9.5)
    assert mode_of(world) is Mode.RUN


def test_a_coin_book_loses_nothing_when_the_coin_falls_and_a_dollar_book_does() -> None:
    coins = steady()
    told(coins, 10.0, price=85_000.0)
    assert mode_of(coins) is Mode.RUN

    dollars = steady(Convention.USD)
    told(dollars, 10.0, price=85_000.0)
    assert mode_of(dollars) is Mode.HOLD
    assert "lost 150,000 USD" in dollars.state.mode_reason


def test_a_new_market_day_counts_anew_but_the_peak_stays() -> None:
    world = steady()
    sure(world, 9.2)
    sure(world, 9.2, after_ms=24 * HOUR_MS)
    told(world, 8.5)
    assert mode_of(world) is Mode.RUN, "7.6 % of today's 9.2"
    sure(world, 8.0, after_ms=24 * HOUR_MS)
    assert mode_of(world) is Mode.HOLD
    assert world.state.mode_reason.startswith("equity is 200,000 USD below its peak, 20.0%")


def test_a_loss_is_known_before_the_first_order_after_a_restart() -> None:
    world = steady()
    told(world, 8.9)
    known = codec.loads(codec.dumps(world.state.standing))
    assert isinstance(known, Standing)
    after = World(policy(book(), safety=LIMITS), standing=known)
    after.begin({CALL: "-1"}, equity=8.9)
    after.quotes()

    assert mode_of(after) is Mode.HOLD
    assert after.orders() == []


def test_a_person_who_resumes_begins_the_count_anew() -> None:
    world = steady()
    told(world, 8.9)
    world.fold(given(Command.RESUME))
    told(world, 8.9)
    assert mode_of(world) is Mode.RUN
    told(world, 8.1)
    assert mode_of(world) is Mode.RUN
    told(world, 8.0)
    assert mode_of(world) is Mode.HOLD, "10 % of 8.9"


def test_where_it_is_to_halt_it_stays_halted_though_the_equity_recovers() -> None:
    world = steady(loss_stop=Stop.HALT)
    told(world, 8.9)
    assert mode_of(world) is Mode.HOLD, "it may be a withdrawal"
    log_read(world)
    assert mode_of(world) is Mode.HALT
    told(world, 11.0)
    assert mode_of(world) is Mode.HALT
    assert world.state.standing.halt_reason.startswith("lost 110,000 USD")


def test_an_equity_that_creeps_up_is_not_written_down_with_every_tick() -> None:
    world = steady()
    before = world.state.standing.worths
    sure(world, 10.005)
    assert world.state.standing.worths is before
    sure(world, 10.02)
    assert world.state.standing.worths["BTC"].peak == 10.02


def test_a_market_that_begins_anew_forgets_what_was_lost_in_another() -> None:
    world = steady()
    sure(world, 10.0, after_ms=72 * HOUR_MS)
    known = world.state.standing
    after = World(policy(book(), safety=LIMITS), standing=known)
    assert after.now_ms == START_MS
    after.begin({CALL: "-1"}, equity=5.0)
    after.quotes()

    assert after.state.losing == ""
