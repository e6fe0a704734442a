"""A watchdog acts when the daemon is silent, on the daemon's orders alone, and never otherwise."""

import os
from dataclasses import replace

import pytest

from bot.core.actions import Alert, Severity, Topic
from bot.core.units import NS_PER_SECOND
from bot.runtime.beat import BYTES, Beat, Heart, beat_path, read_beat
from bot.runtime.watchdog import AGAIN_SECONDS, Bell, Watch, Watchdog, WatchdogPolicy
from bot.venues.port import CannotCancelError

LABELS = "dbaaaa"


class Venue:
    """Open orders by label, which a cancel takes away unless they cling."""

    def __init__(self, *labels: str) -> None:
        self.labels = list(labels)
        self.cancelled: list[str] = []
        self.clings: set[str] = set()
        self.fault = ""
        self.proofs = 0

    async def prove(self) -> None:
        self._answer()
        self.proofs += 1

    async def open_labels(self, start: str) -> tuple[str, ...]:
        self._answer()
        return tuple(label for label in self.labels if label.startswith(start))

    async def cancel(self, label: str) -> None:
        self._answer()
        self.cancelled.append(label)
        if label not in self.clings:
            self.labels.remove(label)

    async def close(self) -> None:
        """There is nothing to hang up."""

    def _answer(self) -> None:
        if self.fault:
            raise CannotCancelError(self.fault)


class Scene:
    """A watchdog, its clock, its venue, and a daemon that beats when it is told to."""

    def __init__(self, *labels: str) -> None:
        self.now_ns = 0
        self.venue = Venue(*labels)
        self.beat: Beat | None = None
        self.told: list[Alert] = []
        self.over: list[str] = []
        self.dog = Watchdog(
            read=lambda: self.beat,
            sweeper=self.venue,
            bell=Bell(tell=self.told.append, over=lambda _, words: self.over.append(words)),
            policy=WatchdogPolicy(silent_ns=5 * NS_PER_SECOND, prove_ns=60 * NS_PER_SECOND),
            monotonic_ns=lambda: self.now_ns,
        )

    def beats(self, ended: str = "") -> None:
        count = self.beat.count + 1 if self.beat else 1
        self.beat = Beat(pid=7, count=count, labels=LABELS, mode="run", ended=ended)

    async def passes(self, seconds: float, *, beating: bool = False) -> None:
        for _ in range(round(seconds * 4)):
            self.now_ns += NS_PER_SECOND // 4
            if beating:
                self.beats()
            await self.dog.look()


async def test_a_daemon_that_beats_keeps_its_orders_and_nobody_is_called():
    scene = Scene(f"{LABELS}0000001")
    await scene.passes(60, beating=True)
    assert (scene.venue.cancelled, scene.told) == ([], [])
    assert scene.dog.watch is Watch.ALIVE


async def test_a_silent_daemon_s_own_orders_are_cancelled_and_a_person_is_called_once():
    scene = Scene(f"{LABELS}0000001", "dbbbbb0000001", "by hand", "")
    await scene.passes(1, beating=True)
    await scene.passes(5)
    assert scene.venue.cancelled == []
    await scene.passes(0.25)
    assert scene.venue.cancelled == [f"{LABELS}0000001"]
    assert scene.venue.labels == ["dbbbbb0000001", "by hand", ""]
    (called,) = scene.told
    assert (called.severity, called.topic) == (Severity.CRITICAL, Topic.WATCHDOG)
    assert "no heartbeat of process 7, last in mode run, for over 5 s" in called.text
    assert f"cancelled 1 ({LABELS}0000001), and none of its orders is open now" in called.text
    await scene.passes(30)
    assert len(scene.told) == 1


async def test_an_order_that_arrives_after_the_sweep_is_cancelled_too_and_told():
    scene = Scene()
    await scene.passes(1, beating=True)
    await scene.passes(6)
    assert scene.told[0].text.endswith(" s: none of its orders is open now")
    scene.venue.labels.append(f"{LABELS}0000009")  # it was on its way
    await scene.passes(AGAIN_SECONDS + 0.5)
    assert scene.venue.cancelled == [f"{LABELS}0000009"]
    assert "cancelled 1" in scene.told[1].text


