"""What the demo says at its end, for a person."""

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text


def screen(told: Mapping[str, Any]) -> RenderableType:
    """Draw the figures of a rehearsal."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in _lines(told):
        table.add_row(name, text)
    return Padding(table, (1, 0, 0, 1))


def _lines(told: Mapping[str, Any]) -> list[tuple[str, Text | str]]:
    return [
        ("rehearsed", _span(told)),
        ("hedges", _hedges(told)),
        *_judged(told),
        ("quote to decision", _latency(told["tick_to_decision_us"])),
        ("quote to order", _latency(told["tick_to_order_us"])),
        ("books", _books(told)),
        ("ledger", str(told["journal"])),
    ]


def _span(told: Mapping[str, Any]) -> str:
    return (
        f"{told['seconds']:g} s at speed {told['speed']:g}, {_market(told)}: "
        f"{told['ticks']:,} quotes, {told['decisions']:,} decisions"
    )


def _market(told: Mapping[str, Any]) -> str:
    market = told["market"]
    return f"seed {told['seed']}" if market == "synthetic" else f"market {market}"


def _hedges(told: Mapping[str, Any]) -> str:
    refused = ", ".join(f"{count} {why}" for why, count in told["refusals"].items()) or "none"
    return (
        f"{told['hedges_sent']:,} ({told['hedges_buy']:,} bought, {told['hedges_sell']:,} sold), "
        f"{told['fills']:,} fills; refused: {refused}; rejected: {told['rejects']:,}"
    )


def _judged(told: Mapping[str, Any]) -> list[tuple[str, Text | str]]:
    """Tell of the one book, or of each of several by name."""
    books = told["books"]
    if len(books) == 1:
        return [*_delta(told), *_money(told)]
    rows: list[tuple[str, Text | str]] = []
    for name, book in books.items():
        rows.append((f"book {name}", f"{book['underlying']}, settled in {book['currency']}"))
        rows += [(f"  {what}", text) for what, text in (*_delta(book), *_money(book))]
    return rows


def _delta(told: Mapping[str, Any]) -> list[tuple[str, Text | str]]:
    (low, high), seen, rms = told["band_coin"], told["breaches"], told["delta_rms_coin"]
    breaches = (
        f"; left {seen['count']:,} times, {seen['longest_seconds']:.2f} s at most"
        if seen["count"]
        else "; never left"
    )
    return [
        ("band (coin)", f"{low:+g} to {high:+g}, {told['convention']} delta{breaches}"),
        ("delta, rms (coin)", _rms(rms["hedged"], rms["unhedged"])),
    ]


def _money(told: Mapping[str, Any]) -> list[tuple[str, Text | str]]:
    money, steps, removed = told["pnl_usd"], told["pnl_step_std_usd"], told["pnl_variance_removed"]
    total: Text | str = "not known: the account was never valued whole"
    if money["total"] is not None:
        parts = ", ".join(f"{name} {_dollars(money[name])}" for name in money if name != "total")
        total = Text.assemble((_dollars(money["total"]), "bold"), f" = {parts}")
    spread = "not measured: too few seconds after the first hedge"
    if steps["hedged"] is not None:
        hedged, unhedged = (_dollars(steps[name], sign="") for name in ("hedged", "unhedged"))
        variance = "" if removed is None else f"; variance {-removed:+.0%}"
        spread = f"std {hedged}, unhedged {unhedged}{variance}"
    return [("P&L (USD)", total), ("P&L a second (USD)", spread)]


def _books(told: Mapping[str, Any]) -> Text:
    at_venue, here = told["orders_at_venue"], told["orders_in_journal"]
    orders = f"orders: {at_venue:,} at the venue, {here:,} in the ledger"
    if told["position_match"] and at_venue == here:
        return Text(f"positions agree; {orders}", style="green")
    positions = "agree" if told["position_match"] else "DIFFER"
    return Text(f"positions {positions}; {orders}", style="bold red")


def _rms(hedged: float | None, unhedged: float | None) -> str:
    if hedged is None or unhedged is None:
        return "not measured: too few seconds after the first hedge"
    return f"{hedged:.3f}, unhedged {unhedged:.3f}"


def _dollars(value: float | None, *, sign: str = "+") -> str:
    return "not known" if value is None else f"{value:{sign},.0f}"


def _latency(seen: Mapping[str, float] | None) -> str:
    if seen is None:
        return "none seen"
    return f"p50 {seen['p50'] / 1000:.2f} ms, p99 {seen['p99'] / 1000:.2f} ms"
