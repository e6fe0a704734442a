"""Verbs given at night: by the wrong user, from the wrong directory, about the wrong file."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli import answer
from bot.cli.app import app
from bot.dashboard import address
from tests.cli.desk import daemon_that_says, ledger_with, told, verb
from tests.dashboard.scenes import running

ASKED = (
    ("status",), ("explain",), ("pause",), ("ack",), ("flatten",), ("halt",),
    ("resume", "--reason", "ok"),
)  # fmt: skip


def shut(journal: Path) -> None:
    """Leave an address that nobody can read, root neither: a link that leads to itself."""
    port = address.port_path(journal)
    port.symlink_to(port)


@pytest.mark.parametrize("words", ASKED)
def test_a_daemon_whose_address_cannot_be_read_is_one_clear_line(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    journal = tmp_path / "ledger.db"
    shut(journal)

    result = verb(*words, "--journal", str(journal))

    assert result.exit_code == 1
    assert f"the daemon of {journal} cannot be asked" in result.stderr
    assert result.stderr.count("\n") == 1


def test_what_another_user_s_files_keep_from_us_says_whose_they_are(tmp_path: Path) -> None:
    error = PermissionError(13, "Permission denied", str(tmp_path / "private" / "ledger.db.port"))

    said = answer.unreached(error)

    assert "ledger.db.port: Permission denied" in said
    assert f"belongs to user {tmp_path.owner()}" in said
    assert f"sudo -u {tmp_path.owner()} deltaband" in said
    assert answer.unreached(OSError(28, "No space left on device")) == "No space left on device"


def test_a_halt_that_can_be_left_nowhere_says_that_nothing_was_halted(tmp_path: Path) -> None:
    result = verb("halt", "--journal", str(tmp_path / "no" / "ledger.db"), "--reason", "now")

    assert result.exit_code == 1
    assert result.stderr.startswith("deltaband: halt: NOTHING WAS HALTED: ")
    assert "kill -USR1" in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_halt_of_nobody_in_particular_says_that_nothing_was_halted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    result = verb("halt", "--reason", "now")

    assert result.exit_code == 1
    assert result.stderr.startswith("deltaband: halt: NOTHING WAS HALTED: no running daemon found")


def test_a_daemon_is_told_from_a_ledger_that_is_somewhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ledger_with(tmp_path / "ledger.db")

    stopped = verb("status", "--journal", "ledger.db")
    elsewhere = verb("status", "--journal", "var/ledger.db")

    assert f"no daemon is running for {tmp_path}/ledger.db;" in stopped.stderr
    assert f"for {tmp_path}/var/ledger.db, and there is no such ledger" in elsewhere.stderr
    assert "counts from where the daemon was started" in elsewhere.stderr
    assert "no such ledger" not in stopped.stderr


@pytest.mark.parametrize("place", ["/", ".", ""])
@pytest.mark.parametrize("words", [("status",), ("halt",), ("journal", "tail")])
def test_a_directory_is_no_ledger(place: str, words: tuple[str, ...]) -> None:
    result = verb(*words, "--journal", place or os.sep + "tmp")

    assert result.exit_code == 2
    assert "is a directory; a ledger is a file" in result.stderr


def test_a_flatten_that_nobody_answers_says_that_nothing_was_done(tmp_path: Path) -> None:
    journal = tmp_path / "ledger.db"
    status: tuple[int, dict[str, list[str]]] = (200, {"books": [], "balances": []})
    with daemon_that_says({"/api/v1/status": status}, journal) as posted:
        result = CliRunner().invoke(app, ["flatten", "--journal", str(journal)], input="")

    assert posted == []
    assert result.exit_code == 1
    assert "flatten: nothing was done" in result.stderr


BROKEN = "mode: nonsense\nbooks: 3\njournal: {path: PLACE, volume_mb: no}\n"


@pytest.mark.parametrize("words", [("status",), ("halt", "--reason", "now"), ("journal", "tail")])
def test_what_somebody_was_writing_for_the_next_start_keeps_nobody_from_a_running_daemon(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    journal, config = tmp_path / "ledger.db", tmp_path / "mine.yaml"
    ledger_with(journal)
    config.write_text(BROKEN.replace("PLACE", str(journal)))
    status = running().window.status()
    assert status is not None
    answers = {
        "/api/v1/status": (200, status.model_dump(mode="json")),
        "/api/v1/commands": (202, {"accepted": True, "command": "halt", "next": "stops"}),
    }
    with daemon_that_says(answers, journal):
        result = verb(*words, "--config", str(config))

    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("text", "says"),
    [("mode: live\n", "names no ledger"), ("\tmode", "a tab"), ("journal: x\n", "names no ledger")],
)
def test_a_file_that_names_no_ledger_is_told_with_the_way_around_it(
    text: str, says: str, tmp_path: Path
) -> None:
    config = tmp_path / "mine.yaml"
    config.write_text(text)

    result = verb("halt", "--config", str(config))

    assert result.exit_code == 2
    assert "NOTHING WAS HALTED" in result.stderr
    assert says in result.stderr
    assert "--journal LEDGER names the ledger without it" in result.stderr


def test_the_daemon_that_is_typed_is_halted_and_not_the_one_that_was_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "b.yaml"
    config.write_text(f"journal: {{path: {tmp_path / 'b.db'}}}\n")
    for name in ("a.db", "b.db"):
        ledger_with(tmp_path / name)
    monkeypatch.setenv("DELTABAND_JOURNAL", str(tmp_path / "a.db"))

    typed = verb("halt", "--config", str(config), "--reason", "b only")
    monkeypatch.setenv("DELTABAND_CONFIG", str(config))
    exported = verb("journal", "tail", "--json")

    assert typed.exit_code == 0
    assert [path.name for path in tmp_path.glob("*.halt")] == ["b.db.halt"]
    assert told(exported)["journal"] == str(tmp_path / "a.db")
