"""The rows of a ledger in words, for a person; the JSON of a row is the exact record."""

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final, assert_never

from bot.core import actions, cash, codec, events
from bot.core.events import CommandGiven, Fact
from bot.core.hedger import Decision
from bot.core.margin.second_opinion import supposed
from bot.core.standing import Standing
from bot.core.state import State
from bot.core.units import NS_PER_MS

RAW_CHARS_MAX: Final = 300
CONFIG_CHARS: Final = 12
POSITIONS_NAMED_MAX: Final = 3
FILLS_NAMED_MAX: Final = 3
QUOTES_NAMED_MAX: Final = 3


def words(kind: str, body: str) -> str:
    """Return a row in one line; what this version cannot read is shown as it is, cut."""
    try:
        read = json.loads(body) if kind in {"run", "repair", "volume"} else codec.loads(body)
    except (codec.CodecError, ValueError):
        read = None
    said = _of_run(kind, read) or _of_fold(kind, read)
    if said is not None:
        return said
    return body if len(body) <= RAW_CHARS_MAX else body[:RAW_CHARS_MAX] + " ..."


def _of_run(kind: str, read: object) -> str | None:
    match kind, read:
        case "run", dict():
            return _run(read)
        case "begin", {"state": State() as state}:
            return f"begins with {_standing(state.standing)}"
        case "repair", {"row": int(row), "reason": str(reason), "side_file": str(side)}:
            return f"repaired: cut before row {row}, which {reason}; what was left is in {side}"
        case "volume", {"after": str(closed)}:
            return f"goes on after volume {closed}"
        case "policy", {"policy": dict()}:
            return "the policy as before"
        case "end", {"fold": int(fold)}:
            return f"ends after {_counted(fold, 'fold')}"
        case "crash", {"error": str(error)}:
            return error.strip().splitlines()[-1] if error.strip() else "no reason was kept"
        case _:
            return None


def _of_fold(kind: str, read: object) -> str | None:
    match kind, read:
        case "facts", {"facts": [*facts]}:
            return _facts(facts)
        case "command", {"command": CommandGiven() as command}:
            return _fact(command)
        case "step", {"mode": str(mode), "actions": [*acts], "decisions": [*made]}:
            return "; ".join([mode.upper(), *_decisions(made), *(_action(act) for act in acts)])
        case "standing", {"standing": Standing() as standing}:
            return _standing(standing)
        case "change", {"set": dict(replaced), "put": dict(put), "drop": dict(drop)}:
            return _change(replaced, put, drop)
        case _:
            return None


def _run(header: dict[str, object]) -> str:
    config = str(header.get("config_digest", ""))[:CONFIG_CHARS]
    return (
        f"deltaband {header.get('code_version')} starts: account {header.get('account')}, "
        f"mode {header.get('mode')}, config {config}"
    )


def _decisions(made: Iterable[Decision]) -> list[str]:
    said = []
    for decision in made:
        order = f" (order {decision.order_id})" if decision.order_id else ""
        said.append(f"{decision.book}: {decision.verdict.upper()}{order}: {decision.reason}")
    return said


def _action(act: actions.Action) -> str:  # noqa: PLR0911 (one case an action is the point)
    match act:
        case actions.SubmitOrder():
            size = _size(act.size_native)
            return f"send order {act.order_id}: {size} {act.instrument}, limit {act.limit}"
        case actions.CancelOrder():
            return f"cancel order {act.order_id}"
        case actions.QueryOrder():
            return f"ask what became of order {act.order_id}"
        case actions.ReadAccount():
            return f"read the account ({act.reason})"
        case actions.ReadCash():
            return "read what came from outside or went there"
        case actions.AskMargin():
            return f"ask the venue for the {act.currency} margin {supposed(act.trades)}"
        case actions.Watch():
            return f"watch {_counted(len(act.instruments), 'quote')}"
        case actions.ReloadInstruments():
            return f"read the list of instruments ({act.reason})"
        case actions.Alert():
            return f"{act.severity}: {act.text}"
        case _:
            assert_never(act)


def _facts(facts: Sequence[Fact]) -> str:
    """Return a fold's facts, each once, empty accounts and a crowd of fills summed up."""
    fills = [fact for fact in facts if isinstance(fact, events.FillSeen)]
    said = [_fact(fact) for fact in facts if not _is_dull(fact, len(fills))]
    if len(fills) > FILLS_NAMED_MAX:
        said.insert(0, f"{len(fills)} fills, the last: {_fact(fills[-1])}")
    return "; ".join(dict.fromkeys(said)) or "nothing new"


def facts_in_words(facts: Sequence[Fact]) -> str:
    """Return what a whole fold was told in one line; of many quotes the first few."""
    quotes = [fact for fact in facts if isinstance(fact, events.QuoteSeen)]
    others = [fact for fact in facts if not isinstance(fact, events.QuoteSeen | events.ClockSeen)]
    said = [_facts(others)] if others else []
    said += [_fact(quote) for quote in quotes[:QUOTES_NAMED_MAX]]
    if len(quotes) > QUOTES_NAMED_MAX:
        said.append(f"{len(quotes) - QUOTES_NAMED_MAX} more quotes")
    return "; ".join(said)


def _is_dull(fact: Fact, fills: int) -> bool:
    if isinstance(fact, events.FillSeen):
        return fills > FILLS_NAMED_MAX
    return isinstance(fact, events.BalanceSeen) and not fact.equity and not fact.margin_balance


