"""A stress test as one page, complete in itself: plotly's script is inside, nothing is loaded.

Reads in light and dark, and on a phone, where a heatmap scrolls under one's thumb.
"""

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Final

from bot.lab.stress_told import share_words, short

Json = Mapping[str, Any]
USAGE_SHOWN_MAX: Final = 1.2  # all beyond is one colour: lost
GREEN, YELLOW, ORANGE, RED, LOST = "#3f9b6b", "#e0b83a", "#dd8436", "#c8453b", "#5b1220"
LOSS, EVEN, GAIN, CELL_INK = "#e0776c", "#f3f0ea", "#7caede", "#1d2126"
ROW_PIXELS: Final = 34
HEAD_PIXELS: Final = 70

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1d2126; --soft: #626a73; --paper: #fbfaf8;
  --line: #dcd8d0; --card: #ffffff; --bad: #b3261e; --good: #26734d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e4df; --soft: #9aa1a9; --paper: #15181b;
  --line: #33383d; --card: #1d2125; --bad: #ff8a80; --good: #7fd1a3; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 16px 64px; }
h1 { font-size: 22px; margin: 0; } h2 { font-size: 18px; margin: 40px 0 4px; }
h3 { font-size: 15px; margin: 28px 0 2px; }
p { margin: 4px 0; } .soft { color: var(--soft); font-size: 13px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(158px, 1fr)); gap: 10px;
  margin: 14px 0; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 8px;
  padding: 10px 12px; }
.tile b { display: block; font-size: 20px; font-variant-numeric: tabular-nums; line-height: 1.3; }
.bad b { color: var(--bad); } .good b { color: var(--good); }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px;
  background: var(--card); }
.plot { min-width: 760px; }
table { border-collapse: collapse; width: 100%; min-width: 640px;
  font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; white-space: normal; }
