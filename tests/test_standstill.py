"""A failure on a machine that stood still is tried again; every other counts at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = """
from tests.standstill import (
    pytest_configure, pytest_runtest_protocol, pytest_terminal_summary, pytest_unconfigure,
)
"""
STOPPED = """
import os, signal, pathlib, pytest
tries = pathlib.Path(__file__).with_name("tries")

@pytest.fixture(scope="module")
def shared():
    yield tries

def test_something(shared, tmp_path):
    number = len(tries.read_text()) if tries.exists() else 0
    tries.write_text("x" * (number + 1))
    if {stands} and number < {times}:
        os.system(f"(sleep 0.5; kill -CONT {{os.getpid()}}) &")
        os.kill(os.getpid(), signal.SIGSTOP)
    left_open = open(__file__) if number < {times} else None
    assert number >= {times}

def test_another(shared):
    pass
"""


def tried(folder: Path, *, stands: bool, times: int) -> tuple[int, int, str]:
    """Run tests of which the first fails so often; return exit code, tries, and what is said."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(STOPPED.format(stands=stands, times=times))
    words = ["-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--rootdir", str(folder)]
    for strict in ("ResourceWarning", "pytest.PytestUnraisableExceptionWarning"):
        words += ["-W", f"error::{strict}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, str(folder)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, len((folder / "tries").read_text()), done.stdout


@pytest.mark.parametrize(
    ("stands", "times", "code", "tries"),
    [(True, 1, 0, 2), (True, 9, 1, 3), (False, 1, 1, 1)],
    ids=["stood still once", "stood still each time", "went on"],
)
def test_only_what_failed_while_nothing_moved_is_tried_again_and_told(
    tmp_path: Path, stands: bool, times: int, code: int, tries: int
) -> None:
    found = tried(tmp_path, stands=stands, times=times)

    assert found[:2] == (code, tries), found[2]
    assert found[2].count("nothing moved for") == tries - 1
