"""Giving verbs in this process, and what stands where a daemon would."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from bot.cli.app import app
from bot.dashboard import address
from bot.runtime.journal import Ledger, Row, RunHeader

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-for-tests"
HEADER = RunHeader(code_version="0", config_digest="00", account="BTC", mode="rehearsal")


def verb(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def told(result: Result) -> dict[str, Any]:
    """Return the one JSON object of a verb's standard output."""
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


@contextmanager
def daemon_that_says(answers: Mapping[str, Any], journal: Path) -> Iterator[list[Any]]:
    """Listen where the daemon of `journal` would, answering each path; yields what was posted."""
    posted: list[Any] = []

    class Desk(BaseHTTPRequestHandler):
        def answer(self) -> None:
            status, body = answers.get(self.path, (404, {"error": "Not Found"}))
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = answer  # noqa: N815  the library's name

        def do_POST(self) -> None:
            posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.answer()

        def log_request(self, *_: Any) -> None:
            """Say nothing of it on standard error."""

    with HTTPServer(("127.0.0.1", 0), Desk) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            where = address.Address(host="127.0.0.1", port=server.server_port, token=TOKEN)
            with address.published(journal, where):
                yield posted
        finally:
            server.shutdown()
            thread.join()


def ledger_with(path: Path, *rows: Row) -> None:
    ledger = Ledger.open(path, HEADER)
    try:
        ledger._commit(rows)
        ledger._mark_high()
    finally:
        ledger.close()


def process(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Give a verb in a process of its own, in a folder of its own, and wait for its end."""
    command = [sys.executable, "-m", "bot", *words]
    room = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=folder, env=room, capture_output=True, text=True, timeout=200, check=False
    )
