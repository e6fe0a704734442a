"""ccxt.pro's own WebSocket, tapped before its futures.

ccxt's `watch_*` loops lose events that arrive while nobody waits, and one error frame raised inside
its `handle_message` ends its receive loop in silence. `Tap` takes every decoded frame instead and
never raises.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from ccxt.async_support.base.exchange import Exchange
from ccxt.async_support.base.ws.client import json_parser
from ccxt.base.errors import NetworkError

from bot.venues import wording

REASON_LENGTH_MAX = 300


# What ccxt's own client makes of a frame's text. Raises ValueError.
decoded: Callable[[str], Any] = json_parser.loads


class NoAnswerError(NetworkError):  # type: ignore[misc]  # ccxt is untyped
    """No usable answer came over HTTP. Raised by whoever stands in for ccxt's client."""


class Listener(Protocol):
    """Who hears what a tapped exchange's sockets say."""

    def connected(self, client: Any) -> None:
        """A connection is open."""

    def disconnected(self, client: Any, reason: str) -> None:
        """A connection failed, was closed, or could not be opened."""

    def took(self, message: Any) -> None:
        """A frame arrived and was decoded."""

    def failed(self, reason: str) -> None:
        """A frame could not be decoded or taken."""


class Tap(Exchange):  # type: ignore[misc]  # ccxt is untyped
    """Mixed into a ccxt.pro class, before it: hands all news to a listener, and never raises."""

    listener: Listener | None = None

    def client(self, url: str) -> Any:
        """Return ccxt's client of a URL, guarded so that no frame can end its receive loop."""
        is_new = url not in (self.clients or {})
        client = super().client(url)
        if is_new:
            decode = client.handle_text_or_binary_message
            client.handle_text_or_binary_message = partial(self._guard, decode)
        return client

    def _guard(self, decode: Callable[[Any], None], data: Any) -> None:
        # Raising here would end ccxt's receive loop in silence; whatever it was becomes a counted
        # fact.
        try:
            decode(data)
        except Exception as error:  # noqa: BLE001
            if self.listener is not None:
                shown = "(withheld)" if "token" in str(data) else f"{data!r}"
                self.listener.failed(shortened(f"{type(error).__name__}: {error}: {shown}"))

    def handle_message(self, client: Any, message: Any) -> None:  # noqa: ARG002  # ccxt's signature
        """Hand a decoded frame to the listener instead of to ccxt's own handlers."""
        if self.listener is not None:
            self.listener.took(message)

    def on_connected(self, client: Any, message: Any = None) -> None:
        """Pass on that a connection is open."""
        super().on_connected(client, message)
        if self.listener is not None:
            self.listener.connected(client)

    def on_error(self, client: Any, error: Any) -> None:
        """Pass on that a connection failed, or could not be opened."""
        super().on_error(client, error)
        if self.listener is not None:
            self.listener.disconnected(client, shortened(wording.named(error)))

    def on_close(self, client: Any, error: Any) -> None:
        """Pass on that the venue closed a connection."""
        super().on_close(client, error)
        if self.listener is not None:
            self.listener.disconnected(client, f"closed by the venue (code {error})")


def shortened(text: str) -> str:
    """Return a text that fits into a reason."""
    return text if len(text) <= REASON_LENGTH_MAX else text[: REASON_LENGTH_MAX - 3] + "..."
