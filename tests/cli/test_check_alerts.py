"""`check --alerts`: a person tries who would be called, before it matters."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.desk import ROOT, told, verb

DEMO = str(ROOT / "config" / "demo.yaml")
LIVE = str(ROOT / "config" / "deribit-live.yaml")
CHANNELS = (
    "alerts.channels=[{name: phone, kind: webhook, severity: critical, fallback: desk, "
    "url: {env: PHONE_URL}}, {name: desk, kind: slack, severity: fallback, url: {env: DESK_URL}}]"
)
BEAT = "alerts.heartbeat={url: {env: BEAT_URL}}"
SECRET = "c0ffee-c0ffee"


@contextmanager
def outside(**statuses: int) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Serve three services; yields their address and what each was sent."""
    heard: list[tuple[str, str]] = []

    class Desk(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            name = self.path.split("/")[1]
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            heard.append((name, body))
            self.send_response(statuses.get(name, 200))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_request(self, *_: Any) -> None:
            """Say nothing of it on standard error."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Desk) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", heard
        finally:
            server.shutdown()
            thread.join()


def named(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    for name in ("phone", "desk", "beat"):
        monkeypatch.setenv(f"{name.upper()}_URL", f"{place}/{name}/{SECRET}")


def test_every_channel_is_sent_a_test_that_says_it_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with outside() as (place, heard):
        named(monkeypatch, place)
        done = verb("check", DEMO, "--alerts", "--json", "--set", CHANNELS, "--set", BEAT)

    answer = told(done)
    assert (done.exit_code, answer["ok"]) == (0, True)
    assert [(item["item"], item["outcome"]) for item in answer["items"]] == [
        ("channel phone", "ok"),
        ("channel desk", "ok"),
        ("heartbeat", "ok"),
    ]
    assert "told of critical and worse; desk stands in" in answer["items"][0]["said"]
    assert "told as a stand-in only" in answer["items"][1]["said"]
    sent = dict(heard)
    assert json.loads(sent["phone"])["head"].startswith("TEST (deltaband rehearsal deribit BTC")
    assert "nothing; what you read here is what a real call looks like" in sent["desk"]
    assert SECRET not in done.stdout + done.stderr


def test_a_channel_that_does_not_take_it_fails_the_check_without_showing_where_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with outside(desk=404, beat=410) as (place, _):
        named(monkeypatch, place)
        done = verb("check", DEMO, "--alerts", "--set", CHANNELS, "--set", BEAT)

    assert done.exit_code == 1
    assert "failed       channel desk   HTTP 404" in done.stdout
    assert "failed       heartbeat      HTTP 410" in done.stdout
    assert "1 ok, 2 failed" in done.stdout
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize("words", [("--alerts",), ()])
def test_every_secret_that_is_missing_is_named_at_once(words: tuple[str, ...]) -> None:
    done = verb("check", LIVE, *words, "--set", CHANNELS, "--set", BEAT)

    assert done.exit_code == 2
    for name in ("DERIBIT_KEY", "DERIBIT_SECRET", "PHONE_URL", "DESK_URL", "BEAT_URL"):
        assert f"environment variable {name} is not set" in done.stderr


def test_there_must_be_somebody_to_try() -> None:
    done = verb("check", DEMO, "--alerts")

    assert done.exit_code == 1
    assert "alerts names no channel and no heartbeat to try" in done.stderr


def test_one_check_at_a_time() -> None:
    done = verb("check", DEMO, "--alerts", "--online")

    assert done.exit_code == 2
    assert "--online and --alerts are two checks" in done.stderr


def test_a_file_that_holds_an_address_must_be_its_owner_s_alone(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("https://hooks.example/x")
    secret.chmod(0o644)
    channel = f"alerts.channels=[{{name: desk, kind: slack, url: {{file: {secret}}}}}]"
    done = verb("check", DEMO, "--set", channel)

    assert done.exit_code == 2
    assert "is open to other users" in done.stderr
