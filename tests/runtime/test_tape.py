"""The tape gives back every quote bit for bit, and says where a crash tore it."""

import math
import struct
from collections.abc import Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from bot.core.events import QuoteSeen
from bot.core.units import NS_PER_MS
from bot.runtime import tape as tape_module
from bot.runtime.tape import BLOCK_QUOTES, PIECE_BYTES, Tape, TapeReader, segments
from bot.runtime.tape_blocks import QUOTES_AT_ONCE, TapedFold, pack_folds

price = st.none() | st.floats(allow_nan=True, allow_infinity=True)
quotes = st.builds(
    QuoteSeen,
    instrument=st.sampled_from(["BTC-PERPETUAL", "BTC-26DEC25-100000-C", "BTC-26DEC25-90000-P"]),
    venue_ms=st.integers(0, 2**62),
    arrived_ns=st.integers(0, 2**62),
    bid=price,
    ask=price,
    mark=price,
    index_usd=price,
    bid_size_native=price,
    ask_size_native=price,
    forward_usd=price,
    iv=price,
    funding_8h=price,
)
folds = st.lists(st.lists(quotes, max_size=6), max_size=12)


def bits(fold: TapedFold) -> tuple[object, ...]:
    """A fold with its floats as bit patterns, so that NaN equals itself and -0.0 is not 0.0."""

    def exact(value: object) -> object:
        return struct.pack("<d", value) if isinstance(value, float) else value

    rows = tuple(
        tuple(exact(getattr(quote, name)) for name in QuoteSeen.__slots__) for quote in fold.quotes
    )
    return (fold.run_id, fold.number, fold.market_ms, fold.wire_ns, exact(fold.rate), rows)


def quote(number: float = 1.0) -> QuoteSeen:
    return QuoteSeen(
        instrument="BTC-PERPETUAL",
        venue_ms=1,
        arrived_ns=2,
        bid=number,
        ask=math.nan,
        mark=None,
        index_usd=-0.0,
    )


def fold_of(number: int, quotes: Sequence[QuoteSeen] = (), run_id: str = "r1") -> TapedFold:
    return TapedFold(
        run_id=run_id,
        number=number,
        market_ms=1_000 + number * 7,
        wire_ns=number,
        rate=1.0 + number / 3,
        quotes=tuple(quotes),
    )


def folds_in(folder: Path) -> list[TapedFold]:
    return [item for item in TapeReader(folder) if isinstance(item, TapedFold)]


def record(folder: Path, count: int, bytes_max: int = 10_000_000, each: int = 20) -> None:
    tape = Tape(folder, bytes_max=bytes_max)
    for number in range(count):
        tape.fold(fold_of(number, [quote(number * 1.1 + i * i) for i in range(each)]))
        tape.flush()
    tape.close()


@given(written=folds)
def test_what_was_recorded_is_read_back_bit_for_bit(tmp_path_factory, written):
    folder = tmp_path_factory.mktemp("tape")
    tape = Tape(folder, bytes_max=10_000_000)
    expected = []
    for number, seen in enumerate(written):
        fold = fold_of(number, seen)
        expected.append(bits(fold))
        tape.fold(fold)
        if number % 3 == 2:
            tape.flush()
    tape.close()
    reader = TapeReader(folder)
    assert [bits(item) for item in reader if isinstance(item, TapedFold)] == expected
    assert reader.torn == []


@pytest.mark.parametrize("beside", [-1, 0, 1])
def test_a_block_of_many_quotes_lacks_none_and_none_of_its_gaps(tmp_path, beside):
    count = 2 * QUOTES_AT_ONCE + beside
    seen = [
        replace(
            quote(number * 1.1), mark=None if number % 3 else 2.0, iv=None if number % 5 else 0.5
        )
        for number in range(count)
    ]
    written = fold_of(1, seen)
    tape = Tape(tmp_path, bytes_max=10_000_000)
    tape.fold(written)
    tape.close()
    assert [bits(fold) for fold in folds_in(tmp_path)] == [bits(written)]


def test_the_thread_gives_way_all_the_time_so_that_the_loop_never_waits_for_a_block(tmp_path):
    rests: list[int] = []
    tape = Tape(tmp_path, bytes_max=10_000_000, rest=lambda: rests.append(tape.folds))
    written = fold_of(1, [quote(number * 1.1) for number in range(BLOCK_QUOTES)])
    block = pack_folds([written])

    tape.fold(written)
    tape.close()

    assert len(rests) > BLOCK_QUOTES / QUOTES_AT_ONCE + len(block) / PIECE_BYTES
    assert [bits(fold) for fold in folds_in(tmp_path)] == [bits(written)]


