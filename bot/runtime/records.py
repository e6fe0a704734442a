"""What a run and its folds leave in the ledger.

| kind | body |
|---|---|
| `begin` | `state`, `policy`: what the core begins a run with; nothing else decides |
| `facts` | `fold`, `market_ms`, `wire_ns`, `facts`: all but quotes and commands, as folded |
| `command` | `fold`, `command`: each a row, so that they are found |
| `step` | `fold`, `mode`, `actions`, `decisions`, `notes`, `quotes`: the hedge quotes an order was
priced on |
| `policy` | `fold`, `policy`: what it went on with, where a new volume begins |
| `standing` | `fold`, `standing`: the whole, first in a run and after so many changes |
| `change` | `fold`, `set`, `put`, `drop`: fields replaced, entries of mappings put in, taken out |
| `crash` | `fold`, `facts`, `error`: a fold that the core could not take |
| `end` | `fold`: the run's last, when it could still say so |

A fold is again what it was: its clock, its `facts`, its commands, then the tape's quotes of that
number.
"""

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from typing import Any, Final

from bot.core import codec
from bot.core.actions import SubmitOrder
from bot.core.engine import Policy, Step
from bot.core.events import ClockSeen, CommandGiven, Fact, Link, QuoteSeen
from bot.core.standing import Standing
from bot.core.state import State
from bot.runtime.journal import Row
from bot.runtime.ledger_file import STANDING, Entry

CHANGES_MAX: Final = 500  # between two whole standings; a start reads no more than these
STANDING_KINDS: Final = (STANDING, "change")
_FIELDS: Final = sorted(field.name for field in fields(Standing))


class Standings:
    """Writes what changed in the standing, and the whole of it first and now and then."""

    def __init__(self) -> None:
        self._changes = CHANGES_MAX

    def rows(self, fold: int, before: Standing | None, after: Standing, at_ms: int) -> list[Row]:
        """Return the row of a fold that left `after`, if that is not what the ledger holds."""
        if before is None or self._changes >= CHANGES_MAX:
            self._changes = 0
            return [Row(kind="standing", at_ms=at_ms, body=standing_text(fold, after))]
        text = change_text(fold, before, after)
        if text is None:
            return []
        self._changes += 1
        return [Row(kind="change", at_ms=at_ms, body=text)]


def standing_text(fold: int, standing: Standing) -> bytes:
    """Return the body of a `standing` row."""
    return codec.dumps({"fold": fold, "standing": standing})


def change_text(fold: int, before: Standing, after: Standing) -> bytes | None:
    """Return the body of a `change` row, None if nothing changed."""
    replaced: dict[str, object] = {}
    put: dict[str, object] = {}
    drop: dict[str, object] = {}
    for name in _FIELDS:
        old, new = getattr(before, name), getattr(after, name)
        if new is old:
            continue
        if not isinstance(new, Mapping):
            if new != old:
                replaced[name] = new
            continue
        fresh = {key: value for key, value in new.items() if _differs(old.get(key), value)}
        gone = [key for key in old if key not in new]
        put |= {name: fresh} if fresh else {}
        drop |= {name: gone} if gone else {}
    if not (replaced or put or drop):
        return None
    return codec.dumps({"fold": fold, "set": replaced, "put": put, "drop": drop})


def _differs(old: object, new: object) -> bool:
    return old is not new and old != new


def standing_after(known: Standing | None, kind: str, body: Mapping[str, Any]) -> Standing:
    """Return the standing after one more `standing` or `change` row that follows `known`.

    Raises:
        CodecError: it is no row of this version, or a change of nothing.
    """
    try:
        if kind == "standing":
            whole: Standing = body["standing"]
            return whole
        if known is None:
            raise codec.CodecError("a change of a standing that is not there")
        changed: dict[str, Any] = dict(body["set"])
        for name in body["put"].keys() | body["drop"].keys():
            entries = {**getattr(known, name), **body["put"].get(name, {})}
            for key in body["drop"].get(name, ()):
                del entries[key]
            changed[name] = entries
        return replace(known, **changed)
    except (KeyError, TypeError, AttributeError) as error:
        raise codec.CodecError(f"not a standing of this version: {error}") from error


def latest_standing(rows: Iterable[Entry]) -> Standing | None:
    """Return what rows of `STANDING_KINDS`, a whole one first, come to; None without any.

    Raises:
        CodecError: a row is not of this version.
    """
    known: Standing | None = None
    for row in rows:
        known = standing_after(known, row.kind, body_of(row.body))
    return known


