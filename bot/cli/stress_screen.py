"""A stress test on a terminal, readable at a hundred columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bot.lab.stress_told import share_words, short

Json = Mapping[str, Any]
RELIEFS_SHOWN: Final = 12
COLUMNS_MIN: Final = 100


def screen(payload: Json) -> RenderableType:
    """Show every account, then what was left out."""
    parts: list[RenderableType] = [Text(payload["head"], style="bold")]
    for account in payload["accounts"]:
        parts += _account(account)
    parts += [Text(note, style="yellow") for note in payload["notes"]]
    return _Wide(Group(*parts))


@dataclass(frozen=True, slots=True)
class _Wide:
    """What keeps its width where a terminal, or a file, has less: cut figures mislead."""

    inner: RenderableType

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from console.render(
            self.inner, options.update_width(max(options.max_width, COLUMNS_MIN))
        )


def _account(told: Json) -> list[RenderableType]:
    spots = [f"{spot:+.0%}" if spot else "now" for spot in told["spots"]]
    vols = [f"vol {100 * vol:+.0f}" if vol else "vol now" for vol in told["vols"]]
    unit, matrix = told["currency"], told["matrix"]
    return [
        _head(told),
        _grid("Margin use u, spot across, volatility down", vols, spots, _uses(told)),
        _grid(f"P&L of all positions, {unit}", vols, spots, _signed(matrix["profit"])),
        _grid("Equity with its collateral, change in USD", vols, spots,
              _signed(matrix["equity_change_usd"])),
        _grid(f"Net delta, {told['delta_unit']}", vols, spots, _signed(matrix["delta_coin"])),
        _grid(f"P&L by expiry, volatility as it is, {unit}",
              [_label(row["expiry"]) for row in told["expiries"]], spots,
              _signed([row["profit"] for row in told["expiries"]])),
        _history(told),
        _reliefs(told),
        *_doubts(told),
    ]  # fmt: skip


def _head(told: Json) -> RenderableType:
    now, far = told["now"], told["liquidation"]
    vol = f"{100 * told['limits']['stress_vol']:+.0f} vol"
    unit = told["currency"]
    title = (
        f"{unit}: equity {told['equity']:,.4f}, margin balance {told['balance']:,.4f}, "
        f"maintenance {now['maintenance'] or 0.0:,.4f}, model {told['model']}"
    )
    table = Table(title=title, title_justify="left", show_header=False, pad_edge=False, box=None)
    table.add_row("margin use u", Text(share_words(now["usage"]), style=_style(told, now["usage"])))
    stressed = told["standing"]
    words = f"{share_words(stressed['stressed_usage'])} at {stressed['node']}"
    table.add_row("under stress", Text(words, style=_style(told, stressed["stressed_usage"])))
    for name, key in (("down", "down"), ("up", "up")):
        words = f"{far[key]['words']}   (with {vol}: {far[f'{key}_stressed']['words']})"
        table.add_row(f"liquidated {name}", words)
    warn = f"{told['limits']['warn']:.0%}"
    table.add_row(f"theta to u = {warn}", told["theta_to_warn"]["words"])
    table.add_row(f"funding to u = {warn}", told["funding_to_warn"]["words"])
    return table


def _label(expiry: str) -> str:
    """Shorten an expiry to what a column of a terminal has room for."""
    return "perp" if expiry == "perpetual" else expiry[2:]


Cell = tuple[str, str]


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )


def _grid(
    title: str, rows: Sequence[str], columns: Sequence[str], cells: Sequence[Sequence[Cell]]
) -> RenderableType:
    table = _table(title)
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True, min_width=5)
    for name, row in zip(rows, cells, strict=True):
        table.add_row(escape(name), *(Text(words, style=style) for words, style in row))
    return table


def _signed(rows: Sequence[Sequence[float | None]]) -> list[list[Cell]]:
    return [
        [(short(value), "red" if (value or 0.0) < 0.0 else "") for value in row] for row in rows
    ]


def _uses(told: Json) -> list[list[Cell]]:
    return [
        [(share_words(used), _style(told, used)) for used in row] for row in told["matrix"]["usage"]
    ]


def _style(told: Json, used: float | None) -> str:
    limits = told["limits"]
    if used is None or used >= 1.0:
        return "bold white on red"
    if used >= limits["hold"]:
        return "bold red"
    if used >= limits["reduce_only"]:
        return "red"
    return "yellow" if used >= limits["warn"] else "green"


def _history(told: Json) -> RenderableType:
    table = _table("What happened before")
    for column in ("", "spot", "vol", "basis", f"P&L {told['currency']}", "equity USD", "u"):
        table.add_column(column, justify="left" if not column else "right", no_wrap=not column)
    for row in told["history"]:
        figures = row["figures"]
        table.add_row(
            escape(row["title"]),
            _found(figures["spot"], "{:+.1%}"),
            _found(figures["vol_points"], "{:+.0f}", 100.0),
            _found(figures["basis"], "{:+.1%}"),
            short(row["profit"]),
            short(row["equity_change_usd"]),
            Text(share_words(row["usage"]), style=_style(told, row["usage"])),
        )
    lacking = Text("  ? was not found and counts as no move; * is unverified", style="dim")
    return Group(table, lacking)


def _found(figure: Json, how: str, unit: float = 1.0) -> str:
    if figure["move"] is None:
        return "?"
    mark = "*" if figure["evidence"] == "unverified" else ""
    return how.format(unit * figure["move"]) + mark


def _reliefs(told: Json) -> RenderableType:
    table = _table("What lowers margin use most per dollar")
    for column in ("", "costs USD", "u", "under stress", "pts / 1k USD"):
        table.add_column(column, justify="left" if not column else "right", no_wrap=not column)
    for one in told["reliefs"][:RELIEFS_SHOWN]:
        rate = one["lowered_per_million_usd"]
        table.add_row(
            escape(one["words"]),
            f"{one['cost_usd']:,.0f}",
            _change(one, "usage"),
            _change(one, "stressed_usage"),
            "free" if rate is None else f"{rate / 10.0:,.3f}",
        )
    more = len(told["reliefs"]) - RELIEFS_SHOWN
    notes = [f"  and {more} more (--json has all)"] if more > 0 else []
    if not told["buy_back_options"]:
        notes.append("  short options are left as they are: --buy-back-options ranks them as well")
    notes.append("  collateral counts in full as its cost, although it stays the account's own")
    return Group(table, Text("\n".join(notes), style="dim"))


def _change(one: Json, key: str) -> str:
    before, after = (share_words(one[when][key], digits=1) for when in ("before", "after"))
    return f"{before}→{after}"


def _doubts(told: Json) -> list[RenderableType]:
    lines = [f"  not proven: {doubt}" for doubt in told["doubts"]]
    if told["excess_is_notable"]:
        lines.append(
            f"  the venue asks for {told['excess']:,.4f} {told['currency']} more than the model "
            "says; it is added at every node"
        )
    return [Text("\n".join(lines), style="dim")] if lines else []
