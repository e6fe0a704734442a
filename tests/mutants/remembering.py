"""Bugs in the record: a ledger that is not what was written, and one that two can write."""

from tests.mutants.mutant import Mutant

REMEMBERING = (
    Mutant(
        name="the chain of hashes is not followed",
        incident="a bit flips on the disk, and a daemon starts on what it made of a position",
        file="bot/runtime/ledger_file.py",
        was="row.body)) == row.hash",
        becomes="row.body)) is not None",
        killed_by="tests/runtime/test_journal.py"
        "::test_a_damaged_row_is_found_and_the_daemon_does_not_start_on_it",
    ),
    Mutant(
        name="the index of kinds is trusted",
        incident="a bit flips in an index that no chain runs through, and a halt is forgotten",
        file="bot/runtime/ledger_reading.py",
        was="FROM ledger NOT INDEXED WHERE {chosen}",
        becomes="FROM ledger WHERE {chosen}",
        killed_by="tests/runtime/test_ledger_damage.py"
        "::test_a_halt_is_remembered_though_the_index_lost_its_row",
    ),
    Mutant(
        name="a copy without its mark is taken for whole",
        incident="a backup of last week is put back on a new machine, and nobody compares",
        file="bot/runtime/ledger_opening.py",
        was="if high is None and ledger_file.wants_mark(connection):",
        becomes="if high is None and not connection:",
        killed_by="tests/runtime/test_ledger_damage.py"
        "::test_a_ledger_put_back_without_its_mark_is_taken_up_only_after_a_repair",
    ),
    Mutant(
        name="a halt waits for the disk alone",
        incident="a halt is accepted while a backup holds the ledger; a kill undoes it",
        file="bot/runtime/halting.py",
        was="if waits and self._stopcock.is_given:",
        becomes="if waits and not self._stopcock:",
        killed_by="tests/runtime/test_halting.py"
        "::test_a_halt_that_the_disk_keeps_waiting_is_left_for_the_next_start",
    ),
    Mutant(
        name="a restored backup goes unnoticed",
        incident="yesterday's ledger is put back, and today's orders are sent again",
        file="bot/runtime/ledger_file.py",
        was="    if row[0] != high.hash:",
        becomes="    if not row[0]:",
        killed_by="tests/runtime/test_journal.py"
        "::test_a_rewritten_history_that_follows_from_itself_still_fails_the_high_water_mark",
    ),
    Mutant(
        name="marked before it is written",
        incident="the disk is full, the mark runs ahead of the rows, and no start is possible",
        file="bot/runtime/journal.py",
        was="        made = self._chained(rows, self._head)\n        self._begin()",
        becomes="        made = self._chained(rows, self._head)\n"
        "        ledger_file.write_high(self.path, Head(seq=made[-1].seq, hash=made[-1].hash))\n"
        "        self._begin()",
        killed_by="tests/runtime/test_journal.py"
        "::test_a_row_that_could_not_be_written_is_not_marked_and_the_next_start_needs_no_repair",
    ),
    Mutant(
        name="a write that failed is tried again",
        incident="the disk dropped a page without a word, and the next row hides the hole",
        file="bot/runtime/journal.py",
        was='            self.failure = f"cannot write {self.path}: {error}"',
        becomes='            self.failure = ""',
        killed_by="tests/runtime/test_journal.py"
        "::test_a_write_that_fails_fails_all_that_wait_and_everything_after",
    ),
    Mutant(
        name="two daemons on one ledger",
        incident="two writers fork the chain, and each sends its own hedge",
        file="bot/runtime/ledger_lock.py",
        was="fcntl.flock(lock, fcntl.LOCK_EX",
        becomes="fcntl.flock(lock, fcntl.LOCK_SH",
        killed_by="tests/runtime/test_journal.py"
        "::test_a_second_daemon_on_the_same_ledger_is_refused",
    ),
    Mutant(
        name="two daemons on one account",
        incident="each has a ledger of its own, and each hedges the whole account",
        file="bot/runtime/account_lock.py",
        was='        sock.bind(f"\\0{name}")',
        becomes='        sock.bind(f"\\0{name}{id(sock)}")',
        killed_by="tests/runtime/test_account_lock.py"
        "::test_a_second_daemon_on_the_account_is_told_whose_process_and_since_when",
    ),
    Mutant(
        name="a replay goes on over a hole",
        incident="folds are repeated from a state that they did not begin with, and all seems well",
        file="bot/lab/replay_run.py",
        was="            self._held, self._state = self._state.standing, None",
        becomes="            self._held = self._state.standing",
        killed_by="tests/lab/test_replay_gaps.py"
        "::test_after_a_lost_block_without_a_state_nothing_is_made_up_until_there_is_one",
    ),
    Mutant(
        name="a replay does not miss what was recorded",
        incident="an order is in the ledger, the core would not send it, and the replay agrees",
        file="bot/lab/replay_run.py",
        was='        yield "change", recorded.get("change", b""), found',
        becomes='        yield "change", recorded.get("change", found), found',
        killed_by="tests/lab/test_replay_gaps.py"
        "::test_an_order_that_only_the_ledger_or_only_the_core_has_is_a_difference",
    ),
    Mutant(
        name="a ledger of another account is taken",
        incident="the positions of the test account are hedged with real money",
        file="bot/runtime/ledger_opening.py",
        was="        if last[what] != asked:",
        becomes="        if not last[what]:",
        killed_by="tests/runtime/test_journal.py"
        "::test_a_ledger_of_another_account_or_mode_is_refused",
    ),
)
