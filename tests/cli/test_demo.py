"""The demo as a person meets it: what is wrong is said once, and ends with the right code."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.cli.desk import ROOT, process


def test_a_market_that_is_not_there_is_one_line_and_a_usage_error(tmp_path: Path) -> None:
    ended = process("demo", "--market", "nothere.parquet", "--json", folder=tmp_path)

    assert ended.returncode == 2
    assert ended.stderr.splitlines() == [
        "deltaband: starting an exchange on this machine ...",
        "deltaband: exchange: there is no file nothere.parquet",
    ]
    assert ended.stdout.count("\n") == 1


def test_a_demo_that_is_cut_short_says_how_long_it_really_ran(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bot", "demo", "--seconds", "600", "--json"]
    room = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=room, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        while not list(tmp_path.glob("var/*.port")):
            assert child.poll() is None
            time.sleep(0.05)
        time.sleep(1.5)
        child.send_signal(signal.SIGINT)
        told, _ = child.communicate(timeout=200)

    answer = json.loads(told)
    assert 0.0 < answer["seconds"] < 300.0
    assert answer["mode"] == "stopped early"
    assert list(tmp_path.glob("var/*.log")) == []
