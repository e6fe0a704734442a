"""What a person reads who is woken at three in the morning: what happened, what was done, what now.

A message is plain text. Each service cuts it to its own length, and what is cut is the middle of
the reason, never the advice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bot.core.actions import Severity, Topic
from bot.core.units import MS_PER_SECOND
from bot.runtime.paging import Page, PageKind

TEXT_CHARS_MAX: Final = 1_000  # of the reason; whole accounts of what went wrong are in the log
BOOKS_TOLD_MAX: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What the daemon does about it by itself, and what is left to a person."""

    did: str
    do: str


ADVICE: Final[Mapping[Topic, Advice]] = {
    Topic.HALT: Advice(
        did="cancels its orders and sends nothing, also after a restart. Delta is NOT hedged.",
        do="compare positions with the venue's page, hedge by hand if the delta is too much; "
        "once the cause is gone: deltaband resume --reason WHY",
    ),
    Topic.HOLD: Advice(
        did="sends no orders and keeps watching. Delta is NOT hedged.",
        do="deltaband status; if it does not clear by itself, compare with the venue's page, hedge "
        "by hand if the delta is too much, then: deltaband resume --reason WHY",
    ),
    Topic.DEGRADED: Advice(
        did="sends only smaller orders, and only such as bring delta nearer or, while margin is "
        "short, lower its use.",
        do="the reason says what it waits for. Margin: add collateral or close positions before it "
        "stops hedging altogether. Loop, ledger or disk: look after the machine",
    ),
    Topic.RECONCILING: Advice(
        did="reconnects and asks the venue, over and over. Until it has an answer delta is NOT "
        "hedged.",
        do="look at the network and at the venue's status page; a restart does not help; hedge by "
        "hand if the delta is too much",
    ),
    Topic.RUN: Advice(did="hedges.", do="nothing"),
    Topic.LIQUIDATED: Advice(
        did="counted the trade and goes on with what is left, as far as margin lets it.",
        do="NOW: add collateral or close positions, the venue takes more until margin suffices",
    ),
    Topic.UNHEDGED: Advice(
        did="leaves this delta open and tries again with every quote.",
        do="the reason names what stands in the way: margin, a limit or the market; deltaband "
        "explain says more",
    ),
    Topic.ORDER_UNKNOWN: Advice(
        did="sends nothing more on this instrument and asks the venue again and again.",
        do="look whether the venue's page shows the order; do NOT send it again by hand",
    ),
    Topic.EXTERNAL: Advice(
        did="took the venue's position over and hedges from there. It does not trade it back.",
        do="compare positions and trades with the venue's page. If it was neither you nor, as the "
        "reason would say, the venue, somebody else trades this account: change its keys",
    ),
    Topic.MARGIN: Advice(
        did="hedges as far as margin lets it: over reduce_only_percent only what lowers its use, "
        "over hold_percent not at all.",
        do="add collateral or close positions; deltaband status shows margin by currency, "
        "deltaband stress CONFIG what helps most",
    ),
    Topic.ENDED: Advice(
        did="has ended. Nothing is hedged until it runs again.",
        do="systemctl status or docker ps: was it started again? The log's last lines say why",
    ),
    Topic.WATCHDOG: Advice(
        did="is watched from outside: the watchdog cancels the orders of one that stands or is "
        "gone, and never trades. Delta is NOT hedged meanwhile.",
        do="systemctl status or docker ps: does the daemon stand, or was it killed? Start it "
        "again. If the watchdog cannot cancel: its key, the network, the venue's status page",
    ),
    Topic.OTHER: Advice(did="", do="deltaband status"),
}

CLEARED: Final = Advice(did="", do="nothing")
HEARD: Final = Advice(did="", do="")
# How a critical page ends that `ack` cannot: the watchdog takes no commands, who ended is gone.
_UNTIL: Final[Mapping[Topic, str]] = {Topic.WATCHDOG: "repeated until it is over", Topic.ENDED: ""}

