"""Money that came from outside or went there is neither profit nor loss."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core import attribution, codec, engine, units
from bot.core.actions import Alert, ReadAccount, ReadCash
from bot.core.cash import MOVES, Cash, CashMoved, CashRead
from bot.core.events import Command, CommandGiven, ReadFailed, TimerFired
from bot.core.safety import SafetyPolicy, Stop
from bot.core.standing import Standing
from bot.core.state import Mode
from bot.core.tally import Worth
from bot.quant.conventions import Convention
from tests.builders import CALL, START_MS, World, book, policy
from tests.core.test_losses import READ_AFTER_MS, log_read, mode_of, steady, sure, told

SECOND_MS = units.MS_PER_SECOND


def moved(world: World, change: str, move_id: str = "m1", **changes: object) -> CashMoved:
    """The log tells of a move of now, some seconds from now: as `log_read` reads it."""
    seen = CashMoved(
        move_id=move_id,
        currency="BTC",
        change=Decimal(change),
        kind="withdrawal" if change.startswith("-") else "deposit",
        venue_ms=world.now_ms,
        arrived_ns=world.now_ns + READ_AFTER_MS * units.NS_PER_MS,
    )
    return replace(seen, **changes)  # type: ignore[arg-type]


def worth_of(world: World) -> Worth:
    return world.state.standing.worths["BTC"]


def asked(world: World) -> list[ReadCash]:
    assert world.last is not None
    return [action for action in world.last.actions if isinstance(action, ReadCash)]


def alerts(world: World) -> list[str]:
    assert world.last is not None
    return [action.text for action in world.last.actions if isinstance(action, Alert)]


def restarted(world: World, **changes: object) -> World:
    """Another run on the same ledger, at the same moment, that has read its account."""
    known = codec.loads(codec.dumps(world.state.standing))
    assert isinstance(known, Standing)
    again = World(world.policy)
    again.now_ns = world.now_ns
    known = replace(known, **changes)  # type: ignore[arg-type]
    again.state = engine.begin(known, world.now_ms, world.now_ns)
    return again


@pytest.mark.parametrize("stop", Stop)
def test_a_withdrawal_over_both_limits_holds_for_a_moment_and_never_halts(stop: Stop) -> None:
    world = steady(loss_stop=stop)
    sure(world, 10.0)
    told(world, 7.0)
    assert mode_of(world) is Mode.HOLD
    assert asked(world), "the log is asked at once"

    told(world, 7.0)
    log_read(world, moved(world, "-3"))
    assert mode_of(world) is Mode.HOLD, "no balance came since the log told of it"
    told(world, 7.0)

    assert mode_of(world) is Mode.RUN
    assert worth_of(world).started == worth_of(world).peak == 7.0
    told(world, 6.2)
    assert mode_of(world) is Mode.HOLD, "11.4 % of the 7 that are left"


def test_a_deposit_hides_no_loss_of_its_size() -> None:
    world = steady()
    told(world, 10.0)  # 2 came in, 2 were lost
    assert mode_of(world) is Mode.RUN
    log_read(world, moved(world, "2"))
    told(world, 10.0)

    assert mode_of(world) is Mode.HOLD
    assert world.state.mode_reason == (
        "lost 200,000 USD since 08:00 UTC, 16.7% of 1,200,000, limit 10.0%"
    )


def test_a_deposit_raises_no_peak_from_which_it_would_be_lost() -> None:
    """The balance has it before the log does: the peak would count it twice."""
    world = steady()
    sure(world, 10.0)
    told(world, 15.0)
    told(world, 15.0, after_ms=3 * SECOND_MS)
    log_read(world, moved(world, "5"))
    sure(world, 15.0)

    assert worth_of(world).peak == 15.0
    assert mode_of(world) is Mode.RUN


def test_the_log_that_tells_first_raises_no_peak_from_a_balance_that_lags() -> None:
    world = steady()
    sure(world, 10.0)
    log_read(world, moved(world, "-4"))
    told(world, 10.0)  # the venue has not booked it here yet
    log_read(world)
    told(world, 6.0, after_ms=100)
    sure(world, 6.0)

    assert worth_of(world).peak == 6.0
    assert mode_of(world) is Mode.RUN


def test_a_dollar_book_counts_a_deposit_in_dollars() -> None:
    world = steady(Convention.USD)
    log_read(world, moved(world, "1"))
    told(world, 11.0)
    assert worth_of(world).started == pytest.approx(1_100_000)


def test_a_real_loss_halts_once_the_log_had_its_say_or_had_time_enough() -> None:
    for answers in (True, False):
        world = steady(loss_stop=Stop.HALT)
        told(world, 8.9)
        assert mode_of(world) is Mode.HOLD
        if answers:
            log_read(world)
        else:
            world.fold(ReadFailed(what=MOVES, reason="cut"))
        for _ in range(0 if answers else 60):
            told(world, 8.9, after_ms=SECOND_MS)
        assert mode_of(world) is Mode.HALT, answers
        assert ("cut" in world.state.mode_reason) is not answers


def test_while_it_loses_the_log_is_asked_every_few_seconds_until_it_is_certain() -> None:
    world = steady()
    sure(world, 10.0)
    told(world, 8.9)
    questions = len(asked(world))
    for _ in range(30):
        if asked(world):
            world.fold(ReadFailed(what=MOVES, reason="cut"), after_ms=SECOND_MS)
        told(world, 8.9, after_ms=SECOND_MS)
        questions += len(asked(world))
    assert questions == 8
    log_read(world)
    for _ in range(30):
        told(world, 8.9, after_ms=SECOND_MS)
        assert not asked(world)


def test_a_log_whose_answer_takes_long_is_not_asked_twice_at_once() -> None:
    world = steady()
    sure(world, 10.0)
    told(world, 8.9)
    assert asked(world)
    for _ in range(11):
        world.fold(TimerFired(name="reconcile"), after_ms=5 * SECOND_MS)
        assert not asked(world)
    world.fold(TimerFired(name="reconcile"), after_ms=5 * SECOND_MS)
    assert asked(world), "the shell would have answered"


def test_the_log_is_read_with_the_account_and_again_after_a_jump() -> None:
    world = steady()
    log_read(world)
    step = world.fold(TimerFired(name="reconcile"), after_ms=30 * SECOND_MS)
    assert [type(action) for action in step.actions if not isinstance(action, Alert)] == [
        ReadAccount,
        ReadCash,
    ]
    assert asked(world) == [ReadCash(since_ms=START_MS)]
    log_read(world)
    told(world, 10.05, after_ms=6 * SECOND_MS)
    assert not asked(world)
    told(world, 10.20)
    assert asked(world)


def test_a_log_that_cannot_be_read_is_told_once_and_said_in_the_reason() -> None:
    world = steady()
    calls: list[str] = []
    for _ in range(40):
        world.fold(ReadFailed(what=MOVES, reason="scope"), after_ms=10 * SECOND_MS)
        assert asked(world)
        calls += [text for text in alerts(world) if "from outside" in text]
    assert len(calls) == 1
    assert calls[0].startswith("what came in from outside or went out is not known (scope)")
    told(world, 8.9)
    assert world.state.mode_reason.endswith(
        "a withdrawal would count as lost, as its log cannot be read: scope"
    )
    log_read(world)
    assert "scope" not in world.state.mode_reason


def test_while_the_log_cannot_be_read_no_day_begins_behind_a_deposit() -> None:
    """A loss of today may stand behind a deposit of tonight: the count goes on from yesterday."""
    world = steady()
    sure(world, 10.0)
    for equity in (10.0, 11.0):
        world.fold(ReadFailed(what=MOVES, reason="cut"))
        told(world, equity, after_ms=24 * units.MS_PER_HOUR)
    assert (worth_of(world).started, worth_of(world).peak) == (10.0, 10.0)
    told(world, 8.0)
    assert world.state.losing.startswith("lost 200,000 USD since 08:00 UTC 2 d before, 20.0%")


def test_what_moved_is_told_to_a_person_once() -> None:
    world = steady()
    move = moved(world, "-2.5")
    log_read(world, move, move)
    said = [text for text in alerts(world) if "neither profit nor loss" in text]
    assert said == ["2.5 BTC went out (withdrawal): neither profit nor loss"]
    log_read(world, move)
    assert not [text for text in alerts(world) if "neither" in text]


def test_what_moved_is_attributed_and_no_profit() -> None:
    world = steady()
    before = attribution.pnl_of(world.state, "BTC")
    log_read(world, moved(world, "0.1", "a"), moved(world, "0.2", "b"))
    assert attribution.moved(world.state, "BTC") == Decimal("0.3")
    assert attribution.pnl_of(world.state, "BTC") == before


def test_what_moved_while_nobody_watched_is_no_loss_of_the_next_start() -> None:
    world = steady(loss_stop=Stop.HALT)
    sure(world, 10.0)
    again = restarted(world)
    move = moved(again, "-3")
    again.begin({CALL: "-1"}, equity=7.0)
    again.quotes()
    assert mode_of(again) is Mode.HOLD
    log_read(again, move)
    told(again, 7.0)
    assert mode_of(again) is Mode.RUN


def test_a_ledger_from_before_the_log_was_read_begins_to_count_now() -> None:
    world = steady()
    old = restarted(world, cash=Cash())
    old.begin({CALL: "-1"})
    old.quotes()
    early = moved(old, "5", venue_ms=START_MS - 1)
    log_read(old, early)
    told(old, 10.0)
    assert attribution.moved(old.state, "BTC") == 0
    assert worth_of(old).started == 10.0


def test_what_moved_before_a_person_resumed_is_in_what_counts_anew() -> None:
    world = steady()
    told(world, 7.0)
    early = moved(world, "-3", venue_ms=world.now_ms - 50)
    resume = CommandGiven(command=Command.RESUME, command_id="c1", actor="op", note="looked")
    world.fold(resume)
    told(world, 7.0)
    assert worth_of(world).started == 7.0
    log_read(world, early)
    told(world, 7.0)
    assert worth_of(world).started == 7.0


CHANGES = st.lists(
    st.decimals(min_value="-1.5", max_value="3", places=3).filter(bool), min_size=1, max_size=3
)


@settings(max_examples=25, deadline=None)
@given(changes=CHANGES, lost=st.sampled_from([0.0, 0.5, 2.0]), data=st.data())
def test_in_whatever_order_and_however_often_it_is_told_the_figures_are_the_same(
    changes: list[Decimal], lost: float, data: st.DataObject
) -> None:
    """Moves, balances, reads and restarts in any order: equal to the money that was really lost."""
    world = World(policy(book(band_low_coin=-1e6, band_high_coin=1e6), safety=LIMITS))
    world.begin({CALL: "-1"})
    world.quotes()
    sure(world, 10.0)
    moves = [moved(world, str(one), f"m{at}") for at, one in enumerate(changes)]
    true = 10.0 + float(sum(changes)) - lost
    told_in: list[Sequence[int]] = list(permutations(range(len(moves))))
    order = data.draw(st.sampled_from(told_in))
    for at in order:
        if data.draw(st.booleans()):
            told(world, true)
        repeats = data.draw(st.integers(1, 3))
        log_read(world, *[replace(moves[at], arrived_ns=_soon(world))] * repeats)
        if data.draw(st.booleans()):
            world = restarted(world)
            world.begin({CALL: "-1"}, equity=true)
            world.quotes()
    log_read(world, *[replace(move, arrived_ns=_soon(world)) for move in moves])
    sure(world, true)

    assert attribution.moved(world.state, "BTC") == sum(changes)
    base = 10.0 + float(sum(changes))
    assert worth_of(world).started == pytest.approx(base)
    assert worth_of(world).peak == pytest.approx(base)
    assert bool(world.state.losing) == (lost >= 0.10 * base)


LIMITS = SafetyPolicy(loss_per_day_max=0.10, drawdown_max=0.20)


def _soon(world: World) -> int:
    return world.now_ns + READ_AFTER_MS * units.NS_PER_MS


def test_ids_are_kept_for_as_long_as_they_may_be_told_again_and_no_longer() -> None:
    cash = Cash(begun_ms=START_MS, until_ms=START_MS)
    for hour in range(200):
        at_ms = START_MS + 1 + hour * units.MS_PER_HOUR // 4
        move = CashMoved(
            move_id=str(hour),
            currency="BTC",
            change=Decimal(1),
            kind="deposit",
            venue_ms=at_ms,
            arrived_ns=0,
        )
        assert at_ms >= cash.since_ms(rate=1.0)
        cash = cash.hearing(move).read(at_ms)
        assert cash.hearing(move) is cash
        assert cash.hearing(replace(move, move_id="0", venue_ms=START_MS + 1)) is cash
    assert len(cash.seen) <= 5
    assert cash.moved["BTC"] == 200


def test_a_read_reaches_back_to_where_the_last_one_ended() -> None:
    cash = Cash(begun_ms=START_MS, until_ms=START_MS).read(START_MS + 3 * units.MS_PER_DAY)
    assert cash.since_ms(1.0) == START_MS + 3 * units.MS_PER_DAY - 10 * units.MS_PER_MINUTE
    late = CashRead(asked_ns=0, asked_ms=START_MS)
    assert cash.read(late.asked_ms).until_ms == cash.until_ms
