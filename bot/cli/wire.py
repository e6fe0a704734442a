"""`chaos --wire` and `chaos --kills`: real processes, real sockets, judged by the venue."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.answer import Answer, Exit, VerbError, complain

if TYPE_CHECKING:
    from bot.lab.wire.storm import Outcome

Wire = Annotated[
    bool,
    typer.Option(
        "--wire",
        help="Instead: every fault of the wire, and of processes, against a real daemon.",
    ),
]


def stormed(only: str = "") -> Answer:
    """Let every fault of the wire befall a real daemon, one after the other."""
    from bot.lab.wire.place import fresh_folder
    from bot.lab.wire.processes import WireLabError
    from bot.lab.wire.rig import rig
    from bot.lab.wire.storm import stormed as storm
    from bot.lab.wire.strikes import STRIKES

    chosen = [strike for strike in STRIKES if only in strike.name]
    try:
        folder = fresh_folder(Path("var"), "wire")
        with rig(folder) as pair:
            found = storm(pair, chosen, lambda outcome: complain(f"chaos: {_line(outcome)}"))
    except (OSError, WireLabError) as error:
        raise VerbError(f"chaos: {error}") from error
    return _answer(found, folder / "ledger.sqlite3")


def _answer(found: "Sequence[Outcome]", journal: Path) -> Answer:
    from bot.cli import screens
    from bot.lab.wire.repeat import repeated

    again = repeated(journal)
    failed = [one for one in found if not one.ok]
    payload: dict[str, Any] = {
        "ok": not failed and again.ok,
        "faults": [_row(one) for one in found],
    }
    lines = [_line(one) for one in found]
    code = Exit.DONE if payload["ok"] else Exit.FAILED
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
        f"{one.fault:<44} {one.ids:<14} struck {one.struck:>3}  orders {one.orders:>3}  "
        f"requests {one.requests:>3}  lost {one.lost}  healed {healed}"
    )
    return f"{said}  ok" if one.ok else f"{said}  FAILED\n{one.why}"
