"""Who knocked at an account's door: logins, with where they came from."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bot.exchange.protocol import Json

ENTRIES_MAX: Final = 1_000
HERE: Final = {"country": "Loopback", "city": "Localhost"}


@dataclass(slots=True)
class AccessLog:
    """The latest entries of each account, oldest first. Numbers run over the exchange."""

    _entries: dict[str, deque[Mapping[str, Json]]] = field(default_factory=dict)
    _noted: int = 0

    def note(self, account: str, *, ip: str, log: str, at_ms: int) -> Mapping[str, Json]:
        """Keep what happened (the venue's word, such as `success`); answers the entry."""
        self._noted += 1
        entry: dict[str, Json] = {"id": self._noted, "timestamp": at_ms, "ip": ip, "log": log}
        entry.update(HERE)
        self._entries.setdefault(account, deque(maxlen=ENTRIES_MAX)).append(entry)
        return entry

    def of(self, account: str) -> list[Mapping[str, Json]]:
        """The account's entries, oldest first."""
        return list(self._entries.get(account, ()))
