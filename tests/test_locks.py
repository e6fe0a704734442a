"""The locks: whole, hashed, in agreement with each other and pyproject.toml, free of addresses."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

RUNTIME = "requirements.lock"
DEV = "requirements-dev.lock"
INSTALLER = "requirements-installer.lock"

PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^\s;\\]+)(?P<marker>[^\\]*)", re.MULTILINE
)


def body(lock: str) -> str:
    """Return a lock without its comments."""
    lines = (ROOT / "deploy" / lock).read_text().splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("#"))


def pins(lock: str) -> dict[tuple[str, str], str]:
    """Map (name, marker) to the version that a lock pins."""
    return {
        (canonicalize_name(pin["name"]), pin["marker"].strip()): pin["version"]
        for pin in PIN.finditer(body(lock))
    }


@pytest.mark.parametrize("lock", [RUNTIME, DEV, INSTALLER])
def test_every_pin_has_hashes_and_no_lock_names_an_address(lock: str) -> None:
    stanzas = re.split(r"\n(?=[A-Za-z0-9])", body(lock).strip())

    assert stanzas
    for stanza in stanzas:
        assert PIN.match(stanza), f"{lock}: not pinned: {stanza[:60]}"
        assert "--hash=sha256:" in stanza, f"{lock}: not hashed: {stanza[:60]}"
    assert not re.search(r"://|--index|--extra-index|--find-links|^-", body(lock), re.MULTILINE)


@pytest.mark.parametrize(
    ("lock", "wishes"),
    [
        (RUNTIME, PROJECT["project"]["dependencies"]),
        (RUNTIME, PROJECT["dependency-groups"]["build"]),
        (DEV, PROJECT["project"]["dependencies"]),
        (DEV, PROJECT["project"]["optional-dependencies"]["dev"]),
        (INSTALLER, PROJECT["dependency-groups"]["installer"]),
    ],
)
def test_the_lock_satisfies_what_the_project_asks_for(lock: str, wishes: list[str]) -> None:
    pinned: dict[str, list[str]] = {}
    for (name, _), version in pins(lock).items():
        pinned.setdefault(name, []).append(version)

    for wish in map(Requirement, wishes):
        versions = pinned.get(canonicalize_name(wish.name), [])
        assert versions, f"{lock} lacks {wish.name}: run deploy/lock"
        for version in versions:
            assert wish.specifier.contains(Version(version), prereleases=True), (
                f"{lock} pins {wish.name} {version}, which is not {wish.specifier}: run deploy/lock"
            )


def test_what_is_tested_is_what_ships() -> None:
    """The development lock holds every pin of the runtime lock, at the same version."""
    runtime, dev = pins(RUNTIME), pins(DEV)
    by_name = {name: version for (name, _), version in dev.items()}

    for (name, _), version in runtime.items():
        assert version in {by_name.get(name), *(v for (n, _), v in dev.items() if n == name)}, (
            f"{name} is {version} in {RUNTIME} and {by_name.get(name)} in {DEV}: run deploy/lock"
        )
