"""What a fold leaves in the ledger.

| kind | body |
|---|---|
| `facts` | `fold`, `market_ms`, `wire_ns`, `facts`: all but quotes and commands, in the order of
the fold | | `command` | `fold`, `command`: each a row, so that they are found |
| `step` | `fold`, `mode`, `actions`, `decisions`, `notes`, `quotes`: the hedge quotes an order was
priced on | | `standing` | the whole `Standing`, whenever it changed |
| `crash` | `fold`, `facts`, `error`: a fold that the core could not take |

A fold is again what it was: its clock, its `facts`, its commands, then the tape's quotes of that
number.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Final

from bot.core import codec
from bot.core.actions import SubmitOrder
from bot.core.engine import Step
from bot.core.events import ClockSeen, CommandGiven, Fact, QuoteSeen
from bot.core.orders import Order
from bot.core.standing import Standing
from bot.runtime.journal import Row

_FIELDS: Final = sorted(field.name for field in fields(Standing))


class StandingText:
    """Writes standings as the codec does, encoding only what is another object than before."""

    def __init__(self) -> None:
        self._parts: dict[str, tuple[object, bytes]] = {}
        self._orders: dict[str, tuple[Order, bytes]] = {}

    def dumps(self, standing: Standing) -> bytes:
        """Return exactly `codec.dumps(standing)`."""
        parts = [b'"$":"Standing"']
        parts.extend(b'"%s":%s' % (name.encode(), self._part(standing, name)) for name in _FIELDS)
        return b"{" + b",".join(parts) + b"}"

    def _part(self, standing: Standing, name: str) -> bytes:
        if name == "orders":
            return self._orders_text(standing.orders)
        value: object = getattr(standing, name)
        known = self._parts.get(name)
        if known is None or known[0] is not value:
            known = self._parts[name] = (value, codec.dumps(value))
        return known[1]

    def _orders_text(self, orders: Mapping[str, Order]) -> bytes:
        kept: dict[str, tuple[Order, bytes]] = {}
        for order_id, order in sorted(orders.items()):
            known = self._orders.get(order_id)
            if known is None or known[0] is not order:
                known = (order, codec.dumps(order_id) + b":" + codec.dumps(order))
            kept[order_id] = known
        self._orders = kept
        return b"{" + b",".join(text for _, text in kept.values()) + b"}"


def money_facts(facts: tuple[Fact, ...]) -> tuple[Fact, ...]:
    """Return the facts that the ledger keeps: all but quotes and the clock."""
    return tuple(fact for fact in facts if not isinstance(fact, QuoteSeen | ClockSeen))


def fact_rows(fold: int, clock: ClockSeen, facts: tuple[Fact, ...]) -> list[Row]:
    """Return the rows of what a fold was told."""
    told = money_facts(facts)
    commands = [fact for fact in told if isinstance(fact, CommandGiven)]
    others = [fact for fact in told if not isinstance(fact, CommandGiven)]
    rows: list[Row] = []
    if others:
        body = {
            "fold": fold,
            "market_ms": clock.market_ms,
            "wire_ns": clock.wire_ns,
            "facts": others,
        }
        rows.append(Row(kind="facts", at_ms=clock.market_ms, body=codec.dumps(body)))
    rows.extend(
        Row(
            kind="command",
            at_ms=clock.market_ms,
            body=codec.dumps({"fold": fold, "command": command}),
        )
        for command in commands
    )
    return rows


def step_rows(fold: int, step: Step, before: Standing | None, text: StandingText) -> list[Row]:
    """Return the rows of what a fold came to; none if it changed nothing that lasts.

    Args:
        fold: The number of the fold.
        step: Its outcome.
        before: The standing that is already in the ledger, None if there is none.
        text: Writes standings.
    """
    rows: list[Row] = []
    at_ms = step.state.now_ms
    if step.actions or step.decisions or step.notes:
        body = {
            "fold": fold,
            "mode": step.state.mode.value,
            "actions": step.actions,
            "decisions": step.decisions,
            "notes": step.notes,
            "quotes": _priced_on(step),
        }
        rows.append(Row(kind="step", at_ms=at_ms, body=codec.dumps(body)))
    if step.state.standing is not before:
        rows.append(Row(kind="standing", at_ms=at_ms, body=text.dumps(step.state.standing)))
    return rows


def crash_row(fold: int, clock: ClockSeen, facts: tuple[Fact, ...], error: str) -> Row:
    """Return the row of a fold that the core could not take, quotes included."""
    body = {"fold": fold, "facts": facts, "error": error}
    return Row(kind="crash", at_ms=clock.market_ms, body=codec.dumps(body))


def _priced_on(step: Step) -> tuple[QuoteSeen, ...]:
    traded = sorted({item.instrument for item in step.actions if isinstance(item, SubmitOrder)})
    return tuple(step.state.quotes[name] for name in traded if name in step.state.quotes)
