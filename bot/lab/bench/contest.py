"""Contenders in turn, round after round, so that a busy moment hits all of them alike."""

from collections.abc import Callable, Mapping
from typing import Final

from bot.core.units import NS_PER_MS, NS_PER_SECOND

TURN_NS: Final = 2 * NS_PER_MS  # a turn: as many calls as about fit in
BUDGET_NS: Final = NS_PER_SECOND  # the slow take part in fewer rounds
ROUNDS_MIN: Final = 3
CALLS_MAX: Final = 2_000

Call = Callable[[], object]


def contest(
    contenders: Mapping[str, Call], rounds: int, now_ns: Callable[[], int]
) -> dict[str, tuple[float, ...]]:
    """Nanoseconds a call took each contender, by round."""
    first = {name: _turn(call, 1, now_ns) for name, call in contenders.items()}  # warm
    second = {name: _turn(call, 1, now_ns) for name, call in contenders.items()}
    took_ns: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name, call in contenders.items():
            once_ns = max(min(first[name], second[name]), 1.0)
            calls = min(max(int(TURN_NS / once_ns), 1), CALLS_MAX)
            if number < max(BUDGET_NS / (once_ns * calls), ROUNDS_MIN):
                took_ns[name].append(_turn(call, calls, now_ns))
    return {name: tuple(rounds) for name, rounds in took_ns.items()}


def _turn(call: Call, calls: int, now_ns: Callable[[], int]) -> float:
    since_ns = now_ns()
    for _ in range(calls):
        call()
    return (now_ns() - since_ns) / calls