def _fact(fact: Fact) -> str:  # noqa: C901, PLR0911 (one case a fact is the point)
    """Return what a fact says; news of orders and fills first among them."""
    match fact:
        case events.FillSeen():
            cause = "" if fact.cause is events.FillCause.TRADE else f"{fact.cause} "
            of = f" (order {fact.order_id})" if fact.order_id else ""
            return (
                f"{cause}fill {_size(fact.size_native)} {fact.instrument} at {fact.price:,.10g}, "
                f"fee {fact.fee:.8f}{of}"
            )
        case events.OrderSeen():
            done = f"{_size(fact.filled_native)} of {_size(fact.size_native)} {fact.instrument}"
            why = f": {fact.reason}" if fact.reason else ""
            return f"order {fact.order_id or fact.venue_order_id} {fact.status}, {done} done{why}"
        case events.OrderSent():
            return f"order {fact.order_id} handed to the socket"
        case events.OrderRejected():
            verb = "turned away" if fact.is_passing else "rejected"
            return f"order {fact.order_id} {verb}: {fact.reason} (code {fact.code})"
        case events.OrderUnknown():
            return f"order {fact.order_id} of unknown fate: {fact.reason}"
        case events.OrderNotFound():
            return f"order {fact.order_id} not found by {' and '.join(fact.sources) or 'anyone'}"
        case events.OpenOrdersSeen():
            return f"{_counted(len(fact.orders), 'order')} open at the venue"
        case events.CommandGiven():
            note = f": {fact.note}" if fact.note else ""
            return f"{fact.command.upper()} by {fact.actor}{note}"
        case cash.CashMoved():
            return f"{fact.kind} of {fact.change:+} {fact.currency} (id {fact.move_id})"
        case cash.CashRead():
            return "what came from outside or went there was read"
        case _:
            return _fact_of_world(fact)


def _fact_of_world(  # noqa: C901, PLR0911, PLR0912 (one case a fact is the point)
    fact: events.ClockSeen
    | events.InstrumentsSeen
    | events.QuoteSeen
    | events.PositionsSeen
    | events.BalanceSeen
    | events.AccountRead
    | events.OpinionGiven
    | events.NoOpinionHere
    | events.ReadFailed
    | events.LinkUp
    | events.LinkDown
    | events.BadMessage
    | events.HostMeasured
    | events.TimerFired,
) -> str:
    match fact:
        case events.PositionsSeen():
            return _positions(fact)
        case events.BalanceSeen():
            return (
                f"{fact.currency} equity {fact.equity:.4f}, margin {fact.maintenance_margin:.4f} "
                f"of {fact.margin_balance:.4f}"
            )
        case events.AccountRead():
            return "the account was read"
        case events.OpinionGiven():
            return _opinion(fact)
        case events.NoOpinionHere():
            return f"the venue gives no opinion on margin: {fact.reason}"
        case events.ReadFailed():
            return f"{fact.what} could not be read: {fact.reason}"
        case events.LinkUp():
            return f"{fact.link} connection is up"
        case events.LinkDown():
            return f"{fact.link} connection is down: {fact.reason}"
        case events.BadMessage():
            return f"bad message ({fact.source}): {fact.reason}"
        case events.TimerFired():
            return f"timer {fact.name}"
        case events.HostMeasured():
            return _measured(fact)
        case events.InstrumentsSeen():
            return f"{_counted(len(fact.instruments), 'instrument')} listed"
        case events.QuoteSeen():
            return f"{fact.instrument} quoted {fact.bid} / {fact.ask}"
        case events.ClockSeen():
            return "clocks read"
        case _:
            assert_never(fact)


def _opinion(fact: events.OpinionGiven) -> str:
    needs = f"initial {fact.initial:.4f}, maintenance {fact.maintenance:.4f}"
    return f"the venue's {fact.currency} margin {supposed(fact.trades)}: {needs}"


def _measured(fact: events.HostMeasured) -> str:
    skew = "unknown" if fact.clock_skew_ms is None else f"{fact.clock_skew_ms:+.0f} ms"
    lag_ms, journal_ms = (took / NS_PER_MS for took in (fact.loop_lag_ns, fact.journal_ns))
    return f"host: loop {lag_ms:.1f} ms late, ledger {journal_ms:.1f} ms, clock {skew}"


def _positions(fact: events.PositionsSeen) -> str:
    held = [row for row in fact.positions if row.size_native or not fact.complete]
    named = ", ".join(f"{row.instrument} {_size(row.size_native)}" for row in held)
    if len(held) > POSITIONS_NAMED_MAX:
        named = _counted(len(held), "position")
    return f"the venue reports {named or 'no positions'}"


def _standing(standing: Standing) -> str:
    waiting = sum(not order.is_quiet for order in standing.orders.values())
    parts = [
        f"{_counted(len(standing.positions), 'position')}",
        f"{_counted(waiting, 'order')} under way",
        f"{standing.orders_sent:,} sent so far",
    ]
    latched = (standing.flatten_reason, standing.pause_reason, standing.halt_reason)
    parts += [reason for reason in latched if reason]
    return ", ".join(parts)


def _change(
    replaced: Mapping[str, object],
    put: Mapping[str, Mapping[str, object]],
    drop: Mapping[str, Sequence[str]],
) -> str:
    said = [f"{name} {_now(value)}" for name, value in sorted(replaced.items())]
    said += [f"{name} {', '.join(entries)}" for name, entries in sorted(put.items())]
    said += [f"{name} without {', '.join(keys)}" for name, keys in sorted(drop.items())]
    return "; ".join(part.replace("_", " ") for part in said)


def _now(value: object) -> object:
    """Return what a thing is now; of many (the ids of commands) how many."""
    return f"({len(value)})" if isinstance(value, tuple) and value else value or "cleared"


def _size(size_native: Decimal) -> str:
    return f"{size_native:+,f}" if size_native else "0"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
