"""Steering a daemon: one that answers, one that does not, and one that is not there."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli.app import app
from bot.dashboard.models import CommandAsked
from bot.runtime import records
from tests.cli.desk import daemon_that_says, ledger_with, told, verb
from tests.dashboard.scenes import running

COMMANDS = "/api/v1/commands"


def halted(journal: Path) -> Path:
    """Leave a halt for a daemon that does not run; its flag file."""
    answer = verb("halt", "--journal", str(journal), "--note", "smoke")
    assert answer.exit_code == (0 if journal.exists() else 1), "nobody may be halted by a typo"
    return journal.with_name(journal.name + ".halt")


def test_halt_works_on_a_daemon_that_no_longer_answers(tmp_path: Path) -> None:
    journal = tmp_path / "ledger.db"
    journal.touch()
    with daemon_that_says({COMMANDS: (503, {"error": "busy dying"})}, journal):
        result = verb("halt", "--journal", str(journal), "--note", "smoke", "--json")

    flag = tmp_path / "ledger.db.halt"
    assert result.exit_code == 0
    assert told(result)["flag_file"] == str(flag)
    assert flag.read_text().endswith("smoke\n")


def test_resume_says_why_and_leaves_the_flag_file_to_the_daemon(tmp_path: Path) -> None:
    journal = tmp_path / "ledger.db"
    flag = halted(journal)
    answer = {"accepted": True, "command": "resume", "next": "goes on"}
    with daemon_that_says({COMMANDS: (202, answer)}, journal) as posted:
        mute = verb("resume", "--journal", str(journal))
        result = verb("resume", "--journal", str(journal), "--reason", "positions compared")

    assert (mute.exit_code, mute.stderr) == (2, "deltaband: resume: say why, with --reason\n")
    assert result.exit_code == 0
    assert [(body["command"], body["note"]) for body in posted] == [
        ("resume", "positions compared")
    ]
    assert flag.exists(), "the daemon takes it away once its ledger has the command"


def test_flatten_says_what_it_closes_asks_first_and_does_nothing_unless_confirmed(
    tmp_path: Path,
) -> None:
    journal = tmp_path / "ledger.db"
    book = {"name": "main", "hedge_native": -12_340.0, "hedge_instrument": "BTC-PERPETUAL"}
    used = {"currency": "BTC", "margin_use": 0.412, "stressed_use": None}
    answers = {
        "/api/v1/status": (200, {"books": [book], "balances": [used]}),
        COMMANDS: (202, {"accepted": True, "command": "flatten", "next": "closes"}),
    }
    words = ("flatten", "--journal", str(journal), "--reason", "the desk closes")
    with daemon_that_says(answers, journal) as posted:
        asked = CliRunner().invoke(app, list(words), input="n\n")
        scripted = verb(*words, "--json")
        assert posted == []
        done = verb(*words, "--yes")

    assert "Close -12,340 BTC-PERPETUAL of book main and halt?" in asked.stderr
    assert "Margin does not hold it back (BTC u 41.2% now, unknown under stress)" in asked.stderr
    assert (asked.exit_code, scripted.exit_code, done.exit_code) == (1, 2, 0)
    assert [(body["command"], body["confirmed"]) for body in posted] == [("flatten", True)]


def test_a_person_can_say_that_they_have_heard(tmp_path: Path) -> None:
    journal = tmp_path / "ledger.db"
    answer = {"accepted": True, "command": "ack", "next": "alerts are not repeated"}
    with daemon_that_says({COMMANDS: (202, answer)}, journal) as posted:
        result = verb("ack", "--journal", str(journal), "--note", "on it")

    assert result.exit_code == 0
    assert [(body["command"], body["note"]) for body in posted] == [("ack", "on it")]


def test_resume_without_a_daemon_leaves_it_halted_and_says_so(tmp_path: Path) -> None:
    journal = tmp_path / "ledger.db"
    flag = halted(journal)
    before = flag.read_text()

    result = verb("resume", "--journal", str(journal), "--reason", "looked")

    assert result.exit_code == 1
    assert flag.read_text() == before
    assert f"no daemon is running for {journal}" in result.stderr
    assert f"the halt file {flag} is there: the next start halts" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_resume_that_is_refused_leaves_the_halt_as_it_was(tmp_path: Path) -> None:
    journal = tmp_path / "ledger.db"
    flag = halted(journal)
    before = flag.read_text()
    with daemon_that_says({COMMANDS: (401, {"error": "missing or wrong bearer token"})}, journal):
        result = verb("resume", "--journal", str(journal), "--reason", "looked")

    assert result.exit_code == 1
    assert flag.read_text() == before
    assert flag.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("word", ["status", "explain"])
def test_a_halt_that_waits_for_a_daemon_is_told_before_there_is_a_ledger(
    word: str, tmp_path: Path
) -> None:
    journal = tmp_path / "ledger.db"
    flag = halted(journal)

    result = verb(word, "--journal", str(journal))

    assert result.exit_code == 1
    assert f"the halt file {flag} is there: the next start halts" in result.stderr
    assert "deltaband explain" not in result.stderr


def test_a_dead_daemon_s_ledger_tells_of_the_halt_that_waits(tmp_path: Path) -> None:
    journal = tmp_path / "ledger.db"
    step = running().window.step
    assert step is not None
    ledger_with(journal, *records.step_rows(9, step, None, records.Standings()))
    flag = halted(journal)

    explained = verb("explain", "--journal", str(journal))
    answer = told(verb("explain", "--journal", str(journal), "--json"))
    status = verb("status", "--journal", str(journal))

    assert explained.exit_code == 0
    assert f"From the ledger: {journal} (no daemon is running)." in explained.stdout
    assert f"The halt file {flag} is there: the next start halts" in explained.stdout
    assert str(flag) in answer["pending"]
    assert status.exit_code == 1
    assert str(flag) in status.stderr
    assert "`deltaband explain` reads the ledger" in status.stderr


def test_whoever_gives_a_command_under_whatever_name_the_daemon_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = tmp_path / "ledger.db"
    monkeypatch.setenv("LOGNAME", "TRADING\\k\u00fcm" + "x" * 80)
    answer = {"accepted": True, "command": "resume", "next": "goes on"}
    with daemon_that_says({COMMANDS: (202, answer)}, journal) as posted:
        result = verb("resume", "--journal", str(journal), "--reason", "\udcff seen")

    assert result.exit_code == 0
    (body,) = posted
    assert CommandAsked.model_validate(body).actor.startswith("cli:TRADING-k-m")
    assert body["note"] == "? seen"
