"""The demo's live view: delta against its band, Greeks, money, hedges, and why (not).

It takes the shape of the terminal: as many samples as fit across, and rows by height.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console, ConsoleOptions, RenderResult
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bot.core.dealing import BookPlan
from bot.core.exposure import Exposure
from bot.core.hedger import Decision, deviation_coin
from bot.core.margin import gating
from bot.core.state import Mode
from bot.lab.rehearsal import Rehearsal
from bot.runtime.loop import Stepped

SAMPLE_NS = 500_000_000
SAMPLES_MAX = 400
HEDGES_KEPT = 12
HEDGES_SHOWN_MIN, CHART_ROWS_MIN, CHART_ROWS_MAX = 2, 5, 15
# Lines of the screen that are neither chart nor hedges: frames, headline, figures, why, cursor.
OTHER_LINES = 14
WHY_LINES = 2
LABEL_CHARS = 8
# Farther out than so many bands is drawn at the edge, so that one jump does not flatten the rest.
BANDS_MAX = 3
FRAME_CHARS = 4

STYLE = {
    Mode.RUN: "bold green",
    Mode.RECONCILING: "bold cyan",
    Mode.DEGRADED: "bold yellow",
    Mode.HOLD: "bold magenta",
    Mode.HALT: "bold red",
}


@dataclass(slots=True, kw_only=True)
class Sample:
    """Where delta was during one column of the chart, in coins from its target."""

    low_coin: float
    high_coin: float
    last_coin: float
    hedged: bool = False

    def see(self, coin: float) -> None:
        """Take notice of one more value."""
        self.low_coin = min(self.low_coin, coin)
        self.high_coin = max(self.high_coin, coin)
        self.last_coin = coin


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Which coins a row of the chart stands for; row 0 is the highest."""

    bottom_coin: float
    top_coin: float
    rows: int

    def row(self, coin: float) -> int:
        """Return the row that `coin` falls into."""
        span = self.top_coin - self.bottom_coin
        return min(self.rows - 1, max(0, int((self.top_coin - coin) / span * self.rows)))


