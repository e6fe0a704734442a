"""The numbers of the pager and the heartbeat for Prometheus, read whenever somebody asks."""

from collections.abc import Iterator
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from bot.runtime.heartbeat import Heartbeat
from bot.runtime.pager import Desk, Pager

_COUNTED: Final = (
    ("delivered", "Messages that a channel took."),
    ("failed", "Messages that a channel did not take, after all tries."),
    ("dropped", "Messages that were dropped for want of room."),
)


class CallMetrics(Collector):
    """Collects from a pager, and from a heartbeat if there is one."""

    def __init__(self, pager: Pager, heartbeat: Heartbeat | None) -> None:
        self._pager = pager
        self._heartbeat = heartbeat

    @override
    def collect(self) -> Iterator[Metric]:
        desks = self._pager.desks.values()
        for name, text in _COUNTED:
            family = CounterMetricFamily(f"deltaband_pages_{name}", text, labels=("channel",))
            for desk in desks:
                family.add_metric((desk.name,), _counts(desk)[name])
            yield family
        waiting = GaugeMetricFamily(
            "deltaband_pages_waiting", "Messages that wait for a channel.", labels=("channel",)
        )
        up = GaugeMetricFamily(
            "deltaband_page_channel_up", "Whether it took the last message.", labels=("channel",)
        )
        for desk in desks:
            waiting.add_metric((desk.name,), len(desk.queue))
            up.add_metric((desk.name,), 0.0 if desk.failing else 1.0)
        yield waiting
        yield up
        board = self._pager.board
        yield CounterMetricFamily(
            "deltaband_pages_suppressed", "Alerts counted and not told.", value=board.suppressed
        )
        yield GaugeMetricFamily(
            "deltaband_pages_unheard", "Critical ones nobody has heard of.", value=board.unheard
        )
        yield from self._beats()

    def _beats(self) -> Iterator[Metric]:
        beats = self._heartbeat
        if beats is None:
            return
        yield CounterMetricFamily(
            "deltaband_heartbeats_sent", "Beats that the service took.", value=beats.sent
        )
        yield CounterMetricFamily(
            "deltaband_heartbeats_failed", "Beats that it did not take.", value=beats.failed
        )


def _counts(desk: Desk) -> dict[str, int]:
    return {
        "delivered": desk.delivered,
        "failed": desk.failed,
        "dropped": desk.queue.dropped,
    }