@pytest.mark.parametrize("cut", [1, 5, 60])
def test_a_torn_last_block_costs_only_itself_and_is_reported(tmp_path, cut):
    record(tmp_path, 10)
    (path,) = segments(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    record(tmp_path, 1)  # the next run begins a segment of its own
    reader = TapeReader(tmp_path)
    assert [fold.number for fold in reader] == [*range(9), 0]
    assert [torn.segment for torn in reader.torn] == ["00000001.tape"]
    assert "cut" in reader.torn[0].reason


def test_a_flipped_bit_is_noticed_and_nothing_after_it_in_the_segment_is_believed(tmp_path):
    record(tmp_path, 10)
    (path,) = segments(tmp_path)
    bent = bytearray(path.read_bytes())
    bent[len(bent) // 2] ^= 4
    path.write_bytes(bent)
    reader = TapeReader(tmp_path)
    numbers = [fold.number for fold in reader]
    assert numbers == list(range(len(numbers)))
    assert 0 < len(numbers) < 10
    assert len(reader.torn) == 1


def test_a_file_that_is_no_tape_is_named_and_skipped(tmp_path):
    (tmp_path / "00000001.tape").write_bytes(b"something else entirely")
    record(tmp_path, 2)
    reader = TapeReader(tmp_path)
    assert [fold.number for fold in reader] == [0, 1]
    assert [torn.segment for torn in reader.torn] == ["00000001.tape"]


def test_the_oldest_segments_go_when_the_tape_is_as_long_as_it_may_be(tmp_path, monkeypatch):
    monkeypatch.setattr(tape_module, "BLOCKS_WAITING_MAX", 1_000)
    record(tmp_path, 200, bytes_max=20_000)
    assert sum(path.stat().st_size for path in segments(tmp_path)) <= 20_000
    kept = [fold.number for fold in folds_in(tmp_path)]
    assert kept == list(range(kept[0], 200))
    assert 20 < len(kept) < 200


def test_a_disk_that_does_not_take_the_tape_costs_quotes_and_nothing_else(tmp_path, monkeypatch):
    tape = Tape(tmp_path, bytes_max=1_000_000)
    tape.fold(fold_of(1, [quote()]))
    tape.flush()
    tape.close()
    other = Tape(tmp_path / "gone", bytes_max=1_000_000)
    (tmp_path / "gone").rmdir()
    other.fold(fold_of(1, [quote()]))
    other.close()
    assert (tape.blocks_dropped, other.blocks_dropped) == (0, 1)
    monkeypatch.setattr(tape_module, "BLOCKS_WAITING_MAX", 0)
    slow = Tape(tmp_path, bytes_max=1_000_000)
    slow.fold(fold_of(1, [quote()]))
    slow.close()
    assert slow.blocks_dropped == 1
    assert [fold.number for fold in TapeReader(tmp_path)] == [1]


@given(pauses_ms=st.lists(st.integers(1, 250), min_size=1, max_size=60))
def test_a_kill_costs_the_tape_two_seconds_and_a_quarter_at_most(tmp_path_factory, pauses_ms):
    folder = tmp_path_factory.mktemp("killed")
    tape = Tape(folder, bytes_max=10_000_000, thread=AtOnce())
    now_ns = 0
    for number, pause_ms in enumerate(pauses_ms, 1):  # a loop folds four times a second at least
        now_ns += pause_ms * NS_PER_MS
        tape.fold(replace(fold_of(number), wire_ns=now_ns))
    kept = [fold.wire_ns for fold in folds_in(folder)]  # as a process that is killed here leaves it
    assert now_ns - max(kept, default=0) <= 2_250 * NS_PER_MS


class AtOnce(Executor):
    """Writes when it is told to: a disk that keeps up."""

    @override
    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(fn(*args, **kwargs))
        return done


def test_a_segment_that_cannot_be_read_is_named_and_the_others_are_read(tmp_path):
    record(tmp_path, 2)
    (tmp_path / "00000007.tape").mkdir()
    reader = TapeReader(tmp_path)
    assert [fold.number for fold in reader] == [0, 1]
    assert [(torn.segment, "cannot be read" in torn.reason) for torn in reader.torn] == [
        ("00000007.tape", True)
    ]


def test_a_block_that_cannot_be_packed_is_counted_as_lost(tmp_path):
    tape = Tape(tmp_path, bytes_max=1_000_000)
    tape.fold(fold_of(1, [replace(quote(), venue_ms=1 << 70)]))
    tape.flush()
    tape.fold(fold_of(2, [quote()]))
    tape.close()
    assert tape.blocks_dropped == 1
    assert [fold.number for fold in folds_in(tmp_path)] == [2]
