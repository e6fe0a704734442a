"""The demo's live view: delta against its band, hedges, Greeks, money, and why (not)."""

from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bot.core import gate
from bot.core.dealing import BookPlan
from bot.core.exposure import Exposure
from bot.core.hedger import deviation_coin
from bot.core.state import Mode
from bot.lab.rehearsal import Rehearsal
from bot.runtime.loop import Stepped

COLUMNS = 72
ROWS = 9
SAMPLE_NS = 500_000_000
HEDGES_SHOWN = 5

_STYLE = {
    Mode.RUN: "bold green",
    Mode.RECONCILING: "bold cyan",
    Mode.DEGRADED: "bold yellow",
    Mode.HOLD: "bold magenta",
    Mode.HALT: "bold red",
}


class LiveView:
    """Keeps what the screen shows; rendered whenever the terminal wants."""

    def __init__(self, plan: BookPlan, rehearsal: Rehearsal, currency: str) -> None:
        self._plan = plan
        self._rehearsal = rehearsal
        self._currency = currency
        self._track: deque[tuple[float, bool]] = deque(maxlen=COLUMNS)
        self._sampled_ns = 0
        self._hedged_since = False
        self._stepped: Stepped | None = None
        self._hedges: deque[str] = deque(maxlen=HEDGES_SHOWN)

    def __call__(self, stepped: Stepped) -> None:
        """Take notice of one step."""
        self._stepped = stepped
        name = self._plan.book.name
        for decision in stepped.step.decisions:
            if decision.book == name and decision.order_id:
                self._hedged_since = True
                sent = decision.numbers.get("sent_native", 0.0)
                at = datetime.fromtimestamp(decision.at_ms / 1000, UTC)
                side = "bought" if sent > 0 else "sold"
                self._hedges.appendleft(f"{at:%H:%M:%S} {side} {abs(sent):,.0f}: {decision.reason}")
        valued = stepped.step.exposures.get(name)
        if isinstance(valued, Exposure) and stepped.wire_ns - self._sampled_ns >= SAMPLE_NS:
            self._track.append((deviation_coin(valued, self._plan.hedge), self._hedged_since))
            self._sampled_ns, self._hedged_since = stepped.wire_ns, False

    def __rich__(self) -> RenderableType:
        """Draw the screen."""
        if self._stepped is None:
            return Text("connecting ...")
        return Group(
            self._headline(self._stepped),
            Panel(
                self._chart(), title="delta from target against the band (coin)", title_align="left"
            ),
            self._figures(self._stepped),
            Panel(Text("\n".join(self._hedges) or "none yet"), title="hedges", title_align="left"),
            self._why(self._stepped),
        )

    def _headline(self, stepped: Stepped) -> Text:
        state = stepped.state
        at = datetime.fromtimestamp(stepped.market_ms / 1000, UTC)
        line = Text.assemble(
            ("REHEARSAL ", "bold blue"),
            (f"{state.mode.value.upper()} ", _STYLE[state.mode]),
            f"{state.mode_reason}   market {at:%Y-%m-%d %H:%M:%S} UTC",
        )
        if state.mode_clears:
            line.append(f"   clears with: {state.mode_clears}", style="dim")
        return line

    def _chart(self) -> Text:
        low, high = self._plan.hedge.band_low_coin, self._plan.hedge.band_high_coin
        values = [value for value, _ in self._track]
        top = max([high * 1.5, *values])
        bottom = min([low * 1.5, *values])
        text = Text()
        for row in range(ROWS):
            level_top = top - (top - bottom) * row / ROWS
            level_bottom = top - (top - bottom) * (row + 1) / ROWS
            edge = _label(level_top, level_bottom, (high, 0.0, low))
            text.append(f"{edge:>8} ", style="dim")
            for value, hedged in self._track:
                inside_row = level_bottom < value <= level_top or (row == 0 and value >= level_top)
                mark, style = _cell(value, hedged, low, high) if inside_row else _ground(edge)
                text.append(mark, style=style)
            text.append("\n")
        return text

    def _figures(self, stepped: Stepped) -> Table:
        table = Table.grid(padding=(0, 3))
        valued = stepped.step.exposures.get(self._plan.book.name)
        if isinstance(valued, Exposure):
            table.add_row(
                f"delta {valued.delta_coin:+.4f}",
                f"options {valued.options_delta_coin:+.4f}",
                f"hedge {valued.hedge_delta_coin:+.4f}",
                f"gamma {valued.gamma_coin_per_percent:+.4f} /1%",
                f"vega {valued.vega_usd_per_vol_point:+,.0f} USD/pt",
                f"theta {valued.theta_usd_per_day:+,.0f} USD/day",
            )
        table.add_row(*self._money(stepped))
        return table

    def _money(self, stepped: Stepped) -> Sequence[str]:
        seen, state = self._rehearsal, stepped.state
        balance = state.balances.get(self._currency)
        used = gate.usage(balance.maintenance_margin, balance.margin_balance) if balance else None
        margin = "margin unknown" if used is None else f"margin {used:.1%}"
        if seen.pnl is None or seen.index_usd is None:
            return (margin,)
        index = seen.index_usd
        return (
            f"P&L hedged {seen.pnl.total * index:+,.0f} USD",
            f"unhedged {seen.pnl.options * index:+,.0f} USD",
            f"fees {seen.pnl.fees * index:+,.0f}",
            f"funding {seen.pnl.funding * index:+,.1f}",
            margin,
            f"index {index:,.0f}",
        )

    def _why(self, stepped: Stepped) -> Panel:
        decision = stepped.step.verdicts.get(self._plan.book.name)
        if decision is None:
            return Panel("no decision yet")
        title = f"why: {decision.verdict.value}"
        return Panel(Text(decision.reason), title=title, title_align="left")


def _label(top: float, bottom: float, levels: Sequence[float]) -> str:
    for level in levels:
        if bottom < level <= top:
            return f"{level:+.3f}"
    return ""


def _cell(value: float, hedged: bool, low: float, high: float) -> tuple[str, str]:
    if hedged:
        return "◆", "bold yellow"
    return ("•", "green") if low <= value <= high else ("•", "bold red")


def _ground(edge: str) -> tuple[str, str]:
    return ("┄", "dim") if edge else (" ", "")
