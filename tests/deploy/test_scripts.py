"""The entry scripts, without a registry: what they decide, not what an installer does."""

import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SCRIPTS = [DEPLOY / "demo", DEPLOY / "test", DEPLOY / "lock", DEPLOY / "environment.sh"]
LOCKS = ["requirements.lock", "requirements-dev.lock", "requirements-installer.lock"]


def program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a checkout with a live .venv, whose installer only writes down what it was told."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / "bot").mkdir()
    for name in ("demo", "test", "environment.sh"):
        shutil.copy(DEPLOY / name, tmp_path / "deploy" / name)
    for name in LOCKS:
        (tmp_path / "deploy" / name).write_text("one==1\n")
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    tools = tmp_path / ".venv" / "bin"
    tools.mkdir(parents=True)
    (tools / "python").symlink_to(sys.executable)
    program(tools / "uv", f'echo "$@" >>"{tmp_path}/installed"')
    program(tools / "deltaband", 'pwd; printf "<%s>" "$@"')
    version = " ".join(map(str, sys.version_info[:3]))
    (tmp_path / ".venv" / "identity").write_text(f"{tmp_path}\n{version}\n")
    return tmp_path


def demo(checkout: Path, *arguments: str, cwd: Path | None = None) -> str:
    """Run deploy/demo and return what it wrote to standard output."""
    done = subprocess.run(
        [checkout / "deploy" / "demo", *arguments],
        cwd=cwd or checkout,
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def installations(checkout: Path) -> int:
    log = checkout / "installed"
    return log.read_text().count("--require-hashes") if log.exists() else 0


@pytest.mark.parametrize("script", [*SCRIPTS, ROOT / ".ci" / "run"], ids=lambda path: path.name)
def test_every_script_is_one_that_bash_can_read(script: Path) -> None:
    assert script.name.endswith(".sh") or os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", script], check=True)


def test_the_second_start_installs_nothing(checkout: Path) -> None:
    demo(checkout)
    assert installations(checkout) == 1

    demo(checkout)

    assert installations(checkout) == 1


@pytest.mark.parametrize("changed", ["deploy/requirements.lock", "pyproject.toml"])
def test_a_changed_lock_or_project_is_installed_at_the_next_start(
    checkout: Path, changed: str
) -> None:
    demo(checkout)

    (checkout / changed).write_text("two==2\n")
    demo(checkout)

    assert installations(checkout) == 2


def test_a_failed_installation_is_tried_again_and_nothing_is_started(checkout: Path) -> None:
    program(checkout / ".venv" / "bin" / "uv", "exit 1")
    (checkout / ".venv" / "bin" / "python").unlink()
    program(
        checkout / ".venv" / "bin" / "python",
        f'if [ "$1" = -m ]; then exit 1; fi; exec "{sys.executable}" "$@"',
    )

    with pytest.raises(subprocess.CalledProcessError) as failed:
        demo(checkout)

    assert failed.value.stdout == ""
    assert not (checkout / ".venv" / "installed-runtime").exists()


def test_two_first_starts_at_once_install_once(checkout: Path) -> None:
    program(checkout / ".venv" / "bin" / "uv", f'sleep 0.3; echo "$@" >>"{checkout}/installed"')
    threads = [threading.Thread(target=demo, args=(checkout,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert installations(checkout) == 1


def test_arguments_and_the_callers_directory_pass_unchanged(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")

    said = demo(checkout, "--market", "../a file.parquet", "--json", cwd=elsewhere)

    assert said == f"{elsewhere}\n<demo><--market><../a file.parquet><--json>"


CHECKS = ("ruff", "mypy", "lint-imports", "pytest")


@pytest.mark.parametrize("red", ["", "tests/end_to_end", "--ignore=tests/end_to_end", "check"])
def test_each_test_is_run_once_and_one_that_is_red_is_told(checkout: Path, red: str) -> None:
    """`red`: what the check that fails was asked."""
    tools, log = checkout / ".venv" / "bin", checkout / "asked"
    fails = f'case " $* " in *" {red or "nothing"} "*) exit 1;; esac'
    for name in CHECKS:
        program(tools / name, f'echo "said {name} $*"; echo "{name} $*" >>"{log}"; {fails}')
    python = tools / "python"
    python.unlink()
    program(python, f'[ "$2" = tests.compile_kernels ] || exec "{sys.executable}" "$@"')

    done = subprocess.run(
        [checkout / "deploy" / "test"],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )

    asked = log.read_text().splitlines()
    tests = sorted(line for line in asked if line.startswith("pytest"))
    assert tests == ["pytest --ignore=tests/end_to_end", "pytest tests/end_to_end"]
    assert "said pytest tests/end_to_end" in done.stdout
    assert len(asked) == len(CHECKS) + 2  # lint and format are one program, and tests two runs
    assert (done.returncode, "All green" in done.stdout) == ((1, False) if red else (0, True))


def test_what_deploy_test_is_told_to_run_is_all_that_it_runs(checkout: Path) -> None:
    tools, log = checkout / ".venv" / "bin", checkout / "asked"
    for name in CHECKS:
        program(tools / name, f'echo "{name} $*" >>"{log}"')
    subprocess.run(
        [checkout / "deploy" / "test", "tests/core", "-k", "a margin"],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        check=False,
    )

    assert [line for line in log.read_text().splitlines() if line.startswith("pytest")] == [
        "pytest tests/core -k a margin"
    ]


@contextmanager
def daemon(status: HTTPStatus) -> Iterator[int]:
    """Serve /healthz with one status, on a free port."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else HTTPStatus.NOT_FOUND)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- as inherited
            """Say nothing: the test's output is for failures."""

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "code"), [(HTTPStatus.OK, 0), (HTTPStatus.SERVICE_UNAVAILABLE, 1)]
)
def test_the_container_is_as_healthy_as_the_daemon_in_it(
    tmp_path: Path, status: HTTPStatus, code: int
) -> None:
    with daemon(status) as port:
        (tmp_path / "ledger.sqlite.port").write_text(f"{port}\n")

        done = subprocess.run([sys.executable, DEPLOY / "healthcheck", tmp_path], check=False)

    assert done.returncode == code


def test_a_daemon_that_died_without_a_word_is_ill(tmp_path: Path) -> None:
    with daemon(HTTPStatus.OK) as port:
        (tmp_path / "ledger.sqlite.port").write_text(f"{port}\n")

    done = subprocess.run(
        [sys.executable, DEPLOY / "healthcheck", tmp_path], check=False, capture_output=True
    )

    assert done.returncode == 1
    assert str(port).encode() in done.stderr


def test_a_watchdog_is_healthy_while_it_renews_its_note(tmp_path: Path) -> None:
    def asked() -> int:
        command = [sys.executable, "-I", str(DEPLOY / "healthcheck"), "--watchdog", str(tmp_path)]
        return subprocess.run(command, check=False, capture_output=True).returncode

    assert asked() == 1, "there is none"
    note = tmp_path / "ledger.db.watchdog"
    note.write_text("alive: process 7; can cancel, proved 3 times\n")
    assert asked() == 0
    os.utime(note, (0, 0))
    assert asked() == 1
