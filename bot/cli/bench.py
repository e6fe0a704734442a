"""`bench`: how fast this machine does what matters, beside a floor of the same machine."""

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bot.cli.answer import Answer, AsJson, Exit, VerbError, complain, deliver

if TYPE_CHECKING:
    from bot.lab.bench.measures import Absent, Measured


FULL_VECTOR_BITS: Final = 512  # the targets are meant for them


class Part(StrEnum):
    """What can be measured."""

    PRICING = "pricing"
    INVERSION = "inversion"
    SMILES = "smiles"
    SCENARIOS = "scenarios"
    PROCESSES = "processes"
    MARGIN = "margin"
    DECISION = "decision"
    JOURNAL = "journal"
    EXCHANGE = "exchange"


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
    """Measure the mathematics, the decision, the ledger and the exchange. Takes two minutes.

    Other libraries are measured beside ours where they are installed: the extra `bench` has them.
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


async def _measured(
    parts: Sequence[Part], rounds: int, directory: Path
) -> "list[Measured | Absent]":
    from bot.lab.bench.spawned import BenchError

    found: list[Measured | Absent] = []
    for part in parts:
        complain(f"bench: {part}")
        try:
            found += await _of(part, rounds, directory)
        except BenchError as error:
            raise VerbError(f"bench: {error}") from error
    return found


InMemory = Callable[[int, Callable[[], int]], "Sequence[Measured | Absent]"]


async def _of(part: Part, rounds: int, directory: Path) -> "Sequence[Measured | Absent]":
    from bot.lab.bench import (
        decision,
        grids,
        inversion,
        journal,
        margins,
        pricing,
        smiles,
        walks,
        wire,
    )
    from bot.runtime.clock import WireClock

    now_ns = WireClock().monotonic_ns
    match part:
        case Part.JOURNAL:
            return await journal.journal(rounds, now_ns, directory)
        case Part.EXCHANGE:
            return await wire.exchange(rounds, now_ns)
        case _:  # what neither waits nor writes
            in_memory: Mapping[Part, InMemory] = {
                Part.PRICING: pricing.pricing,
                Part.INVERSION: inversion.inversion,
                Part.SMILES: smiles.smiles,
                Part.SCENARIOS: grids.grids,
                Part.PROCESSES: walks.processes,
                Part.MARGIN: margins.margins,
                Part.DECISION: decision.decision,
            }
            return in_memory[part](rounds, now_ns)


def _answer(found: "Sequence[Measured | Absent]") -> Answer:
    from bot.cli import screens
    from bot.lab.bench.measures import Absent, Measured, machine, ratios

    measured = [one for one in found if isinstance(one, Measured)]
    absent = [one for one in found if isinstance(one, Absent)]
    of_floor, here = ratios(measured), machine()
    missed = [one.name for one in measured if one.is_met is False]
    payload: dict[str, Any] = {
        "ok": not missed,
        "machine": here,
        "results": [_result(one, of_floor.get(one.name)) for one in measured],
        "absent": [{"name": one.name, "reason": one.reason} for one in absent],
    }
    lines = [_machine(here), ""]
    lines += [_line(one, of_floor.get(one.name)) for one in measured]
    lines += ["", *(f"  not measured: {one.name}: {one.reason}" for one in absent)]
    lines += [f"  missed: {name}" for name in missed]
    code = Exit.FAILED if missed else Exit.DONE
    return Answer(payload=payload, screen=screens.plain(lines), exit_code=code)


def _result(one: "Measured", of_floor: float | None) -> dict[str, Any]:
    return {
        "name": one.name,
        "value": one.median,
        "unit": one.unit,
        "rounds": list(one.rounds),
        "target": one.target,
        "met": one.is_met,
        "floor": one.floor,
        "of_floor": of_floor,
        "note": one.note,
    }


def _machine(here: Mapping[str, Any]) -> str:
    load, bits = here["load_1_minute"], here["vector_bits"]
    told = [f"{here['processor']}, {here['cores']} cores", f"Python {here['python']}"]
    told.append("vectors of unknown width" if bits is None else f"vectors of {bits} bits")
    if load is not None:
        told.append(f"load {load:.1f} over the last minute")
    if bits != FULL_VECTOR_BITS:
        told.append("targets of vector loops doubled")
    return "; ".join(told)


def _line(one: "Measured", of_floor: float | None) -> str:
    digits = 2 if one.median < 100 else 0
    said = f"  {one.name:<40} {one.median:>9,.{digits}f} {one.unit:<15}"
    if one.target is not None:
        sign = "at least" if one.more_is_better else "at most"
        best = max(one.rounds) if one.more_is_better else min(one.rounds)
        verdict = "met" if one.is_met else f"MISSED (best round {best:,.{digits}f})"
        said += f" target {sign} {one.target:,g}: {verdict};"
    if of_floor is not None:
        share = f"{of_floor:.0%} of" if one.more_is_better else f"{of_floor:.1f} times"
        said += f" {share} {one.floor};"
    return f"{said} {one.note}".rstrip().rstrip(";")
