"""A person halts a daemon that is still starting."""

import signal
from pathlib import Path

from bot.runtime.halting import HALT_SIGNAL, flag_on_signal
from bot.runtime.stopcock import halt_path, read_flag


def test_a_signal_before_the_first_ledger_has_a_directory_halts_the_start_too(
    tmp_path: Path,
) -> None:
    before = signal.getsignal(HALT_SIGNAL)
    flag = halt_path(tmp_path / "var" / "journal.db")
    try:
        flag_on_signal(flag)
        signal.raise_signal(HALT_SIGNAL)
    finally:
        signal.signal(HALT_SIGNAL, before)

    assert read_flag(flag) == f"signal {HALT_SIGNAL.name} while starting"
