"""Replaying from the command line: what is said, and with which exit code."""

from pathlib import Path

import pytest

from bot.core import codec, hedger
from bot.core.events import Fact
from bot.lab import replay_run
from bot.runtime.tape_blocks import TapedFold
from tests.cli.desk import told, verb
from tests.recorded import hedged_day

NEWER = "not a record of this version: 'Opinion'"
DEMO = Path(__file__).parents[2] / "config" / "demo.yaml"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.db"
    hedged_day().write(path)
    return path


def test_a_day_that_comes_out_again_is_said_to_be_identical(journal: Path) -> None:
    answer = verb("replay", str(journal))
    assert answer.exit_code == 0
    assert "5 folds with 18 facts repeated, 1 orders among 7 actions" in answer.stdout
    assert answer.stdout.splitlines()[-1].startswith("identical: 5 folds")

    payload = told(verb("replay", str(journal), "--json"))

    assert payload["ok"] is True
    assert payload["tape"] == f"{journal}.tape"
    assert (payload["folds"], payload["folds_untaped"], payload["orders"]) == (5, 0, 1)
    assert payload["difference"] is None


def test_the_first_difference_is_told_in_words_and_ends_with_1(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = hedger._sized
    monkeypatch.setattr(hedger, "_sized", lambda native, terms: right(-native, terms))

    answer = verb("replay", str(journal))
    payload = told(verb("replay", str(journal), "--json"))

    assert answer.exit_code == 1
    assert "DIFFERENT at fold 3 of run r-test, its step: actions[0]." in answer.stdout
    assert "was told: BTC-4FEB26-110000-C quoted" in answer.stdout
    assert "recorded: RUN; main: HEDGE" in answer.stdout
    assert "+287,160 BTC-PERPETUAL" in answer.stdout
    assert "-287,160 BTC-PERPETUAL" not in answer.stdout, "what its books need limits it"
    assert payload["ok"] is False
    assert payload["difference"]["fold"] == 3
    assert '"size_native":{"$decimal":"287160"}' in payload["difference"]["expected"]


def test_what_cannot_be_read_to_the_end_is_not_called_identical(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = replay_run._facts

    def newer(item: TapedFold, rows: replay_run.Rows) -> tuple[Fact, ...]:
        if item.number == 4:
            raise codec.CodecError(NEWER)
        return read(item, rows)

    monkeypatch.setattr(replay_run, "_facts", newer)
    answer = verb("replay", str(journal))
    assert answer.exit_code == 1
    assert answer.stdout.splitlines()[-2:] == [
        f"NOT READ to the end: from fold 4 on nothing could be read: {NEWER}",
        "identical before it: 3 folds, 7 actions",
    ]
    assert told(verb("replay", str(journal), "--json"))["ok"] is False


def test_under_another_configuration_it_is_shown_where_that_would_act_otherwise(
    journal: Path, tmp_path: Path
) -> None:
    config = tmp_path / "wide.yaml"
    wide = DEMO.read_text().replace("band_high_coin: 0.25", "band_high_coin: 25")
    config.write_text(wide.replace("band_low_coin: -0.25", "band_low_coin: -25"))

    answer = verb("replay", str(journal), "--under", str(config), "--json")

    assert answer.exit_code == 1
    assert told(answer)["difference"]["fold"] == 3


def test_without_a_tape_it_says_what_it_could_check_and_ends_with_1(tmp_path: Path) -> None:
    journal = tmp_path / "ledger.db"
    hedged_day().write(journal, tape=False)

    answer = verb("replay", str(journal))

    assert answer.exit_code == 1
    assert "5 folds are not on the tape (1-5): of them" in answer.stdout
    assert "rows obey the ledger's own laws, decisions are unchecked" in answer.stdout
    assert "nothing could be repeated: there is no tape of these runs" in answer.stdout


def test_a_tape_that_lies_elsewhere_is_named(journal: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "attic"
    Path(f"{journal}.tape").rename(elsewhere)

    assert verb("replay", str(journal)).exit_code == 1
    assert verb("replay", str(journal), "--tape", str(elsewhere)).exit_code == 0


def test_a_ledger_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    answer = verb("replay", str(tmp_path / "nothing.db"), "--json")

    assert answer.exit_code == 1
    assert "there is no ledger at" in told(answer)["error"]
