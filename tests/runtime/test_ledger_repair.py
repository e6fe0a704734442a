"""A damaged ledger is cut where it breaks; nothing of it is thrown away, and nobody forgets it."""

import json
from pathlib import Path

import pytest

from bot.core import engine, standing
from bot.core.actions import ReadAccount, SubmitOrder
from bot.core.events import InstrumentsSeen, Link, LinkUp
from bot.core.state import Mode
from bot.lab.replay import replay
from bot.runtime import ledger_repair, records
from bot.runtime.clock import WireClock
from bot.runtime.journal import (
    Broken,
    Ledger,
    LedgerRefusedError,
    Verified,
    entries,
    since_last,
    tail,
    verify,
)
from bot.runtime.ledger_file import high_path
from bot.runtime.ledger_repair import Repaired
from bot.runtime.tape import tape_beside
from tests.builders import CALL, PERP, START_MS, World, option, perp
from tests.recorded import HEADER, hedged_day
from tests.runtime.bent import bend, tear_pages

pytestmark = pytest.mark.usefixtures("compiled_kernels")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "ledger.db"
    hedged_day().write(target)
    return target


def repaired(path: Path) -> Repaired:
    told = ledger_repair.repair(path, "9.9", WireClock())
    assert told is not None
    return told


def test_a_whole_ledger_is_left_as_it_is(path):
    before = path.read_bytes()
    assert ledger_repair.repair(path, "9.9", WireClock()) is None
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.damaged-*"))


def test_it_is_cut_at_the_first_broken_row_and_the_rest_is_put_aside(path):
    whole = list(entries(path))
    bend(path, "UPDATE ledger SET body = replace(body, '10', '11') WHERE seq = 7")
    bent = path.read_bytes()
    told = repaired(path)

    assert (told.broken.seq, told.kept_rows) == (7, 6)
    assert (told.lost_rows, told.lost_to) == (len(whole) - 6, len(whole))
    assert isinstance(verify(path), Verified)
    kept = list(entries(path))
    assert kept[:6] == whole[:6]
    assert [row.kind for row in kept[6:]] == ["run", "repair", "standing"]
    aside = [json.loads(line) for line in told.side_file.read_text().splitlines()]
    assert [row["seq"] for row in aside] == [row.seq for row in whole[6:]]
    assert aside[1]["body"] == whole[7].body
    assert told.damaged.read_bytes() == bent
    assert told.side_file.stat().st_mode & 0o77 == 0
    assert "rows from row 7 to" in told.words


def test_the_next_start_halts_tells_why_and_asks_the_venue(path):
    bend(path, "DELETE FROM ledger WHERE seq >= 9")
    told = repaired(path)
    Ledger.open(path, HEADER).close()  # a daemon may start on it
    standing = records.latest_standing(since_last(path, *records.STANDING_KINDS))
    assert standing is not None
    assert told.words in standing.halt_reason
    world = World(standing=standing)
    step = world.begin({CALL: "-10", PERP: "287160"})
    step = world.quotes()
    assert step.state.mode is Mode.HALT
    assert "compare positions and trades with the venue" in step.state.mode_reason
    assert not [action for action in step.actions if isinstance(action, SubmitOrder)]
    listed = InstrumentsSeen(instruments=(perp(), option()))
    links = (LinkUp(link=Link.MARKET), LinkUp(link=Link.TRADING))
    asked = World(standing=standing).fold(listed, *links)
    assert [action for action in asked.actions if isinstance(action, ReadAccount)]


def test_an_order_id_that_was_lost_is_never_given_out_again(path):
    known = records.latest_standing(since_last(path, *records.STANDING_KINDS))
    assert known is not None
    lost = known.order_counter
    bend(path, "DELETE FROM ledger WHERE seq >= 9")
    repaired(path)
    after = records.latest_standing(since_last(path, *records.STANDING_KINDS))
    assert after is not None
    begun = engine.begin(after, START_MS + 60_000, 0).standing
    assert begun.order_counter > lost
    assert begun.instance == known.instance


def test_ids_given_out_since_a_repair_are_not_given_out_when_a_backup_is_put_back(path):
    bend(path, "DELETE FROM ledger WHERE seq >= 9")
    repaired(path)
    backup = records.latest_standing(since_last(path, *records.STANDING_KINDS))
    assert backup is not None
    first = engine.begin(backup, START_MS + 60_000, 0).standing
    sent, _ = standing.numbered(first, "db")
    again = engine.begin(backup, START_MS + 90_000, 0).standing
    assert again.order_counter > sent.order_counter


def test_a_ledger_older_than_its_mark_is_taken_up_again_only_after_a_repair(path):
    mark = high_path(path).read_bytes()
    old = path.with_name("old.db")
    hedged_day().write(old)
    bend(old, "DELETE FROM ledger WHERE seq > 8")
    path.unlink()
    old.rename(path)
    high_path(path).write_bytes(mark)
    with pytest.raises(LedgerRefusedError, match="journal repair"):
        Ledger.open(path, HEADER)
    told = repaired(path)
    assert (told.broken.seq, told.lost_rows) == (9, 0)
    Ledger.open(path, HEADER).close()
    assert isinstance(verify(path), Verified)


def test_a_mark_that_cannot_be_read_is_written_anew_and_told(path):
    high_path(path).write_text("{")
    with pytest.raises(LedgerRefusedError, match="cannot be read"):
        Ledger.open(path, HEADER)
    assert repaired(path).broken.reason.endswith("whose mark is unreadable")
    Ledger.open(path, HEADER).close()


def test_pages_that_the_disk_lost_cost_what_was_on_them(tmp_path):
    path = tmp_path / "ledger.db"
    day = hedged_day()
    day.rows += [row for row in day.rows if row.kind == "facts"] * 40
    day.write(path)
    tear_pages(path, 0.6)
    broken = verify(path)
    assert isinstance(broken, Broken)
    assert "cannot be read" in broken.reason
    assert "damaged" in broken.means
    told = repaired(path)
    assert told.kept_rows == broken.seq - 1 > 10
    assert isinstance(verify(path), Verified)


def test_nothing_is_repaired_while_a_daemon_runs_or_where_no_row_is_whole(path):
    ledger = Ledger.open(path, HEADER)
    with pytest.raises(LedgerRefusedError, match="a daemon is running"):
        ledger_repair.repair(path, "9.9", WireClock())
    ledger.close()
    bend(path, "UPDATE ledger SET at_ms = 1 WHERE seq = 1")
    with pytest.raises(LedgerRefusedError, match="nothing can be kept"):
        ledger_repair.repair(path, "9.9", WireClock())


def test_what_was_kept_can_still_be_replayed_and_the_repair_is_mentioned(path):
    (last,) = tail(path, 1)
    bend(path, f"UPDATE ledger SET at_ms = 1 WHERE seq = {last.seq}")
    repaired(path)
    found = replay(path, tape_beside(path))
    assert found.difference is None
    assert [run.folds for run in found.runs] == [5, 0]
    assert found.runs[1].notes[0].startswith("the ledger was repaired: row")
