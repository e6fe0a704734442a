"""What a ledger must obey by itself, where no tape says what was decided on.

Positions change by fills and adoptions and by nothing else, and an order is in the standing that
was made durable with it before it could be sent.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.core.actions import SubmitOrder
from bot.core.events import FillSeen
from bot.core.reconcile import Adopted
from bot.core.standing import Standing
from bot.core.units import ZERO
from bot.runtime import records
from bot.runtime.ledger_file import Entry

Rows = Sequence[tuple[Entry, Mapping[str, Any]]]


def standing_after(before: Standing | None, rows: Rows) -> Standing | None:
    """Return the standing that a fold's rows leave.

    Raises:
        CodecError: one of them is not of this version.
    """
    for entry, body in rows:
        if entry.kind in records.STANDING_KINDS:
            before = records.standing_after(before, entry.kind, body)
    return before


def broken(before: Standing | None, rows: Rows) -> str | None:
    """Say which law a fold's rows break, None if they obey or `before` is not known.

    Raises:
        CodecError: a row is not of this version.
    """
    if before is None:
        return None
    after = standing_after(before, rows)
    assert after is not None, "what was there stays there"
    return _lost_order(after, _told(rows, "step", "actions")) or _moved(before, after, rows)


def _told(rows: Rows, kind: str, part: str) -> list[Any]:
    return [item for entry, body in rows if entry.kind == kind for item in body[part]]


def _lost_order(after: Standing, actions: Iterable[Any]) -> str | None:
    for action in actions:
        if not isinstance(action, SubmitOrder):
            continue
        order = after.orders.get(action.order_id)
        if order is None:
            return f"order {action.order_id} was sent, and is not in the standing written with it"
        if order.size_native != action.size_native:
            return (
                f"order {action.order_id} was sent for {action.size_native:+}, "
                f"and is {order.size_native:+} in the standing written with it"
            )
    return None


def _moved(before: Standing, after: Standing, rows: Rows) -> str | None:
    held: dict[str, Decimal] = dict(before.positions)
    seen = set(before.trades_seen)
    for fact in _told(rows, "facts", "facts"):
        if isinstance(fact, FillSeen) and fact.trade_id not in seen:
            seen.add(fact.trade_id)
            held[fact.instrument] = held.get(fact.instrument, ZERO) + fact.size_native
    for note in _told(rows, "step", "notes"):
        if isinstance(note, Adopted):
            held[note.instrument] = note.after_native
    for name in sorted(held.keys() | after.positions.keys()):
        ours, theirs = held.get(name, ZERO), after.positions.get(name, ZERO)
        if ours != theirs:
            return f"the position in {name} is {theirs:+}; fills and adoptions make it {ours:+}"
    return None
