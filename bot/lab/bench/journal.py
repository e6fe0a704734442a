"""The ledger: rows made durable one after the other, beside bare commits to the same disk."""

import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bot.core.units import NS_PER_SECOND
from bot.lab.bench.measures import Measured
from bot.runtime.journal import Ledger, Row, RunHeader

APPENDS: Final = 300
COMMIT: Final = "bare SQLite commit"
BODY: Final = '{"order_id":"dbaaaaaa0000001","instrument":"BTC-PERPETUAL","size":"-120"}' * 12
HEADER: Final = RunHeader(code_version="bench", config_digest="0", account="bench", mode="bench")


async def journal(rounds: int, now_ns: Callable[[], int], directory: Path) -> list[Measured]:
    """Measure appends to a ledger in a directory of its own below `directory`."""
    with tempfile.TemporaryDirectory(dir=directory, prefix="deltaband-bench-") as folder:
        bare = _commits(rounds, now_ns, Path(folder) / "bare.sqlite")
        ours: list[float] = []
        async with Ledger.open(Path(folder) / "ledger.sqlite", HEADER) as ledger:
            row = Row(kind="step", at_ms=0, body=BODY)
            for number in range(rounds + 1):
                since_ns = now_ns()
                for _ in range(APPENDS):
                    await ledger.append([row])
                if number:
                    ours.append(APPENDS * NS_PER_SECOND / (now_ns() - since_ns))
    note = f"rows of {len(BODY)} bytes below {directory}"
    return [
        _figure(COMMIT, bare, None, note),
        _figure("durable ledger appends", ours, COMMIT, note),
    ]


def _commits(rounds: int, now_ns: Callable[[], int], path: Path) -> list[float]:
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE row (seq INTEGER PRIMARY KEY, body TEXT) STRICT")
        rates: list[float] = []
        for number in range(rounds + 1):
            since_ns = now_ns()
            for _ in range(APPENDS):
                connection.execute("INSERT INTO row (body) VALUES (?)", (BODY,))
            if number:
                rates.append(APPENDS * NS_PER_SECOND / (now_ns() - since_ns))
        return rates
    finally:
        connection.close()


def _figure(name: str, rates: list[float], floor: str | None, note: str) -> Measured:
    return Measured(
        name=name,
        unit="per second",
        rounds=tuple(rates),
        more_is_better=True,
        floor=floor,
        note=note,
    )
