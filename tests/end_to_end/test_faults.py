"""Every fault of the wire against the real daemon: one pair of them, one thing after another.

Each test leaves both as it found them: running, books agreed, delta inside the band.
"""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.lab.books import submitted
from bot.lab.wire import harm
from bot.lab.wire.rig import HEDGE, Rig, rig
from bot.lab.wire.storm import befallen, judged
from bot.lab.wire.strikes import STRIKES, Strike
from tests.end_to_end.processes import PATIENCE, daemon, until

TICKER = f"ticker.{HEDGE}"
FILLS_WANTED = 10
WINDOW_MS = 600_000  # longer than any test: `healed` ends it

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def one_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("faults"), heal_seconds=PATIENCE) as running:
        yield running


@pytest.fixture
def pair(one_pair: Rig) -> Iterator[Rig]:
    """The pair, in order for the next test whatever becomes of this one."""
    try:
        yield one_pair
    finally:
        one_pair.clear()
        if one_pair.running.lives:
            one_pair.running.send(signal.SIGCONT)
        else:
            one_pair.started_again()


ORDER_FAULTS: dict[str, dict[str, Any]] = {
    "its answer was lost with the line": {"kind": "drop_after_accept"},
    "its answer alone was lost": {"kind": "drop_after_accept", "cut": False},
    "it was lost with the line": {"kind": "drop_before"},
    "it alone was lost": {"kind": "drop_before", "cut": False},
    "its answer came late": {"kind": "delay", "delay_ms": 3_000},
    "it came to the venue too late": {"kind": "delay", "delay_ms": 3_000, "before": True},
    "its answer came twice": {"kind": "duplicate"},
    "its answer broke off": {"kind": "truncate"},
    "half its answer is all that came": {"kind": "truncate", "whole": True},
    "its answer was garbled": {"kind": "corrupt_compression"},
    "an error that answers nothing came first": {"kind": "error_frame", "code": 11051},
    "the venue was slow to read it": {"kind": "slow_reader", "delay_ms": 3_000},
    "the login ended before it": {"kind": "token_expiry"},
}


@pytest.mark.parametrize("what", ORDER_FAULTS)
def test_an_order_is_sent_once_and_its_fill_is_found_when(pair: Rig, what: str) -> None:
    fault = dict(ORDER_FAULTS[what])
    pair.struck_by(fault.pop("kind"), method="private/buy", **fault)
    pair.healed()
    pair.hedges_again()


def test_a_socket_that_is_open_at_one_end_only_is_left_and_its_order_followed(pair: Rig) -> None:
    before = pair.times_up("trading")
    pair.struck_by("half_open", method="private/buy")
    until("the dead line is left", lambda: pair.times_up("trading") > before, PATIENCE)
    pair.healed()
    pair.hedges_again()


PUSH_FAULTS: dict[str, dict[str, Any]] = {
    "come twice": {"kind": "duplicate"},
    "change places": {"kind": "reorder"},
    "come late": {"kind": "delay", "delay_ms": 1_200},
    "are lost": {"kind": "silent_stall"},
    "arrive as garbage": {"kind": "corrupt_compression"},
    "arrive in half": {"kind": "truncate", "whole": True},
    "are mixed with errors": {"kind": "error_frame"},
}


@pytest.mark.parametrize("what", PUSH_FAULTS)
def test_no_fill_is_lost_or_counted_twice_when_pushes(pair: Rig, what: str) -> None:
    fault = dict(PUSH_FAULTS[what])
    pair.struck_by(fault.pop("kind"), channel="user.changes", times=2, window_ms=WINDOW_MS, **fault)
    pair.healed()


