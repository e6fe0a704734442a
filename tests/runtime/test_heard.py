"""Who has heard of an alert is known after a restart, and only as long as it is not over."""

import asyncio
import json
from dataclasses import replace

import pytest

from bot.core.actions import Alert, Severity, Topic
from bot.core.events import Command, CommandGiven
from bot.core.state import Mode
from bot.dashboard import callers
from bot.runtime import paging
from bot.runtime.clock import WireClock
from bot.runtime.daemon import run_daemon
from bot.runtime.heard import heard_path, read_heard, write_heard
from bot.runtime.pager import Pager
from tests.runtime.desk import House, until
from tests.runtime.test_pager import POLICY

HALT = Alert(severity=Severity.CRITICAL, text="run -> halt: order db-1 is lost", topic=Topic.HALT)
RUN = Alert(severity=Severity.INFO, text="reconciling -> run: all well", topic=Topic.RUN)


def pager_at(path) -> Pager:
    return Pager(daemon="test", channels=(), policy=POLICY, wire=WireClock(), heard=path)


def heard(made: Pager) -> None:
    """Let a person say that they have heard, as the pager does when the loop folds it."""
    made.board, _ = paging.heard(made.board, "by kim: on it", made._now())
    made._keep_heard()


def test_a_restart_into_the_same_trouble_is_told_once_and_not_repeated(tmp_path):
    path = heard_path(tmp_path / "ledger.db")
    first = pager_at(path)
    first.tell(HALT)
    heard(first)
    again = pager_at(path)
    again.tell(replace(HALT, text="run -> halt: order db-2 is lost"))
    (shown,) = callers.alerts(again).incidents
    assert (shown.heard, shown.calls, again.board.unheard) == ("by kim: on it", False, 0)


def test_other_trouble_after_a_restart_calls(tmp_path):
    path = heard_path(tmp_path / "ledger.db")
    first = pager_at(path)
    first.tell(HALT)
    heard(first)
    again = pager_at(path)
    again.tell(Alert(severity=Severity.CRITICAL, text="run -> hold: no quote", topic=Topic.HOLD))
    assert callers.alerts(again).unheard == 1


def test_what_is_over_is_forgotten_and_calls_again_another_day(tmp_path):
    path = heard_path(tmp_path / "ledger.db")
    first = pager_at(path)
    first.tell(HALT)
    heard(first)
    again = pager_at(path)
    again.tell(RUN)
    again._keep_heard()
    assert read_heard(path) == {}
    third = pager_at(path)
    third.tell(HALT)
    assert third.board.unheard == 1


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}'])
def test_a_file_that_cannot_be_read_costs_a_repetition_and_no_more(text, tmp_path):
    path = tmp_path / "ledger.db.heard"
    path.write_text(text)
    assert read_heard(path) == {}


def test_a_directory_that_takes_no_files_costs_no_more_either(tmp_path):
    write_heard(tmp_path / "gone" / "ledger.db.heard", {"a": "b"})
    assert not (tmp_path / "gone").exists()


@pytest.mark.usefixtures("compiled_kernels")
async def test_an_ack_of_a_running_daemon_is_kept_beside_its_ledger(tmp_path):
    async with House(tmp_path) as house:
        path = heard_path(house.ledger.path)
        made = pager_at(path)
        house.loop.watch(made.on_step)
        task = asyncio.create_task(run_daemon(daemon := house.daemon()))
        await until(lambda: house.loop.state.mode is Mode.RUN)
        made.tell(HALT)
        ack = CommandGiven(command=Command.ACK, command_id="a" * 8, actor="kim", note="on it")
        house.inbox.admit(ack)
        await until(path.exists)
        daemon.stop.set()
        await task
    assert list(json.loads(path.read_text()).values()) == ["by kim: on it"]
