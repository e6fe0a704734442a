"""What a person's command does to what survives a restart: pause, flatten, halt, resume, heard.

A halt lies over everything, a pause over a flatten. The newest word of a person counts:

| command | nothing | paused | flattening | halted |
|---|---|---|---|---|
| pause | paused | its new reason | flattens no more until resumed | halted, and paused |
| flatten | flattening | flattening, no longer paused | its new reason | flattens once resumed |
| halt | halted | halted | halted, flattens no more | its new reason |
| resume | read afresh | nothing | goes on flattening | nothing, or the flatten given while halted |

A resume clears what stands in the way, whatever it is: rejections, orders that repeat, one whose
fate cannot be proved. It never says that the hedge is to come back: who types it has seen a hold
that may be gone by now. Only a halt calls a flatten off; a resume after it hedges again. A resume
without a reason is refused, whatever the way it came.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from bot.core import orders, tally
from bot.core.actions import Alert, Severity
from bot.core.events import Command, CommandGiven, Fact
from bot.core.standing import Standing, open_orders

COMMANDS_KEPT = 64


def commanded(known: Standing, fact: CommandGiven, now_ms: int, now_ns: int) -> Standing:
    """Obey a command once: an id that was seen before changes nothing."""
    if fact.command_id in known.commands_seen:
        return known
    seen = (*known.commands_seen, fact.command_id)[-COMMANDS_KEPT:]
    said = f"by {fact.actor}" + (f": {fact.note}" if fact.note else "")
    after = known
    match fact.command:
        case Command.PAUSE:
            after = replace(known, pause_reason=f"paused {said}")
        case Command.FLATTEN:
            sprees = {name: tally.rested(spree) for name, spree in known.sprees.items()}
            after = replace(
                known, flatten_reason=f"flattening {said}", pause_reason="", sprees=sprees
            )
        case Command.HALT:
            after = replace(known, halt_reason=f"halted {said}", flatten_reason="")
        case Command.RESUME:
            after = known if is_refused(fact) else _resumed(known, now_ms, now_ns)
        case Command.ACK:
            pass  # a person has heard: nothing changes but the record of it
    return replace(after, commands_seen=seen)


def is_refused(fact: CommandGiven) -> bool:
    """Whether a command is not obeyed: who resumes must say who they are, and why."""
    said = fact.note.strip() and fact.actor.strip()
    return fact.command is Command.RESUME and not said


def resumes(known: Standing, facts: Sequence[Fact]) -> bool:
    """Whether a person resumes with these facts, which `known` has not seen."""
    return any(
        fact.command is Command.RESUME and not is_refused(fact) for fact in _fresh(known, facts)
    )


def _fresh(known: Standing, facts: Sequence[Fact]) -> Iterator[CommandGiven]:
    for fact in facts:
        if isinstance(fact, CommandGiven) and fact.command_id not in known.commands_seen:
            yield fact


def replies(known: Standing, facts: Sequence[Fact]) -> Iterator[Alert]:
    """Yield what a person must hear of commands that are not obeyed, or not at once."""
    for fact in _fresh(known, facts):
        if is_refused(fact):
            yield Alert(
                severity=Severity.WARNING,
                text=f"{fact.command} by {fact.actor or 'nobody'} was refused: it needs a reason",
            )
        elif fact.command is Command.FLATTEN and known.halt_reason:
            yield Alert(
                severity=Severity.WARNING,
                text=f"flatten by {fact.actor} waits for a resume: {known.halt_reason}",
            )
        elif fact.command is Command.RESUME and known.flatten_reason:
            yield Alert(
                severity=Severity.WARNING,
                text=f"resumed by {fact.actor}, and goes on {known.flatten_reason}: "
                "only `halt` calls it off",
            )


def _resumed(known: Standing, now_ms: int, now_ns: int) -> Standing:
    """Take up work again: no halt, no pause, no count of rejections, no order beyond explaining."""
    moved = {
        order.order_id: orders.released(order, now_ms, now_ns)
        for order in open_orders(known.orders)
    }
    return replace(
        known,
        orders={**known.orders, **moved},
        pause_reason="",
        halt_reason="",
        forgiven_counter=known.order_counter,
    )
