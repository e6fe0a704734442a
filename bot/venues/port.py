"""The port: what the shell needs of a venue, whatever its dialect."""

from collections.abc import Callable
from typing import Final, Protocol

from bot.core.actions import Action
from bot.core.events import Fact

NOT_SENT_CODE: Final = -1  # ours, no venue's: the order was never handed to a socket

Post = Callable[[Fact], None]


class VenueRefusedError(Exception):
    """The venue cannot be used as configured (key, rights, network). One sentence for a person."""


class VenueUnreachableError(Exception):
    """The venue did not answer at start. One sentence for a person."""


class CannotCancelError(Exception):
    """The venue did not do as the watchdog asked. One sentence for a person."""


class Sweeper(Protocol):
    """The watchdog's hand at a venue: a key and a connection of its own, and nothing but cancels.

    Every method raises `CannotCancelError` where the venue does not do as asked.
    """

    async def prove(self) -> None:
        """Show that orders could be cancelled, without cancelling any."""

    async def open_labels(self, start: str) -> tuple[str, ...]:
        """Return the label of every open order that begins so, each once."""

    async def cancel(self, label: str) -> None:
        """Cancel what carries a label."""

    async def close(self) -> None:
        """Hang up. Safe to call twice."""


class Venue(Protocol):
    """One venue, one account.

    The venue posts facts as they arrive (`post` given to `open`) and performs actions. It never
    retries an order, and it never raises from `perform`: what went wrong is a fact.
    """

    async def open(self, post: Post) -> None:
        """Connect, check the key's permissions, load instruments (posts `InstrumentsSeen`).

        Raises:
            VenueRefusedError: credentials or permissions are not acceptable.
            VenueUnreachableError: nobody answers.
        """

    async def run(self) -> None:
        """Keep the connections alive and post what they say, until cancelled."""

    async def perform(self, action: Action) -> tuple[Fact, ...]:
        """Carry out one action and return what came of it."""

    async def market_time_ms(self) -> int:
        """Ask the venue for its time, in milliseconds of the market clock."""

    async def redial(self, reason: str) -> None:
        """Drop every connection, to be dialled afresh: what came over them may be out of date."""

    async def close(self) -> None:
        """Leave: log out, close sockets. Safe to call twice."""
