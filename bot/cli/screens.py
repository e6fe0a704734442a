"""How the answers of the verbs look to a person."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

MODE_STYLES = {
    "run": "bold green",
    "reconciling": "bold cyan",
    "degraded": "bold yellow",
    "hold": "bold yellow",
    "halt": "bold red",
}

Json = Mapping[str, Any]
BY_A_PERSON = "a person resumes"
NUMBER_MAX_IN_SIX = 1_000_000  # six digits tell less than whole units of more than this
AMOUNT_MAX_IN_FULL = 100_000  # of more of a currency nobody reads the ten-thousandths


def status(answer: Json) -> RenderableType:
    """Show the daemon's status, most important first."""
    return Group(
        _mode_line(answer),
        *_alerts(answer["alerts"]),
        *(_book(book) for book in answer["books"]),
        _money(answer),
        _agreement(answer),
        *_opinions(answer),
        _orders(answer),
        _health(answer),
    )


def explanation(answer: Json) -> RenderableType:
    """Show why each book is, or is not, being hedged."""
    lines: list[RenderableType] = [
        _mode_text(answer["mode"], answer["mode_reason"], answer["mode_clears"])
    ]
    if answer["source"] != "daemon":
        lines.append(Text(f"From the ledger: {answer['source']}.", style="yellow"))
    if answer["pending"]:
        lines.append(Text(_sentence(answer["pending"]), style="bold red"))
    for book in answer["books"]:
        lines += [Text(line) for line in book["words"]]
        if book["decision"] and book["decision"]["numbers"]:
            lines.append(Text(f"  {_numbers(book['decision']['numbers'])}", style="dim"))
    return Group(*lines)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def command(answer: Json) -> RenderableType:
    """Show what a command came to."""
    return Text(f"{answer['command']}: {answer['next']}.")


def _mode_line(answer: Json) -> Text:
    mode, about = answer["mode"], answer["about"]
    text = _mode_text(mode["name"], mode["reason"], mode["clears"])
    return Text(f"{about['run_mode'].upper()} {about['venue']}  ", style="bold") + text


def _mode_text(name: str, reason: str, clears: str) -> Text:
    text = Text(name.upper(), style=MODE_STYLES.get(name, "bold"))
    if reason:
        text.append(f"  {reason}", style="default")
    if clears:
        said = clears.replace(BY_A_PERSON, f"{BY_A_PERSON}: `deltaband resume --reason WHY`")
        text.append(f"  (cleared by: {said})", style="dim")
    return text


def _alerts(alerts: Json) -> list[RenderableType]:
    """Say what calls and was not heard, and which way to a person is out of order."""
    lines = [
        f"ALERT {one['number']} ({one['severity']}, told {_times(one['told'])}): {one['text']}"
        for one in alerts["incidents"]
        if one["calls"]
    ]
    if lines:
        lines.append("  not heard yet: `deltaband ack` says that you have")
    lines += [
        f"channel {one['name']} FAILS: {one['failing']}"
        for one in alerts["channels"]
        if one["failing"]
    ]
    return [Text(line, style="bold red") for line in lines]


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right", overflow="fold")
    return table


def _book(book: Json) -> RenderableType:
    low, high = book["band_coin"]
    title = (
        f"Book {book['name']}: {book['convention']} delta in {book['underlying']}, settled in "
        f"{book['currency']}, hedged with {book['hedge_instrument']}"
    )
    table = _table(escape(title), "", "coin", "", "value")
    greeks = book["greeks"]
    if greeks is None:
        return Group(
            Text(title, style="bold"), Text(f"  unpriced: {book['unpriced']}", style="yellow")
        )
    inside = low <= book["deviation_coin"] <= high
    style = "green" if inside else "red"
    table.add_row(
        "delta", Text(f"{greeks['delta_coin']:+.4f}", style=style),
        "vega USD / vol point", f"{greeks['vega_usd_per_vol_point']:+,.2f}",
    )  # fmt: skip
    table.add_row(
        "off target", f"{book['deviation_coin']:+.4f}",
        "theta USD / day", f"{greeks['theta_usd_per_day']:+,.2f}",
    )  # fmt: skip
    table.add_row(
        "band", f"{low:+.4f} .. {high:+.4f}",
        "gamma coin / 1 %", f"{greeks['gamma_coin_per_percent']:+.4f}",
    )  # fmt: skip
    table.add_row(
        "options", f"{greeks['options_delta_coin']:+.4f}",
        "options value coin", f"{greeks['options_value_coin']:+.4f}",
    )  # fmt: skip
    table.add_row(
        "hedge", f"{greeks['hedge_delta_coin']:+.4f}",
        "index USD", f"{greeks['index_usd']:,.2f}",
    )  # fmt: skip
    decision = book["decision"]
    why = (
        f"  {decision['verdict'].upper()}: {decision['reason']}"
        if decision
        else "  no decision yet"
    )
    return Group(table, Text(why))


def _money(answer: Json) -> RenderableType:
    """Show money and margin, a column for each currency: so it fits a narrow terminal."""
    rows = [row for row in answer["balances"] if row["equity"] or row["initial_margin"]]
    table = _table("Account", "", *(row["currency"] for row in rows))
    for name, key, shown in FIGURES:
        table.add_row(name, *(shown(row[key]) for row in rows))
    table.add_row("off its what-if", *(_gap(row["second_opinion"]["gap"]) for row in rows))
    corners = [f"{row['currency']} at {row['stressed_at']}" for row in rows if row["stressed_at"]]
    said = [f"worst in the stress: {', '.join(corners)}"] if corners else []
    said += [
        f"own {row['currency']} margin is not reckoned: {row['margin_doubt']}"
        for row in rows
        if row["margin_doubt"]
    ]
    positions = _table("Positions", "instrument", "size", "venue says")
    for row in answer["positions"]:
        positions.add_row(
            row["instrument"], _size(row["size_native"]), _size(row["venue_size_native"])
        )
    return Group(table, *map(Text, said), positions)


