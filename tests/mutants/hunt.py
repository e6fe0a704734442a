"""Plants the bugs one by one in copies of the tree, and lets the one test of each look for it.

Two copies, a mutant at a time in each: copy once, patch a file, run its test, put the file back. A
mutant is killed by a test that ran and found something wrong: an error on the way there (an import,
a fixture, a time limit) kills nothing. The control is the unpatched copy, which has to pass all of
those tests.
"""

import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tests.mutants.mutant import ROOT, Mutant

COPIED = ("bot", "config", "deploy", "tests", "pyproject.toml", "README.md", "Dockerfile")
COPIES = 2
SECONDS_MAX = 120  # of one run of pytest
CONTROL_SECONDS_MAX = 300
PLUGINS = ("pytest_asyncio.plugin", "pytest_timeout")  # all that these tests need; no chance
PASSED, FAILED = 0, 1  # exit codes of pytest; all others say that it did not get to the test
CONTROL = "control"


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    UNTESTED = "untested"  # its test did not run, or did not end as a test does
    CLEAN = "clean"  # the control, as it should be
    UNCLEAN = "unclean"


GOOD = frozenset({Fate.KILLED, Fate.CLEAN})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A mutant's fate, what the test said, and how long it took."""

    name: str
    file: str
    killed_by: str
    fate: Fate
    said: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a run of pytest came to: its exit code, failures, errors, and the end of its words."""

    code: int | None
    failures: tuple[str, ...]
    errors: tuple[str, ...]
    said: str


def copied(folder: Path) -> Path:
    """Copy what the tests need, compiled kernels included: their caches know a file by its time."""
    for name in COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True)
        else:
            shutil.copy2(source, target)
    return folder


def ran(tree: Path, tests: Iterable[str], seconds_max: float) -> Ran:
    """Run tests in a copy; what they said is read from the report, not from the screen."""
    report = tree / "report.xml"
    report.unlink(missing_ok=True)
    plugins = [word for name in PLUGINS for word in ("-p", name)]
    words = [*plugins, "-p", "no:cacheprovider", "-q", "--no-header", "--tb=line"]
    command = [sys.executable, "-m", "pytest", *words, f"--junitxml={report}", *tests]
    # No byte code of a mutant may be left for the next; unwanted plugins take half of the time.
    own = {
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    try:
        done = subprocess.run(
            command, cwd=tree, env=os.environ | own, capture_output=True, text=True,
            check=False, timeout=seconds_max,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Ran(code=None, failures=(), errors=(), said=f"no end within {seconds_max:.0f} s")
    said = (done.stdout + done.stderr)[-2_000:]
    if not report.exists():
        return Ran(code=done.returncode, failures=(), errors=(), said=said)
    cases = list(ET.parse(report).getroot().iter("testcase"))
    return Ran(
        code=done.returncode,
        failures=_messages(cases, "failure"),
        errors=_messages(cases, "error"),
        said=said,
    )


def _messages(cases: Iterable[ET.Element], tag: str) -> tuple[str, ...]:
    return tuple(found.get("message", "") for case in cases for found in case.findall(tag))


def is_finding(message: str) -> bool:
    """Whether a failure is what a test found wrong: an assertion, or what should have been raised.

    A time limit, or any other exception, may come from anywhere.
    """
    first = message.lstrip()
    return first.startswith(("AssertionError", "assert ", "Failed: DID NOT RAISE"))


def judged(mutant: Mutant, found: Ran, seconds: float) -> Verdict:
    """Say what a run of a mutant's test means for it."""
    findings = [message for message in found.failures if is_finding(message)]
    if found.code == PASSED:
        fate, said = Fate.SURVIVED, "its test passed"
    elif found.code == FAILED and findings:
        fate, said = Fate.KILLED, findings[0]
    else:
        fate, said = Fate.UNTESTED, "; ".join((*found.errors, *found.failures)) or found.said
    return Verdict(
        name=mutant.name,
        file=mutant.file,
        killed_by=mutant.killed_by,
        fate=fate,
        said=" ".join(said.split()),
        seconds=seconds,
    )


def tried(tree: Path, mutant: Mutant) -> Verdict:
    """Plant a bug in a copy, let its test look for it, and put the file back as it was."""
    began = time.monotonic()
    path = tree / mutant.file
    whole, stamps = path.read_text(), path.stat()
    path.write_text(mutant.planted_in(whole))
    try:
        found = ran(tree, ["-x", mutant.killed_by], SECONDS_MAX)
    finally:
        path.write_text(whole)
        os.utime(path, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    return judged(mutant, found, time.monotonic() - began)


def controlled(tree: Path, mutants: Sequence[Mutant]) -> Verdict:
    """Run every mutant's test on the code as it is: a test that always fails kills anything."""
    began = time.monotonic()
    tests = sorted({mutant.killed_by for mutant in mutants})
    found = ran(tree, tests, CONTROL_SECONDS_MAX)
    clean = found.code == PASSED
    said = "; ".join((*found.failures, *found.errors)) or found.said
    return Verdict(
        name=CONTROL,
        file="",
        killed_by=f"{len(tests)} tests on the code as it is",
        fate=Fate.CLEAN if clean else Fate.UNCLEAN,
        said="" if clean else said,
        seconds=time.monotonic() - began,
    )


def hunted(mutants: Sequence[Mutant]) -> list[Verdict]:
    """Try every mutant, two at a time, and the control first."""
    waiting: queue.SimpleQueue[Mutant | None] = queue.SimpleQueue()
    for each in (None, *mutants):
        waiting.put(each)
    verdicts: list[Verdict] = []
    broken: list[BaseException] = []

    def work(tree: Path) -> None:
        while not broken:
            try:
                mutant = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done = controlled(tree, mutants) if mutant is None else tried(tree, mutant)
            except BaseException as error:  # noqa: BLE001 (told to whoever waits for the threads)
                broken.append(error)
                return
            verdicts.append(done)

    with tempfile.TemporaryDirectory(prefix="deltaband-mutants-") as folder:
        trees = [copied(_made(Path(folder) / str(number))) for number in range(COPIES)]
        threads = [threading.Thread(target=work, args=(tree,)) for tree in trees]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if broken:
        raise broken[0]
    places = {name: place for place, name in enumerate([CONTROL, *(m.name for m in mutants)])}
    return sorted(verdicts, key=lambda verdict: places[verdict.name])


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
