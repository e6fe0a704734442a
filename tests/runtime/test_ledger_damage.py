"""Damage that hides: what a start takes up is what was last written, or it is refused in words."""

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typing_extensions import override

from bot import runtime
from bot.core import engine
from bot.core.standing import Standing
from bot.runtime import ledger_file, ledger_repair, records
from bot.runtime.assembly import last_standing
from bot.runtime.clock import WireClock
from bot.runtime.journal import (
    Broken,
    Ledger,
    LedgerRefusedError,
    Row,
    Verified,
    entries,
    since_last,
    verify,
)
from bot.runtime.ledger_disk import Disk
from bot.runtime.ledger_file import high_path
from bot.runtime.ledger_opening import KINDS
from bot.runtime.stopcock import halt_path, read_flag
from tests.recorded import HEADER
from tests.runtime.bent import bend, bend_index

HALTED = "a person halted"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a ledger whose last change is a halt, with news of the account between its rows."""
    target = tmp_path / "ledger.db"
    ledger = Ledger.open(target, HEADER)
    written, before = records.Standings(), None
    begun = engine.fresh_standing("abcd", 1_000)
    for fold in range(8):
        after = replace(begun, order_counter=fold, halt_reason=HALTED if fold == 7 else "")
        news = Row(kind="facts", at_ms=1_000 + fold, body=f'{{"fold": {fold}}}')
        ledger._commit([news, *written.rows(fold, before, after, 1_000 + fold)])
        before = after
    ledger.close()
    return target


def taken_up(path: Path) -> Standing:
    """Return what a start goes on from."""
    Ledger.open(path, HEADER).close()
    known = records.latest_standing(since_last(path, *records.STANDING_KINDS))
    assert known is not None
    return known


def test_a_halt_is_remembered_though_the_index_lost_its_row(path):
    bend_index(path, "change")
    assert taken_up(path).halt_reason == HALTED


def test_the_last_whole_standing_is_found_though_the_index_lost_it(path):
    bend_index(path, "standing")
    assert taken_up(path).halt_reason == HALTED


def test_a_ledger_belongs_to_its_account_though_the_index_lost_who_it_is(path):
    bend_index(path, "run")
    with pytest.raises(LedgerRefusedError, match="belongs to account 'BTC'"):
        Ledger.open(path, replace(HEADER, account="another"))


def test_what_a_start_goes_on_from_is_rehashed_however_far_back_it_lies(path, monkeypatch):
    monkeypatch.setattr(ledger_file, "HEAD_CHECKED_ROWS", 2)
    bend(path, "UPDATE ledger SET body = replace(body, 'abcd', 'abce') WHERE kind = 'standing'")
    with pytest.raises(LedgerRefusedError, match="content does not match"):
        Ledger.open(path, HEADER)


def test_a_bent_first_row_of_a_run_is_refused_in_words_however_far_back_it_lies(path, monkeypatch):
    monkeypatch.setattr(ledger_file, "HEAD_CHECKED_ROWS", 2)
    bend(path, "UPDATE ledger SET body = 'bent' WHERE kind = 'run'")
    with pytest.raises(LedgerRefusedError, match="row 1 its content does not match"):
        Ledger.open(path, HEADER)


def test_a_ledger_put_back_without_its_mark_is_taken_up_only_after_a_repair(path):
    high_path(path).unlink()
    with pytest.raises(LedgerRefusedError, match=r"ledger\.db\.high is not there"):
        Ledger.open(path, HEADER)
    told = ledger_repair.repair(path, "9.9", WireClock())
    assert told is not None
    assert "whose mark is not there" in told.broken.reason
    assert "compare positions and trades" in taken_up(path).halt_reason


def test_a_first_start_that_was_killed_before_its_mark_is_simply_begun_again(tmp_path):
    path = tmp_path / "ledger.db"
    Ledger.open(path, HEADER).abandon()
    high_path(path).unlink()
    Ledger.open(path, HEADER).close()
    assert isinstance(verify(path), Verified)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"[]", b'{"seq": 3}', b'{"seq": 1e999}'])
def test_a_mark_of_rubbish_refuses_in_words_and_a_repair_writes_it_anew(path, content):
    high_path(path).write_bytes(content)
    with pytest.raises(LedgerRefusedError, match="high-water mark"):
        Ledger.open(path, HEADER)
    assert ledger_repair.repair(path, "9.9", WireClock()) is not None
    assert "compare positions and trades" in taken_up(path).halt_reason


@pytest.mark.parametrize(
    "bent",
    [
        "body = CAST(body AS BLOB)",
        "run_id = NULL",
        "kind = NULL",
        "at_ms = 'soon'",
        "prev_hash = 'text'",
        "seq = 10000",
        "seq = -4",
    ],
)
def test_a_row_whose_columns_changed_their_type_is_found_and_cut_off(path, bent):
    bend(
        path,
        "ALTER TABLE ledger RENAME TO strict_one",
        *loosened(),
        f"UPDATE ledger SET {bent} WHERE seq = 9",
    )
    with pytest.raises(LedgerRefusedError, match="is damaged: row 9"):
        Ledger.open(path, HEADER)
    told = ledger_repair.repair(path, "9.9", WireClock())
    assert told is not None
    assert told.kept_rows == 8
    assert "compare positions and trades" in taken_up(path).halt_reason


def loosened() -> tuple[str, ...]:
    """Return what makes the table take values of any type: a flipped bit in a row does so."""
    columns = ledger_file.COLUMNS.replace("seq,", "seq INTEGER PRIMARY KEY,", 1)
    return (
        f"CREATE TABLE ledger ({columns})",
        "INSERT INTO ledger SELECT * FROM strict_one",
        "DROP TABLE strict_one",
        "CREATE INDEX ledger_by_kind ON ledger (kind, seq)",
    )


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("place", ["write_high", "link", "rename", "sync_folder"])
@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.parametrize("after", [False, True])
def test_a_repair_that_is_killed_lets_nobody_start_until_it_is_done_again(
    path, monkeypatch, place, turn, after
):
    keep_log(path)
    owner = {"link": os, "rename": Path}.get(place, ledger_file)
    right, calls = getattr(owner, place), count(1)

    def killed(*args: object) -> object:
        now = next(calls) == turn
        if now and not after:
            raise Killed
        done = right(*args)
        if now:
            raise Killed
        return done

    with monkeypatch.context() as crash, suppress(Killed):
        crash.setattr(owner, place, killed)
        ledger_repair.repair(path, "9.9", WireClock())
    try:
        Ledger.open(path, HEADER).close()
    except LedgerRefusedError:
        assert ledger_repair.repair(path, "9.9", WireClock()) is not None
    assert "compare positions and trades" in taken_up(path).halt_reason


def keep_log(path: Path) -> None:
    """Leave a ledger that a kill left: its last row, a bent one, only in its write-ahead log."""
    ledger = Ledger.open(path, HEADER)
    ledger._connection.execute("PRAGMA wal_autocheckpoint = 0")
    for at_ms in (1, 2):
        ledger._commit([Row(kind="step", at_ms=at_ms, body="{}")])
    ledger._mark_high()
    beside = {end: path.with_name(path.name + end).read_bytes() for end in ("", "-wal")}
    ledger.close()
    beside["-wal"] = beside["-wal"].replace(b"step", b"stop")
    for end, content in beside.items():
        path.with_name(path.name + end).write_bytes(content)


def test_a_repair_that_keeps_no_standing_leaves_the_halt_beside_the_ledger(path):
    bend(path, "UPDATE ledger SET at_ms = 1 WHERE kind = 'standing'")
    told = ledger_repair.repair(path, "9.9", WireClock())
    assert told is not None
    Ledger.open(path, HEADER).close()
    assert since_last(path, *records.STANDING_KINDS) == ()
    assert (read_flag(halt_path(path)) or "").startswith("ledger repaired: rows from row 3")


def test_a_volume_that_kept_nothing_of_its_run_is_refused_in_words(path):
    ledger = Ledger.open(path, HEADER)
    ledger._turn_over([Row(kind="standing", at_ms=0, body="{}")])
    ledger.close()
    bend(path, "UPDATE ledger SET at_ms = 1 WHERE kind = 'run'")
    with pytest.raises(LedgerRefusedError, match="put a backup in its place"):
        ledger_repair.repair(path, "9.9", WireClock())


def test_rows_cut_from_the_middle_to_far_from_the_end_are_found_missing(path, monkeypatch):
    monkeypatch.setattr(ledger_file, "HEAD_CHECKED_ROWS", 2)
    bend(path, "DELETE FROM ledger WHERE seq < 15")
    with pytest.raises(LedgerRefusedError, match="missing: row 0 is followed by row 15"):
        Ledger.open(path, HEADER)


def test_a_damaged_index_is_named_and_a_repair_keeps_every_row(path):
    rows = list(entries(path))
    bend_index(path, "change")
    broken = verify(path)
    assert isinstance(broken, Broken)
    assert "missing from index ledger_by_kind" in broken.reason
    told = ledger_repair.repair(path, "9.9", WireClock())
    assert told is not None
    assert (told.kept_rows, told.lost_rows) == (len(rows), 0)
    assert list(entries(path))[: len(rows)] == rows
    assert isinstance(verify(path), Verified)


def test_a_table_whose_own_words_are_bent_is_refused_in_words(path):
    content = path.read_bytes()
    path.write_bytes(content.replace(b"CREATE TABLE ledger", b"CREATE TABL\xc5 ledger"))
    for ask in (verify, partial(Ledger.open, header=HEADER)):
        with pytest.raises(LedgerRefusedError, match=r"ledger\.db"):
            ask(path)


@pytest.mark.parametrize("kept", range(1, 10, 2))
def test_a_backup_put_back_beside_the_newer_write_ahead_log_is_refused_or_whole(path, kept):
    """SQLite takes any log that lies beside a file for the file's own."""
    known = records.latest_standing(since_last(path, *records.STANDING_KINDS))
    ledger = Ledger.open(path, HEADER)
    writer, news = ledger._connection, [Row(kind="step", at_ms=1, body="x" * 3_000)]
    writer.execute("PRAGMA wal_autocheckpoint = 0")
    backup = b""
    for number in range(10):
        ledger._commit(news)
        if number == kept:
            writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            backup = path.read_bytes()
        if number == 7:
            writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    ledger._mark_high()
    log = path.with_name(path.name + "-wal").read_bytes()
    ledger.close()
    path.write_bytes(backup)
    path.with_name(path.name + "-wal").write_bytes(log)
    try:
        assert taken_up(path) == known
    except LedgerRefusedError:
        assert ledger_repair.repair(path, "9.9", WireClock()) is not None
        assert "compare positions and trades" in taken_up(path).halt_reason
    assert isinstance(verify(path), Verified)


