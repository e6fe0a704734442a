"""The tape: every quote and every fold's stamps, compressed, in segments of bounded total size.

With the ledger's facts it gives back every fold exactly. It is not money: if the disk cannot keep
up or fails, blocks are dropped and counted, and trading goes on. Wherever a replay could not know
what came before (a new segment, a dropped block) and once an hour the tape holds the whole state.

File: a magic line, then frames of `length, crc32` (little-endian u32) and a zlib block.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from bot.core import codec
from bot.core.state import State
from bot.core.units import NS_PER_SECOND
from bot.runtime.clock import give_way
from bot.runtime.tape_blocks import TapedFold, TapedState, pack_folds, pack_state, unpacked

MAGIC: Final = b"deltaband tape 2\n"
SUFFIX: Final = ".tape"
BLOCK_QUOTES: Final = 4_096
BLOCK_AGE_NS: Final = 2 * NS_PER_SECOND  # a kill loses so much and a fold, where the disk keeps up
BLOCKS_WAITING_MAX: Final = 32
PIECE_BYTES: Final = 32_768  # are compressed in half a millisecond
STATE_EVERY_NS: Final = 3_600 * NS_PER_SECOND
SEGMENTS_IN_TOTAL: Final = 16  # so that dropping the oldest drops a sixteenth
BLOCK_LENGTH_MAX: Final = 64 * 1024 * 1024  # a longer one is not a block

_FRAME: Final = struct.Struct("<II")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Folds on their way to the disk, and the state that they begin with, if it is known."""

    folds: list[TapedFold]
    before: State | None


class Tape:
    """A tape being written. Packing, compression and the disk are a thread's business."""

    def __init__(
        self,
        folder: Path,
        *,
        bytes_max: int,
        thread: Executor | None = None,
        rest: Callable[[], None] = give_way,
    ) -> None:
        """Begin a new segment after the last one in `folder`.

        Args:
            folder: Made if it is not there.
            bytes_max: All segments together; the oldest are deleted beyond it.
            thread: Who packs and writes; one of its own if None.
            rest: Called by the thread all the time, so that nobody waits for a whole block.

        Raises:
            OSError: the folder cannot be made.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._bytes_max = bytes_max
        self._segment_bytes_max = max(1, bytes_max // SEGMENTS_IN_TOTAL)
        names = [int(path.stem) for path in segments(folder)]
        self._next_segment = max(names, default=0) + 1
        self._path: Path | None = None
        self._holds = False  # a whole block is in it
        self._thread = thread or ThreadPoolExecutor(max_workers=1, thread_name_prefix="tape")
        self._rest = rest
        self._waiting: list[Future[None]] = []
        self._folds: list[TapedFold] = []
        self._quotes = 0
        self._before: State | None = None
        self._after: State | None = None
        self._written = 0
        self._state_ns = 0
        self.folds = 0
        self.blocks_dropped = 0

    def fold(self, fold: TapedFold, after: State | None = None) -> None:
        """Record one fold and remember the state `after` it. Never waits for the disk."""
        self.folds += 1
        self._folds.append(fold)
        self._quotes += len(fold.quotes)
        self._after = after
        age_ns = fold.wire_ns - self._folds[0].wire_ns
        if self._quotes >= BLOCK_QUOTES or age_ns >= BLOCK_AGE_NS:
            self.flush()

    def flush(self) -> None:
        """Hand what was gathered to the thread."""
        if not self._folds:
            return
        batch = _Batch(folds=self._folds, before=self._before)
        self._folds, self._quotes, self._before = [], 0, self._after
        self._waiting = [future for future in self._waiting if not future.done()]
        if len(self._waiting) >= BLOCKS_WAITING_MAX:
            self._lost("the disk does not keep up")
            return
        self._waiting.append(self._thread.submit(self._write, batch))

    def close(self) -> None:
        """Write what was gathered and wait for the disk. Safe to call twice."""
        self.flush()
        self._thread.shutdown(wait=True)

    def _lost(self, why: str) -> None:
        self.blocks_dropped += 1
        log.warning("tape block lost", error=why, blocks_dropped=self.blocks_dropped)

    # The thread -------------------------------------------------------------------------------

    def _write(self, batch: _Batch) -> None:
        first, last = batch.folds[0], batch.folds[-1]
        try:
            self._begin_segment()
            due = not self._holds or first.wire_ns - self._state_ns >= STATE_EVERY_NS
            if batch.before is not None and (due or first.number != self._written + 1):
                self._keep(batch.before, first)
            self._append(pack_folds(batch.folds, self._rest))
            self._written = last.number
        except Exception as error:  # noqa: BLE001  of a thread: nobody else would hear of it
            self._end_segment()
            self._lost(str(error))

    def _keep(self, state: State, first: TapedFold) -> None:
        try:
            text = codec.dumps(state, in_order=True)
        except codec.CodecError as error:
            log.warning("tape cannot keep the state", error=str(error))
            return
        self._append(
            pack_state(TapedState(run_id=first.run_id, number=first.number - 1, text=text))
        )
        self._state_ns = first.wire_ns

    def _begin_segment(self) -> None:
        """Begin a new segment if it is time."""
        if self._path is not None and self._path.stat().st_size < self._segment_bytes_max:
            return
        self._path = self._folder / f"{self._next_segment:08d}{SUFFIX}"
        self._next_segment += 1
        self._holds = False
        self._path.touch(mode=0o600, exist_ok=False)
        self._path.write_bytes(MAGIC)
        self._forget_oldest()

    def _end_segment(self) -> None:
        """End a segment, which a block may have torn; a full disk keeps none that holds nothing."""
        if self._path is not None and not self._holds:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
        self._path = None

    def _append(self, block: bytes) -> None:
        assert self._path is not None, "a segment was begun"
        packed = self._compressed(block)
        with self._path.open("ab") as file:
            file.write(_FRAME.pack(len(packed), zlib.crc32(packed)) + packed)
        self._holds = True

    def _compressed(self, block: bytes) -> bytes:
        packer = zlib.compressobj(6)
        packed = []
        for start in range(0, len(block), PIECE_BYTES):
            packed.append(packer.compress(block[start : start + PIECE_BYTES]))
            self._rest()
        return b"".join((*packed, packer.flush()))

    def _forget_oldest(self) -> None:
        kept = segments(self._folder)
        total = sum(path.stat().st_size for path in kept)
        while total > self._bytes_max - self._segment_bytes_max and len(kept) > 1:
            oldest = kept.pop(0)
            total -= oldest.stat().st_size
            oldest.unlink()


def tape_beside(ledger: Path) -> Path:
    """Return where the tape of a ledger lies unless it was put elsewhere."""
    return ledger.with_name(ledger.name + SUFFIX)


def segments(folder: Path) -> list[Path]:
    """Return the tape's files, oldest first."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if path.stem.isdigit())


