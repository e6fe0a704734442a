"""A watchdog that would watch over nobody says so and does not start."""

from pathlib import Path

from tests.cli.desk import verb
from tests.end_to_end.processes import DEMO


def test_a_watchdog_of_a_mistyped_ledger_refuses_to_watch_over_nobody(tmp_path: Path) -> None:
    journal = tmp_path / "ledgr.sqlite3"

    result = verb("watchdog", str(DEMO), "--set", f"journal.path={journal}")

    assert result.exit_code == 1, "2 would keep a supervisor from trying again"
    assert f"there is no ledger {journal}, so NOTHING WOULD BE WATCHED" in result.stderr
    assert list(tmp_path.iterdir()) == []
