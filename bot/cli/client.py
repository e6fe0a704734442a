"""Talking to a running daemon from another process."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.cli.answer import VerbError, unreached
from bot.dashboard import address

ANSWER_SECONDS_MAX = 3.0


class DaemonSilentError(VerbError):
    """Nobody answers where the daemon of a ledger should be; `why` says it without the ledger."""

    def __init__(self, message: str, *, why: str) -> None:
        super().__init__(message)
        self.why = why


def get(journal: Path, path: str) -> dict[str, Any]:
    """Return what the daemon of `journal` answers to a question.

    Raises:
        DaemonSilentError: no daemon runs, or it does not answer in time.
        VerbError: it answered with an error.
    """
    return _exchange(journal, "GET", path, None)


def post(journal: Path, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Tell the daemon of `journal` something and return its answer; errors as `get`."""
    return _exchange(journal, "POST", path, body)


def _exchange(
    journal: Path, method: str, path: str, body: Mapping[str, Any] | None
) -> dict[str, Any]:
    import httpx

    where = _where(journal)
    headers = {"Authorization": f"Bearer {where.token}"}
    try:
        # Proxies of the environment have no business between two processes of one machine.
        with httpx.Client(timeout=ANSWER_SECONDS_MAX, trust_env=False) as client:
            answer = client.request(method, where.url + path, json=body, headers=headers)
        content = answer.json()
    except (httpx.TransportError, httpx.DecodingError, ValueError) as error:
        silent = f"does not answer at {where.url} ({_why(error)})"
        raise DaemonSilentError(
            f"the daemon of {journal} {silent}", why=f"its daemon {silent}"
        ) from error
    if not isinstance(content, dict):
        stranger = f"what answers at {where.url} is not the daemon"
        raise DaemonSilentError(f"{stranger} of {journal}", why=stranger)
    if answer.is_error:
        said = content.get("error", answer.reason_phrase)
        raise VerbError(f"the daemon of {journal} refused: {said}")
    return content


def _where(journal: Path) -> address.Address:
    try:
        where = address.find(journal)
    except OSError as error:
        why = f"cannot be asked: {unreached(error)}"
        raise DaemonSilentError(
            f"the daemon of {journal} {why}", why=f"its daemon {why}"
        ) from error
    if where is None:
        said = f"no daemon is running for {journal}"
        if not os.path.lexists(journal):
            said += (
                ", and there is no such ledger: is it the daemon's own? A relative journal.path "
                "counts from where the daemon was started"
            )
        raise DaemonSilentError(said, why="no daemon is running")
    return where


def _why(error: Exception) -> str:
    return str(error).strip() or type(error).__name__