async def test_what_does_not_cancel_is_tried_again_until_none_is_left():
    scene = Scene(f"{LABELS}0000001")
    scene.venue.clings.add(f"{LABELS}0000001")
    await scene.passes(1, beating=True)
    await scene.passes(8)
    assert len(scene.venue.cancelled) >= 3
    assert "still open after cancelling: dbaaaa0000001" in scene.told[0].text
    assert len(scene.told) == 1
    scene.venue.clings.clear()
    await scene.passes(2)
    assert scene.venue.labels == []
    assert "none of its orders is open any more" in scene.over


async def test_a_venue_that_refuses_is_told_and_asked_again_every_second():
    scene = Scene(f"{LABELS}0000001")
    await scene.passes(1, beating=True)
    scene.venue.fault = "the key may not cancel"
    await scene.passes(7)
    assert "could NOT be cancelled: the key may not cancel" in scene.told[0].text
    scene.venue.fault = ""
    await scene.passes(1.25)
    assert scene.venue.labels == []


async def test_the_right_to_cancel_is_proved_again_and_again_and_its_loss_calls():
    scene = Scene()
    await scene.passes(61, beating=True)
    assert scene.venue.proofs == 2
    scene.venue.fault = "invalid_credentials (13004)"
    await scene.passes(60, beating=True)
    assert [alert.text for alert in scene.told] == [
        "the watchdog can NOT cancel: invalid_credentials (13004)"
    ]
    scene.venue.fault = ""
    await scene.passes(6, beating=True)
    assert scene.over == ["the watchdog can cancel again"]


async def test_a_daemon_that_went_in_peace_is_looked_after_once_and_calls_nobody():
    scene = Scene()
    await scene.passes(1, beating=True)
    scene.beats(ended="stopped")
    await scene.passes(120)
    assert (scene.dog.watch, scene.dog.sweeps, scene.told) == (Watch.ENDED, 1, [])
    scene.beats()
    await scene.passes(1, beating=True)
    assert scene.dog.watch is Watch.ALIVE


async def test_an_order_that_a_daemon_left_behind_in_peace_is_cancelled_and_told():
    scene = Scene(f"{LABELS}0000001")
    await scene.passes(1, beating=True)
    scene.beats(ended="halted by somebody")
    await scene.passes(1)
    assert scene.venue.labels == []
    assert "process 7 ended (halted by somebody): cancelled 1" in scene.told[0].text


async def test_a_watchdog_that_stood_still_itself_does_not_blame_the_daemon():
    scene = Scene(f"{LABELS}0000001")
    await scene.passes(1, beating=True)
    scene.now_ns += 60 * NS_PER_SECOND  # the whole machine was paused
    await scene.passes(4)
    assert scene.venue.cancelled == []
    await scene.passes(2)
    assert scene.venue.cancelled, "it is silent indeed"


async def test_a_daemon_that_beats_again_is_watched_as_before():
    scene = Scene()
    await scene.passes(1, beating=True)
    await scene.passes(6)
    await scene.passes(1, beating=True)
    assert scene.over == ["process 7 beats again"]
    await scene.passes(6)
    assert len(scene.told) == 2


async def test_nothing_is_done_before_a_daemon_was_ever_seen():
    scene = Scene("dbaaaa0000001")
    await scene.passes(30)
    assert (scene.venue.cancelled, scene.told, scene.dog.watch) == ([], [], Watch.WAITING)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": 1}'])
def test_a_beat_that_cannot_be_read_is_none(content, tmp_path):
    path = tmp_path / "ledger.db.beat"
    path.write_bytes(content)
    assert read_beat(path) is None


def test_the_heart_beats_on_the_wire_clock_and_says_how_it_stopped(tmp_path):
    path = beat_path(tmp_path / "ledger.db")
    with Heart(path, LABELS) as heart:
        first = read_beat(path)
        assert first == Beat(pid=os.getpid(), count=1, labels=LABELS, mode="starting")
        heart.ended("halt", "halted by somebody:\n" + "x" * 900)
        last = read_beat(path)
    assert last is not None
    assert last.ended.startswith("halted by somebody: xxx")
    assert replace(last, ended="") == Beat(pid=os.getpid(), count=2, labels=LABELS, mode="halt")
    assert path.stat().st_size == 512


@pytest.mark.parametrize("reason", ["остановлен оператором " * 20, '"quoted" \\ ' * 30, "x" * 500])
def test_a_good_bye_in_any_words_is_read(reason, tmp_path):
    path = beat_path(tmp_path / "ledger.db")
    with Heart(path, LABELS) as heart:
        heart.ended("halt", reason)
    told = read_beat(path)
    assert told is not None
    assert told.ended
    assert reason.startswith(told.ended)
    assert path.stat().st_size == BYTES
