"""`stress`: the account of an exchange as it stands, read and left alone."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.cli import stress as stress_verb
from bot.cli.answer import VerbError
from bot.settings.margin_parameters import SHIPPED
from tests.cli.desk import daemon_that_says, told, verb
from tests.cli.test_check import DEMO, at, exchange


def account(answer: dict[str, Any]) -> dict[str, Any]:
    (found,) = answer["accounts"]
    assert isinstance(found, dict)
    return found


def test_the_account_is_shown_as_the_venue_holds_it_and_nothing_is_ordered(tmp_path: Path) -> None:
    page = tmp_path / "out.html"
    with exchange(sim=True) as place:
        done = verb("stress", DEMO, "--json", "--html", str(page), "--buy-back-options",
                    *at(place, tmp_path / "l.db"))  # fmt: skip
        seen = httpx.get(f"http://{place}/sim/ledger", trust_env=False).json()

    assert done.exit_code == 0, done.output
    found = account(told(done))
    positions = {name for name, size in seen["positions"].items() if float(size)}
    assert seen["orders"] == []
    assert not {one["method"] for one in seen["requests"]} & {"private/buy", "private/sell"}
    assert found["currency"] == "BTC"
    assert found["now"]["usage"] == pytest.approx(
        found["now"]["maintenance"] / found["balance"], rel=1e-9
    )
    assert found["excess"] < 0.02 * found["now"]["maintenance"]  # ours is the venue's own margin
    bought = {one["instrument"] for one in found["reliefs"] if one["means"] == "buy back"}
    assert bought <= positions
    assert [one["expiry"] for one in found["expiries"]] == sorted(
        one["expiry"] for one in found["expiries"]
    )
    assert len(found["history"]) == 5
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert list(tmp_path.iterdir()) == [page]  # no ledger, no lock, no port


def test_a_key_that_may_only_read_is_enough_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOK_KEY", "demo-read")
    monkeypatch.setenv("LOOK_SECRET", "demo-read-secret")
    keys = ("--set", "venue.key.env=LOOK_KEY", "--set", "venue.secret.env=LOOK_SECRET")
    with exchange(sim=True) as place:
        done = verb("stress", DEMO, "--json", *keys, *at(place, tmp_path / "l.db"))

    assert done.exit_code == 0, done.output
    assert account(told(done))["now"]["usage"] > 0.0


def test_where_nobody_answers_it_says_what_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = verb("stress", DEMO, "--json", *at("127.0.0.1:9", tmp_path / "l.db"))

    assert done.exit_code == 1
    assert "start `deltaband demo" in told(done)["error"]
    assert "127.0.0.1:9" in told(done)["error"]


def test_the_exchange_of_a_demo_that_runs_here_is_found_through_its_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "var").mkdir()
    about = {
        "run_mode": "rehearsal",
        "rest_url": "http://127.0.0.1:7",
        "ws_url": "ws://127.0.0.1:7",
    }

    assert stress_verb._demo_place() is None
    with daemon_that_says(
        {"/api/v1/status": (200, {"about": about})}, tmp_path / "var" / "demo.sqlite3"
    ):
        assert stress_verb._demo_place() == ("http://127.0.0.1:7", "ws://127.0.0.1:7")
    live = about | {"run_mode": "live"}
    with daemon_that_says(
        {"/api/v1/status": (200, {"about": live})}, tmp_path / "var" / "demo.sqlite3"
    ):
        assert stress_verb._demo_place() is None


def test_an_account_that_the_model_has_no_parameters_for_is_a_line(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    known = (SHIPPED / "deribit.yaml").read_text(encoding="utf-8")
    mine.write_text(known.replace("    btc_usd:", "    sol_usd:"), encoding="utf-8")
    model = ("--set", "margin.model=deribit_portfolio", "--set", f"margin.parameters={mine}")
    with exchange() as place:
        done = verb("stress", DEMO, "--json", *model, *at(place, tmp_path / "l.db"))

    answer = told(done)
    assert answer["accounts"] == []
    assert "deribit_portfolio has no parameters for btc_usd" in answer["notes"]


def test_an_account_without_positions_is_a_line(tmp_path: Path) -> None:
    with exchange(book="none") as place:
        done = verb("stress", DEMO, "--json", *at(place, tmp_path / "l.db"))

    answer = told(done)
    assert answer["accounts"] == []
    assert any("BTC: no positions, equity" in note for note in answer["notes"])


def test_a_page_that_cannot_be_written_is_said_before_the_answer(tmp_path: Path) -> None:
    with pytest.raises(VerbError, match="cannot be written"):
        stress_verb._write(
            tmp_path / "nowhere" / "out.html", {"head": "", "accounts": [], "notes": []}
        )
