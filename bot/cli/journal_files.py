"""`journal export` and `journal repair`: rows in other files, and what is whole of a ledger."""

import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TextIO

import typer

from bot.cli.answer import Answer, AsJson, Exit, VerbError, deliver, unreached
from bot.cli.journal import KindOfRow, LedgerPath
from bot.cli.place import ConfigOption, JournalOption, journal_of

if TYPE_CHECKING:
    from bot.runtime.journal import Entry
    from bot.runtime.ledger_repair import Repaired

BATCH_ROWS: Final = 10_000
COLUMNS: Final = (
    "seq", "run_id", "at", "at_ms", "wire_epoch_ms", "kind", "words", "body", "hash",
)  # fmt: skip


class Format(StrEnum):
    """In what form rows are exported."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"


Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", help="Where to; its ending chooses the form. Else printed."),
]
AsFormat = Annotated[Format | None, typer.Option("--format", help="jsonl, csv or parquet.")]


def export(
    ledger_path: LedgerPath = None,
    out: Out = None,
    form: AsFormat = None,
    kind: KindOfRow = None,
    named: JournalOption = None,
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Write a ledger's rows as JSON lines, CSV or Parquet; a running daemon is not disturbed."""

    def work() -> Answer | None:
        from bot.cli import screens
        from bot.runtime.journal import LedgerRefusedError

        path = journal_of(journal=ledger_path or named, config=config)
        chosen = _format(out, form, as_json=as_json)
        if out is not None and _belongs(out, path):
            raise VerbError(f"{out} belongs to the ledger: name another", exit_code=Exit.USAGE)
        try:
            count = _exported(_rows(path, kind), out, chosen)
        except LedgerRefusedError as error:
            raise VerbError(str(error)) from error
        except BrokenPipeError:  # who reads what is printed has read enough
            return None
        except OSError as error:
            raise VerbError(f"export: {unreached(error)}") from error
        if out is None:
            return None
        payload = {"journal": str(path), "out": str(out), "format": chosen.value, "rows": count}
        said = f"{path}: {count:,} rows to {out} as {chosen}"
        return Answer(payload=payload, screen=screens.plain([said]))

    deliver(work, as_json=as_json)


def _format(out: Path | None, form: Format | None, *, as_json: bool) -> Format:
    if out is None and (as_json or form is Format.PARQUET):
        what = "--json" if as_json else "parquet"
        raise VerbError(f"{what} wants a file to write to: --out FILE", exit_code=Exit.USAGE)
    if form is not None or out is None:
        return form or Format.JSONL
    try:
        return Format(out.suffix.removeprefix("."))
    except ValueError as error:
        known = ", ".join(Format)
        raise VerbError(
            f"{out} does not end in a known form ({known}): say --format", exit_code=Exit.USAGE
        ) from error


def _belongs(out: Path, path: Path) -> bool:
    """Whether a file is the ledger's own: its database, a volume, its mark, its lock."""
    beside = out.resolve().parent == path.resolve().parent
    return beside and out.name.startswith(path.name) and out.suffix[1:] not in set(Format)


def _rows(path: Path, kind: str | None) -> Iterator[dict[str, Any]]:
    from bot.cli.ledger_words import words
    from bot.runtime.ledger_volumes import all_entries

    for entry in all_entries(path):
        if kind is None or entry.kind == kind:
            yield _flat(entry, words(entry.kind, entry.body))


def _flat(entry: "Entry", said: str) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "run_id": entry.run_id,
        "at": datetime.fromtimestamp(entry.at_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        "at_ms": entry.at_ms,
        "wire_epoch_ms": entry.wire_epoch_ms,
        "kind": entry.kind,
        "words": said,
        "body": entry.body,
        "hash": entry.hash.hex(),
    }


def _exported(rows: Iterable[dict[str, Any]], out: Path | None, form: Format) -> int:
    if form is Format.PARQUET:
        assert out is not None, "asked for before"
        return _parquet(rows, out)
    write = _json_lines if form is Format.JSONL else _csv
    return _to(out, lambda file: write(rows, file))


def _to(out: Path | None, write: Callable[[TextIO], int]) -> int:
    if out is None:
        return write(sys.stdout)
    with out.open("w", newline="", encoding="utf-8") as file:
        return write(file)


def _json_lines(rows: Iterable[dict[str, Any]], file: TextIO) -> int:
    import json

    count = 0
    for row in rows:
        file.write(json.dumps({**row, "body": json.loads(row["body"])}, ensure_ascii=False) + "\n")
        count += 1
    return count


def _csv(rows: Iterable[dict[str, Any]], file: TextIO) -> int:
    import csv

    writer = csv.DictWriter(file, fieldnames=COLUMNS)
    writer.writeheader()
    count = 0
    for row in rows:
        writer.writerow(row)
        count += 1
    return count


def _parquet(rows: Iterable[dict[str, Any]], out: Path) -> int:
    import polars as pl

    batches: list[pl.DataFrame] = []
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH_ROWS:
            batches.append(pl.DataFrame(batch))
            batch = []
    if batch or not batches:
        batches.append(pl.DataFrame(batch))
    frame = pl.concat(batches)
    frame.write_parquet(out)
    return frame.height


def repair(
    ledger_path: LedgerPath = None,
    named: JournalOption = None,
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Keep what is whole of a damaged ledger; the next start halts until you have compared it.

    The damaged file and every row that can still be read from the first broken one on are kept
    beside it. No daemon may run on it meanwhile.
    """

    def work() -> Answer:
        import bot
        from bot.runtime.clock import WireClock
        from bot.runtime.journal import LedgerRefusedError
        from bot.runtime.ledger_repair import repair as repaired

        path = journal_of(journal=ledger_path or named, config=config)
        try:
            told = repaired(path, bot.__version__, WireClock())
        except (LedgerRefusedError, OSError) as error:
            raise VerbError(f"repair: {error}") from error
        return _answer(path, told)

    deliver(work, as_json=as_json)


def _answer(path: Path, told: "Repaired | None") -> Answer:
    from bot.cli import screens

    if told is None:
        said = f"{path} is whole: nothing to repair"
        payload: dict[str, Any] = {"journal": str(path), "repaired": False}
        return Answer(payload=payload, screen=screens.plain([said]))
    payload = {
        "journal": str(path),
        "repaired": True,
        "row": told.broken.seq,
        "reason": told.broken.reason,
        "means": told.broken.means,
        "kept_rows": told.kept_rows,
        "lost_rows": told.lost_rows,
        "lost_to": told.lost_to,
        "lost_kinds": told.lost_kinds,
        "side_file": str(told.side_file),
        "damaged": str(told.damaged),
    }
    listed = ", ".join(f"{count} {kind}" for kind, count in told.lost_kinds.items())
    lines = [
        told.words + (f" ({listed})" if listed else ""),
        f"the damaged file is {told.damaged.name}",
        "the next start halts: compare positions and trades with the venue, then resume",
    ]
    return Answer(payload=payload, screen=screens.plain(lines))