def test_a_ledger_that_is_a_link_to_another_file_is_refused(path):
    linked = path.with_name("linked.db")
    linked.symlink_to(path)
    with pytest.raises(LedgerRefusedError, match=r"is a link to .*ledger\.db: name that"):
        Ledger.open(linked, HEADER)


class Recovers(sqlite3.Connection):
    """Is told twice that another program recovers the write-ahead log."""

    times: ClassVar[int] = 0

    @override
    def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
        if sql == "BEGIN IMMEDIATE" and Recovers.times > 0:
            Recovers.times -= 1
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = sqlite3.SQLITE_BUSY_RECOVERY
            raise error
        return super().execute(sql, *parameters)


def test_a_lock_of_whatever_kind_is_waited_for(path, monkeypatch):
    ledger = Ledger.open(path, HEADER, disk=Disk(connection=Recovers))
    monkeypatch.setattr(Recovers, "times", 2)
    ledger._commit([Row(kind="step", at_ms=1, body="{}")])
    ledger.close()
    assert isinstance(verify(path), Verified)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can repair what another user owns")
def test_a_repair_by_root_leaves_the_ledger_to_whom_it_belongs(path):
    bend(path, "UPDATE ledger SET at_ms = 1 WHERE seq = 9")
    for beside in path.parent.iterdir():
        os.chown(beside, 1234, 1234)
    assert ledger_repair.repair(path, "9.9", WireClock()) is not None
    assert {one.stat().st_uid for one in (path, high_path(path))} == {1234}


