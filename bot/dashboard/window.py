"""What the loop last looked like, kept for whoever asks. The loop shows; nobody here reaches in."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bot.core import units
from bot.core.dealing import BookPlan
from bot.core.engine import Step
from bot.core.hedger import Decision
from bot.dashboard import views
from bot.dashboard.models import (
    About,
    AlertsShown,
    Decisions,
    Explanation,
    Health,
    Percentiles,
    Status,
    Vital,
)
from bot.dashboard.stream import Stream

DECISIONS_KEPT = 500
LOOP_AGE_SECONDS_MAX = 10.0
READY = frozenset({"run", "degraded"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What never changes while the daemon runs, and where its measurements are read.

    `margin_limits` are the stages of margin use by name, as shares of the margin balance.
    """

    about: About
    plans: tuple[BookPlan, ...]
    currencies: tuple[str, ...]
    margin_limits: Mapping[str, float]
    wire_ns: Callable[[], int]
    latencies: Callable[[], Mapping[str, Percentiles]] = dict
    shell_metrics: Callable[[], bytes] = bytes
    alerts: Callable[[], AlertsShown] = AlertsShown


class Window:
    """The loop's latest step and its recent decisions. Of one event loop."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame
        self._opened_ns = frame.wire_ns()
        self._step: Step | None = None
        self._seen_ns = self._opened_ns
        self._decisions: deque[Decision] = deque(maxlen=DECISIONS_KEPT)
        self._last_hedges: dict[str, Decision] = {}
        self._stepped = asyncio.Event()
        self.stream = Stream()

    def show(self, step: Step) -> None:
        """Take the loop's latest step. Called after every fold; keeps references only."""
        self._step = step
        self._seen_ns = self.frame.wire_ns()
        for made in step.decisions:
            self._decisions.append(made)
            if made.order_id:
                self._last_hedges[made.book] = made
        self.stream.show(step)
        self._stepped.set()

    @property
    def step(self) -> Step | None:
        """The latest step, None before the first."""
        return self._step

    @property
    def loop_age_seconds(self) -> float:
        """How long ago the loop last stepped; since the window opened if it never did."""
        return (self.frame.wire_ns() - self._seen_ns) / units.NS_PER_SECOND

    async def until(self, seen: Callable[[Step], bool], seconds_max: float) -> bool:
        """Wait until a step shows something, at most so long; whether it did."""
        try:
            async with asyncio.timeout(seconds_max):
                while self._step is None or not seen(self._step):
                    self._stepped.clear()
                    await self._stepped.wait()
        except TimeoutError:
            return False
        return True

    def status(self) -> Status | None:
        """Everything a person asks first, None before the first step."""
        step = self._step
        if step is None:
            return None
        state = step.state
        up_ns = self.frame.wire_ns() - self._opened_ns
        return Status(
            now_ms=state.now_ms,
            uptime_seconds=up_ns / units.NS_PER_SECOND,
            loop_age_seconds=self.loop_age_seconds,
            about=self.frame.about,
            mode=views.mode(state, views.mode_reason(step)),
            books=views.books(step, self.frame.plans),
            positions=views.positions(state),
            open_orders=views.open_orders(state),
            unknown_orders=views.unknown_orders(state),
            balances=views.balances(state),
            links=views.links(state),
            quotes=views.quotes(state),
            pnl_coin=views.pnl(state, self.frame.currencies[0]),
            pnls=views.pnls(state, self.frame.currencies),
            delta_gaps=views.delta_gaps(state),
            latencies=dict(self.frame.latencies()),
            counts=views.counts(state),
            alerts=self.frame.alerts(),
        )

    def explanation(self) -> Explanation | None:
        """Why each book is, or is not, being hedged; None before the first step."""
        if self._step is None:
            return None
        return views.explanation(self._step, self.frame.plans, self._last_hedges)

    def decisions(self, limit: int) -> Decisions:
        """Return the latest decisions that acted or changed their reason, newest first."""
        newest = list(self._decisions)[::-1][:limit]
        return Decisions(decisions=[views.decision(made) for made in newest])

    def alive(self) -> Vital:
        """Whether the loop steps."""
        age = self.loop_age_seconds
        if age > LOOP_AGE_SECONDS_MAX:
            reason = f"the loop has not stepped for {age:.1f} s, at most {LOOP_AGE_SECONDS_MAX:g} s"
            return Vital(health=Health.FAILING, reason=reason)
        return Vital(health=Health.OK, reason=f"the loop stepped {age:.1f} s ago")

    def ready(self) -> Vital:
        """Whether the daemon may hedge."""
        alive = self.alive()
        if alive.health is Health.FAILING:
            return alive
        if self._step is None:
            return Vital(health=Health.FAILING, reason="starting")
        state = self._step.state
        health = Health.OK if state.mode.value in READY else Health.FAILING
        return Vital(health=health, reason=f"{state.mode.value}: {state.mode_reason}")
