"""What a person's command does to what survives a restart: pause, halt, resume, heard."""

from dataclasses import replace

from bot.core import orders
from bot.core.events import Command, CommandGiven
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
        case Command.HALT:
            after = replace(known, halt_reason=f"halted {said}")
        case Command.RESUME:
            after = _resumed(known, now_ms, now_ns)
        case Command.ACK:
            pass  # a person has heard: nothing changes but the record of it
    return replace(after, commands_seen=seen)


def _resumed(known: Standing, now_ms: int, now_ns: int) -> Standing:
    """Take up work again: no latch, no count of rejections, no order that nobody can explain."""
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
