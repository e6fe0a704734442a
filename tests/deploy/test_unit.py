"""The systemd unit: what systemd says of it, and that it gives the daemon what it needs."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from bot import settings
from bot.dashboard.serve import SHUTDOWN_SECONDS_MAX
from bot.runtime.channels import ATTEMPT_SECONDS_MAX
from bot.runtime.daemon import ExitCode
from bot.runtime.host import STALL_SECONDS_MAX
from bot.runtime.pager import FAREWELL_SECONDS
from bot.settings.host_models import Process
from tests.deploy.files import DEPLOY, ROOT, unit, yaml

UNIT = DEPLOY / "deltaband.service"
WATCHDOG = DEPLOY / "deltaband-watchdog.service"
SERVICE = unit(UNIT)["Service"]
WATCHER = unit(WATCHDOG)["Service"]
EXPOSURE_MAX = 2.0  # of 10, as `systemd-analyze security` counts; 1.3 when this was written

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd is not installed here"
)


@pytest.fixture(params=[UNIT, WATCHDOG], ids=["daemon", "watchdog"])
def installed(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Install a unit in a place where its program exists, for `verify` looks for it."""
    path: Path = tmp_path / request.param.name
    program = "/opt/deltaband/.venv/bin/deltaband"
    path.write_text(request.param.read_text().replace(program, shutil.which("true") or "/bin/true"))
    return path


def analyzed(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *words], capture_output=True, text=True, check=False
    )


@needs_systemd
def test_systemd_finds_nothing_to_say_about_the_unit(installed: Path) -> None:
    done = analyzed("verify", str(installed))

    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_systemd_counts_the_daemon_among_the_well_confined(installed: Path) -> None:
    done = analyzed("security", "--offline=true", str(installed))

    if "Unknown command" in done.stderr or "--offline" in done.stderr:
        pytest.skip("this systemd cannot judge a unit that is not loaded")
    score = re.search(r"exposure level for \S+: ([0-9.]+)", done.stdout)
    assert score is not None, done.stderr
    assert float(score.group(1)) <= EXPOSURE_MAX


def test_the_manager_waits_for_readiness_and_gives_the_inner_alarm_its_turn_first() -> None:
    assert SERVICE["Type"] == ["notify"]
    assert float(SERVICE["WatchdogSec"][0]) > STALL_SECONDS_MAX


@pytest.mark.parametrize("path", [UNIT, WATCHDOG], ids=["daemon", "watchdog"])
def test_a_venue_that_is_away_for_an_hour_finds_the_service_still_trying(path: Path) -> None:
    """Tries that are counted are over within two minutes of a maintenance, and nobody starts it."""
    assert unit(path)["Unit"]["StartLimitIntervalSec"] == ["0"]


def test_the_manager_and_the_container_s_engine_wait_until_the_daemon_has_parted() -> None:
    process = Process()
    parting = process.stop_seconds + FAREWELL_SECONDS + SHUTDOWN_SECONDS_MAX + ATTEMPT_SECONDS_MAX
    grace = yaml(DEPLOY / "compose.yaml")["services"]["deltaband"]["stop_grace_period"]

    assert float(SERVICE["TimeoutStopSec"][0]) > parting
    assert float(grace.removesuffix("s")) > parting
    assert float(SERVICE["WatchdogSec"][0]) > process.stall_max_seconds


def test_a_halt_and_a_bad_configuration_are_not_restarted() -> None:
    kept = SERVICE["RestartPreventExitStatus"][0].split()

    assert SERVICE["Restart"] == ["on-failure"]
    assert set(kept) == {"2", str(int(ExitCode.HALTED))}


@pytest.mark.parametrize("setting", ["ExecStartPre", "ExecStart"])
def test_the_secrets_are_files_that_the_manager_hands_over(setting: str) -> None:
    handed = {entry.split(":")[0] for entry in SERVICE["LoadCredential"]}
    _, verb, _, *words = shlex.split(SERVICE[setting][0].replace("%n", UNIT.name))
    overrides = words[1::2]
    assert verb in {"check", "run"}
    assert set(words[::2]) == {"--set"}

    loaded = settings.load(ROOT / "config" / "deribit-testnet.yaml", overrides)

    for reference in (loaded.venue.key, loaded.venue.secret):
        assert reference is not None
        assert reference.file is not None
        path = Path(reference.file)
        assert path.parent == Path("/run/credentials") / UNIT.name
        assert path.name in handed


def test_a_daemon_that_compiles_may_write_code_into_memory() -> None:
    assert "MemoryDenyWriteExecute" not in SERVICE


def test_the_watchdog_has_a_key_of_its_own_and_outlives_whatever_happens() -> None:
    handed = {entry.split(":")[0] for entry in WATCHER["LoadCredential"]}
    _, verb, _, *words = shlex.split(WATCHER["ExecStart"][0].replace("%n", WATCHDOG.name))

    loaded = settings.load(ROOT / "config" / "deribit-testnet.yaml", words[1::2])

    assert verb == "watchdog"
    assert handed == {"watchdog_key", "watchdog_secret"}
    for reference in (loaded.watchdog.key, loaded.watchdog.secret):
        assert reference is not None
        assert reference.file is not None
        assert Path(reference.file).parent == Path("/run/credentials") / WATCHDOG.name
        assert Path(reference.file).name in handed
    assert WATCHER["Restart"] == ["always"]
    assert WATCHER["RestartPreventExitStatus"] == ["2"]


def test_daemon_and_watchdog_are_confined_alike() -> None:
    own = {"ExecStart", "ExecStartPre", "Environment", "LoadCredential"}
    own |= {name for name in SERVICE.keys() | WATCHER.keys() if "Sec" in name or "Max" in name}
    own |= {"Restart", "RestartPreventExitStatus", "KillSignal"}

    assert {name for name in SERVICE if name not in own and SERVICE[name] != WATCHER[name]} == set()