_HEADS: Final[Mapping[PageKind, str]] = {
    PageKind.NEW: "",
    PageKind.MORE: " again",
    PageKind.REPEAT: " still",
    PageKind.CLEARED: " all clear",
    PageKind.HEARD: " heard",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where the daemon stands while a page is sent: name, mode and why, a line for each book.

    `mode` is empty where nobody knows it, as a watchdog does not. `place` is where to type: the
    machine and the ledger.
    """

    daemon: str
    mode: str
    reason: str = ""
    books: tuple[str, ...] = ()
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A page in words. `fitted` makes one text of it."""

    page_id: str
    severity: Severity
    kind: PageKind
    topic: Topic
    head: str
    what: str
    did: str
    do: str
    now: tuple[str, ...]
    foot: str
    place: str
    raised_at: datetime

    def fitted(self, chars_max: int) -> str:
        """Return the whole as one text of at most `chars_max` UTF-16 units, the reason cut."""
        over = _units(self._joined(self.what)) - chars_max
        if over <= 0:
            return self._joined(self.what)
        kept = max(0, len(self.what) - over - 1)
        return _first_units(self._joined(self.what[:kept] + "…"), chars_max)

    def _joined(self, what: str) -> str:
        lines = [self.head, what]
        if self.did:
            lines.append(f"The daemon {self.did}")
        if self.do:
            lines.append(f"You: {self.do}.")
        place = (self.place,) if self.place else ()
        return "\n".join((*lines, *self.now, self.foot, *place))


def worded(page: Page, scene: Scene, page_id: str) -> Message:
    """Put a page into words."""
    advice = _advice(page)
    raised_at = datetime.fromtimestamp(page.raised_ms / MS_PER_SECOND, UTC)
    label = page.severity.value.upper()
    return Message(
        page_id=page_id,
        severity=page.severity,
        kind=page.kind,
        topic=page.topic,
        head=f"{label}{_HEADS[page.kind]}: {_subject(page)} ({scene.daemon})",
        what=_clipped(page.text),
        did=advice.did,
        do=advice.do,
        now=(*_stands(page, scene), *_few(scene.books)),
        foot=_foot(page, raised_at),
        place=scene.place,
        raised_at=raised_at,
    )


def _advice(page: Page) -> Advice:
    match page.kind:
        case PageKind.HEARD:
            return HEARD
        case PageKind.CLEARED:
            return CLEARED
        case _:
            return ADVICE[page.topic]


def _stands(page: Page, scene: Scene) -> tuple[str, ...]:
    """Return the mode, with its reason unless the page has just given it; none of who has ended."""
    if not scene.mode or page.topic is Topic.ENDED:
        return ()
    is_said = not scene.reason or scene.reason in page.text
    return (f"Now: {scene.mode}." if is_said else f"Now: {scene.mode}, {scene.reason}.",)


def _subject(page: Page) -> str:
    if page.kind is PageKind.HEARD:
        return "somebody looks into it"
    return page.topic.value.replace("-", " ")


def _foot(page: Page, raised_at: datetime) -> str:
    at = f"{raised_at:%Y-%m-%d %H:%M:%S} UTC"
    parts = [f"#{page.number}", at]
    if page.told > 1:
        parts.append(f"told {page.told} times")
    if page.more:
        parts.append(f"{page.more} more of these since the last message")
    if page.severity is Severity.CRITICAL:
        parts.append(_UNTIL.get(page.topic, "repeated until: deltaband ack"))
    return ", ".join(filter(None, parts))


def _few(books: tuple[str, ...]) -> tuple[str, ...]:
    left = len(books) - BOOKS_TOLD_MAX
    return books if left <= 0 else (*books[:BOOKS_TOLD_MAX], f"and {left} more books")


def _clipped(text: str) -> str:
    """Return one paragraph of bounded length: what comes from outside may be anything."""
    plain = " ".join(text.split())
    return plain if len(plain) <= TEXT_CHARS_MAX else plain[: TEXT_CHARS_MAX - 1] + "…"


def _units(text: str) -> int:
    """Count as Telegram does: UTF-16 code units."""
    return len(text.encode("utf-16-le", errors="replace")) // 2


def _first_units(text: str, units_max: int) -> str:
    raw = text.encode("utf-16-le", errors="replace")
    return raw[: 2 * units_max].decode("utf-16-le", errors="ignore")
