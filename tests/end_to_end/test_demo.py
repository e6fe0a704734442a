"""The whole rehearsal as a person runs it, and what its JSON promises."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.processes import ROOT

PROMISED = {
    "seed", "seconds", "speed", "ticks", "decisions", "hedges_sent", "hedges_buy", "hedges_sell",
    "fills", "refusals", "rejects", "convention", "delta_start_coin", "delta_final_coin",
    "band_coin", "delta_rms_coin", "pnl_usd", "pnl_step_std_usd", "position_match",
    "orders_at_venue", "orders_in_journal", "tick_to_decision_us", "tick_to_order_us", "journal",
}  # fmt: skip


@pytest.mark.timeout(120)
def test_a_rehearsal_hedges_its_book_and_its_books_agree(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bot", "demo", "--seconds", "15", "--seed", "7", "--json"]
    config = ["--config", str(ROOT / "config" / "demo.yaml")]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    ran = subprocess.run(
        command + config,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        check=False,
        timeout=110,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    told = json.loads(ran.stdout)

    assert told.keys() >= PROMISED
    assert told["hedges_sent"] >= 3
    assert told["hedges_sent"] == told["hedges_buy"] + told["hedges_sell"]
    assert told["orders_at_venue"] == told["orders_in_journal"] == told["hedges_sent"]
    assert told["position_match"] is True
    assert told["rejects"] == 0
    assert told["delta_rms_coin"]["hedged"] < told["delta_rms_coin"]["unhedged"]
    assert Path(told["journal"]).is_file()
