"""The verbs, most of them in this process; the long-running ones in `test_cli_processes`."""

import json
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest

import bot
from bot.cli.exchange import moment
from bot.core import codec
from bot.core.modes import ModeChanged
from bot.core.state import Mode
from bot.dashboard import address
from bot.runtime import records
from bot.runtime.journal import Row
from tests.cli.desk import TOKEN, daemon_that_says, ledger_with, told, verb
from tests.dashboard.scenes import running

ROOT = Path(__file__).parent.parent
DEMO = str(ROOT / "config" / "demo.yaml")
LIVE = str(ROOT / "config" / "deribit-live.yaml")


def test_the_version_is_the_package_s() -> None:
    assert verb("--version").stdout == f"deltaband {bot.__version__}\n"


@pytest.mark.parametrize(
    "words", [(), ("nonsense",), ("run",), ("exchange", "--port", "x"), ("journal", "tale")]
)
def test_wrong_usage_ends_with_2(words: tuple[str, ...]) -> None:
    assert verb(*words).exit_code == 2


def test_the_shipped_demo_configuration_passes_the_check() -> None:
    result = verb("check", DEMO, "--json")

    answer = told(result)
    values = {one["key"]: one for one in answer["values"]}
    assert result.exit_code == 0
    assert answer["ok"] is True
    assert values["books[0].convention"]["value"] == "coin"
    assert values["journal.path"]["source"].startswith(f"{DEMO}:")


def test_a_replaced_value_is_checked_and_its_source_is_shown() -> None:
    result = verb("check", DEMO, "--set", "books.0.hedge.band_high_coin=0.4", "--json")

    values = {one["key"]: one for one in told(result)["values"]}
    band = values["books[0].hedge.band_high_coin"]
    assert band["value"] == 0.4
    assert band["source"].startswith("--set")


def test_a_broken_configuration_ends_with_2_and_names_file_line_and_key(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yaml"
    broken.write_text(Path(DEMO).read_text().replace("band_low_coin:", "band_lo_coin:"))

    for words in (("check", str(broken)), ("run", str(broken))):
        result = verb(*words)
        assert result.exit_code == 2
        assert f"{broken}:" in result.stderr
        assert "band_lo_coin" in result.stderr
        assert "band_low_coin" in result.stderr
        assert result.stdout == ""


def test_with_json_a_failure_is_one_object_too() -> None:
    result = verb("check", "nothing.yaml", "--json")

    assert result.exit_code == 2
    assert told(result)["exit"] == 2
    assert "nothing.yaml" in told(result)["error"]


def test_a_secret_that_is_not_there_is_found_by_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    words = ("--set", "venue.key={env: NO_SUCH_KEY}", "--set", "venue.secret={env: NO_SUCH_KEY}")

    result = verb("check", DEMO, *words)

    assert result.exit_code == 2
    assert "environment variable NO_SUCH_KEY is not set" in result.stderr


def test_a_time_without_a_zone_is_utc() -> None:
    assert moment("2025-12-10T18:35") == datetime(2025, 12, 10, 18, 35, tzinfo=UTC)
    assert moment("2025-12-10T19:35+01:00") == moment("2025-12-10T18:35Z")
    assert verb("exchange", "--from", "yesterday").exit_code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--market", "nothing.parquet"), "nothing.parquet"),
        (("--speed", "0"), "speed must be a positive number"),
        (("--equity", "-1"), "equity must be a positive number"),
        (("--book", "nothing.yaml"), "nothing.yaml cannot be read"),
        (("--limits", "none"), "generous"),
    ],
)
def test_an_exchange_that_cannot_be_is_a_usage_error(words: tuple[str, ...], said: str) -> None:
    result = verb("exchange", "--port", "0", *words)

    assert result.exit_code == 2
    assert said in result.stderr


def test_live_needs_the_file_and_the_flag() -> None:
    without, wrong = verb("run", LIVE), verb("run", DEMO, "--i-understand-live")

    assert (without.exit_code, wrong.exit_code) == (2, 2)
    assert "--i-understand-live" in without.stderr
    assert "says mode rehearsal" in wrong.stderr


