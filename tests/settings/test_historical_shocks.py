"""Shocks that happened: figures with their sources, and none made up."""

from datetime import date
from pathlib import Path

import pytest

from bot.core.margin.report import Evidence
from bot.settings import ConfigError
from bot.settings.historical_shocks import SHIPPED, historical_shocks

DAYS = [
    date(2020, 3, 12),
    date(2021, 5, 19),
    date(2022, 11, 8),
    date(2024, 8, 5),
    date(2025, 10, 10),
]


def test_the_shipped_shocks_are_the_five_crashes_in_order() -> None:
    found = historical_shocks()

    assert [one.day for one in found] == DAYS
    assert all(-0.6 < one.shock.spot < -0.1 for one in found)


def test_every_figure_has_a_source_and_what_was_not_found_is_unverified_and_moves_nothing() -> None:
    for one in historical_shocks():
        for moved in (one.spot, one.vol_points, one.basis):
            assert moved.source
            if moved.move is None:
                assert moved.evidence is Evidence.UNVERIFIED
        assert one.spot.move is not None
        assert one.shock.vol_points == (one.vol_points.move or 0.0)
        assert one.shock.basis == (one.basis.move or 0.0)
        assert ("basis" in one.missing) == (one.basis.move is None)
    assert historical_shocks()[0].title == "12 Mar 2020 Black Thursday"


def test_a_figure_without_a_source_is_refused_with_its_line(tmp_path: Path) -> None:
    broken = tmp_path / "shocks.yaml"
    text = SHIPPED.read_text(encoding="utf-8")
    broken.write_text(text.replace("source: not found", 'source: ""', 1), encoding="utf-8")

    with pytest.raises(ConfigError, match=r"shocks\.yaml:\d+"):
        historical_shocks(broken)


def test_a_shock_that_lacks_its_spot_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "shocks.yaml"
    text = SHIPPED.read_text(encoding="utf-8")
    broken.write_text(text.replace("    spot:\n", "    spots:\n", 1), encoding="utf-8")

    with pytest.raises(ConfigError, match="spot"):
        historical_shocks(broken)
