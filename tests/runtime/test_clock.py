"""The market clock learns the venue's time from its answers, whatever day, speed or leap."""

import asyncio
import random
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from bot.runtime import clock
from bot.runtime.clock import (
    SystemMarketClock,
    TimeSample,
    VenueMarketClock,
    WireClock,
    to_market_ms,
    to_wire_ns,
)
from bot.runtime.sampler import ClockSampler

START_MS = 1_765_391_700_000


@dataclass
class MadeUpTime:
    """A host and a venue whose clocks are what the test says."""

    speed: float = 1.0
    wire_ns: int = 5_000_000_000
    venue_ms: float = float(START_MS)

    @property
    def wire(self) -> WireClock:
        return WireClock(
            monotonic_ns=lambda: self.wire_ns, epoch_ms=lambda: self.wire_ns // 1_000_000
        )

    def pass_ms(self, wire_ms: float) -> None:
        self.wire_ns += round(wire_ms * 1e6)
        self.venue_ms += wire_ms * self.speed

    def ask(self, there_ms: float = 0.4, back_ms: float = 0.4) -> TimeSample:
        asked_ns = self.wire_ns
        self.pass_ms(there_ms)
        said_ms = int(self.venue_ms)
        self.pass_ms(back_ms)
        return TimeSample(asked_ns=asked_ns, answered_ns=self.wire_ns, venue_ms=said_ms)


def watched(time: MadeUpTime, clock: VenueMarketClock, samples: int, every_ms: float) -> None:
    for _ in range(samples):
        clock.observe(time.ask())
        time.pass_ms(every_ms)


@pytest.mark.parametrize("speed", [1.0, 7.5, 60.0, 120.0])
def test_a_rehearsal_at_any_speed_is_followed_within_what_the_clock_admits(speed):
    time = MadeUpTime(speed=speed)
    clock = VenueMarketClock(time.wire)
    watched(time, clock, samples=6, every_ms=30)
    watched(time, clock, samples=20, every_ms=1_000)
    assert clock.rate == pytest.approx(speed, rel=1e-3)
    assert abs(clock.now_ms() - time.venue_ms) <= clock.uncertainty_ms
    assert clock.uncertainty_ms < 2 * speed + 5
    assert clock.jumps == 0


def test_six_quick_questions_are_enough_to_start_with():
    time = MadeUpTime(speed=120.0)
    clock = VenueMarketClock(time.wire)
    watched(time, clock, samples=6, every_ms=30)
    assert clock.rate == pytest.approx(120.0, rel=0.02)
    assert abs(clock.now_ms() - time.venue_ms) <= clock.uncertainty_ms


def test_slow_and_lopsided_answers_move_the_clock_no_further_than_their_trip():
    time = MadeUpTime(speed=120.0)
    clock = VenueMarketClock(time.wire)
    noise = random.Random(5)
    for number in range(40):
        slow = number % 3 == 0
        clock.observe(time.ask(there_ms=noise.uniform(50, 200) if slow else 0.3, back_ms=0.3))
        time.pass_ms(500)
    assert clock.jumps == 0
    assert abs(clock.now_ms() - time.venue_ms) < 120.0
    assert clock.rate == pytest.approx(120.0, rel=2e-3)


def test_a_gap_in_the_recording_is_jumped_at_the_next_answer_and_the_rate_survives():
    time = MadeUpTime(speed=120.0)
    clock = VenueMarketClock(time.wire)
    watched(time, clock, samples=10, every_ms=500)
    time.venue_ms += 20 * 60_000
    watched(time, clock, samples=1, every_ms=10)
    assert clock.jumps == 1
    assert clock.rate == pytest.approx(120.0, rel=1e-3)
    assert abs(clock.now_ms() - time.venue_ms) <= clock.uncertainty_ms
    watched(time, clock, samples=10, every_ms=500)
    assert clock.jumps == 1
    assert abs(clock.now_ms() - time.venue_ms) <= clock.uncertainty_ms


def test_a_jump_while_the_rate_is_still_unknown_is_unlearned():
    time = MadeUpTime(speed=60.0)
    clock = VenueMarketClock(time.wire)
    clock.observe(time.ask())
    time.pass_ms(30)
    time.venue_ms += 20 * 60_000
    watched(time, clock, samples=12, every_ms=500)
    assert clock.rate == pytest.approx(60.0, rel=1e-2)
    assert abs(clock.now_ms() - time.venue_ms) <= clock.uncertainty_ms


