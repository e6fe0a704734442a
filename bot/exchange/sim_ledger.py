"""What the venue saw: every trading request, whether or not its answer arrived."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bot.exchange.protocol import Json, Transport

REQUESTS_MAX: Final = 1_000_000  # a day at ten a second; beyond it the oldest fall out


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRequest:
    """One trading request as it came in. `at_ms` is wire time, epoch milliseconds."""

    at_ms: int
    transport: Transport
    method: str
    params: Mapping[str, object]

    def fields(self) -> dict[str, Json]:
        """The entry of `/sim/ledger`."""
        label = self.params.get("label")
        return {
            "at_ms": self.at_ms,
            "transport": self.transport.value,
            "method": self.method,
            "label": label if isinstance(label, str) else "",
            "params": {name: _json(value) for name, value in self.params.items()},
        }


@dataclass(slots=True)
class RequestLedger:
    """The requests of a run, oldest first."""

    requests: deque[SeenRequest] = field(default_factory=lambda: deque(maxlen=REQUESTS_MAX))

    def note(self, request: SeenRequest) -> None:
        """Count a request, before anything else is done with it."""
        self.requests.append(request)

    def fields(self) -> list[Json]:
        """All of them, as `/sim/ledger` shows them."""
        return [request.fields() for request in self.requests]


def _json(value: object) -> Json:
    """A parameter came in as JSON, so it can leave as JSON; only NaN cannot."""
    if isinstance(value, float) and value != value:  # noqa: PLR0124 - the definition of NaN
        return "NaN"
    if isinstance(value, str | int | float | None):
        return value
    return str(value)