@dataclass(frozen=True, slots=True, kw_only=True)
class Torn:
    """A segment that does not end with a whole block, and where it breaks off."""

    segment: str
    offset: int
    reason: str


class TapeReader:
    """Yields the folds and states of a tape, oldest first; `torn` names segments that broke off.

    A process that was killed leaves a torn last block: what is before it is whole, and the next
    segment is another file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.torn: list[Torn] = []

    def __iter__(self) -> Iterator[TapedFold | TapedState]:
        for path in segments(self._folder):
            yield from self._segment(path)

    def _segment(self, path: Path) -> Iterator[TapedFold | TapedState]:
        try:
            raw = path.read_bytes()
        except OSError as error:
            self._tear(path, 0, f"cannot be read: {error.strerror}")
            return
        offset = len(MAGIC)
        if raw[:offset] != MAGIC:
            self._tear(path, 0, "does not begin as a tape does")
            return
        while offset < len(raw):
            block = _block_at(raw, offset)
            if isinstance(block, str):
                self._tear(path, offset, block)
                return
            try:
                held = list(unpacked(zlib.decompress(block)))
            except (ValueError, struct.error, zlib.error) as error:
                self._tear(path, offset, f"a block cannot be read: {error}")
                return
            yield from held
            offset += _FRAME.size + len(block)

    def _tear(self, path: Path, offset: int, reason: str) -> None:
        self.torn.append(Torn(segment=path.name, offset=offset, reason=reason))


def _block_at(raw: bytes, offset: int) -> bytes | str:
    """Return the block that starts at `offset`, or why there is none."""
    if len(raw) - offset < _FRAME.size:
        return "the last block's frame is cut"
    length, crc = _FRAME.unpack_from(raw, offset)
    if length > BLOCK_LENGTH_MAX:
        return f"a block of {length} bytes is no block"
    start = offset + _FRAME.size
    block = raw[start : start + length]
    if len(block) < length:
        return f"the last block is cut: {len(block)} of {length} bytes"
    if zlib.crc32(block) != crc:
        return "a block's content does not match its checksum"
    return block
