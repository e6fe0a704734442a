"""Blocks of the tape: folds with their quotes as columns, and states that a replay may begin from.

A block stands alone: it names its run and the instruments that its quotes refer to. Quotes lie
sorted by instrument, each field a column of its own, the like bytes of its numbers side by side:
what changes little between two quotes is then nearly nothing after compression.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from bot.core.events import QuoteSeen

FOLDS: Final = b"F"
STATE: Final = b"S"
QUOTES_AT_ONCE: Final = 128

_HEAD: Final = struct.Struct("<cB")  # kind, length of the run's id, which follows
_COUNTS: Final = struct.Struct("<III")  # folds, quotes, bytes of names
_NUMBER: Final = struct.Struct("<q")
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
    "bid_depth_native",
    "ask_depth_native",
)
_prices_of = attrgetter(*_PRICES)
_BITS: Final = 1 << np.arange(len(_PRICES), dtype=np.uint16)

KindT = TypeVar("KindT", bound=np.generic)
Stamps = npt.NDArray[np.int64]
Column = npt.NDArray[np.generic]


@dataclass(frozen=True, slots=True, kw_only=True)
class TapedFold:
    """One fold's clock and quotes, in the order in which they were folded."""

    run_id: str
    number: int
    market_ms: int
    wire_ns: int
    rate: float
    quotes: tuple[QuoteSeen, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TapedState:
    """The whole state after a fold, as the codec writes it: a replay may begin here."""

    run_id: str
    number: int
    text: bytes


def pack_folds(folds: Sequence[TapedFold], rest: Callable[[], None] = lambda: None) -> bytes:
    """Return a block of folds of one run, not yet compressed; `rest` now and then on the way."""
    quotes = [quote for fold in folds for quote in fold.quotes]
    names: dict[str, int] = {}
    index = np.array([names.setdefault(q.instrument, len(names)) for q in quotes], dtype=np.uint32)
    rest()
    order = np.argsort(index, kind="stable")
    counts = np.array([len(fold.quotes) for fold in folds], dtype=np.uint32)
    market_ms = np.array([fold.market_ms for fold in folds], dtype=np.int64)
    wire_ns = np.array([fold.wire_ns for fold in folds], dtype=np.int64)
    venue_ms = np.array([quote.venue_ms for quote in quotes], dtype=np.int64)
    arrived_ns = np.array([quote.arrived_ns for quote in quotes], dtype=np.int64)
    rest()
    prices, there = _priced(quotes, rest)
    columns: list[Column] = [
        _steps(np.array([fold.number for fold in folds], dtype=np.int64)),
        _steps(market_ms),
        _steps(wire_ns),
        np.array([fold.rate for fold in folds], dtype=np.float64),
        counts,
        index,
        (np.repeat(market_ms, counts) - venue_ms)[order],
        (np.repeat(wire_ns, counts) - arrived_ns)[order],
        there[order],
        *prices[order].T,
    ]
    listed = "\n".join(names).encode()
    head = _COUNTS.pack(len(folds), len(quotes), len(listed))
    return _headed(FOLDS, folds[0].run_id) + head + listed + b"".join(map(_shuffled, columns))


def pack_state(state: TapedState) -> bytes:
    """Return a block of a state, not yet compressed."""
    return _headed(STATE, state.run_id) + _NUMBER.pack(state.number) + state.text


def unpacked(block: bytes) -> Iterator[TapedFold | TapedState]:
    """Yield what a block holds.

    Raises:
        ValueError: it is no block of this version.
    """
    kind, length = _HEAD.unpack_from(block)
    start = _HEAD.size + length
    run_id = block[_HEAD.size : start].decode()
    if kind == STATE:
        (number,) = _NUMBER.unpack_from(block, start)
        yield TapedState(run_id=run_id, number=number, text=block[start + _NUMBER.size :])
    elif kind == FOLDS:
        yield from _folds(block, start, run_id)
    else:
        raise ValueError(f"a block of kind {kind!r} is unknown")


def _folds(block: bytes, start: int, run_id: str) -> Iterator[TapedFold]:
    folds, quotes, named = _COUNTS.unpack_from(block, start)
    start += _COUNTS.size
    names = block[start : start + named].decode().split("\n")
    columns = _Columns(block, start + named)
    numbers = columns.take(folds, np.int64).cumsum()
    market_ms = columns.take(folds, np.int64).cumsum()
    wire_ns = columns.take(folds, np.int64).cumsum()
    rates = columns.take(folds, np.float64).tolist()
    counts = columns.take(folds, np.uint32)
    seen = _quotes(columns, names, np.repeat(market_ms, counts), np.repeat(wire_ns, counts))
    assert len(seen) == quotes, "as many quotes as were counted"
    stamps = zip(
        numbers.tolist(), market_ms.tolist(), wire_ns.tolist(), rates, counts.tolist(), strict=True
    )
    at = 0
    for number, at_ms, at_ns, rate, count in stamps:
        yield TapedFold(
            run_id=run_id,
            number=number,
            market_ms=at_ms,
            wire_ns=at_ns,
            rate=rate,
            quotes=tuple(seen[at : at + count]),
        )
        at += count


def _quotes(
    columns: "_Columns", names: list[str], market_ms: Stamps, wire_ns: Stamps
) -> list[QuoteSeen]:
    """Return the quotes of a block in the order in which they were folded."""
    rows = len(market_ms)
    index = columns.take(rows, np.uint32)
    back = np.empty(rows, dtype=np.intp)
    back[np.argsort(index, kind="stable")] = np.arange(rows)
    venue_ms = market_ms - columns.take(rows, np.int64)[back]
    arrived_ns = wire_ns - columns.take(rows, np.int64)[back]
    there = columns.take(rows, np.uint16)[back]
    prices = []
    for bit in _BITS:
        column = columns.take(rows, np.float64)[back].astype(object)
        column[(there & bit) == 0] = None
        prices.append(column.tolist())
    fields = zip(index.tolist(), venue_ms.tolist(), arrived_ns.tolist(), *prices, strict=True)
    return [
        QuoteSeen(
            instrument=names[of],
            venue_ms=venue,
            arrived_ns=arrived,
            **dict(zip(_PRICES, told, strict=True)),
        )
        for of, venue, arrived, *told in fields
    ]


def _priced(
    quotes: Sequence[QuoteSeen], rest: Callable[[], None]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint16]]:
    """Return prices, shape (quotes, prices), 0 where there is none, and a bit a price there is.

    A few quotes at a time: turning objects into numbers keeps the interpreter to itself, and the
    loop would wait for all of a block, which is milliseconds.
    """
    prices = np.empty((len(quotes), len(_PRICES)))
    there = np.empty(len(quotes), dtype=np.uint16)
    for start in range(0, len(quotes), QUOTES_AT_ONCE):
        some = slice(start, start + QUOTES_AT_ONCE)
        told = np.array([_prices_of(quote) for quote in quotes[some]], dtype=object)
        missing = np.array(told == None, dtype=np.bool_)  # noqa: E711  of every element
        prices[some] = told.astype(np.float64)
        prices[some][missing] = 0.0
        there[some] = (~missing * _BITS).sum(axis=1, dtype=np.uint16)
        rest()
    return prices, there


def _steps(stamps: Stamps) -> Stamps:
    return np.diff(stamps, prepend=np.int64(0))


def _shuffled(column: Column) -> bytes:
    """Return a column's bytes, the first byte of every number, then the second of every ..."""
    size = column.dtype.itemsize
    return np.ascontiguousarray(column).view(np.uint8).reshape(-1, size).T.tobytes()


class _Columns:
    """Takes one column after the other from a block."""

    def __init__(self, block: bytes, start: int) -> None:
        self._block = block
        self._at = start

    def take(self, rows: int, kind: type[KindT]) -> npt.NDArray[KindT]:
        size = np.dtype(kind).itemsize
        raw = np.frombuffer(self._block, np.uint8, count=rows * size, offset=self._at)
        self._at += rows * size
        return np.ascontiguousarray(raw.reshape(size, rows).T).view(kind).reshape(rows)


def _headed(kind: bytes, run_id: str) -> bytes:
    named = run_id.encode()
    return _HEAD.pack(kind, len(named)) + named
