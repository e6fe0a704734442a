"""What a person must see of a rehearsal: while it runs, and when it is over."""

import io

import pytest
from rich.console import Console

from bot.cli import summary
from bot.cli.live import LiveView
from bot.core.engine import Step
from bot.core.events import Command, CommandGiven, Link, LinkDown
from bot.lab.rehearsal import Rehearsal, figures
from bot.runtime.loop import Stepped
from tests.builders import CALL, World

COLUMNS, ROWS = 80, 32
LATENCY = {"p50": 410.0, "p99": 2_300.0}


class Screen:
    """A world that is watched as the demo watches its daemon, on a small terminal."""

    def __init__(self) -> None:
        self.world = World()
        plans = self.world.policy.books
        self.rehearsal = Rehearsal(plans=plans)
        self.view = LiveView(plans[0], self.rehearsal)

    def see(self, step: Step) -> None:
        stepped = Stepped(
            fold=1,
            state=step.state,
            step=step,
            facts=(),
            market_ms=self.world.now_ms,
            wire_ns=self.world.now_ns,
            tick_to_decision_ns=None,
            tick_to_order_ns=(),
            journal_ns=None,
        )
        self.rehearsal(stepped)
        self.view(stepped)

    def hedge(self) -> None:
        """Short ten calls: the first quotes ask for a hedge, which is filled."""
        self.see(self.world.begin({CALL: "-10"}))
        self.see(self.world.quotes())
        (order,) = self.world.orders()
        self.see(self.world.settle(order))

    def pass_seconds(self, seconds: int) -> None:
        """Quote a market that swings a little, once a second."""
        for number in range(seconds):
            self.see(self.world.quotes(100_000.0 + 40.0 * (-1) ** number, after_ms=1_000))

    def drawn(self) -> str:
        return drawn(self.view)


def drawn(screen: object) -> str:
    console = Console(record=True, width=COLUMNS, height=ROWS, file=io.StringIO())
    console.print(screen)
    return console.export_text()


def told(screen: Screen, **changes: object) -> dict[str, object]:
    """Return what the demo's summary is made of."""
    return figures(screen.rehearsal) | {
        "seconds": 8.0, "speed": 60.0, "market": "synthetic", "seed": 7, "ticks": 1_234,
        "tick_to_decision_us": LATENCY, "tick_to_order_us": None, "journal": "/tmp/a.sqlite3",
        "orders_at_venue": 1, "orders_in_journal": 1, "position_match": True,
    } | changes  # fmt: skip


def test_before_the_first_step_the_screen_says_that_it_connects() -> None:
    assert "connecting ..." in Screen().drawn()


def test_the_screen_shows_mode_band_delta_the_hedge_and_why() -> None:
    screen = Screen()
    screen.hedge()
    screen.pass_seconds(3)

    seen = screen.drawn()

    assert "REHEARSAL" in seen
    assert "RUN" in seen
    assert "market 2026-01-05 09:00:0" in seen
    assert "+0.100" in seen
    assert "-0.100" in seen
    assert "BTC delta from target" in seen
    assert "delta BTC" in seen
    assert "bought 287,160 USD" in " ".join(seen.split())
    assert "delta -2.8716 from target is outside" in " ".join(seen.split())
    assert "now: hold" in seen
    assert "is inside [-0.1000, +0.1000]" in seen
    assert max(len(line) for line in seen.splitlines()) <= COLUMNS
    assert len(seen.splitlines()) < ROWS


def test_a_pause_is_on_the_screen_with_its_reason_and_what_ends_it() -> None:
    screen = Screen()
    screen.hedge()
    command = CommandGiven(command=Command.PAUSE, command_id="c1", actor="cli:kim", note="lunch")
    screen.see(screen.world.fold(command))

    seen = " ".join(screen.drawn().split())

    assert "HOLD" in seen
    assert "paused by cli:kim: lunch; cleared by: a person resumes" in seen


def test_a_book_without_a_price_shows_no_number_for_its_delta() -> None:
    screen = Screen()
    screen.hedge()
    screen.see(screen.world.fold(after_ms=60_000))

    seen = screen.drawn()

    assert "not known" in seen
    assert "unpriced: BTC-" in seen


def test_the_parting_of_the_daemon_is_not_what_stays_on_the_screen() -> None:
    screen = Screen()
    screen.hedge()
    screen.rehearsal.is_over = True
    reason = "the daemon is stopping"
    screen.see(screen.world.fold(LinkDown(link=Link.MARKET, reason=reason)))

    assert reason not in screen.drawn()


def test_the_summary_says_what_was_hedged_what_it_cost_and_that_the_books_agree() -> None:
    screen = Screen()
    screen.hedge()
    screen.pass_seconds(6)

    seen = " ".join(drawn(summary.screen(told(screen))).split())

    assert "8 s at speed 60, seed 7: 1,234 quotes" in seen
    assert "1 (1 bought, 0 sold), 1 fills; refused: none; rejected: 0" in seen
    assert "-0.1 to +0.1, coin delta; never left" in seen
    assert "P&L (USD) -" in seen or "P&L (USD) +" in seen
    assert "fees -144" in seen
    assert "std " in seen
    assert "p50 0.41 ms, p99 2.30 ms" in seen
    assert "quote to order none seen" in seen
    assert "positions agree; orders: 1 at the venue, 1 in the ledger" in seen
    assert "None" not in seen


def test_the_summary_of_a_run_too_short_to_measure_reads_as_one() -> None:
    seen = " ".join(drawn(summary.screen(told(Screen()))).split())

    assert "delta, rms (coin) not measured: too few seconds after the first hedge" in seen
    assert "P&L (USD) not known: the account was never valued whole" in seen
    assert "P&L a second (USD) not measured" in seen
    assert "None" not in seen


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"orders_at_venue": 2}, "positions agree; orders: 2 at the venue, 1 in the ledger"),
        ({"position_match": False}, "positions DIFFER"),
    ],
)
def test_books_that_do_not_agree_are_said_in_red(changes: dict[str, object], said: str) -> None:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print(summary.screen(told(Screen(), **changes)))
    seen = console.export_text(styles=True)

    line = next(line for line in seen.splitlines() if said[:12] in line)
    assert said.split(";", maxsplit=1)[0] in line
    assert "\x1b[1;31m" in line
