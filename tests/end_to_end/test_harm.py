"""What befalls the daemon's process and its disk. `deltaband chaos --wire` does all of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.exchange.fault_words import TRAITS
from bot.lab.wire import harm
from bot.lab.wire.repeat import repeated
from bot.lab.wire.rig import Rig, rig
from bot.lab.wire.storm import befallen, judged
from bot.lab.wire.strikes import STRIKES

pytestmark = pytest.mark.timeout(150)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with rig(tmp_path_factory.mktemp("harm")) as running:
        yield running


SAMPLED = ("a second one on the account", "locked by somebody")


@pytest.mark.parametrize("name", SAMPLED)
def test_the_daemon_gets_over_it_and_each_order_left_once_when_there_is(
    pair: Rig, name: str
) -> None:
    (chosen,) = (each for each in harm.HARMS if name in each.name)
    found = judged(pair, chosen)
    assert found.ok, found.why
    assert found.requests == found.orders


SHAPES = [each for each in STRIKES if each.arms[-1]["kind"] == "wrong_schema"]


@pytest.mark.parametrize("strike", SHAPES, ids=lambda each: each.name)
def test_what_has_another_shape_than_was_agreed_is_no_news(pair: Rig, strike) -> None:
    found = befallen(pair, strike)
    assert found.ok, found.why
    assert (found.requests, found.lost) == (found.orders, 0)


def test_a_full_disk_halts_the_daemon_until_a_person_resumes_it(tmp_path: Path) -> None:
    with harm.small_disk(tmp_path / "disk") as disk:
        with rig(disk.folder, log_folder=tmp_path) as pair:
            found = judged(pair, harm.full(disk))
            assert found.ok, found.why
        again = repeated(pair.journal)
        assert again.ok, again.difference


def test_every_fault_that_the_exchange_knows_is_in_the_storm() -> None:
    struck = {body["kind"] for strike in STRIKES for body in strike.arms}
    assert {kind.value for kind in TRAITS} == struck