def test_a_rehearsal_without_its_exchange_says_what_to_start_first(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{nobody.getsockname()[1]}"
        ways = (f"rest_url=http://{place}", f"ws_url=ws://{place}/ws/api/v2")
        given = (f"journal.path={tmp_path / 'ledger.db'}", *(f"venue.{way}" for way in ways))
        result = verb("run", DEMO, *(word for one in given for word in ("--set", one)))

    assert result.exit_code == 1
    assert result.stderr == (
        f"deltaband: run: nobody answers at http://{place}: cannot connect to {place}; a rehearsal "
        f"wants its exchange first: `deltaband exchange --port {place.partition(':')[2]}`\n"
    )


@pytest.mark.parametrize(
    "words", [("status",), ("pause",), ("resume", "--reason", "ok"), ("flatten",)]
)
def test_a_daemon_that_does_not_run_is_one_clear_line(
    words: tuple[str, ...], tmp_path: Path
) -> None:
    result = verb(*words, "--journal", str(tmp_path / "ledger.db"))

    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "no daemon is running" in result.stderr


def test_a_halt_of_a_ledger_that_is_not_there_is_no_success(tmp_path: Path) -> None:
    mistyped = verb("halt", "--journal", str(tmp_path / "typo.db"), "--reason", "now")
    (tmp_path / "ledger.db").touch()
    waits = verb("halt", "--journal", str(tmp_path / "ledger.db"), "--reason", "now")

    assert mistyped.exit_code == 1
    assert "NOTHING THAT RUNS WAS HALTED" in mistyped.stderr
    assert (tmp_path / "typo.db.halt").exists(), "a daemon that starts there starts halted"
    assert waits.exit_code == 0


def test_a_stale_port_file_is_told_from_a_daemon(tmp_path: Path) -> None:
    journal = tmp_path / "ledger.db"
    address.write_private(address.port_path(journal), "9")
    address.write_private(address.token_path(journal), TOKEN)

    result = verb("status", "--journal", str(journal))

    assert result.exit_code == 1
    assert "does not answer at http://127.0.0.1:9" in result.stderr


def test_the_only_daemon_nearby_needs_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "var").mkdir()
    status = json.loads(_status_text())
    with daemon_that_says({"/api/v1/status": (200, status)}, tmp_path / "var" / "a.db"):
        alone = verb("status")
        address.write_private(tmp_path / "b.db.port", "9")
        several = verb("status")

    assert alone.exit_code == 0
    assert "RUN" in alone.stdout
    assert several.exit_code == 2
    assert "b.db, var/a.db" in several.stderr


def test_the_ledger_s_place_may_come_from_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    text = Path(DEMO).read_text().replace("var/demo.sqlite3", str(tmp_path / "ledger.db"))
    config.write_text(text)
    status = json.loads(_status_text())
    with daemon_that_says({"/api/v1/status": (200, status)}, tmp_path / "ledger.db"):
        result = verb("status", "--config", str(config), "--json")

    assert told(result) == status


def _status_text() -> str:
    status = running().window.status()
    assert status is not None
    return status.model_dump_json()


def test_explain_says_it_in_words_and_numbers(tmp_path: Path) -> None:
    explanation = running().window.explanation()
    assert explanation is not None
    answers = {"/api/v1/explain": (200, explanation.model_dump(mode="json"))}
    with daemon_that_says(answers, tmp_path / "ledger.db"):
        result = verb("explain", "--journal", str(tmp_path / "ledger.db"))

    assert "below the low edge of the band of -0.2000 to +0.2000 coin" in result.stdout
    assert "HEDGE (order db" in result.stdout
    assert "deviation_coin -0.44" in result.stdout


def test_a_command_carries_who_gave_it_and_why(tmp_path: Path) -> None:
    answer = {"accepted": True, "command": "pause", "next": "no new hedges"}
    journal = tmp_path / "ledger.db"
    with daemon_that_says({"/api/v1/commands": (202, answer)}, journal) as posted:
        result = verb("pause", "--journal", str(journal), "--note", "lunch", "--json")

    assert told(result) == answer
    (body,) = posted
    assert (body["command"], body["note"]) == ("pause", "lunch")
    assert body["actor"].startswith("cli:")
    assert len(body["command_id"]) == 32


