"""A busy daemon is killed at random moments and started again; `chaos --kills` does it longer."""

import os
from pathlib import Path

import pytest

from bot.lab.wire.kills import killed_often
from bot.lab.wire.repeat import repeated
from tests.end_to_end.processes import PATIENCE

KILLS = int(os.environ.get("DELTABAND_KILLS", "3"))
SEED = 20260105


@pytest.mark.timeout(600 + 30 * KILLS)
def test_kills_lose_nothing_and_duplicate_nothing(tmp_path: Path) -> None:
    """No label twice, never two live orders on one instrument, the same books at the end."""
    found = killed_often(KILLS, SEED, tmp_path, heal_seconds=PATIENCE)
    assert found.violations == []
    assert found.kills == KILLS
    assert found.orders >= KILLS - found.kills_while_starting + 1
    again = repeated(found.journal)
    assert again.ok, again.difference
    assert again.folds > 0
