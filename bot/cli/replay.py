"""`replay`: does the core come to the same actions again on what was recorded?"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.answer import Answer, AsJson, Exit, VerbError, deliver
from bot.cli.configured import load
from bot.cli.journal import LedgerPath
from bot.cli.place import ConfigOption, JournalOption, journal_of

if TYPE_CHECKING:
    from bot.lab.replay import Replayed
    from bot.lab.replay_run import Difference, RunReplayed

TapeOption = Annotated[
    Path | None,
    typer.Option(
        "--tape",
        metavar="DIR",
        help="The tape's directory; else LEDGER.tape, else the one the ledger was written with.",
    ),
]
UnderOption = Annotated[
    Path | None,
    typer.Option(
        "--under",
        metavar="CONFIG",
        help="Obey this configuration instead of the recorded one: where would it act otherwise?",
    ),
]
HOLES_NAMED_MAX = 5


def replay(
    ledger_path: LedgerPath = None,
    tape: TapeOption = None,
    under: UnderOption = None,
    named: JournalOption = None,
    config: ConfigOption = None,
    as_json: AsJson = False,
) -> None:
    """Run the core again on a ledger and its tape, and compare every action to the bit.

    Ends with 1 at the first difference, or if nothing could be repeated, or not all could be read;
    folds that the tape lacks are checked by the ledger's own laws and counted.
    """

    def work() -> Answer:
        from bot.lab.replay import replay as replayed
        from bot.runtime.journal import LedgerRefusedError

        path = journal_of(journal=ledger_path or named, config=config)
        policy = None if under is None else load(under).policy()
        try:
            folder = tape or _tape_of(path)
            found = replayed(path, folder, policy)
        except LedgerRefusedError as error:
            raise VerbError(f"replay: {error}") from error
        return _answer(path, folder, found)

    deliver(work, as_json=as_json)


def _tape_of(path: Path) -> Path | None:
    """Find the tape: beside the ledger, else where the last run says that it put it."""
    from bot.runtime.ledger_reading import tape_named
    from bot.runtime.tape import tape_beside

    beside = tape_beside(path)
    if beside.is_dir():
        return beside
    named = tape_named(path)
    return Path(named) if named and Path(named).is_dir() else None


def _answer(path: Path, folder: Path | None, found: "Replayed") -> Answer:
    from bot.cli import screens

    difference = found.difference
    payload: dict[str, Any] = {
        "ok": found.is_same,
        "journal": str(path),
        "tape": None if folder is None else str(folder),
        "torn": list(found.torn),
        "folds": found.folds,
        "folds_untaped": sum(run.folds_untaped for run in found.runs),
        "facts": sum(run.facts for run in found.runs),
        "actions": sum(run.actions for run in found.runs),
        "orders": sum(run.orders for run in found.runs),
        "rows": sum(run.rows for run in found.runs),
        "runs": [_run(run) for run in found.runs],
        "unread": found.unread,
        "difference": None if difference is None else _difference(difference),
    }
    said = _said(payload)
    return Answer(
        payload=payload,
        screen=screens.plain(said),
        exit_code=Exit.DONE if found.is_same else Exit.FAILED,
    )


def _run(run: "RunReplayed") -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "began_ms": run.began_ms,
        "folds": run.folds,
        "facts": run.facts,
        "quotes": run.quotes,
        "rows": run.rows,
        "actions": run.actions,
        "orders": run.orders,
        "states": run.states,
        "folds_untaped": run.folds_untaped,
        "holes": [list(hole) for hole in run.holes],
        "rows_lawful": run.rows_lawful,
        "notes": run.notes,
    }


def _difference(difference: "Difference") -> dict[str, Any]:
    from bot.cli.ledger_words import facts_in_words, words

    def told(body: str) -> str:
        return words(difference.kind, body) if body else "no such row"

    return {
        "run_id": difference.run_id,
        "fold": difference.fold,
        "row": difference.kind,
        "where": difference.where,
        "facts": facts_in_words(difference.facts),
        "expected": difference.expected,
        "expected_words": told(difference.expected),
        "found": difference.found,
        "found_words": told(difference.found),
    }


def _said(payload: Mapping[str, Any]) -> list[str]:
    said: list[str] = []
    for run in payload["runs"]:
        said.append(
            f"run {run['run_id']}: {run['folds']:,} folds with {run['facts']:,} facts repeated, "
            f"{run['orders']:,} orders among {run['actions']:,} actions, {run['rows']:,} rows"
        )
        if run["holes"]:
            holes = ", ".join(f"{first}-{last}" for first, last in run["holes"][:HOLES_NAMED_MAX])
            more = " ..." if len(run["holes"]) > HOLES_NAMED_MAX else ""
            said.append(
                f"  {run['folds_untaped']:,} folds are not on the tape ({holes}{more}): of them "
                f"{run['rows_lawful']:,} rows obey the ledger's own laws, decisions are unchecked"
            )
        said += [f"  {note}" for note in run["notes"]]
    said += [f"tape broken off: {torn}" for torn in payload["torn"]]
    return said + _verdict(payload)


def _verdict(payload: Mapping[str, Any]) -> list[str]:
    difference = payload["difference"]
    if difference is not None:
        where = f"fold {difference['fold']} of run {difference['run_id']}, its {difference['row']}"
        return [
            f"DIFFERENT at {where}: {difference['where']}",
            f"  was told: {difference['facts'] or 'nothing that is recorded'}",
            f"  recorded: {difference['expected_words']}",
            f"  now:      {difference['found_words']}",
        ]
    if not payload["folds"]:
        return ["nothing could be repeated: there is no tape of these runs (--tape DIR names one)"]
    same = f"{payload['folds']:,} folds, {payload['actions']:,} actions"
    if payload["unread"]:
        return [f"NOT READ to the end: {payload['unread']}", f"identical before it: {same}"]
    return [f"identical: {same}"]
