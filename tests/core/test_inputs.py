"""Inputs, the host and an instrument's terms: what is too bad to trade on, and in which words."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import hedger, safety, units
from bot.core.events import (
    Command,
    CommandGiven,
    HostMeasured,
    InstrumentsSeen,
    OrderRejected,
)
from bot.core.instruments import Settlement
from bot.core.safety import SafetyPolicy
from bot.core.state import Mode
from tests.builders import (
    CALL,
    EXPIRY_MS,
    PERP,
    START_MS,
    fill,
    perp,
    quote,
)
from tests.core.limited import SECOND_NS, made, mode_of, told


def resume(at: int = 1) -> CommandGiven:
    return CommandGiven(command=Command.RESUME, command_id=f"r{at}", actor="op", note="looked")


@pytest.mark.parametrize(
    ("limit", "direction", "words"),
    [
        (103_100.0, 1, "limit price 103100 is 3.10% beyond the mark 100000.0, collar 3.00%"),
        (96_900.0, -1, "limit price 96900 is 3.10% beyond the mark 100000.0, collar 3.00%"),
        (102_900.0, 1, None),
        (96_900.0, 1, None),
    ],
)
def test_a_limit_price_is_held_to_the_collar_on_its_bad_side_only(limit, direction, words) -> None:
    assert safety.collar_trouble(limit, direction, quote(PERP), SafetyPolicy()) == words


def test_the_collar_counts_from_the_index_as_well() -> None:
    apart = quote(PERP, index_usd=98_500.0)
    said = safety.collar_trouble(102_000.0, 1, apart, SafetyPolicy())
    assert said == "limit price 102000 is 3.55% beyond the index 98500.0, collar 3.00%"


def test_a_book_far_from_its_mark_and_a_forward_far_from_the_index_refuse() -> None:
    off = quote(PERP, mark=97_000.0, index_usd=97_000.0)
    said = safety.quote_trouble(off, 0.005, SafetyPolicy())
    assert said == "the book's middle 100000.0 is +3.09% from the mark, limit 2.00%"

    world = made()
    at = world.now_ns
    step = world.fold(quote(PERP, arrived_ns=at), quote(CALL, arrived_ns=at, forward_usd=120_000.0))
    assert "the options' forward 120000.00 is +20.00% from the index" in (
        step.verdicts["main"].reason
    )
    assert world.orders() == []


def test_an_index_that_stands_still_is_no_price_and_sooner_while_an_option_settles() -> None:
    world = made(index_still_max_ns=60 * SECOND_NS)
    told(world)
    world.fold(
        OrderRejected(order_id=world.orders()[0].order_id, code=1, reason="no"), after_ms=60_500
    )
    words = told(world, after_ms=500)
    assert "the index has stood at 100000.0 for 61 s, limit 60 s" in words
    told(world, 100_001.0)
    assert len(world.orders()) == 1

    late = made(wide=True, expiry_index_still_max_ns=20 * SECOND_NS)
    late.now_ns = (EXPIRY_MS - START_MS - 60_000) * units.NS_PER_MS
    told(late)
    told(late, after_ms=20_000)
    assert safety.index_trouble(late.state, perp(), late.policy.safety) is None
    told(late, after_ms=1_000)
    assert safety.index_trouble(late.state, perp(), late.policy.safety) == (
        f"the index has stood at 100000.0 for 21 s while {CALL} settles, limit 20 s"
    )


def test_old_figures_of_the_account_refuse() -> None:
    world = made(account_age_max_ns=5 * SECOND_NS)
    world.quotes(after_ms=6_000)
    assert world.orders() == []
    assert "the BTC balance is 6 s old, limit 5 s" in str(world.last and world.last.verdicts)


def test_an_option_held_long_after_its_expiry_degrades_until_it_is_settled() -> None:
    world = made(wide=True, expiry_unsettled_max_ns=60 * SECOND_NS)
    told(world)
    world.now_ns = (EXPIRY_MS - START_MS) * units.NS_PER_MS
    told(world, after_ms=59_000)
    assert mode_of(world) is Mode.RUN
    told(world, after_ms=2_000)
    assert mode_of(world) is Mode.DEGRADED
    assert f"{CALL} expired 61 s ago and is still held: no delivery" in world.state.mode_reason
    world.fold(fill("", size="10", name=CALL))
    told(world)
    assert mode_of(world) is Mode.RUN


def measured(**changes: object) -> HostMeasured:
    known = HostMeasured(loop_lag_ns=1, journal_ns=1, clock_skew_ms=0.0, arrived_ns=0)
    return replace(known, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "mode", "reason"),
    [
        ({"loop_lag_ns": 2_500_000_000}, Mode.DEGRADED,
         "the event loop came 2,500 ms late, limit 2,000 ms"),
        ({"journal_ns": 2_500_000_000}, Mode.DEGRADED, "the ledger took 2,500 ms, limit 2,000 ms"),
        ({"clock_skew_ms": -1_200.0}, Mode.HOLD,
         "the host's clock is -1,200 ms from the venue's, limit 1,000 ms"),
    ],
)  # fmt: skip
def test_a_host_that_does_badly_is_careful_until_it_was_well_for_a_while(
    changes, mode, reason
) -> None:
    world = made(wide=True)
    told(world)
    world.fold(measured(**changes))
    assert (mode_of(world), world.state.mode_reason) == (mode, reason)
    told(world, after_ms=9_000)
    world.fold(measured())
    told(world, after_ms=9_000)
    assert mode_of(world) is mode, "one good measurement is not enough"
    told(world, after_ms=2_000)
    assert mode_of(world) is Mode.RUN


def test_a_clock_that_stays_off_is_told_once_and_holds_until_it_is_told_to_be_right() -> None:
    """The watch of the host says nothing more while it is off by as much as it was."""
    world = made()
    world.fold(measured(clock_skew_ms=5_000.0))
    for _ in range(40):
        told(world, after_ms=1_000)
        assert (mode_of(world), world.orders()) == (Mode.HOLD, [])
    world.fold(measured(clock_skew_ms=None))
    told(world, after_ms=20_000)
    assert mode_of(world) is Mode.HOLD, "that nobody knows now how far it is off mends nothing"
    world.fold(measured())
    told(world, after_ms=9_000)
    assert mode_of(world) is Mode.HOLD, "it was off until a moment ago"
    told(world, after_ms=2_000)
    assert mode_of(world) is Mode.RUN


def test_while_degraded_an_order_must_bring_delta_nearer() -> None:
    world = made(order_max_usd=100_000.0)
    world.fold(measured(journal_ns=10**10))
    told(world)
    assert [one.size_native for one in world.orders()] == [Decimal(50_000)], "and half as large"


def test_while_degraded_a_hedge_of_the_wrong_sign_is_refused(monkeypatch) -> None:
    world = made()
    world.fold(measured(journal_ns=10**10))
    right = hedger._sized
    monkeypatch.setattr(hedger, "_sized", lambda native, hedge: right(-native, hedge))
    assert "while degraded only what brings delta nearer goes" in told(world)
    assert world.orders() == []


def test_a_hedge_instrument_that_becomes_another_one_holds_and_says_what_changed() -> None:
    world = made(wide=True)
    told(world)
    linear = perp(settlement=Settlement.LINEAR, currency="USDC")
    world.fold(InstrumentsSeen(instruments=(linear,)))
    assert mode_of(world) is Mode.HOLD
    assert world.state.mode_reason == (f"the settlement of {PERP} changed from inverse to linear")
    world.fold(InstrumentsSeen(instruments=(perp(),)), resume())
    assert mode_of(world) is Mode.RUN


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"currency": "USDC"}, "settles in USDC, book main in BTC"),
        ({"underlying": "ETH"}, "is on ETH, book main on BTC"),
        ({"lot": Decimal(0)}, "has a lot of 0: nothing can be rounded to it"),
        ({"tick_size": Decimal("NaN")}, "has a tick of NaN"),
    ],
)
def test_a_start_with_a_hedge_that_does_not_fit_the_books_sends_nothing(changes, words) -> None:
    world = made()
    world.fold(InstrumentsSeen(instruments=(perp(**changes),)))
    world.state = replace(world.state, swapped="")
    told(world)
    assert (mode_of(world), world.orders()) == (Mode.HOLD, [])
    assert words in world.state.mode_reason


def test_another_lot_is_obeyed_with_the_next_order() -> None:
    world = made()
    world.fold(InstrumentsSeen(instruments=(perp(lot=Decimal(1_000)),)))
    told(world)
    assert [one.size_native for one in world.orders()] == [Decimal(287_000)]
