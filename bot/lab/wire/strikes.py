"""What strikes the wire between a real daemon and the exchange: a table, by the fault catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from bot.lab.wire.rig import HEDGE

BUY: Final = "private/buy"
TICKER: Final = f"ticker.{HEDGE}"
CHANGES: Final = "user.changes"
MINUTE_MS: Final = 60_000

Armed = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """One thing that goes wrong, until it has struck `times`.

    `ids` are those of the fault catalogue; `arms` the bodies for `/sim/faults`, the last of which
    is waited for; `swallows` says that a struck order never reaches the venue; `until_held` has
    the daemon say these words of why it holds before it is mended; `lasts_seconds` goes on so long.
    """

    name: str
    ids: str
    arms: tuple[Armed, ...]
    times: int = 1
    swallows: bool = False
    until_held: str = ""
    lasts_seconds: float = 0.0


def _order(name: str, ids: str, kind: str, *, swallows: bool = False, **how: object) -> Strike:
    """Strike an order."""
    return Strike(
        name=f"order: {name}",
        ids=ids,
        arms=({"kind": kind, "method": BUY, **how},),
        swallows=swallows,
    )


def _push(name: str, ids: str, kind: str, **how: object) -> Strike:
    """Strike what the venue pushes of orders, fills and positions, twice."""
    body = {"kind": kind, "channel": CHANGES, "window_ms": 10_000, **how}
    return Strike(name=f"pushes: {name}", ids=ids, arms=(body,), times=2)


def _quote(name: str, ids: str, kind: str, **how: object) -> Strike:
    """Strike the quotes of the hedge until the daemon says that it holds for it."""
    body = {"kind": kind, "channel": TICKER, "window_ms": MINUTE_MS, **how}
    return Strike(name=f"quotes: {name}", ids=ids, arms=(body,), until_held="last good quote")


def _asked(name: str, ids: str, kind: str, **how: object) -> Strike:
    """Lose an order's answer, and answer the question for its fate, over HTTP, so."""
    gateway = {
        "kind": kind,
        "method": "private/",
        "transport": "http",
        "window_ms": MINUTE_MS,
        **how,
    }
    shut = {"kind": "http_status", "method": "connect", "window_ms": MINUTE_MS}
    lost = {"kind": "drop_after_accept", "method": BUY, "transport": "ws"}
    return Strike(name=f"question: {name}", ids=ids, arms=(shut, lost, gateway))


STRIKES: Final[tuple[Strike, ...]] = (
    _order("answer lost with the line", "N2 N4", "drop_after_accept"),
    _order("answer alone lost", "N2", "drop_after_accept", cut=False),
    _order("lost with the line", "N1 N4", "drop_before", swallows=True),
    _order("alone lost", "N1", "drop_before", swallows=True, cut=False),
    _order("answer 3 s late", "N14", "delay", delay_ms=3_000),
    _order("3 s late at the venue", "N14", "delay", delay_ms=3_000, before=True),
    _order("answered twice", "N12 O1", "duplicate"),
    _order("answer broken off", "N4", "truncate"),
    _order("half an answer, the line lives", "N5", "truncate", whole=True),
    _order("answer is garbage", "N4", "corrupt_compression"),
    _order("answer of another shape", "N5 V4", "wrong_schema"),
    _order("an error that answers nothing first", "N7", "error_frame", code=11051),
    _order("slow to be read", "N14", "slow_reader", delay_ms=3_000),
    _order("login ended before it", "C3", "token_expiry"),
    _order("socket open at one end only", "N1 N8", "half_open", swallows=True),
    _push("twice", "N12 O1", "duplicate"),
    _push("out of order", "N13", "reorder"),
    _push("late", "N14 O3", "delay", delay_ms=1_200),
    _push("lost", "N9 A8", "silent_stall"),
    _push("garbage", "N4", "corrupt_compression"),
    _push("in half", "N5", "truncate", whole=True),
    _push("of another shape", "N5 V4", "wrong_schema"),
    _push("mixed with errors", "N7", "error_frame"),
    _quote("one channel dead, the line lives", "N9 M1", "silent_stall"),
    _quote("time stands still", "N10", "stuck_timestamp"),
    _quote("the same again and again", "N10", "stuck_timestamp", whole=True),
    _quote("of another shape", "N5 M3", "wrong_schema"),
    Strike(
        name="quotes: socket open at one end only",
        ids="N8 N9",
        arms=({"kind": "half_open", "channel": TICKER},),
        until_held="last good quote",
    ),
    Strike(name="book: a change lost", ids="N11", arms=({"kind": "sequence_gap"},)),
    Strike(
        name="requests: too many, then shut out",
        ids="N6",
        arms=({"kind": "rate_limit", "window_ms": 1_500},),
        swallows=True,  # in the session that the venue shuts
        lasts_seconds=1.5,
    ),
    Strike(
        name="venue: maintenance",
        ids="V1 O9",
        arms=({"kind": "maintenance", "window_ms": MINUTE_MS},),
        until_held="system_maintenance",
    ),
    Strike(name="venue: a trade taken back", ids="V3", arms=({"kind": "bust"},)),
    Strike(
        name="venue: a minute fast",
        ids="T1 T2",
        arms=({"kind": "clock_step", "step_ms": MINUTE_MS},),
    ),
    Strike(
        name="venue: a minute slow",
        ids="T1 T2",
        arms=({"kind": "clock_step", "step_ms": -MINUTE_MS},),
    ),
    _asked("HTML", "N5", "html_200"),
    _asked("nothing", "N5", "empty_200"),
    _asked("502", "N7", "http_status", status=502),
    _asked(
        "429", "N6", "http_status", status=429, content="json", code=10028, message="wait"
    ),
    _asked("half an answer", "N4", "truncate"),
    _asked("no gzip", "N4", "corrupt_compression"),
    _asked("another shape", "N5 V4", "wrong_schema"),
    _asked("a cut line", "N4", "drop_after_accept"),
    Strike(
        name="all at once",
        ids="N2 N9 N12 N13",
        arms=(
            {"kind": "silent_stall", "channel": CHANGES, "rate": 0.3, "seed": 1},
            {"kind": "duplicate", "channel": CHANGES, "rate": 0.3, "seed": 2},
            {"kind": "reorder", "channel": CHANGES, "rate": 0.3, "seed": 3},
            {"kind": "drop_after_accept", "method": "private/", "rate": 0.15, "seed": 4},
        ),
        times=3,
    ),
)  # fmt: skip