class LiveView:
    """Keeps what the screen shows; rendered whenever the terminal wants."""

    def __init__(self, plan: BookPlan, rehearsal: Rehearsal) -> None:
        self._plan = plan
        self._rehearsal = rehearsal
        self._track: deque[Sample] = deque(maxlen=SAMPLES_MAX)
        self._sampled_ns = -SAMPLE_NS
        self._stepped: Stepped | None = None
        self._hedges: deque[tuple[str, str, str, Text]] = deque(maxlen=HEDGES_KEPT)

    def __call__(self, stepped: Stepped) -> None:
        """Take notice of one step; not of the parting, which would stay on the screen for good."""
        if self._rehearsal.is_over:
            return
        self._stepped = stepped
        self._sample(stepped)
        for decision in stepped.step.decisions:
            if decision.book == self._plan.book.name and decision.order_id:
                self._hedges.appendleft(self._hedge(decision, stepped))
                if self._track:
                    self._track[-1].hedged = True

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Draw the screen."""
        if self._stepped is None:
            yield Text("connecting ...")
            return
        spare = console.size.height - OTHER_LINES
        hedges = min(HEDGES_KEPT, max(HEDGES_SHOWN_MIN, spare // 3))
        rows = min(CHART_ROWS_MAX, max(CHART_ROWS_MIN, spare - hedges))
        yield self._headline(self._stepped)
        yield self._chart(rows, options.max_width - FRAME_CHARS - LABEL_CHARS - 1)
        yield self._figures(self._stepped)
        yield self._last_hedges(hedges)
        yield self._why(self._stepped)

    @property
    def _name(self) -> str:
        """The book, where there are several, and its coin."""
        coin = self._plan.book.selector.underlying
        return coin if len(self._rehearsal.books) == 1 else f"{self._plan.book.name}: {coin}"

    def _sample(self, stepped: Stepped) -> None:
        valued = stepped.step.exposures.get(self._plan.book.name)
        if stepped.state.mode is Mode.RECONCILING or not isinstance(valued, Exposure):
            return  # before the account has been read the book looks empty
        coin = deviation_coin(valued, self._plan.hedge)
        if not math.isfinite(coin):
            return
        if stepped.wire_ns - self._sampled_ns < SAMPLE_NS:
            self._track[-1].see(coin)
            return
        self._track.append(Sample(low_coin=coin, high_coin=coin, last_coin=coin))
        self._sampled_ns = stepped.wire_ns

    def _hedge(self, decision: Decision, stepped: Stepped) -> tuple[str, str, str, Text]:
        at = datetime.fromtimestamp(decision.at_ms / 1000, UTC)
        sent = decision.numbers.get("sent_native", 0.0)
        side = "[green]bought[/]" if sent > 0 else "[red]sold[/]"
        traded = stepped.state.instruments.get(self._plan.book.hedge_instrument)
        size = (
            f"{abs(sent):,.0f} USD"
            if traded is None or traded.is_usd_sized
            else f"{abs(sent):,.4g} {traded.underlying}"
        )
        return f"{at:%H:%M:%S}", side, size, Text(decision.reason)

    def _headline(self, stepped: Stepped) -> Text:
        state = stepped.state
        at = datetime.fromtimestamp(stepped.market_ms / 1000, UTC)
        return Text.assemble(
            (" REHEARSAL ", "bold blue"),
            (f"{state.mode.value.upper()} ", STYLE[state.mode]),
            f" market {at:%Y-%m-%d %H:%M:%S} UTC  ",
            (state.mode_reason, "dim"),
            no_wrap=True,
            overflow="ellipsis",
        )

    def _chart(self, rows: int, columns: int) -> Panel:
        low, high = self._plan.hedge.band_low_coin, self._plan.hedge.band_high_coin
        shown = list(self._track)[-max(1, columns) :]
        scale = Scale(
            top_coin=min(high * BANDS_MAX, max([high * 1.5, *(s.high_coin for s in shown)])),
            bottom_coin=max(low * BANDS_MAX, min([low * 1.5, *(s.low_coin for s in shown)])),
            rows=rows,
        )
        lines = {scale.row(level): f"{level:+.3f}" for level in (0.0, low, high)}
        text = Text(no_wrap=True, overflow="crop")
        for row in range(rows):
            text.append(f"{lines.get(row, ''):>{LABEL_CHARS}} ", style="dim")
            for sample in shown:
                text.append(*_cell(sample, row, scale, low, high))
            ground = "┄" if row in lines else " "
            text.append(ground * (columns - len(shown)), style="dim")
            text.append("\n" if row + 1 < rows else "")
        seconds = columns * SAMPLE_NS / 1e9
        title = f"{self._name} delta from target, last {seconds:.0f} s, ◆ hedged"
        return Panel(text, title=title, title_align="left", border_style="dim")

    def _figures(self, stepped: Stepped) -> Table:
        valued = stepped.step.exposures.get(self._plan.book.name)
        coin = self._plan.book.selector.underlying
        greeks = [("delta", "not known")]
        if isinstance(valued, Exposure):
            greeks = [
                (f"delta {coin}", f"{valued.delta_coin:+.4f}"),
                (f"options {coin}", f"{valued.options_delta_coin:+.4f}"),
                (f"hedge {coin}", f"{valued.hedge_delta_coin:+.4f}"),
                (f"gamma {coin}/1%", f"{valued.gamma_coin_per_percent:+.3f}"),
                ("vega USD/pt", f"{valued.vega_usd_per_vol_point:+,.0f}"),
                ("theta USD/d", f"{valued.theta_usd_per_day:+,.0f}"),
            ]
        return _grid(greeks, self._money(stepped))

    def _money(self, stepped: Stepped) -> list[tuple[str, str]]:
        seen = self._rehearsal.first
        balance = stepped.state.balances.get(self._plan.book.currency)
        used = gating.usage(balance.maintenance_margin, balance.margin_balance) if balance else None
        margin = ("margin used", "-" if used is None else f"{used:.1%}")
        if seen.pnl is None or seen.index_usd is None or seen.coin_usd is None:
            return [margin]
        pnl, worth = seen.pnl, seen.coin_usd
        return [
            ("P&L USD", f"{pnl.total * worth:+,.0f}"),
            ("unhedged USD", f"{pnl.options * worth:+,.0f}"),
            ("fees USD", f"{pnl.fees * worth:+,.0f}"),
            ("funding USD", f"{pnl.funding * worth:+,.1f}"),
            margin,
            ("index USD", f"{seen.index_usd:,.0f}"),
        ]

    def _last_hedges(self, lines: int) -> Panel:
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for hedge in list(self._hedges)[:lines]:
            table.add_row(*hedge)
        return Panel(
            table if self._hedges else Text("none yet", style="dim"),
            title="hedges, newest first",
            title_align="left",
            border_style="dim",
            height=lines + 2,
        )

    def _why(self, stepped: Stepped) -> Panel:
        state = stepped.state
        decision = stepped.step.verdicts.get(self._plan.book.name)
        title, words = (
            ("no decision yet", state.mode_reason)
            if decision is None
            else (decision.verdict.value, decision.reason)
        )
        if state.mode_clears:
            words += f"; cleared by: {state.mode_clears}"
        return Panel(
            Text(words),
            title=f"now: {title}",
            title_align="left",
            border_style=STYLE[state.mode],
            height=WHY_LINES + 2,
        )


def _grid(*rows: Sequence[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 1), expand=True)
    for _ in range(max(len(row) for row in rows)):
        table.add_column(justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(name, style="dim") for name, _ in row))
        table.add_row(*(Text(value, style="bold") for _, value in row))
    return table


def _cell(sample: Sample, row: int, scale: Scale, low: float, high: float) -> tuple[str, str]:
    first, last = scale.row(sample.high_coin), scale.row(sample.low_coin)
    if row == scale.row(sample.last_coin):
        if sample.hedged:
            return "◆", "bold yellow"
        return ("•", "green") if low <= sample.last_coin <= high else ("•", "bold red")
    if first <= row <= last:
        outside = row < scale.row(high) or row > scale.row(low)
        return "│", "red" if outside else "green"
    ground = row in (scale.row(0.0), scale.row(low), scale.row(high))
    return ("┄" if ground else " "), "dim"
