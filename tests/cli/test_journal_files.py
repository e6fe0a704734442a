"""A ledger's rows in other programs, and a damaged one taken up again."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from bot.runtime.journal import entries
from tests.cli.desk import told, verb
from tests.recorded import hedged_day
from tests.runtime.bent import bend


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    hedged_day().write(path, tape=False)
    return path


def test_json_lines_hold_every_row_with_its_words_on_standard_output(journal: Path) -> None:
    lines = verb("journal", "export", str(journal)).stdout.splitlines()

    rows = [json.loads(line) for line in lines]
    written = list(entries(journal))
    assert [row["seq"] for row in rows] == [entry.seq for entry in written]
    assert [row["body"] for row in rows] == [json.loads(entry.body) for entry in written]
    (order,) = [row for row in rows if "HEDGE" in row["words"]]
    assert order["at"] == "2026-01-05T09:00:00.300+00:00"


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_the_ending_of_the_file_chooses_the_form(
    journal: Path, tmp_path: Path, ending: str
) -> None:
    out = tmp_path / f"rows.{ending}"

    answer = verb("journal", "export", str(journal), "--out", str(out), "--kind", "step", "--json")

    count = told(answer)["rows"]
    read = {
        "jsonl": lambda: [json.loads(line) for line in out.read_text().splitlines()],
        "csv": lambda: list(csv.DictReader(out.read_text().splitlines())),
        "parquet": lambda: pl.read_parquet(out).to_dicts(),
    }
    rows = read[ending]()
    assert len(rows) == count > 2
    assert {row["kind"] for row in rows} == {"step"}
    bodies = [row["body"] if ending == "jsonl" else json.loads(row["body"]) for row in rows]
    assert bodies[0]["fold"] == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--out", "rows.xlsx"), "does not end in a known form (jsonl, csv, parquet)"),
        (("--format", "parquet"), "parquet wants a file to write to"),
        (("--json",), "--json wants a file to write to"),
    ],
)
def test_an_export_that_makes_no_sense_ends_with_2(
    journal: Path, words: tuple[str, ...], says: str
) -> None:
    answer = verb("journal", "export", str(journal), *words)

    assert answer.exit_code == 2
    assert says in answer.stderr


@pytest.mark.parametrize("verb_words", [("journal", "export"), ("replay",)])
@pytest.mark.parametrize(
    "bent", ["body = 'no json'", "at_ms = 1 << 60", "body = replace(body, '10', '11')"]
)
def test_nothing_from_a_bent_row_on_is_exported_or_replayed(
    journal: Path, verb_words: tuple[str, ...], bent: str
) -> None:
    bend(journal, f"UPDATE ledger SET {bent} WHERE seq = 7")

    answer = verb(*verb_words, str(journal))

    assert answer.exit_code == 1
    assert "row 7 its content does not match its hash" in answer.stderr
    rows = [json.loads(line) for line in answer.stdout.splitlines()]
    assert [row["seq"] for row in rows] == ([] if "replay" in verb_words else list(range(1, 7)))


@pytest.mark.parametrize("ending", ["", ".high", "-wal"])
def test_an_export_never_overwrites_the_ledger_or_what_belongs_to_it(
    journal: Path, ending: str
) -> None:
    out = journal.with_name(journal.name + ending)
    out.touch()
    before = out.read_bytes()

    answer = verb("journal", "export", str(journal), "--format", "csv", "--out", str(out))

    assert answer.exit_code == 2
    assert "belongs to the ledger" in answer.stderr
    assert out.read_bytes() == before


@pytest.mark.parametrize("bent", ["body = 'no json'", "at_ms = 1 << 60"])
def test_a_tail_shows_no_bent_row_and_names_it(journal: Path, bent: str) -> None:
    bend(journal, f"UPDATE ledger SET {bent} WHERE seq = 9")

    answer = verb("journal", "tail", str(journal))

    assert answer.exit_code == 1
    assert "row 9 its content does not match its hash" in answer.stderr


def test_verify_names_the_broken_row_what_it_means_and_what_to_do(journal: Path) -> None:
    bend(journal, "UPDATE ledger SET at_ms = 1 WHERE seq = 5")

    said = verb("journal", "verify", str(journal))
    answer = told(verb("journal", "verify", str(journal), "--json"))

    assert said.exit_code == 1
    assert "row 5 its content does not match its hash" in said.stdout
    assert "It means: the row was changed after it was written" in said.stdout
    assert "journal repair" in said.stdout
    assert (answer["ok"], answer["row"]) == (False, 5)
    assert answer["means"].startswith("the row was changed")


def test_repair_says_what_was_lost_and_where_it_lies(journal: Path) -> None:
    bend(journal, "UPDATE ledger SET at_ms = 1 WHERE seq = 5")

    answer = told(verb("journal", "repair", str(journal), "--json"))

    assert (answer["repaired"], answer["row"], answer["kept_rows"]) == (True, 5, 4)
    assert sum(answer["lost_kinds"].values()) == answer["lost_rows"]
    assert Path(answer["side_file"]).is_file()
    assert Path(answer["damaged"]).is_file()
    assert "repaired: cut before row 5" in verb("journal", "tail", str(journal)).stdout
    again = verb("journal", "repair", str(journal))
    assert again.exit_code == 0
    assert "is whole: nothing to repair" in again.stdout


def test_who_reads_only_the_first_rows_of_an_export_is_no_failure(journal: Path) -> None:
    words = [sys.executable, "-m", "bot", "journal", "export", str(journal)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as export:
        assert export.stdout is not None
        assert export.stderr is not None
        export.stdout.close()
        said = export.stderr.read()

    assert (export.returncode, said) == (0, b"")
