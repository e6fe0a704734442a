"""`chaos`: the daemon that ships, in virtual time, under faults drawn from seeds."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bot.cli import wire as real
from bot.cli.answer import Answer, AsJson, Exit, VerbError, complain, deliver

if TYPE_CHECKING:
    from bot.lab.chaos import SeedResult

CORES: Final = os.cpu_count() or 1
TOLD_EVERY: Final = 100  # seeds: a word on how far it is

Seeds = Annotated[
    str, typer.Option("--seeds", metavar="A:B", help="From A up to but not B; one number is one.")
]
Jobs = Annotated[int, typer.Option(min=1, max=64, help="Processes at work side by side.")]
Shrink = Annotated[
    bool, typer.Option("--shrink", help="Of each seed that fails, find the strikes that it takes.")
]
CrashPoints = Annotated[
    int,
    typer.Option(
        "--crash-points",
        metavar="N",
        min=0,
        help="Instead: kill the daemon at N points of each of ten scenarios, and of each recovery.",
    ),
]
Only = Annotated[
    str,
    typer.Option(
        metavar="N[,N]", help="Only these strikes of a seed, by their numbers; for one seed."
    ),
]


def chaos(
    seeds: Seeds = "0:10",
    jobs: Jobs = CORES,
    only: Only = "",
    shrink: Shrink = False,
    crash_points: CrashPoints = 0,
    wire: real.Wire = False,
    kills: real.Kills = 0,
    as_json: AsJson = False,
) -> None:
    """Run the shell that ships through faults, in virtual time, and hold it to its invariants.

    Each seed is a world: the exchange's engine, simulated wires, disk, clock and supervisor, and
    the real daemon from its sockets up. For forty market minutes faults strike it; then all is
    mended, and it has to come to rest. A market hour with an expiry takes 2.5 minutes of wire time.
    Every tenth seed's ledger and tape are replayed when it is over.

    Of the 79 faults of the catalogue 70 are struck, each counted when it took effect; every market
    brings A5 and A6 (orders during settlement, delivery), the calendar T3, and growth (P6) is
    measured once a second. Not struck: N3, U1 and U2 are beyond a simulation of sockets and have
    tests of their own; O8 cannot happen, since no hedge is sent post-only; U3 waits for a page.
    `bot.lab.catalogue` says of each id where it is tried.

    `--wire` and `--kills` run a real daemon process over real sockets instead, and repeat its
    ledger afterwards; with `--wire`, `--only` takes words of the names of faults.

    The same seeds give the same trace_hash in any process. Exit code 1 means a violation.
    """

    def work() -> Answer:
        chosen = _range(seeds)
        if wire:
            return real.stormed(only)
        if kills:
            return real.killed(kills, chosen.start)
        if crash_points:
            return _killed(chosen, crash_points, jobs)
        numbers = _numbers(only)
        if numbers and len(chosen) != 1:
            raise VerbError("chaos: --only goes with one seed", exit_code=Exit.USAGE)
        results = _run(chosen, jobs, numbers)
        failures = [
            _failure(result, _command(result.seed, _shrunk(result.seed) if shrink else numbers))
            for result in results
            if result.violations
        ]
        return _answer(results, failures)

    deliver(work, as_json=as_json)


def _range(text: str) -> range:
    first, _, last = text.partition(":")
    try:
        start = int(first)
        end = int(last) if last else start + 1
    except ValueError:
        start, end = 0, 0
    if not 0 <= start < end:
        raise VerbError(
            f"chaos: --seeds takes A:B with A under B, such as 0:100, not {text!r}",
            exit_code=Exit.USAGE,
        )
    return range(start, end)


def _numbers(text: str) -> frozenset[int]:
    try:
        return frozenset(int(number) for number in text.split(",") if number.strip())
    except ValueError as error:
        raise VerbError(
            f"chaos: --only takes numbers, not {text!r}", exit_code=Exit.USAGE
        ) from error


def _run(seeds: range, jobs: int, only: frozenset[int]) -> "list[SeedResult]":
    from bot.lab import chaos as lab
    from bot.lab import workers
    from bot.lab.world import Plan

    plans = [Plan(seed=seed, only=only) for seed in seeds]
    results: list[SeedResult] = []
    found = workers.side_by_side(lab.run_seed, plans, jobs)
    for plan, one in zip(plans, found, strict=True):
        result = lab.lost(plan.seed, one.reason) if isinstance(one, workers.Lost) else one
        results.append(result)
        if result.violations:
            complain(f"chaos: seed {result.seed} failed: {_worst(result)}")
        if len(results) % TOLD_EVERY == 0 and len(results) < len(plans):
            complain(f"chaos: {len(results)} of {len(plans)} seeds")
    return results


def _killed(seeds: range, points: int, jobs: int) -> Answer:
    """Enumerate crash points instead of drawing faults."""
    from bot.lab import chaos as lab
    from bot.lab import crashes, workers

    results: list[SeedResult] = []
    failures: list[dict[str, Any]] = []
    command = f"deltaband chaos --seeds {seeds.start}:{seeds.stop} --crash-points {points}"

    def fail(result: "SeedResult", scenario: str, killed_at: Sequence[int]) -> None:
        told = {"scenario": scenario, "killed_at": list(killed_at)}
        failures.append(_failure(result, command) | told)
        complain(f"chaos: {scenario!r} failed, killed at {told['killed_at']}: {_worst(result)}")

    chosen: list[crashes.Point] = []
    tasks = crashes.scenarios(seeds, points)
    for task, found in zip(tasks, workers.side_by_side(crashes.surveyed, tasks, jobs), strict=True):
        if isinstance(found, workers.Lost):
            results.append(lab.lost(task.seed, found.reason))
            fail(results[-1], task.name, ())
        else:
            chosen += found
    for point, lived in zip(
        chosen, workers.side_by_side(crashes.killed, chosen, jobs), strict=True
    ):
        if isinstance(lived, workers.Lost):
            results.append(lab.lost(point.scenario.seed, lived.reason))
            fail(results[-1], point.scenario.name, (point.step,))
            continue
        for one in lived:
            results.append(one.result)
            if one.result.violations:
                fail(one.result, point.scenario.name, one.killed_at)
    phases = Counter(point.phase.value for point in chosen)
    more = {
        "crash_points": len(chosen),
        "recovery_points": sum(result.crashes > 1 for result in results),
        "deepest": max((result.crashes for result in results), default=0),
        "phases": dict(sorted(phases.items())),
    }
    return _answer(results, failures, more)


def _shrunk(seed: int) -> list[int]:
    from bot.lab.shrink import shrunk
    from bot.lab.world import Plan

    complain(f"chaos: shrinking seed {seed}")
    return shrunk(Plan(seed=seed))


def _worst(result: "SeedResult") -> str:
    first = result.violations[0]
    return f"{first.invariant} at {first.at_seconds:.1f} s: {first.text}"


def _answer(
    results: "Sequence[SeedResult]",
    failures: list[dict[str, Any]],
    more: Mapping[str, Any] | None = None,
) -> Answer:
    from bot.cli import screens
    from bot.lab import chaos as lab

    faults = lab.counted(results)
    payload: dict[str, Any] = {
        "ok": not failures,
        "seeds": len({result.seed for result in results}),
        "facts": sum(result.facts for result in results),
        "facts_min": min(result.facts for result in results),
        "folds": sum(result.folds for result in results),
        "orders": sum(result.orders for result in results),
        "crashes": sum(result.crashes for result in results),
        "market_seconds_min": min(result.market_seconds for result in results),
        "violations": sum(len(result.violations) for result in results),
        "faults": faults,
        "trace_hash": lab.trace_of(results),
        "failures": failures,
        **(more or {}),
    }
    lines = [
        (
            f"{payload['seeds']} seeds, {payload['facts']:,} facts, {payload['orders']:,} orders, "
            f"{payload['crashes']:,} crashes, {len(faults)} kinds of faults"
        ),
        " ".join(f"{name}:{count}" for name, count in faults.items()),
        f"trace {payload['trace_hash']}",
    ]
    if more is not None:
        lines.insert(1, _torn(more))
    for failure in failures:
        lines += ["", f"seed {failure['seed']}: {failure['first']}", f"  {failure['reproduce']}"]
    lines.append("" if failures else "no violation")
    code = Exit.FAILED if failures else Exit.DONE
    return Answer(payload=payload, screen=screens.plain(lines), exit_code=code)


def _torn(told: Mapping[str, Any]) -> str:
    phases = ", ".join(f"{name}: {count}" for name, count in told["phases"].items())
    return (
        f"{told['crash_points']} crash points, {told['recovery_points']} more in recoveries, "
        f"at most {told['deepest']} in a row; {phases}"
    )


def _command(seed: int, numbers: Iterable[int]) -> str:
    """Return the command that shows a seed again, with only these strikes if there are any."""
    only = ",".join(map(str, sorted(numbers)))
    return f"deltaband chaos --seeds {seed}:{seed + 1}" + (f" --only {only}" if only else "")


def _failure(result: "SeedResult", command: str) -> dict[str, Any]:
    return {
        "seed": result.seed,
        "first": _worst(result),
        "reproduce": command,
        "violations": [
            {"invariant": one.invariant, "at_seconds": one.at_seconds, "text": one.text}
            for one in result.violations
        ],
    }
