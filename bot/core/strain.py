"""How the host does: whether its loop, its ledger and its clock are as good as trading needs."""

from collections.abc import Iterator
from dataclasses import replace

from bot.core import units
from bot.core.events import HostMeasured
from bot.core.safety import SafetyPolicy
from bot.core.state import Judgement, Mode, State
from bot.core.tally import Strain

CLOCK = "clock"


def strained(before: State, state: State, policy: SafetyPolicy) -> State:
    """Note what a new measurement of the host is over; what the last one was, it was until now."""
    if state.host is before.host or state.host is None:
        return state
    if before.host is not None and state.host.clock_skew_ms is None:  # nobody knows: as it was
        skew_ms = before.host.clock_skew_ms
        state = replace(state, host=replace(state.host, clock_skew_ms=skew_ms))
    over = {
        name: Strain(reason=reason, seen_ns=state.now_ns)
        for host in (before.host, state.host)
        for name, reason in _over(host, policy)
    }
    rested_ns = state.now_ns - policy.strain_rest_ns
    still = {name: one for name, one in state.strains.items() if one.seen_ns > rested_ns}
    strains = still | over
    return state if strains == state.strains else replace(state, strains=strains)


def _over(host: HostMeasured | None, policy: SafetyPolicy) -> Iterator[tuple[str, str]]:
    if host is None:
        return
    for name, what, took_ns, most_ns in (
        ("loop", "the event loop came", host.loop_lag_ns, policy.loop_lag_max_ns),
        ("ledger", "the ledger took", host.journal_ns, policy.journal_max_ns),
    ):
        if took_ns > most_ns:
            took_ms, most_ms = took_ns / units.NS_PER_MS, most_ns / units.NS_PER_MS
            late = " late" if name == "loop" else ""
            yield name, f"{what} {took_ms:,.0f} ms{late}, limit {most_ms:,.0f} ms"
    skew_ms = host.clock_skew_ms
    if skew_ms is not None and abs(skew_ms) > policy.clock_skew_max_ms:
        limit = f"limit {policy.clock_skew_max_ms:,.0f} ms"
        yield CLOCK, f"the host's clock is {skew_ms:+,.0f} ms from the venue's, {limit}"


def clock_trouble(state: State, policy: SafetyPolicy) -> Judgement | None:
    """Return the stop that a clock which is off asks for, if it is."""
    if not state.strains:
        return None
    one = state.strains.get(CLOCK)
    if one is None or not _lasts(state, CLOCK, one, policy):
        return None
    return Judgement(mode=Mode.HOLD, reason=one.reason, clears=_clears(policy))


def trouble(state: State, policy: SafetyPolicy) -> Judgement | None:
    """Return the care that a slow host asks for, if it is slow."""
    if not state.strains:
        return None
    for name, one in sorted(state.strains.items()):
        if _lasts(state, name, one, policy):
            return Judgement(mode=Mode.DEGRADED, reason=one.reason, clears=_clears(policy))
    return None


def _lasts(state: State, name: str, one: Strain, policy: SafetyPolicy) -> bool:
    """Whether a limit is passed by the last measurement, or was until a moment ago.

    What stays as bad as it is may not be told again.
    """
    if state.now_ns - one.seen_ns <= policy.strain_rest_ns:
        return True
    return name in dict(_over(state.host, policy))


def _clears(policy: SafetyPolicy) -> str:
    return f"it was within its limit for {policy.strain_rest_ns / units.NS_PER_SECOND:g} s"
