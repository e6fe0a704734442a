"""Who is called, about what and how often. Pure: moments in, pages out; nothing is sent here.

Rules:

1. What is told once is not told again within `same_ns`: equal alerts are counted, and the count is
   told when that time is over. Texts are equal when they differ in nothing but numbers and ids.
2. A critical alert is repeated every `repeat_ns` until a person says that they have heard, or until
   what it tells of is over.
3. Modes are one trouble: a worse or other mode takes the place of the one before, and keeps its
   audience. It is over once the daemon has been in RUN for `calm_ns`, so that a flapping line calls
   once, and the all-clear can be believed.
4. Whoever was called is told of the end, and that somebody has heard.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from bot.core.actions import Alert, Severity, Topic

INCIDENTS_MAX: Final = 200  # open at once; beyond these the oldest of the least loud is forgotten
RANK: Final[Mapping[Severity, int]] = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
_TROUBLES: Final = frozenset({Topic.HALT, Topic.HOLD, Topic.DEGRADED, Topic.RECONCILING})
_NUMBERED: Final = re.compile(r"\S*\d\S*")


class PageKind(StrEnum):
    """Why something is told."""

    NEW = "new"
    MORE = "more"
    REPEAT = "repeat"
    CLEARED = "cleared"
    HEARD = "heard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Now: on the wire clock, and as the host's time of day in epoch milliseconds."""

    wire_ns: int
    epoch_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PagingPolicy:
    """How often a person is told of the same, in wire time."""

    same_ns: int
    repeat_ns: int
    calm_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Something to tell now.

    `audience` decides who is told: those who want to hear of that severity. `told` is how often it
    was told with this time, `more` how many equal alerts were counted since the last time.
    """

    kind: PageKind
    number: int
    severity: Severity
    audience: Severity
    topic: Topic
    text: str
    raised_ms: int
    told: int = 1
    more: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What somebody was told of and is not over: its latest words, and who has heard."""

    number: int
    severity: Severity
    audience: Severity
    topic: Topic
    text: str
    raised_ms: int
    told_ns: int
    told: int = 1
    more: int = 0
    heard_by: str = ""
    calm_since_ns: int | None = None
    calm_text: str = ""

    @property
    def calls(self) -> bool:
        """Whether it is repeated until a person has heard."""
        is_loud = self.severity is Severity.CRITICAL and self.calm_since_ns is None
        return is_loud and not self.heard_by


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Everything that was told and is not over, by the family of its text.

    `heard_before` is what a person had heard of before the process was started again, and who.
    """

    incidents: Mapping[str, Incident] = field(default_factory=dict)
    heard_before: Mapping[str, str] = field(default_factory=dict)
    numbered: int = 0
    suppressed: int = 0

    @property
    def unheard(self) -> int:
        """How many critical incidents nobody has heard of yet."""
        return sum(incident.calls for incident in self.incidents.values())

    @property
    def heard(self) -> Mapping[str, str]:
        """What a person has heard of and is not over, and who: what a restart should know."""
        now = {name: one.heard_by for name, one in self.incidents.items() if one.heard_by}
        return {**self.heard_before, **now}


Paged = tuple[Board, tuple[Page, ...]]


def family(alert: Alert) -> str:
    """Return what equal alerts have in common: topic, loudness and text without numbers and ids."""
    return f"{alert.topic}:{alert.severity}:{_NUMBERED.sub('#', alert.text)}"


def raised(board: Board, alert: Alert, now: Moment) -> Paged:
    """Take one alert in."""
    if alert.topic is Topic.RUN and board.heard_before:
        board = replace(board, heard_before={})  # whatever it was, it is over
    if alert.topic is Topic.RUN and (calmed := _calmed(board, alert, now)) is not board:
        return calmed, ()
    if alert.topic is Topic.RECONCILING:
        board = replace(board, incidents=_restless(board.incidents))
    name = family(alert)
    known = board.incidents.get(name)
    if known is not None:
        again = replace(
            known, text=alert.text, more=known.more + 1, calm_since_ns=None, raised_ms=now.epoch_ms
        )
        counted = {**board.incidents, name: again}
        return replace(board, incidents=counted, suppressed=board.suppressed + 1), ()
    others, audience = _made_way(board, alert)
    incident = Incident(
        number=board.numbered + 1,
        severity=alert.severity,
        audience=audience,
        topic=alert.topic,
        text=alert.text,
        raised_ms=now.epoch_ms,
        told_ns=now.wire_ns,
        heard_by=board.heard_before.get(name, ""),
    )
    kept = _bounded({**others, name: incident})
    page = _page(incident, PageKind.NEW)
    return replace(board, incidents=kept, numbered=incident.number), (page,)


def over(board: Board, alert: Alert, text: str, now: Moment) -> Board:
    """Note that what an alert told of is over, in the words of `text`; the all-clear may follow."""
    name = family(alert)
    known = board.incidents.get(name)
    if known is None or known.calm_since_ns is not None:
        return board
    calm = replace(known, calm_since_ns=now.wire_ns, calm_text=text)
    return replace(board, incidents={**board.incidents, name: calm})


def ticked(board: Board, now: Moment, policy: PagingPolicy) -> Paged:
    """Let time pass: repeat what nobody has heard, tell what was counted, clear what is over."""
    pages: list[Page] = []
    kept: dict[str, Incident] = {}
    for name, incident in board.incidents.items():
        later, page = _aged(incident, now, policy)
        if later is not None:
            kept[name] = later
        if page is not None:
            pages.append(page)
    return replace(board, incidents=kept), tuple(pages)


def heard(board: Board, said: str, now: Moment) -> Paged:
    """Stop repeating what was raised so far: a person has heard, in the words of `said`."""
    calling = [incident for incident in board.incidents.values() if incident.calls]
    if not calling:
        return board, ()
    quiet = {
        name: replace(incident, heard_by=said) if incident.calls else incident
        for name, incident in board.incidents.items()
    }
    numbers = ", ".join(f"{incident.number}" for incident in calling)
    page = Page(
        kind=PageKind.HEARD,
        number=calling[-1].number,
        severity=Severity.INFO,
        audience=_loudest(incident.audience for incident in calling),
        topic=Topic.OTHER,
        text=f"heard {said}; not repeated: {numbers}",
        raised_ms=now.epoch_ms,
    )
    return replace(board, incidents=quiet), (page,)


def _aged(
    incident: Incident, now: Moment, policy: PagingPolicy
) -> tuple[Incident | None, Page | None]:
    """Return an incident a while later, None when it is over, and what is to be told of it."""
    silent_ns = now.wire_ns - incident.told_ns
    if incident.calm_since_ns is not None:
        if now.wire_ns - incident.calm_since_ns < policy.calm_ns:
            return incident, None
        return None, _cleared(incident, now)
    if incident.more and silent_ns >= policy.same_ns:
        return _told(incident, PageKind.MORE, now)
    if incident.calls:
        due = silent_ns >= policy.repeat_ns
        return _told(incident, PageKind.REPEAT, now) if due else (incident, None)
    lasts = _is_trouble(incident.topic, incident.severity)
    return (incident if lasts or silent_ns < policy.same_ns else None), None


def _told(incident: Incident, kind: PageKind, now: Moment) -> tuple[Incident, Page]:
    """Tell it once more; what happened again after somebody had heard calls anew."""
    again = replace(incident, told=incident.told + 1, told_ns=now.wire_ns, heard_by="")
    return replace(again, more=0), _page(again, kind)


def _page(incident: Incident, kind: PageKind) -> Page:
    return Page(
        kind=kind,
        number=incident.number,
        severity=incident.severity,
        audience=incident.audience,
        topic=incident.topic,
        text=incident.text,
        raised_ms=incident.raised_ms,
        told=incident.told,
        more=incident.more,
    )


def _cleared(incident: Incident, now: Moment) -> Page:
    over = f"{incident.calm_text}. It was: {incident.text}"
    page = replace(_page(incident, PageKind.CLEARED), severity=Severity.INFO, text=over)
    return replace(page, topic=Topic.RUN, raised_ms=now.epoch_ms)


def _made_way(board: Board, alert: Alert) -> tuple[Mapping[str, Incident], Severity]:
    """Return the incidents that stay beside a new one, and its audience: a trouble is only one."""
    if not _is_trouble(alert.topic, alert.severity):
        return board.incidents, alert.severity
    before = _troubles(board.incidents.values())
    others = {name: one for name, one in board.incidents.items() if one not in before}
    return others, _loudest([alert.severity, *(one.audience for one in before)])


def _is_trouble(topic: Topic, severity: Severity) -> bool:
    """Whether it lasts until the daemon runs again. Starting and reconnecting as such are none."""
    return topic in _TROUBLES and severity is not Severity.INFO


def _troubles(incidents: Iterable[Incident]) -> list[Incident]:
    return [one for one in incidents if _is_trouble(one.topic, one.severity)]


def _calmed(board: Board, alert: Alert, now: Moment) -> Board:
    """Begin the wait for the all-clear, if anything waits for one."""
    waiting = _troubles(board.incidents.values())
    if not waiting:
        return board
    incidents = {
        name: replace(one, calm_since_ns=now.wire_ns, calm_text=alert.text)
        if one in waiting
        else one
        for name, one in board.incidents.items()
    }
    return replace(board, incidents=incidents)


def _restless(incidents: Mapping[str, Incident]) -> Mapping[str, Incident]:
    """Forget that it was calm: the daemon has left RUN again."""
    return {name: replace(one, calm_since_ns=None) for name, one in incidents.items()}


def _loudest(severities: Iterable[Severity]) -> Severity:
    return max(severities, key=RANK.__getitem__)


def _bounded(incidents: dict[str, Incident]) -> dict[str, Incident]:
    if len(incidents) > INCIDENTS_MAX:
        del incidents[min(incidents, key=lambda name: _worth(incidents[name]))]
    return incidents


def _worth(incident: Incident) -> tuple[int, int]:
    return RANK[incident.severity], incident.number


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One channel as the routing sees it.

    `severity` is the least that it is told of, None if it only stands in for others. `fallback` is
    the channel that is told when this one fails. `per_minute_max` bounds what it is told.
    """

    name: str
    severity: Severity | None
    fallback: str | None = None
    per_minute_max: int = 10


def addressed(page: Page, routes: Sequence[Route]) -> tuple[str, ...]:
    """Return the channels that want to hear of a page."""
    loud = RANK[page.audience]
    return tuple(
        route.name
        for route in routes
        if route.severity is not None and loud >= RANK[route.severity]
    )


def stand_in(failed: str, told: Iterable[str], routes: Sequence[Route]) -> str | None:
    """Return the channel to be told where `failed` was not; None if there is none left.

    `told` are all that were told, or tried, already: nobody is told twice.
    """
    fallbacks = {route.name: route.fallback for route in routes}
    tried = {failed, *told}
    name = fallbacks[failed]
    for _ in routes:  # no chain is longer, also where channels stand in for each other
        if name is None or name not in tried:
            return name
        name = fallbacks[name]
    return None
