"""The tape: every quote and every fold's stamps, compressed, in segments of bounded total size.

With the ledger's facts it gives back every fold exactly. It is not money: if the disk cannot keep
up or fails, blocks are dropped and counted, and trading goes on.

File: a magic line, then blocks of `length, crc32` (little-endian u32) and zlib data. A block stands
alone: its first part names the instruments that its quotes refer to.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from bot.core.events import QuoteSeen

MAGIC: Final = b"deltaband tape 1\n"
SUFFIX: Final = ".tape"
BLOCK_BYTES: Final = 128 * 1024  # before compression; a crash loses at most one block
BLOCK_AGE_NS: Final = 5_000_000_000
BLOCKS_WAITING_MAX: Final = 64
SEGMENTS_IN_TOTAL: Final = 16  # so that dropping the oldest drops a sixteenth
BLOCK_LENGTH_MAX: Final = 64 * 1024 * 1024  # a longer one is not a block

_FRAME: Final = struct.Struct("<II")
_FOLD: Final = struct.Struct("<QqqI")  # number, market_ms, wire_ns, quotes
_QUOTE: Final = struct.Struct("<IHqq")  # instrument, which prices are there, venue_ms, arrived_ns
_PRICES: Final = (
    "bid",
    "ask",
    "mark",
    "index_usd",
    "bid_size_native",
    "ask_size_native",
    "forward_usd",
    "iv",
    "funding_8h",
    "bid_depth_native",  # tapes before it was kept lack its bit
    "ask_depth_native",
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class TapedFold:
    """One fold's stamps and quotes, in the order in which they were folded."""

    number: int
    market_ms: int
    wire_ns: int
    quotes: tuple[QuoteSeen, ...]


class Tape:
    """A tape being written. Packing happens here, compression and the disk in a thread."""

    def __init__(self, folder: Path, *, bytes_max: int) -> None:
        """Begin a new segment after the last one in `folder`.

        Args:
            folder: Made if it is not there.
            bytes_max: All segments together; the oldest are deleted beyond it.

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
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tape")
        self._waiting: list[Future[None]] = []
        self._body = bytearray()
        self._names: dict[str, int] = {}
        self._since_ns = 0
        self.folds = 0
        self.blocks_dropped = 0

    def fold(self, number: int, market_ms: int, wire_ns: int, quotes: Sequence[QuoteSeen]) -> None:
        """Record one fold. Never waits for the disk."""
        if not self._body:
            self._since_ns = wire_ns
        self.folds += 1
        self._body += _FOLD.pack(number, market_ms, wire_ns, len(quotes))
        for quote in quotes:
            self._body += _packed(quote, self._names.setdefault(quote.instrument, len(self._names)))
        if len(self._body) >= BLOCK_BYTES or wire_ns - self._since_ns >= BLOCK_AGE_NS:
            self.flush()

    def flush(self) -> None:
        """Hand what was packed to the thread."""
        if not self._body:
            return
        names = "\n".join(self._names).encode()
        block = struct.pack("<I", len(names)) + names + bytes(self._body)
        self._body = bytearray()
        self._names = {}
        self._waiting = [future for future in self._waiting if not future.done()]
        if len(self._waiting) >= BLOCKS_WAITING_MAX:
            self.blocks_dropped += 1
            return
        self._waiting.append(self._thread.submit(self._write, block))

    def close(self) -> None:
        """Write what was packed and wait for the disk. Safe to call twice."""
        self.flush()
        self._thread.shutdown(wait=True)

    def _write(self, block: bytes) -> None:
        try:
            packed = zlib.compress(block, 6)
            if self._path is None or self._path.stat().st_size >= self._segment_bytes_max:
                self._path = self._folder / f"{self._next_segment:08d}{SUFFIX}"
                self._next_segment += 1
                self._path.touch(mode=0o600, exist_ok=False)
                self._path.write_bytes(MAGIC)
                self._forget_oldest()
            with self._path.open("ab") as file:
                file.write(_FRAME.pack(len(packed), zlib.crc32(packed)) + packed)
        except OSError as error:
            self._path = None  # a torn block ends a segment; the next one starts clean
            self.blocks_dropped += 1
            log.warning("tape block lost", error=str(error), blocks_dropped=self.blocks_dropped)

    def _forget_oldest(self) -> None:
        kept = segments(self._folder)
        total = sum(path.stat().st_size for path in kept)
        while total > self._bytes_max - self._segment_bytes_max and len(kept) > 1:
            oldest = kept.pop(0)
            total -= oldest.stat().st_size
            oldest.unlink()


def _packed(quote: QuoteSeen, index: int) -> bytes:
    prices = (
        quote.bid,
        quote.ask,
        quote.mark,
        quote.index_usd,
        quote.bid_size_native,
        quote.ask_size_native,
        quote.forward_usd,
        quote.iv,
        quote.funding_8h,
        quote.bid_depth_native,
        quote.ask_depth_native,
    )
    there = [price for price in prices if price is not None]
    mask = sum(1 << bit for bit, price in enumerate(prices) if price is not None)
    head = _QUOTE.pack(index, mask, quote.venue_ms, quote.arrived_ns)
    return head + struct.pack(f"<{len(there)}d", *there)


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
    """Yields the folds of a tape, oldest first; `torn` names the segments that broke off.

    A process that was killed leaves a torn last block: what is before it is whole, and the next
    segment is another file.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.torn: list[Torn] = []

    def __iter__(self) -> Iterator[TapedFold]:
        for path in segments(self._folder):
            yield from self._segment(path)

    def _segment(self, path: Path) -> Iterator[TapedFold]:
        raw = path.read_bytes()
        offset = len(MAGIC)
        if raw[:offset] != MAGIC:
            self._tear(path, 0, "does not begin as a tape does")
            return
        while offset < len(raw):
            block = _block_at(raw, offset)
            if isinstance(block, str):
                self._tear(path, offset, block)
                return
            yield from _folds(zlib.decompress(block))
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


def _folds(block: bytes) -> Iterator[TapedFold]:
    (names_length,) = struct.unpack_from("<I", block)
    offset = 4 + names_length
    names = block[4:offset].decode().split("\n")
    while offset < len(block):
        number, market_ms, wire_ns, count = _FOLD.unpack_from(block, offset)
        offset += _FOLD.size
        quotes: list[QuoteSeen] = []
        for _ in range(count):
            quote, offset = _unpacked(block, offset, names)
            quotes.append(quote)
        yield TapedFold(number=number, market_ms=market_ms, wire_ns=wire_ns, quotes=tuple(quotes))


def _unpacked(block: bytes, offset: int, names: list[str]) -> tuple[QuoteSeen, int]:
    index, mask, venue_ms, arrived_ns = _QUOTE.unpack_from(block, offset)
    offset += _QUOTE.size
    count = mask.bit_count()
    there = iter(struct.unpack_from(f"<{count}d", block, offset))
    prices = {name: next(there) if mask & (1 << bit) else None for bit, name in enumerate(_PRICES)}
    quote = QuoteSeen(instrument=names[index], venue_ms=venue_ms, arrived_ns=arrived_ns, **prices)
    return quote, offset + 8 * count
