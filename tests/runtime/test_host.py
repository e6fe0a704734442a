"""What is done to the daemon's process once everything is loaded."""

import gc
import sys
import threading

import pytest

from bot.runtime.host import SWITCH_SECONDS, ProcessHost


async def test_the_collector_that_slept_through_the_start_is_awake_once_the_daemon_has_settled():
    interval = sys.getswitchinterval()
    host = ProcessHost()
    gc.disable()
    try:
        host.settle()
        assert gc.isenabled()
        assert gc.get_freeze_count() > 0
        assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)
    finally:
        gc.enable()
        gc.unfreeze()
        sys.setswitchinterval(interval)


async def test_a_thread_that_renders_the_numbers_may_ask_what_the_process_uses():
    host, found = ProcessHost(), list[int]()
    interval = sys.getswitchinterval()
    try:
        host.settle()
        asker = threading.Thread(target=lambda: found.append(host.used().tasks))
        asker.start()
        asker.join()
    finally:
        gc.unfreeze()
        sys.setswitchinterval(interval)
    assert found == [1]
