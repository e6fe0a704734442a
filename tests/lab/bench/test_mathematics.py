"""The parts that measure the mathematics, on little, beside QuantLib and a library that lies."""

import time

import numpy as np
import pytest

from bot.lab.bench import field, grids, inversion, pricing, smiles, walks
from bot.lab.bench.chain import Chain, chain, inverted
from bot.lab.bench.contest import contest
from bot.lab.bench.measures import Absent, Measured
from bot.lab.bench.peers import PEERS, Asked, Peer
from bot.quant import smile
from bot.quant.black76 import greeks

QUANTLIB = next(peer for peer in PEERS if peer.distribution == "QuantLib")


def guess(_module: object, options: Chain) -> Asked:
    return Asked(call=lambda: options.vol + 1e-4, read=np.asarray)


def burst(_module: object, _options: Chain) -> Asked:
    raise RuntimeError("no such flag\nat line 7")


LIAR = Peer(distribution="numpy", module="numpy", greeks=guess, implied=guess)
MISSING = Peer(distribution="nowhere", module="bot.nowhere", greeks=guess)
BROKEN = Peer(distribution="numba", module="numba", greeks=burst)


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(field, "PEERS", (QUANTLIB, LIAR, MISSING, BROKEN))
    monkeypatch.setattr(pricing, "CALL_TARGETS_US", {1: 1.5})
    monkeypatch.setattr(pricing, "OPTION_TARGETS_NS", {20: 9.0, 30: None})
    monkeypatch.setattr(pricing, "PEERS_AT", 20)
    monkeypatch.setattr(inversion, "SIZES", (10, 20))
    monkeypatch.setattr("bot.lab.bench.contest.TURN_NS", 10_000)


def named(found: list[Measured | Absent], name: str) -> Measured:
    (one,) = (one for one in found if one.name == name and isinstance(one, Measured))
    return one


def test_prices_and_greeks_are_measured_beside_memory_and_the_peers():
    found = pricing.pricing(1, time.perf_counter_ns)

    assert named(found, "price and Greeks x 1, into buffers").target == 1.5
    assert named(found, "price and Greeks x 1, public call").target == 5.0
    assert named(found, "price and Greeks x 1, into buffers").median < 500, "microseconds"
    assert named(found, "price and Greeks x 20").floor == "memory alone x 20"
    assert named(found, "price and Greeks x 20").note == "into buffers"
    assert named(found, "price and Greeks x 30").floor == "memory alone x 30"
    assert all(one.median > 0 for one in found if isinstance(one, Measured))
    lead = named(found, "price and Greeks: ahead of the next")
    assert lead.median > 1.0
    assert lead.target == 10.0
    assert "than QuantLib" in lead.note


def test_a_peer_that_is_quick_and_wrong_is_named_so_and_is_not_the_one_to_beat():
    found = [one for one in pricing.pricing(1, time.perf_counter_ns) if one.name.startswith("- ")]

    notes = {one.name.split()[1]: one.note for one in found if isinstance(one, Measured)}
    assert "INACCURATE: off by" in notes["numpy"]
    assert "INACCURATE" not in notes["QuantLib"]
    assert "from our price" in notes["QuantLib"], "not from the truth, which is tested elsewhere"


def test_a_peer_that_is_missing_or_fails_is_told_with_the_reason():
    absent = [one for one in pricing.pricing(1, time.perf_counter_ns) if isinstance(one, Absent)]

    assert [one.reason for one in absent] == ["not installed", "RuntimeError: no such flag"]
    assert absent[0].name == "nowhere"


def test_volatilities_are_measured_beside_the_peers_and_none_is_accurate_enough():
    found = inversion.inversion(1, time.perf_counter_ns)

    assert named(found, "implied volatility x 10").target is None
    assert named(found, "implied volatility x 20").target in {60.0, 120.0}
    rows = [one for one in found if isinstance(one, Measured) and one.name.startswith("- ")]
    assert all("INACCURATE" in one.note for one in rows), "QuantLib stops at its tolerance"
    assert any("at its default tolerance" in one.note for one in rows)
    assert not any("ahead" in one.name for one in found)


def test_the_chain_can_be_priced_and_inverted_by_everybody():
    options = chain(50)

    again = greeks(
        options.forward, options.strike, options.years, options.vol, options.is_out
    ).price
    assert (again == options.price).all()
    assert np.abs(inverted(options) - options.vol).max() < 1e-13
    assert options.price.min() > 0.0
    assert 10 < options.is_call.sum() < 40


def test_the_grid_and_the_walks_are_measured(monkeypatch):
    monkeypatch.setattr(grids, "OPTIONS", 50)
    monkeypatch.setattr(walks, "PATHS", 64)
    monkeypatch.setattr(walks, "STEPS", 2)

    (grid,) = grids.grids(1, time.perf_counter_ns)
    cheap, dear = walks.processes(1, time.perf_counter_ns)

    assert grid.name == "scenarios, 50 options x 27 nodes"
    assert min(grid.median, cheap.median, dear.median) > 0
    assert (cheap.target, dear.target) == (10.0, None)


def test_the_fit_of_a_smile_is_measured():
    one, whole = smiles.smiles(1, time.perf_counter_ns)

    assert 0 < one.median < whole.median
    assert (one.target, whole.target) == (500.0, 15_000.0)
    assert isinstance(smile.fit(smiles._quotes()), smile.Fit)


def test_the_slow_take_fewer_turns_and_nobody_none():
    at = iter(range(0, 10**15, 2 * 10**8))

    took = contest({"slow": lambda: None, "quick": lambda: None}, 10, lambda: next(at))

    assert len(took["slow"]) == 5, "a call of 0.2 s fits five times into a second"
    assert set(took["slow"]) == {2e8}


@pytest.mark.parametrize(("bits", "slack"), [(512, 1.0), (256, 2.0), (None, 2.0)])
def test_without_the_widest_vectors_a_loop_may_take_twice_as_long(bits, slack, monkeypatch):
    monkeypatch.setattr("bot.lab.bench.measures.vector_bits", lambda: bits)

    ours = named(pricing.pricing(1, time.perf_counter_ns), "price and Greeks x 20")

    assert ours.target == slack * 9.0
