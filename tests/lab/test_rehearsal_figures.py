"""The figures of a rehearsal against the same done by hand, on steps of the real core."""

from decimal import Decimal

import pytest

from bot.core.events import Command, CommandGiven
from bot.lab.books import compared, differences
from bot.lab.rehearsal import Rehearsal, figures
from bot.runtime.loop import Stepped
from tests.builders import CALL, PERP, World, book, quote, submits

SIZE = 287_160.0


def told(world: World, seen: Rehearsal) -> None:
    """Tell the rehearsal of the world's last step."""
    assert world.last is not None
    seen(
        Stepped(
            fold=world.state.folds,
            state=world.state,
            step=world.last,
            facts=(),
            market_ms=world.now_ms,
            wire_ns=world.now_ns,
            tick_to_decision_ns=None,
            tick_to_order_ns=(),
            journal_ns=None,
        )
    )


def hedged() -> tuple[World, Rehearsal]:
    """Ten short calls, hedged whole, one second later: the judged span begins."""
    world, seen = World(), Rehearsal(plans=[book()])
    world.begin({CALL: "-10"})
    step = world.quotes()
    told(world, seen)
    world.settle(submits(step.actions)[0])
    told(world, seen)
    world.quotes(after_ms=1_000)
    told(world, seen)
    return world, seen


def test_pnl_steps_are_those_of_the_books_done_by_hand() -> None:
    world, seen = hedged()
    marks, prices = (0.0327, 0.0332, 0.0330, 0.0341), (100_000.0, 100_100.0, 99_900.0, 100_250.0)
    options, hedge = [], []
    for before, after, old, new in zip(marks, marks[1:], prices, prices[1:], strict=False):
        at_ns = world.now_ns + 10**9
        call = quote(CALL, arrived_ns=at_ns, price=new, mark=after)
        world.fold(call, quote(PERP, arrived_ns=at_ns, price=new), after_ms=1_000)
        told(world, seen)
        options.append(-10 * (after - before) * new)
        hedge.append(SIZE * (1 / old - 1 / new) * new)

    assert seen.first.steps_unhedged_usd == pytest.approx(options)
    both = [a + b for a, b in zip(options, hedge, strict=True)]
    assert seen.first.steps_hedged_usd == pytest.approx(both)
    assert figures(seen)["pnl_variance_removed"] == pytest.approx(
        1.0 - (_deviation(both) / _deviation(options)) ** 2, abs=1e-4
    )


def _deviation(values: list[float]) -> float:
    mean = sum(values) / len(values)
    return float((sum((v - mean) ** 2 for v in values) / (len(values) - 1)) ** 0.5)


def test_a_start_delta_earns_the_unhedged_book_nothing() -> None:
    world, seen = hedged()
    for _ in range(3):
        world.quotes(after_ms=500)
        told(world, seen)

    assert seen.first.unhedged.root == pytest.approx(0.0, abs=1e-4)
    assert seen.first.hedged.root == pytest.approx(0.0, abs=1e-3)


def test_leaving_the_band_is_a_breach_and_shows_in_both_deltas() -> None:
    world, seen = hedged()
    world.quotes(105_000.0, after_ms=500)
    told(world, seen)
    world.fold(after_ms=300)
    told(world, seen)

    assert seen.first.breaches.count == 1
    assert seen.first.worst_coin == pytest.approx(abs(seen.first.delta_final_coin or 0.0) - 0.1)
    assert seen.first.breaches.longest_ns == 300_000_000
    assert seen.first.unhedged.root is not None
    assert seen.first.hedged.root is not None
    assert seen.first.unhedged.root > 0.3


def test_books_that_differ_are_called_different() -> None:
    world, _ = hedged()
    known = world.state.standing
    same = {"positions": {CALL: -10.0, PERP: SIZE}}
    other = {"positions": {CALL: -10.0, PERP: SIZE - 10}}

    assert differences(same, known) == {}
    assert differences(other, known) == {PERP: (str(Decimal(str(SIZE - 10))), "287160")}


def test_the_summary_of_the_books_says_so_too(tmp_path) -> None:
    from bot.runtime.clock import WireClock
    from bot.runtime.journal import Ledger, RunHeader

    world, _ = hedged()
    header = RunHeader(code_version="t", config_digest="d", account="a", mode="rehearsal")
    ledger = Ledger.open(tmp_path / "ledger.sqlite3", header, WireClock())
    ledger.close()
    request = {"method": "private/buy", "label": "x"}
    seen = {"positions": {CALL: -10.0}, "requests": [request, {"method": "private/cancel"}]}
    told_of = compared(seen, world.state.standing, tmp_path / "ledger.sqlite3")

    assert told_of == {"position_match": False, "orders_at_venue": 1, "orders_in_journal": 0}


def test_while_the_daemon_says_that_it_cannot_hedge_is_a_gap_and_no_breach() -> None:
    world, seen = hedged()
    world.fold(CommandGiven(command=Command.PAUSE, command_id="p1-000000", actor="t"))
    told(world, seen)
    world.quotes(110_000.0, after_ms=500)
    told(world, seen)
    world.fold(after_ms=40_000)
    told(world, seen)
    world.fold(
        CommandGiven(command=Command.RESUME, command_id="r1-000000", actor="t", note="looked")
    )
    world.quotes(after_ms=100)
    told(world, seen)

    gaps = figures(seen)["gaps"]
    assert isinstance(gaps, dict)
    assert gaps["count"] == 1
    assert gaps["total_seconds"] > 40
    assert gaps["reasons"] == {"hold": 1}
    assert seen.first.breaches.count == 0
    assert seen.first.worst_coin == 0.0


def test_after_the_time_is_up_no_book_is_judged_any_more() -> None:
    world, seen = hedged()
    before = figures(seen)["books"]
    seen.is_over = True
    world.quotes(130_000.0, after_ms=2_000)
    told(world, seen)

    assert figures(seen)["books"] == before
    assert seen.state is world.state


def test_what_is_still_held_of_the_expired_is_named() -> None:
    world, seen = hedged()
    world.fold(after_ms=40 * 24 * 3_600_000)
    told(world, seen)

    assert figures(seen)["held_after_expiry"] == [CALL]
