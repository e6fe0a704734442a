"""Ledgers as faults of the disk and of people leave them."""

import sqlite3
from pathlib import Path


def bend(path: Path, *statements: str) -> None:
    """Change a closed ledger as a fault of the disk would: past its own triggers."""
    connection = sqlite3.connect(path)
    connection.executescript("DROP TRIGGER ledger_keeps_rows; DROP TRIGGER ledger_keeps_words;")
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def tear_pages(path: Path, share: float) -> None:
    """Overwrite the file from `share` of its length on, as lost sectors do."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(int(size * share) // 4096 * 4096)
        file.write(b"\xa5" * (size - file.tell()))


def bend_index(path: Path, kind: str) -> None:
    """Flip a bit in each entry of the index of kinds that names `kind`; the rows stay whole."""
    with sqlite3.connect(path) as connection:
        query = "SELECT rootpage FROM sqlite_schema WHERE name = 'ledger_by_kind'"
        (page,) = connection.execute(query).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    content = bytearray(path.read_bytes())
    start = (page - 1) * size
    entries = content[start : start + size]
    bent = kind[:-1].encode() + bytes((kind.encode()[-1] ^ 2,))
    assert kind.encode() in entries, "a small ledger has its whole index on one page"
    content[start : start + size] = entries.replace(kind.encode(), bent)
    path.write_bytes(content)