def test_ten_of_ten_fills_arrive_through_everything_at_once(pair: Rig) -> None:
    known = set(pair.fills_there())
    pair.arm("silent_stall", channel="user.changes", rate=0.3, seed=1)
    pair.arm("duplicate", channel="user.changes", rate=0.3, seed=2)
    pair.arm("reorder", channel="user.changes", rate=0.3, seed=3)
    pair.arm("drop_after_accept", method="private/", rate=0.15, seed=4)
    pair.shaken("ten fills", lambda: len(set(pair.fills_there()) - known) >= FILLS_WANTED, PATIENCE)
    pair.healed()
    fills = set(pair.fills_there()) - known
    assert len(fills) >= FILLS_WANTED
    assert fills <= set(pair.trades_here())


STALE: dict[str, dict[str, Any]] = {
    "one channel dies while the line lives": {"kind": "silent_stall"},
    "the venue's time stands still": {"kind": "stuck_timestamp"},
    "the same quote comes again and again": {"kind": "stuck_timestamp", "whole": True},
}


@pytest.mark.parametrize("what", STALE)
def test_nothing_is_decided_on_a_stale_quote_and_the_daemon_says_so_when(
    pair: Rig, what: str
) -> None:
    fault = dict(STALE[what])
    pair.arm(fault.pop("kind"), channel=TICKER, window_ms=WINDOW_MS, **fault)
    pair.shaken("it says why it holds", lambda: f"{HEDGE}: last good quote" in pair.why_it_held())
    pair.rested()  # what was sent on the last good quote has arrived
    sent = pair.orders()
    pair.shaker.shake()
    pair.stays(0.7, lambda: pair.orders() == sent)
    pair.shaken("it still says so", lambda: "unpriced" in pair.why_it_held())
    assert pair.orders() == sent
    pair.healed()
    pair.hedges_again()


def test_a_dead_market_line_is_left_and_nothing_was_decided_on_it(pair: Rig) -> None:
    before = pair.times_up("market")
    pair.struck_by("half_open", channel=TICKER)
    pair.shaken("it says why it holds", lambda: "last good quote" in pair.why_it_held())
    pair.rested()  # what was sent on the last good quote has arrived
    sent = pair.orders()

    def is_left() -> bool:
        now = pair.orders()
        is_up = pair.times_up("market") > before
        assert is_up or now == sent, "an order left before the line was back"
        return is_up

    until("the dead line is left", is_left, PATIENCE)
    pair.healed()


def test_a_gap_in_the_book_drops_the_book_and_a_snapshot_begins_another(pair: Rig) -> None:
    before = pair.told("BadMessage", "book dropped")
    pair.struck_by("sequence_gap")
    pair.shaken("it notices", lambda: pair.told("BadMessage", "book dropped") > before)
    pair.healed()
    dropped = pair.told("BadMessage", "book dropped")
    pair.hedges_again()
    assert pair.told("BadMessage", "book dropped") == dropped, "the new book holds"


def test_too_many_requests_and_the_end_of_the_session_are_no_fate_of_an_order(pair: Rig) -> None:
    pair.struck_by("rate_limit", window_ms=1_500)
    pair.stays(1.5, lambda: True)
    pair.healed()
    pair.hedges_again()


def test_maintenance_is_waited_out_without_a_person(pair: Rig) -> None:
    """The venue is asked less and less often, and no number of refusals stops the daemon."""
    before = pair.told("OrderRejected", "system_maintenance")
    pair.arm("maintenance", window_ms=WINDOW_MS)
    pair.shaken(
        "orders are turned away",
        lambda: pair.told("OrderRejected", "maintenance") >= before + 3,
        PATIENCE,
    )
    why = "the venue takes no orders now: system_maintenance"
    pair.shaken("it says why it sends nothing", lambda: pair.decided(why))
    pair.shaken("it runs", lambda: pair.status()["mode"]["name"] == "run")
    pair.healed()
    pair.hedges_again()


def taken_back(pair: Rig) -> int:
    """Return how many trades of the hedge the venue took back; its ledger shows each reversal."""
    rows = pair.venue.ledger()["fills"]
    return sum(row["cause"] == "bust" and row["instrument_name"] == HEDGE for row in rows)


