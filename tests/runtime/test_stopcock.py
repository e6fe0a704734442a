"""The tap before the socket: what shuts it, what alone opens it, and the flag beside the ledger."""

import os
from dataclasses import replace
from stat import S_ISDIR

import pytest

from bot.core.engine import fresh_standing
from bot.core.events import Command, CommandGiven
from bot.runtime.stopcock import Stopcock, halt_path, raise_flag, read_flag

FREE = fresh_standing("aaaa", 0)
HALTED = replace(FREE, halt_reason="halted by somebody: smoke")
HALT = CommandGiven(command=Command.HALT, command_id="halt-1", actor="somebody", note="smoke")
RESUME = CommandGiven(command=Command.RESUME, command_id="r-1", actor="somebody", note="clear")


@pytest.fixture
def flag(tmp_path):
    return halt_path(tmp_path / "ledger.db")


def test_a_halt_shuts_before_the_loop_has_folded_it_and_folds_in_between_open_nothing(flag):
    stopcock = Stopcock(flag)
    assert stopcock.reason == ""
    stopcock.shut(HALT)
    stopcock.settle(FREE, ())  # a fold that was under way when the halt came
    assert stopcock.reason == "halted by somebody"
    stopcock.settle(HALTED, (HALT,))
    assert stopcock.reason == HALTED.halt_reason


def test_a_latch_is_flagged_with_its_reason_and_a_resume_takes_the_flag_away(flag):
    stopcock = Stopcock(flag)
    stopcock.settle(HALTED, ())
    assert read_flag(flag) == HALTED.halt_reason
    assert flag.stat().st_mode & 0o077 == 0
    stopcock.latch("")  # the step that resumes is decided, and not yet durable
    assert stopcock.reason
    stopcock.settle(FREE, (RESUME,))
    assert not flag.exists()
    assert stopcock.reason == ""


def test_a_flag_alone_shuts_and_the_words_of_whoever_left_it_stay(flag):
    flag.write_text("margin call, all stop\nsecond line\n")
    stopcock = Stopcock(flag)
    assert stopcock.reason == "the file ledger.db.halt is there"
    assert stopcock.look() == "margin call, all stop"
    stopcock.settle(HALTED, ())
    assert read_flag(flag) == "margin call, all stop"


def test_a_flag_that_somebody_leaves_while_another_resumes_is_not_taken_away(flag):
    stopcock = Stopcock(flag)
    stopcock.settle(HALTED, ())
    flag.unlink()
    flag.with_suffix(".2").write_text("no, wait\n")
    flag.with_suffix(".2").rename(flag)
    stopcock.settle(FREE, (RESUME,))
    assert read_flag(flag) == "no, wait"
    assert stopcock.reason


def test_the_same_halt_clicked_twice_and_late_does_not_shut_for_ever(flag):
    stopcock = Stopcock(flag)
    stopcock.shut(HALT)
    stopcock.shut(HALT)
    stopcock.settle(HALTED, (HALT,))
    stopcock.settle(FREE, (RESUME,))
    stopcock.shut(HALT)
    seen = replace(FREE, commands_seen=("halt-1", "r-1"))
    stopcock.settle(seen, (HALT,))  # the core has seen it: nothing is halted
    assert stopcock.reason == ""


def test_a_directory_that_takes_no_files_does_not_open_the_tap(tmp_path):
    stopcock = Stopcock(tmp_path / "gone" / "ledger.halt")
    stopcock.settle(HALTED, ())
    assert stopcock.reason == HALTED.halt_reason
    assert raise_flag(stopcock.flag, "x") == "No such file or directory"


def test_a_daemon_that_leaves_sends_nothing_more(flag):
    stopcock = Stopcock(flag)
    stopcock.leave("the daemon is stopping")
    stopcock.settle(FREE, ())
    assert stopcock.reason == "the daemon is stopping"


def test_a_flag_s_name_is_durable_too(flag, monkeypatch):
    synced: list[bool] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(S_ISDIR(os.fstat(file).st_mode)))
    raise_flag(flag, "the disk failed the ledger")
    assert synced == [False, True]


def test_a_flag_that_points_nowhere_is_there(flag):
    flag.symlink_to("nowhere")
    stopcock = Stopcock(flag)
    assert stopcock.reason == "the file ledger.db.halt is there"
    assert stopcock.look() is not None


def test_a_flag_that_is_a_directory_halts_and_stays(flag):
    flag.mkdir()
    stopcock = Stopcock(flag)
    assert stopcock.look() == "unreadable: Is a directory"
    stopcock.settle(HALTED, ())
    stopcock.settle(FREE, (RESUME,))
    assert stopcock.reason == "the file ledger.db.halt is there"


def test_a_flag_that_cannot_be_looked_for_shuts_and_says_why(tmp_path):
    unseen = tmp_path / ("x" * 300)  # a name that no file system takes, as one that answers no more
    assert Stopcock(unseen).reason.startswith("the halt file cannot be looked for: ")
