"""A disk that fills, and whether the storm is whole. `deltaband chaos --wire` does all of it."""

from pathlib import Path

import pytest

from bot.exchange.fault_words import TRAITS
from bot.lab.wire import harm
from bot.lab.wire.repeat import repeated
from bot.lab.wire.rig import rig
from bot.lab.wire.storm import judged
from bot.lab.wire.strikes import STRIKES
from tests.end_to_end.processes import PATIENCE

pytestmark = pytest.mark.timeout(600)


def test_a_full_disk_halts_the_daemon_until_a_person_resumes_it(tmp_path: Path) -> None:
    with harm.small_disk(tmp_path / "disk") as disk:
        with rig(disk.folder, log_folder=tmp_path, heal_seconds=PATIENCE) as pair:
            found = judged(pair, harm.full(disk))
            assert found.ok, found.why
        again = repeated(pair.journal)
        assert again.ok, again.difference


def test_every_fault_that_the_exchange_knows_is_in_the_storm() -> None:
    struck = {body["kind"] for strike in STRIKES for body in strike.arms}
    assert {kind.value for kind in TRAITS} == struck
