"""What a person has heard of survives a restart: a small file beside the ledger.

A restart into the same trouble is told once, for it is news, and then not repeated. What is over is
forgotten, so that the same words call again another day.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)


def heard_path(journal_path: Path) -> Path:
    """Where lies what was heard of the daemon that writes a ledger."""
    return journal_path.with_name(journal_path.name + ".heard")


def read_heard(path: Path) -> Mapping[str, str]:
    """Return who has heard of what, by the family of its text; nothing if that cannot be read."""
    try:
        told = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(told, dict):
        return {}
    return {key: said for key, said in told.items() if isinstance(said, str)}


def write_heard(path: Path, heard: Mapping[str, str]) -> None:
    """Keep who has heard of what. What goes wrong costs a repetition, no more."""
    fresh = path.with_name(path.name + ".new")
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            json.dump(dict(heard), file)
        fresh.replace(path)
    except OSError as error:
        log.warning("what was heard is not kept for a restart", error=error.strerror)
