"""Where the daemon stands, for a person who reads a message: its mode and what is not hedged."""

from typing import Final

from bot.core.engine import Step
from bot.core.exposure import Exposure, Unpriced
from bot.runtime.loop import Stepped
from bot.runtime.page_words import Scene

PERCENT: Final = 0.01


def scene_of(daemon: str, stepped: Stepped | None, place: str = "") -> Scene:
    """Return the scene after the latest fold, None where none was seen: its mode is not known."""
    if stepped is None:
        return Scene(daemon=daemon, mode="", place=place)
    state = stepped.state
    return Scene(
        daemon=daemon,
        mode=state.mode.value,
        reason=state.mode_reason,
        books=lines(stepped.step),
        place=place,
    )


def lines(step: Step) -> tuple[str, ...]:
    """Say of each book how much of it is open now."""
    return tuple(_line(name, found) for name, found in step.exposures.items())


def _line(book: str, found: Exposure | Unpriced) -> str:
    """Say how much of a book is open, and what one percent of the coin's price means for it."""
    if isinstance(found, Unpriced):
        return f"Book {book}: no delta now, {found.reason}"
    usd = found.delta_coin * found.index_usd * PERCENT
    unsure = ""
    if found.delta_low_coin != found.delta_high_coin:
        unsure = f" (between {found.delta_low_coin:+.4f} and {found.delta_high_coin:+.4f})"
    return f"Book {book}: delta {found.delta_coin:+.4f} coin{unsure}, {usd:+,.0f} USD if +1 %"
