"""`chaos --wire` and `chaos --kills`: real processes over real sockets, judged by the venue."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import quantiles
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.answer import Answer, Exit, VerbError, complain

if TYPE_CHECKING:
    from bot.lab.wire.kills import Killed, Start
    from bot.lab.wire.old_ledger import Opened
    from bot.lab.wire.repeat import Repeated
    from bot.lab.wire.storm import Outcome

Wire = Annotated[
    bool,
    typer.Option(
        "--wire",
        help="Instead: each fault of wire, process and disk, against a real daemon process.",
    ),
]
Kills = Annotated[
    int,
    typer.Option(
        "--kills",
        metavar="N",
        min=0,
        help="Instead: SIGKILL a busy daemon process N times, at moments that a seed draws.",
    ),
]
TO_RUN_SECONDS_MAX = 5.0
OPENING_TO_RUN_SECONDS_MAX = 1.0
# With an order in doubt: its lifetime, clock skew, settling and a question, of config/demo.yaml.
DOUBTFUL_SECONDS_MAX = 5.0
PERCENT = 100

Shares = Mapping[str, float]  # how many, their p50, p99 and max, in seconds


def stormed(only: str = "") -> Answer:
    """Let every fault of wire, process and disk befall a real daemon, one after the other.

    `only` are words that the names of those wanted have in them.
    """
    from bot.lab.wire import harm
    from bot.lab.wire.place import fresh_folder
    from bot.lab.wire.processes import WireLabError
    from bot.lab.wire.repeat import repeated
    from bot.lab.wire.rig import rig
    from bot.lab.wire.storm import harmed
    from bot.lab.wire.storm import stormed as storm
    from bot.lab.wire.strikes import STRIKES

    def tell(outcome: "Outcome") -> None:
        complain(f"chaos: {_line(outcome)}")

    strikes = [each for each in STRIKES if only in each.name]
    harms = [each for each in harm.HARMS if only in each.name]
    found: list[Outcome] = []
    again: list[Repeated] = []
    try:
        folder = fresh_folder(Path("var"), "wire")
        with rig(folder) as pair:
            found += storm(pair, strikes, tell)
            found += harmed(pair, harms, tell) if pair.running.lives else []
        again.append(repeated(pair.journal))
        if only in harm.DISK_FULL:
            with harm.small_disk(folder / "disk") as disk:
                complain(f"chaos: the disk that fills is {disk.means}")
                with rig(disk.folder, log_folder=folder) as pair:
                    found += harmed(pair, [harm.full(disk)], tell)
                again.append(repeated(pair.journal))
    except (OSError, WireLabError) as error:
        raise VerbError(f"chaos: {error}") from error
    return _stormed_answer(found, again, folder)


def _stormed_answer(
    found: "Sequence[Outcome]", again: "Sequence[Repeated]", folder: Path
) -> Answer:
    from bot.cli import screens

    failed = [one for one in found if not one.ok]
    replays_differ = [one.difference or "nothing was taped" for one in again if not one.ok]
    ok = not failed and not replays_differ
    payload: dict[str, Any] = {
        "ok": ok,
        "faults": [_row(one) for one in found],
        "failed": len(failed),
        "orders": sum(one.orders for one in found),
        "requests": sum(one.requests for one in found),
        "ids": sorted({name for one in found for name in one.ids.split()}),
        "replays": [asdict(one) for one in again],
        "folder": str(folder),
    }
    lines = [
        *(_line(one) for one in found),
        "",
        (
            f"{len(found)} faults, {len(failed)} failed; {payload['orders']} orders in the ledger, "
            f"{payload['requests']} requests at the venue"
        ),
        *(f"replay: {one.folds:,} folds, {one.actions:,} actions the same" for one in again),
        *(f"replay DIFFERS: {one}" for one in replays_differ),
    ]
    code = Exit.DONE if ok else Exit.FAILED
    return Answer(payload=payload, screen=screens.plain(lines), exit_code=code)


def _row(one: "Outcome") -> dict[str, Any]:
    return {
        "fault": one.fault,
        "ids": one.ids.split(),
        "struck": one.struck,
        "orders": one.orders,
        "requests": one.requests,
        "lost_on_the_way": one.lost,
        "healed_after_s": None if one.healed_seconds is None else round(one.healed_seconds, 2),
        "ok": one.ok,
        "why": one.why,
    }


def _line(one: "Outcome") -> str:
    healed = "not healed" if one.healed_seconds is None else f"{one.healed_seconds:4.1f} s"
    said = (
        f"{one.fault:<42} {one.ids:<12} struck {one.struck:>3}  orders {one.orders:>3}  "
        f"requests {one.requests:>3}  lost {one.lost}  healed {healed}"
    )
    return f"{said}  ok" if one.ok else f"{said}  FAILED\n{one.why}"


def killed(kills: int, seed: int) -> Answer:
    """Kill a busy daemon so often, then see how fast a month-old ledger is taken up."""
    from bot.lab.wire import old_ledger
    from bot.lab.wire.kills import killed_often
    from bot.lab.wire.place import fresh_folder
    from bot.lab.wire.processes import WireLabError
    from bot.lab.wire.repeat import repeated

    def tell(words: str) -> None:
        complain(f"chaos: {words}")

    try:
        folder = fresh_folder(Path("var"), "kills")
        found = killed_often(kills, seed, folder, tell)
        tell("repeating its ledger and tape ...")
        again = repeated(found.journal)
        tell("a ledger of a month is made, and opened again and again ...")
        opened = old_ledger.opened_often(folder / "month", tell)
    except (OSError, WireLabError) as error:
        raise VerbError(f"chaos: {error}") from error
    return _killed_answer(found, again, opened)


def _killed_answer(found: "Killed", again: "Repeated", opened: "Opened") -> Answer:
    from bot.cli import screens

    to_run, of_doubtful = _shares(found.starts), _shares(found.starts, in_doubt=True)
    opening = _shares(opened.openings, in_doubt=False)
    doubtful_opening = _shares(opened.openings, in_doubt=True)
    missed = [*found.violations, *_slow(to_run, opening, doubtful_opening)]
    if not again.ok:
        missed.append(f"the ledger does not repeat: {again.difference or 'nothing could'}")
    payload: dict[str, Any] = {
        "ok": not missed,
        "kills": found.kills,
        "kills_while_starting": found.kills_while_starting,
        "violations": len(found.violations),
        "missed": missed,
        "orders": found.orders,
        "fills": found.fills,
        "exec_to_run_s": to_run,
        "exec_to_run_in_doubt_s": of_doubtful,
        "month_old_ledger": {
            "rows": opened.rows,
            "mb": round(opened.mb, 1),
            "openings": len(opened.openings),
            "opening_to_run_s": opening,
            "opening_to_run_in_doubt_s": doubtful_opening,
            "exec_to_run_s": _shares(opened.starts),
        },
        "replay": asdict(again),
        "journal": str(found.journal),
    }
    lines = [
        (
            f"{found.kills} kills ({found.kills_while_starting} of them while starting), "
            f"{found.orders} orders, {found.fills} fills, {len(found.violations)} violations"
        ),
        f"  exec to RUN                 {_told(to_run)}",
        f"    with an order in doubt    {_told(of_doubtful)}",
        (
            f"  a month's ledger to RUN     {_told(opening)} "
            f"({opened.rows:,} rows, {opened.mb:,.0f} MB)"
        ),
        f"    with an order in doubt    {_told(doubtful_opening)}",
        f"  replay                      {again.folds:,} folds, {again.actions:,} actions",
        *(f"MISSED: {one}" for one in missed),
    ]
    code = Exit.FAILED if missed else Exit.DONE
    return Answer(payload=payload, screen=screens.plain(lines), exit_code=code)


def _slow(to_run: Shares, opening: Shares, doubtful_opening: Shares) -> Iterator[str]:
    """Say which starts took too long.

    What an order in doubt takes is the venue's proof; its ledger is read as fast as any other.
    """
    if not opening["starts"]:
        yield "each start on a month's ledger found an order in doubt: its reading was not measured"
    for what, seconds, most in (
        ("from exec to RUN", to_run, TO_RUN_SECONDS_MAX),
        ("from opening a month's ledger to RUN", opening, OPENING_TO_RUN_SECONDS_MAX),
        ("the same with an order in doubt", doubtful_opening, DOUBTFUL_SECONDS_MAX),
    ):
        if seconds["starts"] and seconds["p99"] >= most:
            yield f"{what} p99 {seconds['p99']} s, not under {most:g}"


def _shares(starts: "Sequence[Start]", *, in_doubt: bool | None = None) -> Shares:
    """Return the median, the value that 1 in 100 exceed (inclusive), and the longest.

    Of all, or of those with or without an order in doubt; all 0 if there are none.
    """
    seconds = [one.seconds for one in starts if in_doubt in {None, one.in_doubt}] or [0.0]
    cuts = quantiles(seconds, n=PERCENT, method="inclusive") if len(seconds) > 1 else []
    middle, late = (cuts[49], cuts[98]) if cuts else (seconds[0], seconds[0])
    shares = {"p50": middle, "p99": late, "max": max(seconds)}
    count = sum(in_doubt in {None, one.in_doubt} for one in starts)
    return {"starts": count, **{name: round(value, 3) for name, value in shares.items()}}


def _told(seconds: Shares) -> str:
    if not seconds["starts"]:
        return "none"
    return f"p50 {seconds['p50']} s, p99 {seconds['p99']} s of {seconds['starts']}"
