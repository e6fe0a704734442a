"""The embedded exchange as a running system."""

from collections.abc import Callable

from bot.exchange import server
from bot.exchange.clock import WireClocks
from bot.exchange.server import ExchangeOptions, ExchangeServer
from bot.runtime.clock import WireClock

__all__ = ["ExchangeOptions", "build_exchange"]


def build_exchange(options: ExchangeOptions, announce: Callable[[str], None]) -> ExchangeServer:
    """Put market, engine and server together on this host's clocks.

    Raises:
        ValueError: in one sentence, for a market, a book, a speed or an equity that cannot be.
        OSError: for a file that cannot be read.
    """
    wire = WireClock()
    clocks = WireClocks(epoch_ms=wire.epoch_ms, monotonic_ns=wire.monotonic_ns)
    return server.build(options, clocks, announce=announce)
