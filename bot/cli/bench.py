"""`bench`: how fast this machine does what matters, beside a floor of the same machine."""

import asyncio
import tempfile
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.answer import Answer, AsJson, Exit, VerbError, complain, deliver

if TYPE_CHECKING:
    from bot.lab.bench.measures import Measured


class Part(StrEnum):
    """What can be measured."""

    EXCHANGE = "exchange"
    DECISION = "decision"
    JOURNAL = "journal"


Only = Annotated[
    str, typer.Option(metavar="PART[,PART]", help=f"Some of: {', '.join(Part)}. All if absent.")
]
Rounds = Annotated[int, typer.Option(min=1, max=100, help="Rounds; the median is told.")]
Directory = Annotated[
    Path | None,
    typer.Option(
        file_okay=False, exists=True, help="Where the journal's disk is; temporary files if absent."
    ),
]


def bench(
    only: Only = "", rounds: Rounds = 5, directory: Directory = None, as_json: AsJson = False
) -> None:
    """Measure the exchange's wire, the decision and the ledger. Takes about a minute.

    Exit code 1 means that a target was missed, on this machine, as busy as it was.
    """

    def work() -> Answer:
        parts = _parts(only)
        measured = asyncio.run(_measured(parts, rounds, directory or Path(tempfile.gettempdir())))
        return _answer(measured)

    deliver(work, as_json=as_json)


def _parts(only: str) -> list[Part]:
    names = [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in names if name not in set(Part)]
    if unknown:
        raise VerbError(
            f"bench: no part {', '.join(unknown)}; there are {', '.join(Part)}",
            exit_code=Exit.USAGE,
        )
    return [part for part in Part if not names or part.value in names]


async def _measured(parts: Sequence[Part], rounds: int, directory: Path) -> "list[Measured]":
    from bot.lab.bench import decision, journal, wire
    from bot.lab.bench.spawned import BenchError
    from bot.runtime.clock import WireClock

    now_ns = WireClock().monotonic_ns
    found: list[Measured] = []
    for part in parts:
        complain(f"bench: {part}")
        try:
            match part:
                case Part.EXCHANGE:
                    found += await wire.exchange(rounds, now_ns)
                case Part.DECISION:
                    found += decision.decision(rounds, now_ns)
                case Part.JOURNAL:
                    found += await journal.journal(rounds, now_ns, directory)
        except BenchError as error:
            raise VerbError(f"bench: {error}") from error
    return found


def _answer(measured: "Sequence[Measured]") -> Answer:
    from bot.cli import screens
    from bot.lab.bench.measures import machine, ratios

    of_floor, here = ratios(measured), machine()
    ok = all(one.is_met is not False for one in measured)
    payload: dict[str, Any] = {
        "ok": ok,
        "machine": here,
        "results": [
            {
                "name": one.name,
                "value": one.median,
                "unit": one.unit,
                "rounds": list(one.rounds),
                "target": one.target,
                "met": one.is_met,
                "floor": one.floor,
                "of_floor": of_floor.get(one.name),
                "note": one.note,
            }
            for one in measured
        ],
    }
    load = here["load_1_minute"]
    busy = "" if load is None else f", load {load:.1f} over the last minute"
    lines = [f"{here['processor']}, {here['cores']} cores, Python {here['python']}{busy}", ""]
    lines += [_line(one, of_floor.get(one.name)) for one in measured]
    code = Exit.DONE if ok else Exit.FAILED
    return Answer(payload=payload, screen=screens.plain(lines), exit_code=code)


def _line(one: "Measured", of_floor: float | None) -> str:
    said = f"  {one.name:<36} {one.median:>10,.1f} {one.unit:<23}"
    if one.target is not None:
        sign = "at least" if one.more_is_better else "at most"
        verdict = "met" if one.is_met else "MISSED"
        said += f"  target {sign} {one.target:,.0f}: {verdict};"
    if of_floor is not None:
        said += f"  {of_floor:.0%} of {one.floor};"
    return f"{said}  {one.note}"
