"""The long-running verbs as real processes: how they begin, and how they end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
LEAVE_SECONDS_MAX = 40.0  # of a busy machine; left to itself the library waits for a minute
BUSY_SECONDS = 100.0  # what a busy machine may take to start or end a process


@contextmanager
def process(*words: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "bot", *words]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def ready(child: "subprocess.Popen[str]") -> Any:
    assert child.stdout is not None
    return json.loads(child.stdout.readline())


def test_an_exchange_says_where_it_is_and_ends_when_told() -> None:
    with process("exchange", "--port", "0", "--seed", "11", "--sim", "--json") as child:
        told = ready(child)
        assert told["rest_url"] == f"http://127.0.0.1:{told['port']}"
        assert told["ws_url"] == f"ws://127.0.0.1:{told['port']}/ws/api/v2"
        assert told["seed"] == 11

        taken = subprocess.run(
            [sys.executable, "-m", "bot", "exchange", "--port", str(told["port"])],
            cwd=ROOT, capture_output=True, text=True, timeout=BUSY_SECONDS, check=False,
        )  # fmt: skip
        began = time.monotonic()
        child.send_signal(signal.SIGTERM)
        code = child.wait(BUSY_SECONDS)
        took = time.monotonic() - began

    assert (taken.returncode, taken.stdout) == (1, "")
    assert f"cannot listen on 127.0.0.1:{told['port']}" in taken.stderr
    assert code == 0
    assert took < LEAVE_SECONDS_MAX


def test_an_exchange_ends_with_its_parent() -> None:
    script = (
        "import os, subprocess, sys, time\n"
        "words = [sys.executable, '-m', 'bot', 'exchange', '--port', '0', '--json',\n"
        "         '--with-parent', str(os.getpid())]\n"
        "child = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)\n"
        "print(child.stdout.readline(), flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = json.loads(parent.stdout.readline())["pid"]
        parent.kill()

    deadline = time.monotonic() + BUSY_SECONDS
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(pid)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_help_answers_without_loading_what_trades() -> None:
    heavy = "{'ccxt', 'numba', 'polars', 'fastapi', 'aiohttp', 'plotly'}"
    script = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from bot.cli.app import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        f"assert CliRunner().invoke(app, ['check', {str(ROOT / 'config' / 'demo.yaml')!r}])"
        ".exit_code == 0\n"
        f"print(sorted({heavy} & sys.modules.keys()))\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip

    assert result.stdout.strip() == "[]"