def body_of(text: str) -> Mapping[str, Any]:
    """Read a row's body.

    Raises:
        CodecError: it is none of this version.
    """
    body = codec.loads(text)
    if not isinstance(body, Mapping):
        raise codec.CodecError("a row's body is a mapping")
    return body


def begin_row(state: State, policy: Policy) -> Row:
    """Return the row of what a run begins with, keys in their order, for the sake of every bit."""
    body = codec.dumps({"state": state, "policy": _parts(policy)}, in_order=True)
    return Row(kind="begin", at_ms=state.now_ms, body=body)


def volume_rows(fold: int, state: State, policy: Policy) -> list[Row]:
    """Return the rows that a new volume begins with: enough for a start and for a replay."""
    at_ms = state.now_ms
    body = codec.dumps({"fold": fold, "policy": _parts(policy)}, in_order=True)
    standing = standing_text(fold, state.standing)
    return [
        Row(kind="policy", at_ms=at_ms, body=body),
        Row(kind="standing", at_ms=at_ms, body=standing),
    ]


def _parts(policy: Policy) -> dict[str, object]:
    return {field.name: getattr(policy, field.name) for field in fields(Policy)}


def begun(text: str) -> tuple[State, Policy]:
    """Read a `begin` row.

    Raises:
        CodecError: it is none of this version.
    """
    body = body_of(text)
    try:
        return _linked(body["state"]), Policy(**body["policy"])
    except (KeyError, TypeError, ValueError) as error:
        raise codec.CodecError(f"not a beginning of this version: {error}") from error


def policy_of(text: str) -> Policy:
    """Read a `policy` row.

    Raises:
        CodecError: it is none of this version.
    """
    try:
        return Policy(**body_of(text)["policy"])
    except (KeyError, TypeError) as error:
        raise codec.CodecError(f"not a policy of this version: {error}") from error


def state_of(text: bytes) -> State:
    """Read a state that the tape kept.

    Raises:
        CodecError: it is none of this version.
    """
    try:
        return _linked(codec.loads(text))
    except (TypeError, ValueError) as error:
        raise codec.CodecError(f"not a state of this version: {error}") from error


def _linked(state: object) -> State:
    """Give links their own type again: keys are written as text, and are compared by identity."""
    if not isinstance(state, State):
        raise TypeError(f"a state is wanted, not {type(state).__name__}")
    return replace(
        state,
        links={Link(link): at_ns for link, at_ns in state.links.items()},
        links_lost={Link(link): why for link, why in state.links_lost.items()},
    )


def end_row(fold: int, at_ms: int) -> Row:
    """Return the row of a run that ends as it should."""
    return Row(kind="end", at_ms=at_ms, body=codec.dumps({"fold": fold}))


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


def step_rows(fold: int, step: Step, before: Standing | None, standings: Standings) -> list[Row]:
    """Return the rows of what a fold came to; none if it changed nothing that lasts.

    Args:
        fold: The number of the fold.
        step: Its outcome.
        before: The standing that is already in the ledger, None if there is none.
        standings: Writes standings.
    """
    rows: list[Row] = []
    at_ms = step.state.now_ms
    if step.actions or step.decisions or step.notes:
        rows.append(Row(kind="step", at_ms=at_ms, body=step_text(fold, step)))
    if step.state.standing is not before:
        rows += standings.rows(fold, before, step.state.standing, at_ms)
    return rows


def step_text(fold: int, step: Step) -> bytes:
    """Return the body of a `step` row."""
    return codec.dumps(
        {
            "fold": fold,
            "mode": step.state.mode.value,
            "actions": step.actions,
            "decisions": step.decisions,
            "notes": step.notes,
            "quotes": _priced_on(step),
        }
    )


def crash_row(fold: int, clock: ClockSeen, facts: tuple[Fact, ...], error: str) -> Row:
    """Return the row of a fold that the core could not take, quotes included."""
    body = {"fold": fold, "facts": facts, "error": error}
    return Row(kind="crash", at_ms=clock.market_ms, body=codec.dumps(body))


def _priced_on(step: Step) -> tuple[QuoteSeen, ...]:
    traded = sorted({item.instrument for item in step.actions if isinstance(item, SubmitOrder)})
    return tuple(step.state.quotes[name] for name in traded if name in step.state.quotes)
