"""What a person is told of a step, and how loudly."""

from collections.abc import Mapping, Sequence

from bot.core import latch, limits, reconcile
from bot.core.actions import Action, Alert, Severity, Topic
from bot.core.events import Fact
from bot.core.hedger import Decision, Verdict
from bot.core.instruments import Kind
from bot.core.modes import ModeChanged
from bot.core.reconcile import Adopted, is_jump
from bot.core.state import Mode, State

_SEVERITY: Mapping[Mode, Severity] = {
    Mode.RECONCILING: Severity.INFO,
    Mode.RUN: Severity.INFO,
    Mode.DEGRADED: Severity.WARNING,
    Mode.HOLD: Severity.CRITICAL,
    Mode.HALT: Severity.CRITICAL,
}


def _severity(change: ModeChanged, state: State) -> Severity:
    """Return how loud a change of mode is; who paused it knows, so that need not wake anyone."""
    reason = state.standing.pause_reason
    paused = change.after is Mode.HOLD and change.reason == reason and not is_jump(reason)
    return Severity.WARNING if paused else _SEVERITY[change.after]


def unhedged(news: Sequence[Decision]) -> tuple[Action, ...]:
    """Tell a person of a book that should be hedged and may not be, once per kind of reason."""
    if not news:
        return ()
    return tuple(
        Alert(
            severity=Severity.WARNING,
            text=f"book {told.book} is not hedged: {told.reason}",
            topic=Topic.UNHEDGED,
        )
        for told in news
        if told.verdict is Verdict.REFUSED
    )


def strays(before: State, state: State) -> tuple[Action, ...]:
    """Tell a person, once, of what is held and in no book: a slip in a selector hedges nothing."""
    if state.strays is before.strays:
        return ()
    return tuple(
        Alert(
            severity=Severity.WARNING,
            text=f"{name} is held and in no book: nobody hedges it",
            topic=Topic.UNHEDGED,
        )
        for name in sorted(state.strays - before.strays)
    )


def replies(before: State, state: State, facts: Sequence[Fact]) -> tuple[Action, ...]:
    """Answer commands that are not obeyed, or not at once."""
    if state.standing.commands_seen is before.standing.commands_seen:
        return ()
    return tuple(latch.replies(before.standing, facts))


def widened(before: State, in_force: Mapping[str, float]) -> tuple[Action, ...]:
    """Tell a person, once a run, of each limit that is not what the last run obeyed."""
    if before.folds or not before.standing.limits:
        return ()
    return tuple(
        Alert(severity=Severity.WARNING if wider else Severity.INFO, text=f"limit changed: {text}")
        for text, wider in limits.changed(before.standing.limits, in_force)
    )


def _is_surprise(state: State, note: Adopted) -> bool:
    """Whether a hedge moved while the daemon ran; people trade options, and those are the book."""
    known = note.reason in (reconcile.SETTLED, reconcile.AT_START)
    return not known and state.instruments[note.instrument].kind is not Kind.OPTION


def told(
    state: State,
    changes: tuple[ModeChanged, ...],
    adopted: tuple[Adopted, ...],
    margin: Sequence[Alert],
) -> tuple[Action, ...]:
    """Tell of changes of mode, of what was adopted from the venue and of margin running short."""
    if not (changes or adopted or margin):
        return ()
    modes = tuple(
        Alert(
            severity=_severity(change, state),
            text=f"{change.before} -> {change.after}: {change.reason}"
            + (f"; cleared by: {change.clears}" if change.clears else ""),
            topic=Topic(change.after.value),
        )
        for change in changes
    )
    external = tuple(
        Alert(
            severity=Severity.WARNING if _is_surprise(state, note) else Severity.INFO,
            text=f"{note.instrument}: {note.before_native} -> {note.after_native}, {note.reason}",
            topic=Topic.EXTERNAL,
        )
        for note in adopted
    )
    return (*modes, *external, *margin)
