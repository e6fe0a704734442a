"""The shell's own numbers for Prometheus: how fast, how much waits, how well it knows the time.

What the core knows (deltas, margin, modes, refusals) is read from the state by those who show it.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from bot.core.actions import SubmitOrder
from bot.core.events import FillSeen, QuoteSeen
from bot.core.units import NS_PER_SECOND
from bot.runtime.alerts import Alerts
from bot.runtime.clock import MarketClock
from bot.runtime.host import Used
from bot.runtime.inbox import Inbox
from bot.runtime.journal import Ledger
from bot.runtime.loop import Stepped
from bot.runtime.outbox import Outbox
from bot.runtime.tape import Tape

_QUICK: Final = (
    50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 0.1, 0.5, 2.0,
)  # fmt: skip
_LAGS: Final = (
    100e-6, 200e-6, 500e-6, 1e-3, 1.5e-3, 2e-3, 3e-3, 4e-3, 5e-3, 7e-3, 10e-3, 15e-3, 20e-3, 30e-3,
    50e-3, 75e-3, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0,
)  # fmt: skip  # a few milliseconds decide here, and the worst should still be told apart


class ShellMetrics:
    """Metrics in a registry of their own. `on_step` is an observer of the loop."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._tick_to_decision = self._histogram(
            "tick_to_decision_seconds", "From a quote's arrival to the decision on it."
        )
        self._tick_to_order = self._histogram(
            "tick_to_order_seconds", "From a quote's arrival to its order's bytes at the socket."
        )
        self._journal = self._histogram(
            "journal_append_seconds", "Until the disk had a fold's rows."
        )
        self._lag = self._histogram("loop_lag_seconds", "How late the event loop woke up.", _LAGS)
        self._facts = self._counter("facts", "Facts folded, by kind.", "kind")
        self._hedges = self._counter("hedges", "Orders handed on, by side.", "side")
        self._fills = self._counter("fills_by_cause", "Fills folded, by cause.", "cause")

    def on_step(self, stepped: Stepped) -> None:
        """Count one fold."""
        if stepped.tick_to_decision_ns is not None:
            self._tick_to_decision.observe(stepped.tick_to_decision_ns / NS_PER_SECOND)
        for took_ns in stepped.tick_to_order_ns:
            self._tick_to_order.observe(took_ns / NS_PER_SECOND)
        if stepped.journal_ns is not None:
            self._journal.observe(stepped.journal_ns / NS_PER_SECOND)
        quotes = 0
        for fact in stepped.facts:
            if isinstance(fact, QuoteSeen):
                quotes += 1
                continue
            self._facts.labels(type(fact).__name__).inc()
            if isinstance(fact, FillSeen):
                self._fills.labels(fact.cause.value).inc()
        if quotes:
            self._facts.labels(QuoteSeen.__name__).inc(quotes)
        for action in stepped.step.actions:
            if isinstance(action, SubmitOrder):
                self._hedges.labels("buy" if action.size_native > 0 else "sell").inc()

    def on_lag(self, lag_seconds: float) -> None:
        """Note how late the event loop woke up."""
        self._lag.observe(lag_seconds)

    def watch(
        self,
        *,
        inbox: Inbox,
        outbox: Outbox,
        ledger: Ledger,
        market: MarketClock,
        alerts: Alerts,
        tape: Tape | None,
    ) -> None:
        """Read these parts whenever somebody asks for the numbers, which may be in a thread."""
        loop = asyncio.get_running_loop()
        readings: dict[str, tuple[str, Callable[[], float]]] = {
            "quotes_admitted": ("Quotes that arrived.", lambda: inbox.quotes_admitted),
            "quotes_conflated": ("Quotes replaced unread.", lambda: inbox.quotes_conflated),
            "inbox_waiting": ("Facts that wait for the loop.", lambda: len(inbox)),
            "tasks": ("Tasks of the event loop.", lambda: len(asyncio.all_tasks(loop))),
            "actions_performed": ("Actions begun.", lambda: outbox.performed),
            "actions_in_flight": ("Actions under way.", lambda: len(outbox.in_flight)),
            "ledger_rows": ("Durable rows of the ledger.", lambda: ledger.head.seq),
            "market_clock_rate": ("Market seconds a wire second.", lambda: market.rate),
            "market_clock_jumps": ("Jumps of the venue's time.", lambda: market.jumps),
            "market_clock_uncertainty_ms": (
                "How far the market clock may be off.",
                lambda: market.uncertainty_ms,
            ),
            "alerts": ("Alerts raised.", lambda: sum(list(alerts.counts.values()))),
            "tape_blocks_dropped": (
                "Blocks of quotes that were not recorded.",
                lambda: 0 if tape is None else tape.blocks_dropped,
            ),
        }
        for name, (text, read) in readings.items():
            Gauge(f"deltaband_{name}", text, registry=self.registry).set_function(read)

    def watch_process(self, used: Callable[[], Used]) -> None:
        """Read what the process uses whenever somebody asks for the numbers."""
        readings: dict[str, tuple[str, Callable[[], float]]] = {
            "memory_bytes": ("Resident memory.", lambda: used().memory_bytes),
            "open_files": ("Open files and sockets.", lambda: used().files),
        }
        for name, (text, read) in readings.items():
            Gauge(f"deltaband_{name}", text, registry=self.registry).set_function(read)

    def exposition(self) -> bytes:
        """Return the numbers in Prometheus' text format."""
        return generate_latest(self.registry)

    def _histogram(self, name: str, text: str, bounds: Sequence[float] = _QUICK) -> Histogram:
        return Histogram(f"deltaband_{name}", text, buckets=bounds, registry=self.registry)

    def _counter(self, name: str, text: str, label: str) -> Counter:
        return Counter(f"deltaband_{name}", text, labelnames=(label,), registry=self.registry)