def test_the_market_clock_never_runs_backwards_even_when_the_venue_does():
    time = MadeUpTime(speed=10.0)
    clock = VenueMarketClock(time.wire)
    watched(time, clock, samples=8, every_ms=200)
    before = clock.now_ms()
    time.venue_ms -= 60_000
    seen = []
    for _ in range(50):
        clock.observe(time.ask())
        time.pass_ms(50)
        seen.append(clock.now_ms())
    assert seen == sorted(seen)
    assert seen[0] >= before
    assert clock.behind_ms > 0
    assert clock.uncertainty_ms > clock.behind_ms
    watched(time, clock, samples=10, every_ms=1_000)
    assert clock.behind_ms == 0
    assert abs(clock.now_ms() - time.venue_ms) <= clock.uncertainty_ms


def test_jittering_answers_never_move_the_clock_back():
    time = MadeUpTime(speed=120.0)
    clock = VenueMarketClock(time.wire)
    noise = random.Random(11)
    last = 0
    for _ in range(300):
        clock.observe(time.ask(there_ms=noise.expovariate(1.0), back_ms=noise.expovariate(1.0)))
        for _ in range(3):
            time.pass_ms(noise.uniform(0, 20))
            now = clock.now_ms()
            assert now >= last
            last = now


def test_live_pins_the_rate_to_one_and_still_learns_the_offset():
    time = MadeUpTime(speed=1.001)  # a venue clock that nobody should believe
    clock = VenueMarketClock(time.wire, rate=1.0)
    watched(time, clock, samples=10, every_ms=1_000)
    assert clock.rate == 1.0
    assert abs(clock.now_ms() - time.venue_ms) < 10


@pytest.mark.parametrize("off_ms", [3_600_000, -3_600_000])
def test_one_answer_an_hour_off_moves_no_real_venues_time(off_ms: int):
    time = MadeUpTime()
    clock = VenueMarketClock(time.wire, rate=1.0)
    watched(time, clock, samples=10, every_ms=1_000)
    time.venue_ms += off_ms
    watched(time, clock, samples=1, every_ms=1_000)
    time.venue_ms -= off_ms
    assert abs(clock.now_ms() - time.venue_ms) < 10
    watched(time, clock, samples=1, every_ms=1_000)
    assert abs(clock.now_ms() - time.venue_ms) < 10
    assert clock.jumps == 0


def test_a_real_venues_time_that_two_answers_agree_on_is_followed():
    time = MadeUpTime()
    clock = VenueMarketClock(time.wire, rate=1.0)
    watched(time, clock, samples=10, every_ms=1_000)
    time.venue_ms += 3_600_000  # the machine slept for an hour
    watched(time, clock, samples=2, every_ms=1_000)
    assert abs(clock.now_ms() - time.venue_ms) < 10
    assert clock.jumps == 1


def test_setting_the_hosts_clock_changes_nothing_on_the_system_market_clock():
    time = MadeUpTime()
    calendar = [1_700_000_000_000]
    wire = WireClock(monotonic_ns=lambda: time.wire_ns, epoch_ms=lambda: calendar[0])
    clock = SystemMarketClock(wire)
    time.pass_ms(1_000)
    calendar[0] += 3_600_000
    assert clock.now_ms() == 1_700_000_001_000


def test_the_system_market_clock_shows_how_far_the_venue_is_from_this_host():
    time = MadeUpTime()
    wire = WireClock(monotonic_ns=lambda: time.wire_ns, epoch_ms=lambda: START_MS - 750)
    clock = SystemMarketClock(wire)
    assert clock.uncertainty_ms == float("inf")
    clock.observe(time.ask(there_ms=80, back_ms=0.3))
    clock.observe(time.ask())
    assert clock.offset_ms == pytest.approx(750, abs=2)
    assert 750 <= clock.uncertainty_ms < 755
    assert clock.now_ms() < START_MS


def test_a_wire_lifetime_converted_to_market_time_and_back_is_never_shorter():
    time = MadeUpTime(speed=120.0)
    clock = VenueMarketClock(time.wire)
    watched(time, clock, samples=20, every_ms=500)
    market_ms = to_market_ms(clock, 2_000_000_000)
    assert market_ms == pytest.approx(240_000, rel=1e-3)
    assert to_wire_ns(clock, market_ms) == pytest.approx(2_000_000_000, rel=1e-5)