def test_a_row_of_a_kind_that_a_newer_version_writes_is_refused_in_words(path):
    ledger = Ledger.open(path, HEADER)
    ledger._commit([Row(kind="novelty", at_ms=1, body="{}")])
    ledger.close()
    with pytest.raises(LedgerRefusedError, match="of kind novelty, which a newer version wrote"):
        Ledger.open(path, HEADER)


def test_every_kind_of_row_that_this_version_writes_is_known_to_its_next_start():
    written = {
        kind
        for source in Path(runtime.__file__).parent.glob("*.py")
        for kind in re.findall(r'Row\(kind="([a-z]+)"', source.read_text())
    }
    assert written >= {"facts", "step", "change", "end"}
    assert written <= KINDS


@pytest.mark.parametrize(
    ("known", "other"),
    [
        ('"pause_reason":""', '"pause_reason":"","novelty":1'),
        ('"pause_reason":"",', ""),
        ('"$":"Standing"', '"$":"Novelty"'),
    ],
)
def test_a_standing_of_another_version_is_refused_in_words_or_means_the_same(path, known, other):
    whole = taken_up(path)
    ledger = Ledger.open(path, HEADER)
    body = records.standing_text(9, whole).decode()
    assert body.count(known) == 1
    ledger._commit([Row(kind="standing", at_ms=1, body=body.replace(known, other))])
    with suppress_refusal("left by another version"):
        assert last_standing(ledger, 1, str) == whole
    ledger.close()


@contextmanager
def suppress_refusal(words: str) -> Iterator[None]:
    """Let a refusal pass that says so."""
    try:
        yield
    except LedgerRefusedError as error:
        if words not in str(error):
            raise
