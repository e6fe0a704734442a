"""The margin parameters that the package brings, and what a file of one's own may get wrong."""

from pathlib import Path

import pytest

from bot.core.margin.deribit_standard import LeverageCurve, SlopedRate, future_share
from bot.core.margin.derive_table import Direction
from bot.settings.margin_parameters import SHIPPED, Deribit, Derive, Venue, parameters
from bot.settings.problems import ConfigError


@pytest.mark.parametrize("venue", Venue.__subclasses__())
def test_what_the_package_brings_is_whole_and_says_where_it_is_from(venue: type[Venue]) -> None:
    found = parameters(venue)

    for name in type(found).model_fields:
        told = getattr(found, name).provenance
        assert told
        assert all(one.source and one.as_of.year >= 2023 for one in told)


def test_every_file_that_the_package_brings_is_read_by_somebody() -> None:
    read = {venue.__name__.lower() for venue in Venue.__subclasses__()}

    assert {path.stem for path in SHIPPED.glob("*.yaml")} == read


def test_values_reach_the_models_as_they_are_written() -> None:
    deribit, derive = parameters(Deribit), parameters(Derive)

    assert isinstance(deribit.standard.futures["BTC"], LeverageCurve)
    assert future_share(deribit.standard, "BTC", 1.0).initial == 0.02
    assert deribit.portfolio.pairs["btc_usd"].price_range == 0.14
    assert deribit.portfolio.pairs["btc_usdc"] == deribit.portfolio.pairs["btc_usd"]
    assert deribit.portfolio.grid.far_moves[0] == -0.66
    assert derive.portfolio.scenarios[-1].direction is Direction.ABSOLUTE
    assert derive.portfolio.scenarios[23].damping == 0.21


def altered(tmp_path: Path, before: str, after: str) -> Path:
    text = (SHIPPED / "deribit.yaml").read_text()
    assert before in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(before, after, 1))
    return path


def test_a_file_of_ones_own_replaces_the_packages(tmp_path: Path) -> None:
    old = "{initial: 0.02, maintenance: 0.01, per_coin: 0.00005}"
    line = "BTC: {leverage: 50, leverage_min: 4, flat: 0.03, bend: 0.35, size_coin_max: 885}"

    found = parameters(Deribit, altered(tmp_path, line, f"BTC: {old}"))

    expected = SlopedRate(initial=0.02, maintenance=0.01, per_coin=0.00005)
    assert found.standard.futures["BTC"] == expected


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("price_range: 0.14", "prize_range: 0.14", "portfolio.pairs.btc_usd.price_range"),
        ("price_range: 0.14", "price_range: .nan", "portfolio.pairs.btc_usd.price_range"),
        ("price_range: 0.14", "price_range: wide", "portfolio.pairs.btc_usd.price_range"),
        ("as_of: 2026-02-15", "as_of: soon", "portfolio.provenance[0].as_of"),
        ("evidence: recomputed", "evidence: certain", "portfolio.provenance[0].evidence"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, before: str, after: str, told: str
) -> None:
    with pytest.raises(ConfigError, match=r"mine\.yaml:\d+") as error:
        parameters(Deribit, altered(tmp_path, before, after))

    assert told in str(error.value)
