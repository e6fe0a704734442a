"""A file of option chain snapshots, read into columns.

The file is parquet, one row for each option and snapshot, with at least the columns of `COLUMNS`
(prices in coin for inverse options, in USDC for linear ones; volatilities in decimals; times in
UTC). All options of a file are of one pair.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

import numpy as np
import polars as pl

from bot.exchange.contracts import Contract, Pair, parse_name
from bot.exchange.market import BoolArray, FloatArray, IntArray, frozen
from bot.quant import parity
from bot.quant.processes import YEAR_MS

NUMBERS: Final = ("fwd", "bid", "ask", "mark", "mark_iv")
COLUMNS: Final = ("ts", "instrument", *NUMBERS)
RATE_MAX: Final = 0.25  # a year; recorded chains say 0.4 to 4.7 %, and noise more on the last days


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Snapshot:
    """One recorded chain by column, living options only, ordered by expiry, strike, call and put.

    `forward_usd` is the median of its expiry, the same for all of its options: forwards inside a
    recorded snapshot are not simultaneous. `discount` is 1 for inverse options, and what put-call
    parity implies for linear ones. Prices are native; nan in a bid or ask is no quote.
    """

    at_ms: int
    contracts: tuple[Contract, ...]
    strike: FloatArray
    is_call: BoolArray
    expiry_ms: IntArray
    forward_usd: FloatArray
    discount: FloatArray
    mark_price: FloatArray
    mark_iv: FloatArray
    bid_price: FloatArray
    ask_price: FloatArray

    def living(self, now_ms: int) -> "Snapshot":
        """The same without what has expired by `now_ms`."""
        alive = self.expiry_ms > now_ms
        return self if alive.all() else self.taken(np.flatnonzero(alive))

    def taken(self, rows: IntArray) -> "Snapshot":
        """The same with these rows only."""
        return Snapshot(
            at_ms=self.at_ms,
            contracts=tuple(self.contracts[row] for row in rows),
            strike=frozen(self.strike[rows]),
            is_call=frozen(self.is_call[rows]),
            expiry_ms=frozen(self.expiry_ms[rows]),
            forward_usd=frozen(self.forward_usd[rows]),
            discount=frozen(self.discount[rows]),
            mark_price=frozen(self.mark_price[rows]),
            mark_iv=frozen(self.mark_iv[rows]),
            bid_price=frozen(self.bid_price[rows]),
            ask_price=frozen(self.ask_price[rows]),
        )


class SnapshotFile:
    """The snapshots of one file in order of time; `times_ms` says when each was complete."""

    def __init__(
        self, *, pair: Pair, rows: pl.DataFrame, contracts: Mapping[str, Contract]
    ) -> None:
        self.pair = pair
        self._contracts = contracts
        self._snapshots = rows.partition_by("at_ms", maintain_order=True)
        self.times_ms: tuple[int, ...] = tuple(part["at_ms"][0] for part in self._snapshots)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a chain file.

        Raises:
            ValueError: in one sentence, if it cannot be read, lacks a column or holds no options.
        """
        if not path.is_file():
            raise ValueError(f"there is no file {path}")
        try:
            table = pl.read_parquet(path, glob=False)
        except (OSError, pl.exceptions.PolarsError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(f"{path} is not a readable parquet file: {reason}") from error
        missing = [name for name in COLUMNS if name not in table.columns]
        if missing:
            raise ValueError(f"{path} is not a file of option chains: no {', '.join(missing)}")
        contracts = _contracts(path, table["instrument"])
        pairs = {contract.pair.prefix: contract.pair for contract in contracts.values()}
        if len(pairs) != 1:
            names = ", ".join(sorted(pairs))
            raise ValueError(f"{path} must hold options of one market, not of {names}")
        rows = _cleaned(path, table)
        if rows.is_empty():
            raise ValueError(f"{path} holds no option with a forward and a volatility")
        return cls(pair=next(iter(pairs.values())), rows=rows, contracts=contracts)

    def index_at(self, at_ms: int) -> int:
        """Which snapshot holds at `at_ms`: the last at or before it, else the first after it."""
        return max(bisect_right(self.times_ms, at_ms) - 1, 0)

    def snapshot(self, index: int) -> Snapshot:
        """The snapshot at a place of `times_ms`."""
        part, at_ms = self._snapshots[index], self.times_ms[index]
        contracts = [self._contracts[name] for name in part["instrument"]]
        expiry_ms = np.array([contract.expiry_ms for contract in contracts], dtype=np.int64)
        strike = np.array([contract.strike for contract in contracts], dtype=np.float64)
        is_call = np.array([contract.is_call for contract in contracts], dtype=np.bool_)
        numbers = {name: part[name].to_numpy() for name in NUMBERS}
        forward_usd, discount = np.empty(len(contracts)), np.ones(len(contracts))
        for expiry in np.unique(expiry_ms):
            of_expiry = expiry_ms == expiry
            forward_usd[of_expiry] = np.median(numbers["fwd"][of_expiry])
            if self.pair.is_linear:
                discount[of_expiry] = implied_discount(
                    strike[of_expiry],
                    is_call[of_expiry],
                    numbers["mark"][of_expiry],
                    int(expiry) - at_ms,
                )
        bid, ask = (_quote(numbers[name]) for name in ("bid", "ask"))
        crossed = bid >= ask
        recorded = Snapshot(
            at_ms=at_ms,
            contracts=tuple(contracts),
            strike=strike,
            is_call=is_call,
            expiry_ms=expiry_ms,
            forward_usd=forward_usd,
            discount=discount,
            mark_price=numbers["mark"],
            mark_iv=numbers["mark_iv"],
            bid_price=np.where(crossed, np.nan, bid),
            ask_price=np.where(crossed, np.nan, ask),
        )
        return recorded.taken(np.lexsort((~is_call, strike, expiry_ms))).living(at_ms)


def _contracts(path: Path, names: pl.Series) -> dict[str, Contract]:
    if names.dtype != pl.String:
        raise ValueError(f"{path}: column instrument holds {names.dtype}, not names")
    contracts: dict[str, Contract] = {}
    for name in names.drop_nulls().unique(maintain_order=True):
        try:
            contract = parse_name(name)
        except ValueError as error:
            raise ValueError(f"{path} must hold options that are listed here: {error}") from error
        if not contract.is_option:
            raise ValueError(f"{path} must hold options only, not {name}")
        contracts[name] = contract
    return contracts


def _cleaned(path: Path, table: pl.DataFrame) -> pl.DataFrame:
    """Rows that can be priced, in order of time; a moment is rounded up to the millisecond."""
    if table.schema["ts"].base_type() is not pl.Datetime:
        raise ValueError(f"{path}: column ts holds {table.schema['ts']}, not moments")
    try:
        rows = table.select(
            pl.col("ts").dt.epoch("us").add(999).floordiv(1000).alias("at_ms"),
            "instrument",
            *(pl.col(name).cast(pl.Float64) for name in NUMBERS),
        )
    except pl.exceptions.PolarsError as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(f"{path} is not a file of option chains: {reason}") from error
    priced = (pl.col(name).is_finite() & (pl.col(name) > 0) for name in ("fwd", "mark_iv"))
    mark = pl.col("mark").is_finite() & (pl.col("mark") >= 0)
    return (
        rows.drop_nulls(["at_ms", "instrument", "fwd", "mark", "mark_iv"])
        .filter(*priced, mark)
        .unique(["at_ms", "instrument"], keep="last", maintain_order=True)
        .sort("at_ms", maintain_order=True)
    )


def _quote(prices: FloatArray) -> FloatArray:
    """Prices with nan wherever nobody quotes: absent, infinite, zero or negative."""
    return np.where(np.isfinite(prices) & (prices > 0.0), prices, np.nan)


def implied_discount(
    strike: FloatArray, is_call: BoolArray, mark: FloatArray, left_ms: int
) -> float:
    """The discount factor of a linear expiry, `left_ms` from now, by put-call parity of marks.

    Between exp(-RATE_MAX T) and 1; 1 where parity says nothing.
    """
    found = parity.imply(*parity.pairs(strike, is_call, mark))
    if isinstance(found, parity.NoParity):
        return 1.0
    return float(np.clip(found.discount, math.exp(-RATE_MAX * left_ms / YEAR_MS), 1.0))


def utc(at_ms: int) -> str:
    """A moment as a person reads it: `2025-12-10T18:35:00Z`."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
