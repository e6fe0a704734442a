"""What a person should know: said in the log and kept, newest last, for whoever asks."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from bot.core.actions import Alert, Severity

ALERTS_KEPT: Final = 200

log = structlog.get_logger(__name__)

_LEVEL: Final = {
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.CRITICAL: logging.CRITICAL,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRaised:
    """An alert and the host's time when it was raised."""

    wire_epoch_ms: int
    severity: Severity
    text: str


class Alerts:
    """The alerts of this run; only the last `ALERTS_KEPT` are kept, all are counted."""

    def __init__(
        self, epoch_ms: Callable[[], int], listen: Callable[[Alert], None] | None = None
    ) -> None:
        """Begin with none.

        Args:
            epoch_ms: The host's time of day.
            listen: Told of each alert as well. What it does wrong stays here.
        """
        self._epoch_ms = epoch_ms
        self._listen = listen
        self._recent: deque[AlertRaised] = deque(maxlen=ALERTS_KEPT)
        self.counts: dict[Severity, int] = dict.fromkeys(Severity, 0)

    @property
    def recent(self) -> tuple[AlertRaised, ...]:
        """The last alerts, oldest first."""
        return tuple(self._recent)

    def tell(self, alert: Alert) -> None:
        """Say one alert."""
        self.counts[alert.severity] += 1
        self._recent.append(
            AlertRaised(wire_epoch_ms=self._epoch_ms(), severity=alert.severity, text=alert.text)
        )
        log.log(_LEVEL[alert.severity], "alert", text=alert.text)
        if self._listen is None:
            return
        try:
            self._listen(alert)
        except Exception:  # whoever is told must not be able to stop the hedging
            log.exception("alert not passed on", text=alert.text)