async def test_a_venue_that_does_not_tell_its_time_is_counted_and_asked_again():
    answers = iter([START_MS, None, START_MS + 100])
    heard = []

    async def ask() -> int:
        await asyncio.sleep(0)
        answer = next(answers)
        if answer is None:
            raise ConnectionResetError("gone")
        return answer

    clock = VenueMarketClock(WireClock(), rate=1.0)
    sampler = ClockSampler(
        ask_ms=ask, clock=clock, wire=WireClock(), on_sample=lambda: heard.append(clock.now_ms())
    )
    assert await sampler.settle(samples=3, spacing_seconds=0.001)
    assert sampler.failures == 1
    assert clock.now_ms() >= START_MS


async def test_a_venue_that_is_away_is_told_once_and_once_when_it_is_back():
    answers = iter([START_MS, None, None, None, START_MS + 100, START_MS + 200, None])

    async def ask() -> int:
        answer = next(answers)
        if answer is None:
            raise ConnectionResetError("the other end went away")
        return answer

    clock = VenueMarketClock(WireClock(), rate=1.0)
    sampler = ClockSampler(ask_ms=ask, clock=clock, wire=WireClock())
    with capture_logs() as lines:
        await sampler.settle(samples=7, spacing_seconds=0.0)

    told = [line for line in lines if "its time" in line["event"]]
    assert [line["log_level"] for line in told] == ["warning", "info", "warning"]
    assert told[0]["reason"] == "the other end went away"
    assert told[1]["unanswered"] == 3
    assert sampler.failures == 4


def test_the_rate_survives_jumps_that_follow_each_other_closely() -> None:
    time = MadeUpTime(speed=120.0)
    clock = VenueMarketClock(time.wire)
    watched(time, clock, samples=10, every_ms=1_000)
    for _ in range(3):
        time.venue_ms += 6 * 3_600_000
        watched(time, clock, samples=2, every_ms=500)

    assert clock.jumps == 3
    assert clock.rate == pytest.approx(120.0, rel=0.01)


async def test_a_sampler_in_a_hurry_asks_at_once_and_once() -> None:
    time, asked = MadeUpTime(), list[int]()

    async def ask() -> int:
        asked.append(time.wire_ns)
        return int(time.venue_ms)

    sampler = ClockSampler(
        ask_ms=ask, clock=VenueMarketClock(time.wire), wire=time.wire, interval_seconds=60.0
    )
    running = asyncio.create_task(sampler.run())
    await asyncio.sleep(0)
    for _ in range(10):
        sampler.hurry()
        await asyncio.sleep(0.01)
    running.cancel()

    assert len(asked) == 1, "at once, and however often it is told to hurry, once an interval"


def test_the_start_of_the_host_is_named_and_empty_where_nothing_tells(tmp_path, monkeypatch):
    monkeypatch.setattr(clock, "BOOT", tmp_path / "boot_id")
    monkeypatch.setattr(clock, "OFFSETS", tmp_path / "timens_offsets")
    host_boot = clock.host_boot.__wrapped__
    (tmp_path / "timens_offsets").write_text("monotonic           0         0\n")
    assert host_boot() == ""
    (tmp_path / "boot_id").write_text("\n")
    assert host_boot() == "", "offsets alone name no host"
    (tmp_path / "boot_id").write_text("6a9f\n")
    assert host_boot() == "6a9f monotonic 0 0"
    (tmp_path / "timens_offsets").unlink()  # a kernel that knows of none
    assert host_boot() == "6a9f"


def test_a_container_whose_clock_counts_from_elsewhere_is_another_start(tmp_path, monkeypatch):
    """One host, one boot_id, and an hour between the two clocks: ages do not compare."""
    monkeypatch.setattr(clock, "BOOT", tmp_path / "boot_id")
    monkeypatch.setattr(clock, "OFFSETS", tmp_path / "timens_offsets")
    host_boot = clock.host_boot.__wrapped__
    (tmp_path / "boot_id").write_text("6a9f\n")
    names = set()
    for offset_s in (0, 3_600):
        (tmp_path / "timens_offsets").write_text(f"monotonic {offset_s} 0\nboottime 0 0\n")
        names.add(host_boot())
    assert len(names) == 2
