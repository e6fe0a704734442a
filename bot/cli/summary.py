"""What the demo says at its end, for a person."""

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType
from rich.table import Table


def screen(told: Mapping[str, Any]) -> RenderableType:
    """Draw the figures of a rehearsal."""
    table = Table(title="rehearsal", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column()
    for name, text in _lines(told):
        table.add_row(name, text)
    return table


def _lines(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    rms, steps, money = told["delta_rms_coin"], told["pnl_step_std_usd"], told["pnl_usd"]
    low, high = told["band_coin"]
    breaches = told["breaches"]
    removed = told["pnl_variance_removed"]
    return [
        ("ran", f"{told['seconds']:g} s at speed {told['speed']:g}, seed {told['seed']}"),
        ("quotes, decisions", f"{told['ticks']:,}, {told['decisions']:,}"),
        (
            "hedges",
            (
                f"{told['hedges_sent']} ({told['hedges_buy']} bought, {told['hedges_sell']} sold), "
                f"{told['fills']} fills, {told['rejects']} rejected, refused: {told['refusals']}"
            ),
        ),
        ("delta rms", f"{_of(rms['hedged'])} hedged, {_of(rms['unhedged'])} unhedged (coin)"),
        (
            "band",
            (
                f"[{low:+.3f}, {high:+.3f}] coin, convention {told['convention']}, left "
                f"{breaches['count']} times for at most {breaches['longest_seconds']} s"
            ),
        ),
        ("P&L (USD)", ", ".join(f"{part} {_of(value)}" for part, value in money.items())),
        (
            "P&L steps (USD)",
            f"std {_of(steps['hedged'])} hedged, {_of(steps['unhedged'])} unhedged: "
            + (
                "variance not measured" if removed is None else f"{removed:.1%} of variance removed"
            ),
        ),
        ("tick to decision", _latency(told["tick_to_decision_us"])),
        ("tick to order", _latency(told["tick_to_order_us"])),
        (
            "books",
            (
                f"positions {'agree' if told['position_match'] else 'DIFFER'}; orders: "
                f"{told['orders_at_venue']} at the venue, {told['orders_in_journal']} in the ledger"
            ),
        ),
        ("ledger", str(told["journal"])),
    ]


def _of(value: float | None) -> str:
    return "none" if value is None else f"{value:,.4g}" if abs(value) < 1 else f"{value:,.2f}"


def _latency(seen: Mapping[str, float] | None) -> str:
    return "none" if seen is None else f"p50 {seen['p50']:.0f} us, p99 {seen['p99']:.0f} us"
