"""One run of a daemon once more: ledger and tape side by side, fold by fold."""

import json
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from bot.core import codec, engine
from bot.core.actions import SubmitOrder
from bot.core.engine import Policy, Step
from bot.core.events import ClockSeen, Fact
from bot.core.standing import Standing
from bot.core.state import State
from bot.lab import ledger_law
from bot.lab.unlike import first_difference
from bot.runtime import records
from bot.runtime.ledger_file import VOLUME, Entry
from bot.runtime.tape_blocks import TapedFold, TapedState

FOLD_KINDS: Final = frozenset({"facts", "command", "step", "standing", "change", "crash"})
ENDS: Final = "the ledger ends"
Item = TapedFold | TapedState
Rows = list[tuple[Entry, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The first thing of a run that does not come out again.

    `expected` is what was recorded, `found` what the core says now, both as bodies of rows of
    `kind`, empty where there is none; `where` is the first place in them that differs. `facts` are
    what the fold was told.
    """

    run_id: str
    fold: int
    kind: str
    where: str
    expected: str = ""
    found: str = ""
    facts: tuple[Fact, ...] = ()


@dataclass(slots=True, kw_only=True)
class RunReplayed:
    """What a run of the daemon came to the second time.

    `folds` were repeated, with so many facts, quotes among them; `rows` of the ledger came out
    again, `actions` and `orders` in them; `states` of the tape were compared. `holes` are spans of
    folds that the tape lacks; `rows_lawful` of their rows obey the ledger's own laws. `unread` says
    from where on nothing could be read, and why; empty if all could.
    """

    run_id: str
    began_ms: int = 0
    folds: int = 0
    facts: int = 0
    quotes: int = 0
    rows: int = 0
    actions: int = 0
    orders: int = 0
    states: int = 0
    rows_lawful: int = 0
    holes: list[tuple[int, int]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unread: str = ""
    difference: Difference | None = None

    @property
    def folds_untaped(self) -> int:
        """How many folds could not be repeated."""
        return sum(last - first + 1 for first, last in self.holes)


def replayed_run(
    run_id: str, rows: Iterator[Entry], taped: Iterator[Item], under: Policy | None
) -> RunReplayed:
    """Run the core again on one run's rows and what the tape holds of it.

    It obeys the policy that was recorded, or another one that it is put `under`.
    """
    run = _Run(run_id, rows, under)
    try:
        run.repeat(taped)
    except codec.CodecError as error:
        run.told.unread = f"from fold {run.next} on nothing could be read: {error}"
        run.told.notes.append(run.told.unread)
    return run.told


class _Folds:
    """A run's rows fold by fold, in order."""

    def __init__(self, rows: Iterator[Entry]) -> None:
        self._rows = rows
        self.ended: int | None = None
        self._next = self._read()

    @property
    def number(self) -> int | None:
        """The number of the next fold that left rows, None after the last."""
        return None if self._next is None else self._next[0]

    @property
    def are_cut_off(self) -> bool:
        """Whether no row is left, and none said that the run ends."""
        return self._next is None and self.ended is None

    def take(self, number: int) -> Rows:
        """Return the rows of fold `number`, if it is next, and go on."""
        taken: Rows = []
        while self._next is not None and self._next[0] == number:
            taken.append(self._next[1:])
            self._next = self._read()
        return taken

    def _read(self) -> tuple[int, Entry, Mapping[str, Any]] | None:
        for entry in self._rows:
            if entry.kind == "end":
                self.ended = int(records.body_of(entry.body)["fold"])
            elif entry.kind in FOLD_KINDS:
                body = records.body_of(entry.body)
                return int(body["fold"]), entry, body
        return None


class _Run:
    """Repeats a run; `told` is what came of it, `next` the number of the next fold."""

    def __init__(self, run_id: str, rows: Iterator[Entry], under: Policy | None) -> None:
        self.told = RunReplayed(run_id=run_id)
        self.next = 1
        self._rows = rows
        self._state: State | None = None  # None in a hole
        self._under = under
        self._policy: Policy | None = None
        self._held: Standing | None = None  # by the ledger alone, for a hole

    def repeat(self, taped: Iterator[Item]) -> None:
        """Go through the whole run, or until something differs.

        Raises:
            CodecError: a row is not of this version.
        """
        self._begin()
        folds = _Folds(self._rows)
        for item in taped:
            match item:
                case TapedState():
                    self._met_state(item, folds)
                case TapedFold():
                    self._met_fold(item, folds)
            if self.told.difference is not None:
                return
        self._finish(folds)

    def _begin(self) -> None:
        for entry in self._rows:
            self.told.began_ms = entry.at_ms
            if entry.kind == "begin":
                self._state, recorded = records.begun(entry.body)
                self._policy = _obeyed(self._under, recorded)
                self._held = self._state.standing
                return
            if entry.kind == "policy":
                self._policy = _obeyed(self._under, records.policy_of(entry.body))
                self.told.notes.append("it began in a volume that is not here any more")
                return
            if entry.kind == "repair":
                told = json.loads(entry.body)
                self.told.notes.append(
                    f"the ledger was repaired: row {told['row']} {told['reason']}"
                )
                self._rows = iter(())
                return
            if entry.kind not in {"run", VOLUME}:
                break
        self.told.notes.append("the run does not say what it began with: nothing can be repeated")

    def _met_state(self, item: TapedState, folds: _Folds) -> None:
        """Go on from a state after a hole; without one, it must be what we came to ourselves."""
        self._skip(item.number + 1, folds)
        if self.told.difference is not None:
            return
        recorded = records.state_of(item.text)
        if self._state is None:
            self._state = recorded if self._policy is not None else None
            return
        # Written again, as a standing is: an older version may have known of less.
        expected, found = (codec.dumps(one, in_order=True) for one in (recorded, self._state))
        if found != expected:
            self._differ(item.number, "state", expected, found)
        self.told.states += 1

    def _met_fold(self, item: TapedFold, folds: _Folds) -> None:
        self._skip(item.number, folds)
        if self.told.difference is not None:
            return
        rows = folds.take(item.number)
        if self._state is None:
            self._pass(item.number, item.number, rows, is_tail=folds.are_cut_off)
        else:
            self._step(item, rows, is_tail=folds.are_cut_off)
        self.next = item.number + 1

    def _skip(self, number: int, folds: _Folds) -> None:
        """Pass the folds before `number` that the tape lacks, if there are any."""
        if number <= self.next:
            return
        first = self.next
        while folds.number is not None and folds.number < number:
            last, rows = folds.number, folds.take(folds.number)
            self._pass(first, last, rows, is_tail=folds.are_cut_off)
            if self.told.difference is not None:
                return
            first = self.next
        if first < number:
            self._pass(first, number - 1, [])

    def _pass(self, first: int, last: int, rows: Rows, *, is_tail: bool = False) -> None:
        """Check what can be checked of folds that cannot be repeated; only the last left rows.

        Of a run's last fold a repair may have cut off what it came to, and left what it was told.
        """
        if self._state is not None:
            self._held, self._state = self._state.standing, None
        holes = self.told.holes
        if holes and holes[-1][1] == first - 1:
            first = holes.pop()[0]
        holes.append((first, last))
        self.next = last + 1
        trouble = ledger_law.broken(self._held, rows)
        is_whole = any(entry.kind in records.STANDING_KINDS for entry, _ in rows)
        if trouble is not None and is_tail and not is_whole:
            self._note_end(last, "within")
            return
        if trouble is not None:
            body = next((entry.body for entry, _ in rows if entry.kind == "step"), "")
            self.told.difference = Difference(
                run_id=self.told.run_id, fold=last, kind="step", where=trouble, expected=body
            )
            return
        self._held = ledger_law.standing_after(self._held, rows)
        self.told.rows_lawful += len(rows)

    def _step(self, item: TapedFold, rows: Rows, *, is_tail: bool) -> None:
        """Repeat one fold and compare."""
        assert self._state is not None, "not in a hole"
        assert self._policy is not None, "a state without a policy is not kept"
        facts = _facts(item, rows)
        apart = _apart_in_time(item, rows)
        if apart is not None:
            self._differ(item.number, "facts", apart.encode(), b"", facts=facts)
            return
        before = self._state.standing
        try:
            step = engine.step(self._state, facts, self._policy)
        except Exception as error:  # noqa: BLE001  that it fails now is what is to be found out
            self._differ(item.number, "crash", b"no error", _said(error), facts=facts)
            return
        self._state = step.state
        if is_tail and _is_cut(item.number, rows, before, step):
            self._note_end(item.number, "within" if rows else "before")
            return
        for kind, expected, found in _compared(item.number, rows, before, step):
            if expected != found:
                self._differ(item.number, kind, expected, found, facts=facts)
                return
        self.told.folds += 1
        self.told.facts += len(facts)
        self.told.quotes += len(item.quotes)
        self.told.rows += len(rows)
        self.told.actions += len(step.actions)
        self.told.orders += sum(isinstance(action, SubmitOrder) for action in step.actions)

    def _note_end(self, number: int, where: str) -> None:
        """Say where the rows of a run end whose tape goes on."""
        if not any(note.startswith(ENDS) for note in self.told.notes):
            why = "the process was ended here" if where == "before" else "it was cut here"
            self.told.notes.append(f"{ENDS} {where} fold {number}: {why}")

    def _finish(self, folds: _Folds) -> None:
        """Pass what the ledger holds beyond the tape; a crash brought its own facts along."""
        while folds.number is not None and self.told.difference is None:
            number = folds.number
            rows = folds.take(number)
            crash = next((body for entry, body in rows if entry.kind == "crash"), None)
            if crash is not None and self._state is not None and number == self.next:
                self._crash(number, crash)
            else:
                self._pass(self.next, number, rows, is_tail=folds.are_cut_off)
        if folds.ended is not None and folds.ended >= self.next and self.told.difference is None:
            self._pass(self.next, folds.ended, [])

    def _crash(self, number: int, crash: Mapping[str, Any]) -> None:
        assert self._state is not None, "asked before"
        assert self._policy is not None, "a state without a policy is not kept"
        recorded = str(crash["error"]).strip().splitlines()[-1]
        try:
            engine.step(self._state, crash["facts"], self._policy)
        except Exception as error:  # noqa: BLE001  whatever it was, it is compared
            if _said(error).decode() == recorded:
                self.told.notes.append(f"the core failed on fold {number}, and does: {recorded}")
            else:
                self._differ(number, "crash", recorded.encode(), _said(error))
            return
        self._differ(number, "crash", recorded.encode(), b"no error", facts=tuple(crash["facts"]))

    def _differ(
        self, fold: int, kind: str, expected: bytes, found: bytes, *, facts: tuple[Fact, ...] = ()
    ) -> None:
        recorded, now = expected.decode(), found.decode()
        plain = kind in {"facts", "crash"}
        where = f"recorded {recorded}, now {now}" if plain else first_difference(recorded, now)
        self.told.difference = Difference(
            run_id=self.told.run_id,
            fold=fold,
            kind=kind,
            where=where,
            expected=recorded,
            found=now,
            facts=facts,
        )


def _obeyed(under: Policy | None, recorded: Policy) -> Policy:
    """Return what a run obeys: what was recorded, or another policy.

    Of another one the limits are written down as those recorded: else every fold would differ by
    that note, and none by what was done.
    """
    if under is None:
        return recorded
    tried = replace(under)
    vars(tried)["limits"] = recorded.limits  # a cached property: filled, it is not worked out
    return tried


def _said(error: Exception) -> bytes:
    """Return the last line of what a crash row would keep of an error."""
    return traceback.format_exception_only(error)[-1].strip().splitlines()[-1].encode()


def _facts(item: TapedFold, rows: Rows) -> tuple[Fact, ...]:
    """Put a fold together again: clock, facts, commands, quotes."""
    clock = ClockSeen(market_ms=item.market_ms, wire_ns=item.wire_ns, rate=item.rate)
    told = [fact for entry, body in rows if entry.kind == "facts" for fact in body["facts"]]
    told += [body["command"] for entry, body in rows if entry.kind == "command"]
    return (clock, *told, *item.quotes)


def _apart_in_time(item: TapedFold, rows: Rows) -> str | None:
    """Say it if ledger and tape stamp one fold differently: then they are not of one run."""
    for entry, body in rows:
        stamped = (body.get("market_ms"), body.get("wire_ns"))
        if entry.kind == "facts" and stamped != (item.market_ms, item.wire_ns):
            return f"clocks {stamped} in the ledger, {(item.market_ms, item.wire_ns)} on the tape"
    return None


def _is_cut(number: int, rows: Rows, before: Standing, step: Step) -> bool:
    """Whether the rows of a run's last fold are the first of those that it leaves, but not all.

    A kill takes all of a fold's rows or none; a repair cuts behind any row.
    """
    there = [bool(kept) for _, kept, found in _compared(number, rows, before, step) if found]
    return not all(there) and there == sorted(there, reverse=True)


def _compared(
    number: int, rows: Rows, before: Standing, step: Step
) -> Iterator[tuple[str, bytes, bytes]]:
    """Yield kind, recorded and new body of every row that a fold's outcome leaves.

    A whole standing is written again from what was read of it: what an older version did not know
    of yet is in it as that left it, empty.
    """
    recorded = {entry.kind: entry.body.encode() for entry, _ in rows}
    says = step.actions or step.decisions or step.notes
    yield "step", recorded.get("step", b""), records.step_text(number, step) if says else b""
    after = step.state.standing
    whole = next((body["standing"] for entry, body in rows if entry.kind == "standing"), None)
    if whole is not None:
        yield "standing", records.standing_text(number, whole), records.standing_text(number, after)
    else:
        found = records.change_text(number, before, after) or b""
        yield "change", recorded.get("change", b""), found
