"""The image: a linter's rules where the linter is installed, ours everywhere."""

import json
import re
import shutil
import subprocess

import pytest

from tests.deploy.files import DEPLOY, ROOT, instructions, yaml

DOCKERFILE = ROOT / "Dockerfile"
STEPS = instructions(DOCKERFILE)
STATE = "/var/lib/deltaband"


def last_stage() -> list[tuple[str, str]]:
    starts = [index for index, (word, _) in enumerate(STEPS) if word == "FROM"]
    return STEPS[starts[-1] :]


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed here")
def test_hadolint_finds_nothing_to_say() -> None:
    done = subprocess.run(
        ["hadolint", "--no-color", DOCKERFILE], capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout) == (0, "")


def test_every_stage_is_built_on_the_one_base_that_a_digest_can_pin() -> None:
    first, *_ = STEPS
    assert first[0] == "ARG"
    name, _, default = first[1].partition("=")
    assert re.fullmatch(r"\S+/python:3\.\d+-slim-\w+", default), "a named release, never latest"
    bases = [rest.split()[0] for word, rest in STEPS if word == "FROM"]
    assert bases == [f"${{{name}}}"] * 2


def test_the_daemon_is_nobody_and_owns_nothing_but_its_state() -> None:
    stage = last_stage()
    users = [rest for word, rest in stage if word == "USER"]
    assert users == ["10001:10001"]
    after = stage[[word for word, _ in stage].index("USER") :]
    assert not [word for word, _ in after if word in {"RUN", "COPY", "ADD"}]
    owned = [rest for word, rest in stage if word == "COPY" and "--chown" in rest]
    assert [rest.split()[-1] for rest in owned] == [STATE]


def test_what_is_installed_comes_from_the_lock_and_from_nowhere_else() -> None:
    ran = " ".join(rest for word, rest in STEPS if word == "RUN")
    assert "prepare runtime" in ran
    for fetcher in ("apt-get", "apk ", "curl", "wget", "git ", "pip install", "npm"):
        assert fetcher not in ran
    assert not [word for word, _ in STEPS if word == "ADD"]
    for word, rest in STEPS:
        if word == "COPY" and "--from" not in rest:
            for name in rest.split()[:-1]:
                assert (ROOT / name).exists(), name


def test_a_secret_is_in_no_layer() -> None:
    named = " ".join(rest for word, rest in STEPS if word in {"ENV", "ARG", "COPY", "LABEL"})
    assert not re.search(r"(?i)secret|token|passw|api_?key|\.env\b", named)
    ignored = (ROOT / ".dockerignore").read_text().split("\n")
    assert ignored[1] == "*"
    assert not [line for line in ignored if line.startswith("!deploy/secrets")]


def test_nothing_is_written_outside_the_volume_so_that_the_root_may_be_read_only() -> None:
    stage = dict(last_stage())
    env = " ".join(rest for word, rest in last_stage() if word == "ENV")
    assert stage["VOLUME"] == STATE
    assert stage["WORKDIR"] == STATE
    assert f"NUMBA_CACHE_DIR={STATE}/kernels" in env
    assert f"HOME={STATE}" in env
    assert "PYTHONDONTWRITEBYTECODE=1" in env


def test_the_image_and_the_compose_file_ask_for_health_in_the_same_words() -> None:
    _, _, asked = dict(last_stage())["HEALTHCHECK"].partition("CMD ")
    program = json.loads(asked)
    service = yaml(DEPLOY / "compose.yaml")["services"]["deltaband"]
    assert service["healthcheck"]["test"] == ["CMD", *program]
    script = program[-1].removeprefix("/opt/deltaband/")
    assert (ROOT / script).exists()
    assert ["COPY", "deploy/healthcheck deploy/"] in [list(step) for step in STEPS]
