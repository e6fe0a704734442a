"""The compose file: a daemon that can do little besides trading, and whoever watches it."""

import re
from pathlib import Path
from typing import Any

import pytest

from bot import settings
from bot.settings.checks import is_loopback
from tests.deploy.files import DEPLOY, ROOT, yaml

COMPOSE = yaml(DEPLOY / "compose.yaml")
SERVICES: dict[str, Any] = COMPOSE["services"]
DEFAULT = re.compile(r"\$\{\w+:-(.*)\}")


def defaulted(text: str) -> str:
    """A value with its variable not set."""
    return DEFAULT.sub(r"\1", text)


def overrides(secrets: Path | None = None) -> list[str]:
    words = [defaulted(word) for word in SERVICES["deltaband"]["command"]]
    assert words[:2] == ["run", "/etc/deltaband/config.yaml"]
    given = [word.removeprefix("--set=") for word in words[2:]]
    assert all(word.startswith("--set=") for word in words[2:])
    return [word.replace("/run/secrets", str(secrets)) if secrets else word for word in given]


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_read_only_and_without_capabilities(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["healthcheck"]["test"]
    assert service["mem_limit"]
    assert not service["user"].startswith(("0", "root"))
    assert not {"privileged", "network_mode", "pid", "cap_add", "env_file"} & service.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_no_port_is_open_beyond_this_machine(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name]["ports"])


@pytest.mark.parametrize("name", SERVICES)
def test_every_file_that_is_mounted_is_there_and_cannot_be_changed(name: str) -> None:
    for volume in SERVICES[name]["volumes"]:
        source, _, target = defaulted(volume).partition(":")
        if source in COMPOSE["volumes"]:
            continue
        assert (DEPLOY / source).exists(), source
        assert target.endswith(":ro"), volume


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_who_watches_is_wanted_by_name_and_has_a_version(name: str) -> None:
    service = SERVICES[name]
    assert service["profiles"] == ["watch"]
    assert re.search(r":v?\d+\.\d+\.\d+$", service["image"])


def test_every_secret_is_a_file_that_no_checkout_holds() -> None:
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}
    assert used == COMPOSE["secrets"].keys()
    for secret in COMPOSE["secrets"].values():
        assert list(secret) == ["file"]
        assert secret["file"].startswith("secrets/")
    assert "deploy/secrets/" in (ROOT / ".gitignore").read_text().split()


def test_the_daemon_reads_its_secrets_from_the_files_that_are_mounted(tmp_path: Path) -> None:
    for name in SERVICES["deltaband"]["secrets"]:
        (tmp_path / name).write_text(f"{name}-text")
        (tmp_path / name).chmod(0o600)
    config = defaulted(SERVICES["deltaband"]["volumes"][0]).partition(":")[0]

    loaded = settings.load(DEPLOY / config, overrides(tmp_path))

    credentials = loaded.credentials({})
    assert (credentials.key, credentials.secret) == ("deribit_key-text", "deribit_secret-text")
    assert loaded.dashboard_token({}) == "dashboard_token-text"


def test_prometheus_finds_the_daemon_where_it_listens_and_shows_the_token() -> None:
    loaded = settings.load(ROOT / "config" / "deribit-testnet.yaml", overrides())
    (job,) = yaml(DEPLOY / "prometheus.yml")["scrape_configs"]
    (targets,) = job["static_configs"]

    assert not is_loopback(loaded.dashboard.bind)
    assert targets["targets"] == [f"deltaband:{loaded.dashboard.port}"]
    assert job["authorization"]["type"] == "Bearer"
    secret = Path(job["authorization"]["credentials_file"])
    assert secret.parent == Path("/run/secrets")
    assert secret.name in SERVICES["prometheus"]["secrets"]


@pytest.mark.parametrize("mode", ["demo", "deribit-testnet", "deribit-live"])
def test_the_overrides_fit_every_configuration_that_is_shipped(mode: str) -> None:
    loaded = settings.load(ROOT / "config" / f"{mode}.yaml", overrides())

    for path in (loaded.journal.path, loaded.journal.tape_path):
        assert path is not None
        assert not Path(path).is_absolute(), (
            "relative to the volume, which is the working directory"
        )
