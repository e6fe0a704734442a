"""An account under limits: made, quoted, and filled as it goes."""

from dataclasses import replace

from bot.core import units
from bot.core.safety import SafetyPolicy
from bot.core.state import Mode
from tests.builders import CALL, World, balance, book, policy

SECOND_NS = units.NS_PER_SECOND


def mode_of(world: World) -> Mode:
    return world.state.mode


def made(*, wide: bool = False, held: str = "-10", **limits: object) -> World:
    """An account with a short call, not hedged yet; with `wide` in a band too wide to trade."""
    edge = 1e6 if wide else 0.1
    plan = book(band_low_coin=-edge, band_high_coin=edge)
    world = World(policy(plan, safety=replace(SafetyPolicy(), **limits)))  # type: ignore[arg-type]
    world.begin({CALL: held})
    return world


def told(world: World, price: float = 100_000.0, after_ms: int = 100) -> str:
    """Quote everything, with a fresh balance; return what was said of the book."""
    at = world.now_ns + after_ms * units.NS_PER_MS
    step = world.quotes(price, balance(arrived_ns=at), after_ms=after_ms)
    return step.verdicts["main"].reason


def settled(world: World) -> None:
    """Let the venue fill all that goes out, while it goes."""
    for _ in range(20):
        if not world.orders():
            return
        world.settle(world.orders()[0])
