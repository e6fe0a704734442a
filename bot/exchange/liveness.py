"""Whether a client is still there: heartbeats, test requests, and the patience for silence.

Deribit, `public/set_heartbeat`: a client that does not answer a `test_request` with `public/test`
is cut off; a connection on which nothing happens for ten minutes is closed.
"""

from typing import Final

from bot.exchange.floor import TradingFloor
from bot.exchange.session import Session

HEARTBEAT: Final = '{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"heartbeat"}}'
TEST_REQUEST: Final = '{"jsonrpc":"2.0","method":"heartbeat","params":{"type":"test_request"}}'


def watch(floor: TradingFloor, session: Session) -> None:
    """Beat the session's heart, and close it when its client has been silent for too long."""
    now_ns = floor.wire.monotonic_ns()
    if session.idle_ms(now_ns) > floor.policy.idle_max_s * 1000:
        _give_up(floor, session, f"nothing was heard for {floor.policy.idle_max_s:.0f} s")
        return
    beat = session.heartbeat
    if beat is None or now_ns - beat.beaten_ns < beat.interval_ns:
        return
    if beat.is_tested:
        silent_s = session.silent_ms(now_ns) / 1000
        _give_up(floor, session, f"no answer to a test request, silent for {silent_s:.1f} s")
        return
    beat.beaten_ns, beat.is_tested = now_ns, True
    session.send(HEARTBEAT)
    session.send(TEST_REQUEST)


def _give_up(floor: TradingFloor, session: Session, reason: str) -> None:
    floor.announce(f"connection {session.number} is closed: {reason}")
    session.close(reason)