def test_a_trade_that_is_taken_back_is_taken_over_and_hedged_anew(pair: Rig) -> None:
    pair.hedges_again()
    before = taken_back(pair)
    pair.arm("bust")
    assert taken_back(pair) == before + 1
    pair.healed()
    pair.hedges_again()


@pytest.mark.parametrize("step_ms", [60_000, -60_000])
def test_a_venue_that_tells_the_wrong_time_for_a_moment_loses_no_order(
    pair: Rig, step_ms: int
) -> None:
    pair.struck_by("clock_step", step_ms=step_ms)
    pair.healed()
    pair.hedges_again()


GATEWAYS: dict[str, dict[str, Any]] = {
    "a page of HTML": {"kind": "html_200"},
    "nothing": {"kind": "empty_200"},
    "a bad gateway": {"kind": "http_status", "status": 502},
    "too many requests": {
        "kind": "http_status", "status": 429, "content": "json", "code": 10028, "message": "wait",
    },
    "half an answer": {"kind": "truncate"},
    "what is no gzip": {"kind": "corrupt_compression"},
    "a cut line": {"kind": "drop_after_accept"},
}  # fmt: skip


@pytest.mark.parametrize("what", GATEWAYS)
def test_no_order_is_taken_for_absent_when_the_question_is_answered_by(
    pair: Rig, what: str
) -> None:
    """The socket is down, so the fate of the order is asked for over HTTP."""
    fault = dict(GATEWAYS[what])
    kind = fault.pop("kind")
    pair.arm(kind, method="private/", transport="http", window_ms=WINDOW_MS, **fault)
    pair.arm("http_status", method="connect", window_ms=WINDOW_MS)
    pair.struck_by("drop_after_accept", times=1, method="private/buy", transport="ws")
    pair.shaken("asked over HTTP", lambda: pair.struck_of(kind) >= 1)
    pair.healed()


def test_a_daemon_does_not_start_on_a_page_where_its_instruments_should_be(
    pair: Rig, tmp_path: Path
) -> None:
    pair.arm("html_200", method="public/get_instruments", transport="http", window_ms=WINDOW_MS)
    ledger = tmp_path / "other.sqlite3"
    # By another name of this machine, or it would be refused for the account that is taken.
    rest_url, ws_url = (
        url.replace("127.0.0.1", "localhost") for url in (pair.venue.rest_url, pair.venue.ws_url)
    )
    with daemon(rest_url, ws_url, ledger) as other:
        until("it gives up", lambda: other.process.poll() is not None, PATIENCE, other.said)
        assert other.process.returncode == 1
        assert "instrument" in other.told(), "it says what the venue does not tell"
    assert pair.struck() >= 1
    pair.healed()


SAMPLED = ("a second one on the account", "locked by somebody")


@pytest.mark.parametrize("name", SAMPLED)
def test_the_daemon_gets_over_it_and_each_order_left_once_when_there_is(
    pair: Rig, name: str
) -> None:
    (chosen,) = (each for each in harm.HARMS if name in each.name)
    found = judged(pair, chosen)
    assert found.ok, found.why
    assert found.requests == found.orders


SHAPES = [each for each in STRIKES if each.arms[-1]["kind"] == "wrong_schema"]


@pytest.mark.parametrize("strike", SHAPES, ids=lambda each: each.name)
def test_what_has_another_shape_than_was_agreed_is_no_news(pair: Rig, strike: Strike) -> None:
    found = befallen(pair, strike)
    assert found.ok, found.why
    assert (found.requests, found.lost) == (found.orders, 0)


def test_every_attempt_of_the_whole_storm_left_once_and_is_in_the_ledger(pair: Rig) -> None:
    pair.hedges_again()
    seen = [row["label"] for row in pair.venue.order_requests()]
    assert len(set(seen)) == len(seen)
    assert set(seen) <= set(submitted(pair.journal))
