"""`journal`: reading a ledger, running or not, and checking that nobody changed it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.answer import Answer, AsJson, Exit, VerbError, complain, deliver
from bot.cli.place import ConfigOption, JournalOption, journal_of

if TYPE_CHECKING:
    from bot.runtime.journal import Broken, Entry

journal = typer.Typer(help="Read a ledger, or check it.", no_args_is_help=True)

LedgerPath = Annotated[
    Path | None,
    typer.Argument(metavar="LEDGER", help="The ledger file; else as --journal or --config say."),
]
Rows = Annotated[int, typer.Option("--rows", "-n", min=1, max=10_000, help="How many rows.")]
KindOfRow = Annotated[str | None, typer.Option("--kind", help="Only rows of this kind.")]


@journal.command()
def tail(
    ledger_path: LedgerPath = None,
    rows: Rows = 20,
    kind: KindOfRow = None,
    named: JournalOption = None,
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Show the last rows of a ledger in words, oldest first; with --json exactly as written."""

    def work() -> Answer:
        from bot.cli import screens
        from bot.cli.ledger_words import words
        from bot.runtime import journal as ledger

        path = journal_of(journal=ledger_path or named, config=config)
        try:
            found = ledger.tail(path, rows, kind)
        except ledger.LedgerRefusedError as error:
            raise VerbError(str(error)) from error
        told = [
            {"seq": entry.seq, "at_ms": entry.at_ms, "kind": entry.kind}
            | {"words": words(entry.kind, entry.body)}
            for entry in (() if as_json else found)
        ]
        if kind is not None and not found:
            known = ", ".join(ledger.counts(path)) or "none"
            complain(f"{path}: no row is of kind {kind}; there are: {known}")
        payload = {"journal": str(path), "rows": [_row(entry) for entry in found]}
        return Answer(payload=payload, screen=screens.ledger_rows(told))

    deliver(work, as_json=as_json)


@journal.command()
def verify(
    ledger_path: LedgerPath = None,
    named: JournalOption = None,
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Follow the hash chain of a ledger: is every row what was written, and is none missing?"""

    def work() -> Answer:
        from bot.runtime import journal as ledger
        from bot.runtime.ledger_volumes import verify_all

        path = journal_of(journal=ledger_path or named, config=config)
        try:
            verdict = verify_all(path)
            kinds = ledger.counts(path) if isinstance(verdict, ledger.Verified) else {}
        except ledger.LedgerRefusedError as error:
            raise VerbError(str(error)) from error
        match verdict:
            case ledger.Verified():
                return _whole(path, verdict.rows, verdict.head.hash.hex(), kinds)
            case volume, broken:
                return _broken(path, volume, broken)

    deliver(work, as_json=as_json)


def _whole(path: Path, rows: int, head: str, kinds: Mapping[str, int]) -> Answer:
    from bot.cli import screens

    payload = {
        "ok": True, "journal": str(path), "rows": rows, "head": head, "kinds": dict(kinds),
    }  # fmt: skip
    listed = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    said = f"{path}: {rows} rows, chain whole, head {head[:16]} ({listed})"
    return Answer(payload=payload, screen=screens.plain([said]))


def _broken(path: Path, volume: Path, broken: "Broken") -> Answer:
    from bot.cli import screens

    remedy = "stop the daemon, `deltaband journal repair`, then compare with the venue"
    if volume != path:
        remedy = "the daemon does not need this closed volume: put back a copy of it, or keep it"
    payload = {
        "ok": False,
        "journal": str(path),
        "volume": str(volume),
        "row": broken.seq,
        "reason": broken.reason,
        "means": broken.means,
    }
    said = [
        f"{volume}: row {broken.seq} {broken.reason}",
        f"It means: {broken.means}.",
        f"Do: {remedy}.",
    ]
    return Answer(payload=payload, screen=screens.plain(said), exit_code=Exit.FAILED)


def _row(entry: "Entry") -> dict[str, Any]:
    try:
        body: Any = json.loads(entry.body)
    except ValueError:
        body = entry.body
    return {
        "seq": entry.seq,
        "run_id": entry.run_id,
        "at_ms": entry.at_ms,
        "wire_epoch_ms": entry.wire_epoch_ms,
        "kind": entry.kind,
        "body": body,
    }
