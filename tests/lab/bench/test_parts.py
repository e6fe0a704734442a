"""Every part of the benchmark, on little: real servers, a real disk, the real core."""

import itertools
import json
import time

import pytest

from bot.lab.bench import decision, journal, wire
from bot.lab.bench.spawned import BenchError, Spawned, spawned

pytestmark = pytest.mark.timeout(300)  # two servers start, on a machine that may be busy


async def test_the_wire_is_measured_on_a_real_exchange_and_beside_an_echo(monkeypatch):
    monkeypatch.setattr(wire, "REQUESTS", 60)
    monkeypatch.setattr(wire, "ECHOES", 100)
    monkeypatch.setattr(wire, "TICKER_SECONDS", 0.3)

    found = {one.name: one for one in await wire.exchange(1, time.monotonic_ns)}

    assert found.keys() >= {wire.ECHO, "orders that fill", "orders that find nobody"}
    assert len(found) == 5
    assert all(one.median > 0 and len(one.rounds) == 1 for one in found.values())
    assert all(one.floor == wire.ECHO for one in found.values() if one.name.startswith("orders"))
    assert sum(one.target is not None for one in found.values()) == 4


async def test_a_request_that_was_refused_is_no_figure():
    frames = itertools.repeat(json.dumps({"error": {"code": 10028}}))
    async with (
        spawned("bot.lab.bench.echo", ()) as server,
        wire.peer(server.said["ws_url"]) as peer,
    ):
        with pytest.raises(BenchError, match="10028"):
            await peer.pressed(frames, 5)


async def test_a_server_that_does_not_start_is_named():
    with pytest.raises(BenchError, match="bot ended before it was ready"):
        async with spawned("bot", ("--version", "--nonsense")):
            pass


def test_the_time_of_the_servers_processor_counts_where_it_is_known():
    slow = wire.Count(count=100, wall_s=2.0, cpu_s=0.5)

    assert slow.per_core_second == 200.0
    assert wire.Count(count=100, wall_s=2.0, cpu_s=None).per_core_second == 50.0
    assert wire.Count(count=100, wall_s=2.0, cpu_s=0.01).per_core_second == 50.0
    assert Spawned(pid=2**22 + 1, said={}).cpu_seconds() is None


async def test_the_ledger_is_measured_beside_bare_commits_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "APPENDS", 5)

    bare, ours = await journal.journal(2, time.monotonic_ns, tmp_path)

    assert (ours.floor, len(ours.rounds)) == (bare.name, 2)
    assert ours.median > 0 < bare.median
    assert list(tmp_path.iterdir()) == []


def test_the_decision_is_measured_on_a_book_that_is_valued(monkeypatch):
    monkeypatch.setattr(decision, "TICKS", 3)
    monkeypatch.setattr(decision, "SIZES", (4, 20))

    small, large, burst = decision.decision(2, time.monotonic_ns)

    assert (small.name, large.name, burst.name) == (
        "tick to decision, 4 options",
        "tick to decision, 20 options",
        "50 quotes to decision, 4 options",
    )
    assert min(*small.rounds, *large.rounds, *burst.rounds) > 0