def _amount(value: float) -> str:
    return f"{value:,.4f}" if abs(value) < AMOUNT_MAX_IN_FULL else f"{value:,.0f}"


def _use(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _gap(share: float | None) -> str:
    return "-" if share is None else f"{share:+.2%}"


FIGURES: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
    ("equity", "equity", _amount),
    ("available funds", "available_funds", _amount),
    ("initial margin", "initial_margin", _amount),
    ("maintenance", "maintenance_margin", _amount),
    ("use", "margin_use", _use),
    ("in the stress", "stressed_use", _use),
    ("off the venue's", "margin_gap", _gap),
)


def _agreement(answer: Json) -> RenderableType:
    """Say how far our delta is from the venue's own figures."""
    told = [
        f"{gap['figure']} {gap['gap_coin']:+.4f}"
        + (f" ({gap['reading']})" if gap["reading"] else "")
        for gap in answer["delta_gaps"]
    ]
    return Text(f"own delta less the venue's, coin: {', '.join(told) or 'not compared yet'}")


def _opinions(answer: Json) -> Iterator[RenderableType]:
    """Say of each currency what the venue's own what-if is off by, and why there is none."""
    for row in answer["balances"]:
        told = row["second_opinion"]
        if told["gap"] is None and not told["doubt"]:
            continue
        said = told["doubt"] and f"none: {told['doubt']}"
        if told["gap"] is not None:
            said = (
                f"ours {told['gap']:+.2%} ({told['apart']:+.6f} {row['currency']}) {told['of']}, "
                f"compared {told['age_seconds']:.0f} s ago"
            )
            said += f"; since then: {told['doubt']}" if told["doubt"] else ""
        yield Text(f"the venue's what-if on {row['currency']} margin: {said}")


def _size(value: float | None) -> str:
    return "-" if value is None else f"{value:+,.10g}"


def _orders(answer: Json) -> RenderableType:
    if not answer["open_orders"]:
        return Text(f"No open orders; {answer['unknown_orders']} of unknown fate.")
    table = _table("Orders", "id", "instrument", "size", "filled", "status", "age s", "reason")
    for row in answer["open_orders"]:
        table.add_row(
            row["order_id"], row["instrument"], _size(row["size_native"]),
            _size(row["filled_native"]), row["status"], f"{row['age_seconds']:.1f}",
            Text(row["reason"]),
        )  # fmt: skip
    return table


def _health(answer: Json) -> RenderableType:
    counts, about = answer["counts"], answer["about"]
    lines = [_link(link) for link in answer["links"]]
    lines.append(_quote_ages(answer["quotes"]))
    lines.append(
        f"{counts['folds']:,} folds, {counts['quotes']:,} quotes ({counts['bad_quotes']:,} bad), "
        f"{counts['fills']:,} fills, {counts['rejects']:,} rejects; "
        f"{counts['orders_in_ledger']:,} orders since the ledger began"
    )
    lines += [
        f"{name}: p50 {seen['p50_us']:,.0f} us, p99 {seen['p99_us']:,.0f} us"
        for name, seen in answer["latencies"].items()
    ]
    lines.append(
        f"ledger {about['journal']}, config {about['config']} ({about['config_digest'][:12]})"
    )
    lines.append(f"deltaband {about['version']}, up {answer['uptime_seconds']:,.0f} s")
    return Text("\n".join(lines), style="dim")


def _link(link: Json) -> str:
    if link["up"]:
        guard = f", {link['guard']} armed" if link["guard"] else ""
        return f"link {link['link']}: up for {link['up_seconds']:,.0f} s{guard}"
    return f"link {link['link']}: DOWN {link['lost']}"


def _quote_ages(quotes: Sequence[Json]) -> str:
    known = [quote for quote in quotes if quote["age_seconds"] is not None]
    missing = len(quotes) - len(known)
    if not known:
        return f"quotes: none yet of {len(quotes)} watched"
    oldest = max(known, key=lambda quote: float(quote["age_seconds"]))
    lacking = f", {missing} not quoted yet" if missing else ""
    age = f"oldest {oldest['instrument']} {oldest['age_seconds']:.1f} s"
    return f"quotes: {len(known)} watched, {age}{lacking}"


def _numbers(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {_number(value)}" for name, value in numbers.items())


def _number(value: float) -> str:
    return f"{value:,.6g}" if abs(value) < NUMBER_MAX_IN_SIX else f"{value:,.0f}"


def plain(lines: Sequence[str]) -> RenderableType:
    """Show lines as they are."""
    return Text("\n".join(lines))


def ledger_rows(rows: Sequence[Json]) -> RenderableType:
    """Show rows of a ledger in words, one a line."""
    lines = []
    for row in rows:
        at = datetime.fromtimestamp(row["at_ms"] / 1000, tz=UTC)
        when = f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}"
        lines.append(f"{row['seq']:>7}  {when}  {row['kind']:<8}  {row['words']}")
    return Text("\n".join(lines) or "no rows")
