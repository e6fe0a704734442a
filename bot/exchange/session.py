"""One WebSocket connection as the methods see it: its login, its channels, its duties.

State only: the socket behind it is the server's. `send` hands a frame to the socket's queue.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from bot.exchange.clock import NS_PER_MS
from bot.exchange.tokens import Grant


@dataclass(slots=True, kw_only=True)
class Heartbeat:
    """The dead-man's handle of a connection, all on the wire's monotonic clock.

    Every `interval_ns` a heartbeat goes out, and with it a `test_request`. A client that has not
    answered it with `public/test` by the next beat is taken for dead.
    """

    interval_ns: int
    beaten_ns: int
    is_tested: bool = False


@dataclass(slots=True, kw_only=True, eq=False)
class Session:
    """One connection. `orders` are those it placed that may still be open, with their account.

    With `cancels_on_disconnect` they are cancelled when it breaks, but not when the client said
    goodbye with `private/logout`. None until an account, or the client, has said which.
    """

    number: int
    send: Callable[[str], None]
    close: Callable[[str], None]
    heard_ns: int
    alive_ns: int
    ip: str = "127.0.0.1"
    grant: Grant | None = None
    channels: set[str] = field(default_factory=set)
    orders: dict[str, str] = field(default_factory=dict)
    cancels_on_disconnect: bool | None = None
    said_goodbye: bool = False
    heartbeat: Heartbeat | None = None

    def silent_ms(self, now_ns: int) -> float:
        """For how long the client has sent no request."""
        return (now_ns - self.heard_ns) / NS_PER_MS

    def idle_ms(self, now_ns: int) -> float:
        """For how long the client has sent nothing at all, not even a ping of the socket."""
        return (now_ns - self.alive_ns) / NS_PER_MS

    def hear(self, now_ns: int) -> None:
        """The client sent a request."""
        self.heard_ns = self.alive_ns = now_ns
