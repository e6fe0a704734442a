"""The daemon's numbers in the exposition format of Prometheus, read from the window when asked."""

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from typing_extensions import override

from bot.core.state import Mode
from bot.dashboard.models import Status
from bot.dashboard.window import Window

MEDIA_TYPE: Final = CONTENT_TYPE_LATEST
PREFIX: Final = "deltaband"


class _Reading(Collector):
    """One reading of the window."""

    def __init__(self, window: Window) -> None:
        self._window = window

    @override
    def collect(self) -> Iterator[Metric]:
        yield _gauge(
            "loop_age_seconds", "Since the loop last stepped.", self._window.loop_age_seconds
        )
        status = self._window.status()
        if status is None:
            return
        yield _about(status)
        yield from _mode(status)
        yield from _books(status)
        yield from _account(status)
        yield _margin_limits(self._window.frame.margin_limits)
        yield from _counters(status)
        yield from _latencies(status)


def exposition(window: Window) -> bytes:
    """Return the window's numbers and the shell's own for a scrape."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Reading(window))
    return generate_latest(registry) + window.frame.shell_metrics()


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value)


def _about(status: Status) -> Metric:
    about = status.about
    info = InfoMetricFamily(f"{PREFIX}_build", "What runs here.")
    info.add_metric(
        (),
        {
            "version": about.version,
            "run_mode": about.run_mode,
            "venue": about.venue,
            "config_digest": about.config_digest,
        },
    )
    return info


def _mode(status: Status) -> Iterator[Metric]:
    modes = GaugeMetricFamily(f"{PREFIX}_mode", "1 for the mode it is in.", labels=["mode"])
    for mode in Mode:
        modes.add_metric([mode.value], float(status.mode.name == mode.value))
    yield modes
    yield _gauge("unknown_orders", "Orders whose fate is not known.", status.unknown_orders)
    yield _gauge("open_orders", "Orders that are not closed.", len(status.open_orders))
    links = GaugeMetricFamily(f"{PREFIX}_link_up", "1 if the connection is up.", labels=["link"])
    for link in status.links:
        links.add_metric([link.link], float(link.up))
    yield links


_GREEKS: Final = {
    "delta_coin": "Delta by the book's convention.",
    "gamma_coin_per_percent": "Change of the options' Black delta for a move of +1 percent.",
    "vega_usd_per_vol_point": "Value of one more vol point.",
    "theta_usd_per_day": "Value of one day passing.",
    "options_value_coin": "Value of the book's options.",
    "hedge_delta_coin": "The part of delta that the hedge holds.",
}


def _books(status: Status) -> Iterator[Metric]:
    labels = ["book", "convention", "underlying", "currency"]
    priced = GaugeMetricFamily(f"{PREFIX}_book_priced", "1 if the book has a delta.", labels=labels)
    deviation = GaugeMetricFamily(
        f"{PREFIX}_book_deviation_coin", "What the band is compared with.", labels=labels
    )
    edges = GaugeMetricFamily(
        f"{PREFIX}_book_band_coin", "The band, from the target.", labels=[*labels, "edge"]
    )
    greeks = {
        name: GaugeMetricFamily(f"{PREFIX}_book_{name}", text, labels=labels)
        for name, text in _GREEKS.items()
    }
    for book in status.books:
        named = [book.name, book.convention, book.underlying, book.currency]
        priced.add_metric(named, float(book.greeks is not None))
        edges.add_metric([*named, "low"], book.band_coin[0])
        edges.add_metric([*named, "high"], book.band_coin[1])
        if book.greeks is None or book.deviation_coin is None:
            continue
        deviation.add_metric(named, book.deviation_coin)
        for name, family in greeks.items():
            family.add_metric(named, float(getattr(book.greeks, name)))
    yield from (priced, deviation, edges, *greeks.values())


def _margins(status: Status) -> Iterator[Metric]:
    equity = GaugeMetricFamily(f"{PREFIX}_equity", "Equity of the account.", labels=["currency"])
    use = GaugeMetricFamily(
        f"{PREFIX}_margin_use", "Maintenance margin over margin balance.", labels=["currency"]
    )
    stressed = GaugeMetricFamily(
        f"{PREFIX}_margin_use_stressed",
        "Margin use at the worst corner of the configured stress.",
        labels=["currency"],
    )
    apart = GaugeMetricFamily(
        f"{PREFIX}_margin_gap", "Own margin over the venue's, less one.", labels=["currency"]
    )
    opinion = GaugeMetricFamily(
        f"{PREFIX}_margin_second_opinion_gap",
        "Own margin over the venue's what-if, less one, where they differ most.",
        labels=["currency"],
    )
    for row in status.balances:
        equity.add_metric([row.currency], row.equity)
        if row.margin_use is not None:
            use.add_metric([row.currency], row.margin_use)
        if row.stressed_use is not None:
            stressed.add_metric([row.currency], row.stressed_use)
        if row.margin_gap is not None:
            apart.add_metric([row.currency], row.margin_gap)
        if row.second_opinion.gap is not None:
            opinion.add_metric([row.currency], row.second_opinion.gap)
    yield from (equity, use, stressed, apart, opinion)


def _account(status: Status) -> Iterator[Metric]:
    yield from _margins(status)
    pnl = GaugeMetricFamily(
        f"{PREFIX}_pnl", "Profit since the ledger began.", labels=["currency", "part"]
    )
    for shown in status.pnls:
        for part in ("options", "hedge", "fees", "funding"):
            pnl.add_metric([shown.currency, part], float(getattr(shown, part)))
    moved = GaugeMetricFamily(
        f"{PREFIX}_moved", "What came from outside less what went there.", labels=["currency"]
    )
    for shown in status.pnls:
        moved.add_metric([shown.currency], shown.moved)
    yield from (pnl, moved)
    gaps = GaugeMetricFamily(
        f"{PREFIX}_delta_gap_coin", "Own delta less the venue's figure.", labels=["figure"]
    )
    for gap in status.delta_gaps:
        gaps.add_metric([gap.figure], gap.gap_coin)
    yield gaps
    ages = [quote.age_seconds for quote in status.quotes if quote.age_seconds is not None]
    yield _gauge("quotes_watched", "Instruments whose quotes are wanted.", len(status.quotes))
    yield _gauge("quote_age_seconds_max", "Age of the oldest good quote.", max(ages, default=0.0))


def _margin_limits(limits: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(
        f"{PREFIX}_margin_limit", "Margin use at which a stage begins.", labels=["stage"]
    )
    for stage, share in limits.items():
        family.add_metric([stage], share)
    return family


_COUNTERS: Final = {
    "folds": "Steps of the loop.",
    "quotes": "Quotes folded in.",
    "bad_quotes": "Quotes that could not be used.",
    "bad_messages": "Messages that could not be translated.",
    "fills": "Fills seen.",
    "rejects": "Orders the venue rejected.",
}


def _counters(status: Status) -> Iterator[Metric]:
    for name, text in _COUNTERS.items():
        yield CounterMetricFamily(
            f"{PREFIX}_{name}", text, value=float(getattr(status.counts, name))
        )
    yield CounterMetricFamily(
        f"{PREFIX}_orders_sent",
        "Orders sent since the ledger began.",
        value=float(status.counts.orders_in_ledger),
    )
    refusals = CounterMetricFamily(
        f"{PREFIX}_refusals", "Hedges refused or trimmed, by kind of reason.", labels=["code"]
    )
    for code, count in status.counts.refusals.items():
        refusals.add_metric([code], float(count))
    yield refusals


def _latencies(status: Status) -> Iterator[Metric]:
    family = GaugeMetricFamily(
        f"{PREFIX}_latency_us", "Latency over the whole run.", labels=["what", "quantile"]
    )
    for what, seen in status.latencies.items():
        family.add_metric([what, "0.5"], seen.p50_us)
        family.add_metric([what, "0.99"], seen.p99_us)
    yield family
