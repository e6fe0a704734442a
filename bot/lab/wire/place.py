"""Where a run of the wire lab leaves its files."""

from datetime import UTC, datetime
from pathlib import Path

from bot.lab.wire.processes import WIRE


def fresh_folder(parent: Path, name: str) -> Path:
    """Make a folder that nobody uses yet, named for now. OSError: it cannot be made."""
    began = datetime.fromtimestamp(WIRE.epoch_ms() / 1000, UTC)
    wanted = parent / f"{name}-{began:%Y%m%d-%H%M%S}"
    tried, found = 1, wanted
    while found.exists():
        tried += 1
        found = wanted.with_name(f"{wanted.name}-{tried}")
    found.mkdir(parents=True)
    return found.absolute()
