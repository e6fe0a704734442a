"""A test that fails while the machine stands still is tried again, and the report says so.

A virtual machine may be held for seconds at any point. What has to happen within a time, as the
answer before a token ends, then does not, and nobody is at fault. So a failure counts only if this
process went on meanwhile, or if it comes again each time: what is wrong fails every time. What
other processes stand still is not seen here: tests of whole processes see to that themselves.
"""

import gc
import sys
import threading
import time

import pytest
from _pytest.runner import runtestprotocol
from _pytest.unraisableexception import unraisable_exceptions

LOOK_SECONDS = 0.02
STANDSTILL_SECONDS = 0.25  # longer than this, and what was measured is not the code
TRIES_MAX = 3

REPEATED = pytest.StashKey[list[str]]()


class Pulse(threading.Thread):
    """Wakes again and again, and remembers the longest that it was kept from it."""

    def __init__(self) -> None:
        super().__init__(name="pulse", daemon=True)
        self._known = time.monotonic()
        self._worst = 0.0
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        now = time.monotonic()
        self._worst = max(self._worst, now - self._known - LOOK_SECONDS)
        self._known = now

    def begin(self) -> None:
        """Forget what was."""
        self._known, self._worst = time.monotonic(), 0.0

    def worst_seconds(self) -> float:
        """The longest standstill since the beginning."""
        self._look()
        return self._worst

    def end(self) -> None:
        self._over.set()
        self.join()


PULSE = pytest.StashKey[Pulse]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[REPEATED] = []
    config.stash[PULSE] = Pulse()
    config.stash[PULSE].start()


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[PULSE].end()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Run a test, and again where it failed while nothing moved."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    pulse = item.config.stash[PULSE]
    reports: list[pytest.TestReport] = []
    for left in reversed(range(TRIES_MAX)):
        pulse.begin()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        stood = pulse.worst_seconds()
        is_red = any(report.failed for report in reports)
        if not left or not is_red or stood < STANDSTILL_SECONDS:
            break
        item.config.stash[REPEATED].append(f"{item.nodeid}: nothing moved for {stood:.1f} s")
        _begin_again(item)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _begin_again(item: pytest.Item) -> None:
    """Forget what fixtures came to, so that they are made afresh, and what was left open.

    A test that breaks off may not close all that it opened. It is told when that is collected:
    to whoever runs then, and not to the one that was forgiven.
    """
    assert isinstance(item, pytest.Function)
    item._initrequest()
    for known in item._fixtureinfo.name2fixturedefs.values():
        for each in known:
            if each.cached_result is not None and each.cached_result[2] is not None:
                each.cached_result = None
    sys.last_type = sys.last_value = sys.last_traceback = None
    gc.collect()
    item.config.stash[unraisable_exceptions].clear()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if config.stash[REPEATED]:
        terminalreporter.section("tried again, for the machine stood still")
        for line in config.stash[REPEATED]:
            terminalreporter.write_line(line)