th { font-weight: 600; font-size: 13px; color: var(--soft); } tr:last-child td { border-bottom: 0; }
td.lost { color: var(--bad); font-weight: 600; } ul { padding-left: 20px; margin: 6px 0; }
"""
SCRIPT: Final = """
const dark = matchMedia('(prefers-color-scheme: dark)');
const ink = () => getComputedStyle(document.documentElement).getPropertyValue('--ink').trim();
const plots = PLOTS;
for (const [id, data, layout] of plots) {
  Plotly.newPlot(id, data, {...layout, font: {...layout.font, color: ink()}},
    {displayModeBar: false, responsive: true});
  const box = document.getElementById(id).parentElement;  // on a phone: the market of now first
  box.scrollLeft = (box.scrollWidth - box.clientWidth) / 2;
}
dark.addEventListener('change', () => {
  for (const [id] of plots) { Plotly.relayout(id, {'font.color': ink()}); }
});
"""


def page(payload: Json) -> str:
    """Return the page of a stress test."""
    from plotly.offline import get_plotlyjs

    plots: list[list[Any]] = []
    bodies = [_account(told, plots) for told in payload["accounts"]]
    notes = "".join(f"<p>{escape(note)}</p>" for note in payload["notes"])
    drawn = json.dumps(plots, allow_nan=False).replace("</", "<\\/")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Stress: {escape(payload['head'])}</title><style>{STYLE}</style></head>\n"
        f"<body><main><h1>Stress test</h1><p class='soft'>{escape(payload['head'])}</p>"
        f"{notes}{''.join(bodies)}</main>\n"
        f"<script>{get_plotlyjs()}</script>\n"
        f"<script>{SCRIPT.replace('PLOTS', drawn)}</script></body></html>\n"
    )


def _account(told: Json, plots: list[list[Any]]) -> str:
    unit, matrix = told["currency"], told["matrix"]
    vols = [f"vol {100 * vol:+.0f}" if vol else "vol now" for vol in told["vols"]]
    expiries = [row["expiry"] for row in told["expiries"]]
    parts = [
        f"<h2>{escape(unit)}</h2>",
        (f"<p class='soft'>equity {told['equity']:,.4f}, margin balance {told['balance']:,.4f}, "
        f"maintenance {told['now']['maintenance'] or 0.0:,.4f} {escape(unit)}; "
        f"model {escape(told['model'])}; {_indices(told)}</p>"),
        _tiles(told),
        _heat(told, plots, "Margin use u", "liquidated from 100 %", vols, _usage_map(told)),
        _heat(told, plots, f"P&L of all positions, {unit}", "", vols, _signed(matrix["profit"])),
        _heat(told, plots, "Equity with its collateral, change in USD", "", vols,
              _signed(matrix["equity_change_usd"])),
        _heat(told, plots, f"Net delta, {told['delta_unit']}",
              "after the move, with the hedge as it is", vols, _signed(matrix["delta_coin"])),
        _heat(told, plots, f"P&L by expiry, {unit}", "volatility as it is", expiries,
              _signed([row["profit"] for row in told["expiries"]])),
        _history(told),
        _reliefs(told),
        _doubts(told),
    ]  # fmt: skip
    return "".join(parts)


def _indices(told: Json) -> str:
    return ", ".join(f"{escape(name)} {price:,.2f}" for name, price in told["indices_usd"].items())


def _tiles(told: Json) -> str:
    far, stressed = told["liquidation"], told["standing"]
    vol = f"{100 * told['limits']['stress_vol']:+.0f} vol points"
    warn = f"{told['limits']['warn']:.0%}"
    tiles = [
        _tile("margin use u", share_words(told["now"]["usage"]), "", _grade(told, "usage")),
        _tile("u under stress", share_words(stressed["stressed_usage"]),
              f"at {stressed['node']}", _grade(told, "stressed_usage")),
        *(
            _tile(f"liquidated {way}", far[way]["words"],
                  f"with {vol}: {far[f'{way}_stressed']['words']}")
            for way in ("down", "up")
        ),
        _tile(f"theta to u = {warn}", told["theta_to_warn"]["words"], "market standing still"),
        _tile(f"funding to u = {warn}", told["funding_to_warn"]["words"], "at the rate of now"),
    ]  # fmt: skip
    return f"<div class='tiles'>{''.join(tiles)}</div>"


def _tile(name: str, value: str, note: str = "", grade: str = "") -> str:
    return (
        f"<div class='tile {grade}'><span class='soft'>{escape(name)}</span>"
        f"<b>{escape(value)}</b><span class='soft'>{escape(note)}</span></div>"
    )


def _grade(told: Json, key: str) -> str:
    used = told["standing"][key]
    if used is None or used >= told["limits"]["hold"]:
        return "bad"
    return "good" if used < told["limits"]["warn"] else ""


Heat = tuple[list[list[float | None]], list[list[str]], dict[str, Any]]


def _usage_map(told: Json) -> Heat:
    """Return u in the colours of its stages, all that is lost in one."""
    rows, limits = told["matrix"]["usage"], told["limits"]
    shown = [
        [USAGE_SHOWN_MAX if u is None else min(u, USAGE_SHOWN_MAX) for u in row] for row in rows
    ]
    words = [[share_words(u) for u in row] for row in rows]
    edges = [0.0, limits["warn"], limits["reduce_only"], limits["hold"], 1.0, USAGE_SHOWN_MAX]
    colours = (GREEN, YELLOW, ORANGE, RED, LOST)
    scale: list[list[Any]] = []
    for colour, low, high in zip(colours, edges, edges[1:], strict=False):
        scale += [[low / USAGE_SHOWN_MAX, colour], [high / USAGE_SHOWN_MAX, colour]]
    style = {"colorscale": scale, "zmin": 0.0, "zmax": USAGE_SHOWN_MAX}
    return list(shown), words, style


def _signed(rows: Sequence[Sequence[float | None]]) -> Heat:
    """Return gains and losses on one scale, which ends where nine tenths of the figures lie.

    One corner of the surface must not wash out all others.
    """
    sizes = sorted(abs(value) for row in rows for value in row if value)
    end = sizes[int(0.9 * (len(sizes) - 1))] if sizes else 1.0
    style = {
        "colorscale": [[0.0, LOSS], [0.5, EVEN], [1.0, GAIN]],
        "zmin": -end,
        "zmax": end,
        "textfont": {"color": CELL_INK},
    }
    return [list(row) for row in rows], [[short(value) for value in row] for row in rows], style


def _heat(
    told: Json, plots: list[list[Any]], title: str, note: str, rows: Sequence[str], heat: Heat
) -> str:
    values, words, style = heat
    spots = [f"{spot:+.0%}" if spot else "now" for spot in told["spots"]]
    place = f"plot{len(plots)}"
    data = {
        "type": "heatmap",
        "x": spots,
        "y": list(rows),
        "z": values,
        "text": words,
        "texttemplate": "%{text}",
        "hovertemplate": "spot %{x}, %{y}: %{text}<extra></extra>",
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
        **style,
    }
    layout = {
        "height": HEAD_PIXELS + ROW_PIXELS * len(rows),
        "margin": {"l": 84, "r": 12, "t": 34, "b": 14},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"size": 12},
        "xaxis": {"type": "category", "side": "top", "fixedrange": True, "showgrid": False},
        "yaxis": {
            "type": "category",
            "autorange": "reversed",
            "fixedrange": True,
            "showgrid": False,
        },
    }
    plots.append([place, [data], layout])
    return (
        f"<h3>{escape(title)}</h3><p class='soft'>spot across"
        f"{f', {escape(note)}' if note else ''}</p>"
        f"<div class='scroll'><div class='plot' id='{place}'></div></div>"
    )


def _history(told: Json) -> str:
    rows = []
    for row in told["history"]:
        figures = row["figures"]
        cells = [
            _found(figures["spot"], "{:+.1%}"),
            _found(figures["vol_points"], "{:+.0f}", 100.0),
            _found(figures["basis"], "{:+.1%}"),
            short(row["profit"]),
            short(row["equity_change_usd"]),
        ]
        lost = " class='lost'" if row["is_liquidated"] else ""
        rows.append(
            f"<tr><td title='{escape(_sources(figures))}'>{escape(row['title'])}</td>"
            + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            + f"<td{lost}>{escape(share_words(row['usage']))}</td></tr>"
        )
    head = ("", "spot", "vol points", "basis", f"P&L {told['currency']}", "equity USD", "u")
    sources = "".join(
        f"<li>{escape(row['title'])}: {escape(_sources(row['figures']))}</li>"
        for row in told["history"]
    )
    return (
        "<h3>What happened before</h3><p class='soft'>? was not found and counts as no move; "
        f"* is unverified</p>{_table(head, rows)}"
        f"<details class='soft'><summary>sources</summary><ul>{sources}</ul></details>"
    )


def _found(figure: Json, how: str, unit: float = 1.0) -> str:
    if figure["move"] is None:
        return "?"
    mark = "*" if figure["evidence"] == "unverified" else ""
    return how.format(unit * figure["move"]) + mark


def _sources(figures: Json) -> str:
    return "; ".join(
        f"{name.replace('_', ' ')} ({one['evidence'].replace('_', ' ')}): {one['source']}"
        for name, one in figures.items()
    )


def _reliefs(told: Json) -> str:
    rows = []
    for one in told["reliefs"]:
        rate = one["lowered_per_million_usd"]
        cells = [
            f"{one['cost_usd']:,.0f}",
            _change(one, "usage"),
            _change(one, "stressed_usage"),
            "free" if rate is None else f"{rate / 10.0:,.3f}",
        ]
        rows.append(
            f"<tr><td>{escape(one['words'])}</td>"
            + "".join(f"<td>{escape(cell)}</td>" for cell in cells)
            + "</tr>"
        )
    head = ("", "costs USD", "u", "u under stress", "points / 1,000 USD")
    left_out = (
        ""
        if told["buy_back_options"]
        else "Short options are left as they are: --buy-back-options ranks them as well. "
    )
    return (
        "<h3>What lowers margin use most per dollar</h3>"
        f"<p class='soft'>{left_out}Collateral counts in full as its cost, although it stays the "
        f"account's own.</p>{_table(head, rows)}"
    )


def _change(one: Json, key: str) -> str:
    before, after = (share_words(one[when][key], digits=1) for when in ("before", "after"))
    return f"{before} → {after}"


def _table(head: Sequence[str], rows: Sequence[str]) -> str:
    named = "".join(f"<th>{escape(name)}</th>" for name in head)
    return f"<div class='scroll'><table><tr>{named}</tr>{''.join(rows)}</table></div>"


def _doubts(told: Json) -> str:
    lines = [f"not proven: {doubt}" for doubt in told["doubts"]]
    if told["excess_is_notable"]:
        lines.append(
            f"the venue asks for {told['excess']:,.4f} {told['currency']} more than the model "
            "says; it is added at every node"
        )
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h3>What this rests on</h3><ul class='soft'>{items}</ul>" if lines else ""
