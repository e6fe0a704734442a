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