def test_a_refusal_of_the_daemon_is_shown_as_it_is(tmp_path: Path) -> None:
    refused = (401, {"error": "missing or wrong bearer token"})
    with daemon_that_says({"/api/v1/commands": refused}, tmp_path / "ledger.db"):
        result = verb("resume", "--reason", "ok", "--journal", str(tmp_path / "ledger.db"))

    assert result.exit_code == 1
    assert "missing or wrong bearer token" in result.stderr


def test_a_daemon_that_is_gone_is_explained_from_its_ledger(tmp_path: Path) -> None:
    journal = tmp_path / "ledger.db"
    scene = running()
    assert scene.window.step is not None
    ledger_with(journal, *records.step_rows(9, scene.window.step, None, records.Standings()))

    result = verb("explain", "--journal", str(journal), "--json")

    answer = told(result)
    (book,) = answer["books"]
    assert result.exit_code == 0
    assert answer["source"].startswith(str(journal))
    assert book["last_hedge"]["order_id"].startswith("db")
    assert "outside" in book["words"][0]
    assert answer["pending"] == ""


def test_a_daemon_that_stopped_in_order_is_not_said_to_wait_for_its_connection(
    tmp_path: Path,
) -> None:
    journal = tmp_path / "ledger.db"
    step = running().window.step
    assert step is not None
    parting = ModeChanged(
        at_ms=9, before=Mode.RUN, after=Mode.RECONCILING,
        reason="market connection: the daemon is stopping", clears="the connection is back",
    )  # fmt: skip
    parted = step._replace(notes=(parting,))
    rows = records.step_rows(9, parted, None, records.Standings())
    ledger_with(journal, *rows)
    killed = told(verb("explain", "--journal", str(journal), "--json"))
    journal.unlink()
    ledger_with(tmp_path / "ended.db", *rows, records.end_row(9, 1_767_603_600_000))
    ended = told(verb("explain", "--journal", str(tmp_path / "ended.db"), "--json"))

    assert (killed["mode"], killed["mode_clears"]) == ("reconciling", "the connection is back")
    assert (ended["mode"], ended["mode_reason"]) == ("ended", "the daemon stopped in order")
    assert ended["books"] == killed["books"]


def test_a_ledger_that_was_changed_does_not_verify(tmp_path: Path) -> None:
    journal = tmp_path / "ledger.db"
    body = codec.dumps({"fold": 1})
    ledger_with(journal, *(Row(kind="step", at_ms=at, body=body) for at in range(3)))
    whole = verb("journal", "verify", str(journal), "--json")

    ledger_with(journal)  # so that nothing is left beside the file that is cut now
    _forge(journal)
    broken = verb("journal", "verify", str(journal), "--json")

    assert (whole.exit_code, told(whole)["ok"], told(whole)["rows"]) == (0, True, 4)
    assert (broken.exit_code, told(broken)["ok"], told(broken)["row"]) == (1, False, 2)


def _forge(journal: Path) -> None:
    import sqlite3

    connection = sqlite3.connect(journal)
    connection.execute("DROP TRIGGER ledger_keeps_words")
    connection.execute("UPDATE ledger SET body = '{\"fold\": 7}' WHERE seq = 2")
    connection.commit()
    connection.close()


def test_the_tail_of_a_ledger_shows_the_last_rows(tmp_path: Path) -> None:
    journal = tmp_path / "ledger.db"
    rows = [Row(kind=kind, at_ms=at, body="{}") for at, kind in enumerate(("step", "facts"))]
    ledger_with(journal, *rows)

    everything = told(verb("journal", "tail", str(journal), "--json"))["rows"]
    steps = told(verb("journal", "tail", str(journal), "--kind", "step", "--json"))["rows"]
    missing = verb("journal", "tail", str(tmp_path / "nothing.db"))

    assert [row["kind"] for row in everything] == ["run", "step", "facts"]
    assert [row["seq"] for row in steps] == [2]
    assert missing.exit_code == 1
    assert "there is no ledger at" in missing.stderr
