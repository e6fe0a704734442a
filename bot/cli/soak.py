"""`soak`: the demo for an hour at ten times its rate of quotes; does anything grow or stall?"""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.answer import Answer, AsJson, Exit, VerbError, complain, deliver
from bot.cli.exchange import Seed

if TYPE_CHECKING:
    from bot.lab.wire.soak import Soaked
    from bot.lab.wire.soak_report import Figures

Seconds = Annotated[float, typer.Option(min=20.0, help="How long, in seconds.")]
Rate = Annotated[
    float, typer.Option(min=1.0, max=80.0, help="Quotes, as a multiple of the demo's.")
]
WithReplay = Annotated[
    bool, typer.Option("--replay/--no-replay", help="Repeat its ledger and tape afterwards.")
]


def soak(
    seconds: Seconds = 3_600.0,
    rate: Rate = 10.0,
    seed: Seed = 7,
    with_replay: WithReplay = True,
    as_json: AsJson = False,
) -> None:
    """Run the demo's exchange and a daemon for long, and watch the daemon from outside.

    Memory may grow by less than 4 MB an hour (Theil-Sen, after a warm-up), tasks and descriptors
    not at all; the event loop wakes less than 5 ms late in 99 of 100 cases; every hedge is in the
    venue's books once; and the ledger repeats to the same actions. Exit code 1 if not. Its files
    are left in `var`. Nothing leaves this machine.
    """

    def work() -> Answer:
        from bot.lab.wire import soak as lab
        from bot.lab.wire import soak_report
        from bot.lab.wire.place import fresh_folder
        from bot.lab.wire.processes import WireLabError

        try:
            journal = fresh_folder(Path("var"), "soak") / "ledger.sqlite3"
            plan = lab.SoakPlan(seconds=seconds, rate=rate, seed=seed, journal=journal)
            soaked = lab.soak(plan, lambda words: complain(f"soak: {words}"))
        except (OSError, WireLabError) as error:
            raise VerbError(f"soak: {error}") from error
        found = soak_report.figures(soaked)
        missed = soak_report.missed(soaked, found)
        again = _repeated(journal) if with_replay else None
        if again is not None and not again["ok"]:
            missed.append(f"the ledger does not repeat: {again['difference'] or 'nothing could'}")
        return _answer(soaked, found, missed, again)

    deliver(work, as_json=as_json)


def _repeated(journal: Path) -> dict[str, Any]:
    from bot.lab.wire.repeat import repeated

    complain("soak: repeating its ledger and tape ...")
    return asdict(repeated(journal))


def _answer(
    soaked: "Soaked", found: "Figures", missed: list[str], again: dict[str, Any] | None
) -> Answer:
    from bot.cli import screens

    p50, p99, worst = found.lag_ms
    payload: dict[str, Any] = {
        "ok": not missed,
        "missed": missed,
        "seconds": round(soaked.samples[-1].at_seconds, 1),
        "judged_seconds": round(found.seconds, 1),
        "rate": soaked.plan.rate,
        "seed": soaked.plan.seed,
        "instruments": soaked.instruments,
        "instruments_normal": soaked.instruments_normal,
        "rss_mb": {"first": round(found.rss_mb[0], 1), "last": round(found.rss_mb[1], 1)},
        "rss_mb_per_hour": {
            "slope": _told(found.slope.slope),
            "low": _told(found.slope.low),
            "high": _told(found.slope.high),
        },
        "tasks_more": found.tasks_more,
        "descriptors_more": found.descriptors_more,
        "threads_more": found.threads_more,
        "loop_lag_ms": {"p50": _told(p50), "p99": _told(p99), "max_below": _told(worst)},
        "quotes_per_second": round(found.quotes_per_second, 1),
        "rate_reached": round(found.rate_reached, 2),
        "quotes_conflated": round(found.conflated_share, 4),
        "folds_per_second": round(found.folds_per_second, 1),
        "cpu": round(found.cpu_share, 3),
        "hedges": found.orders,
        "orders_at_venue": soaked.books.orders_at_venue,
        "orders_in_journal": soaked.books.orders_in_journal,
        "position_match": not soaked.books.differences,
        "ledger_mb_per_hour": round(found.ledger_mb_per_hour, 1),
        "tape_mb_per_hour": round(found.tape_mb_per_hour, 1),
        "mode": soaked.mode,
        "replay": again,
        "journal": str(soaked.plan.journal.absolute()),
    }
    code = Exit.FAILED if missed else Exit.DONE
    return Answer(payload=payload, screen=screens.plain(_lines(payload)), exit_code=code)


def _told(value: float) -> float | None:
    """Return a figure for JSON, which has no NaN and no infinity."""
    return round(value, 2) if abs(value) < float("inf") else None


def _lines(told: dict[str, Any]) -> list[str]:
    slope, lag, rss = told["rss_mb_per_hour"], told["loop_lag_ms"], told["rss_mb"]
    lines = [
        f"{told['seconds']:,.0f} s, the last {told['judged_seconds']:,.0f} s judged",
        (
            f"  quotes      {told['quotes_per_second']:,.0f} a second of {told['instruments']} "
            f"instruments, {told['rate_reached']:.1f} times the demo's, "
            f"{told['folds_per_second']:,.0f} folds a second, "
            f"{told['cpu']:.0%} of a core"
        ),
        (
            f"  memory      {rss['first']:,.1f} to {rss['last']:,.1f} MB: {slope['slope']} MB an "
            f"hour ({slope['low']} to {slope['high']})"
        ),
        f"  loop lag    p50 {lag['p50']}, p99 {lag['p99']}, max below {lag['max_below']} ms",
        (
            f"  growth      {told['tasks_more']:+g} tasks, {told['descriptors_more']:+g} "
            f"descriptors, {told['threads_more']:+g} threads"
        ),
        (
            f"  disk        ledger {told['ledger_mb_per_hour']:,.0f}, "
            f"tape {told['tape_mb_per_hour']:,.0f} MB an hour"
        ),
        (
            f"  orders      {told['hedges']:,.0f} sent, {told['orders_at_venue']:,} at the venue, "
            f"{told['orders_in_journal']:,} in the ledger"
        ),
    ]
    again = told["replay"]
    if again is not None:
        lines.append(f"  replay      {again['folds']:,} folds, {again['actions']:,} actions")
    return [*lines, f"  ledger      {told['journal']}", *_verdict(told["missed"])]


def _verdict(missed: list[str]) -> list[str]:
    return [f"MISSED: {one}" for one in missed] or ["every target met"]
