"""`--set` on the command line: what cannot be written is named as one, once and without secrets."""

from pathlib import Path

import pytest

from tests.settings.builders import DEMO, refused

SECRET = "sk-live-Gh7Q"  # what must never be repeated


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("books.0.hedge.band_hgih_coin=1", "did you mean band_high_coin"),
        ("books[0].hedge.band_high_coin=wide", "expected a number"),
        ("books.1.name=x", "books has 1 entry"),
        ("books.main.name=x", "name its entries by number"),
        ("venue.name.long=x", "a single value"),
        ("venue.0=x", "is a mapping"),
        ("port=8080", "belongs at dashboard.port"),
        ("safety.order_max_usd=[", "not YAML"),
        ("safety.order_max_usd=.nan", "found nan"),
        ("mode", "expected PATH=VALUE"),
        ("=x", "expected PATH=VALUE"),
        (f"venue.secret={SECRET}", "never written into a configuration"),
        (f"venue.api_secret={SECRET}", "unknown key"),
        (f"venue.secret.env={SECRET}", "environment variable"),
        (f"{SECRET}", "expected PATH=VALUE"),
    ],
)
def test_a_bad_override_is_named_as_one(override: str, says: str, tmp_path: Path):
    problems = refused(tmp_path, DEMO, override)

    assert problems[0].file.startswith("--set ")
    assert problems[0].line is None
    assert says in problems[0].message
    assert SECRET not in str(problems[0])


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("bogus=1", "--set bogus: unknown key; did you mean books?"),
        ("books[0].hedge.band_low_coin=-0.0000001", "--set books[0].hedge.band_low_coin: expected"),
        ("books.0.hedge.band_low_coin=-0.0000001", "found -0.0000001 coins"),
    ],
)
def test_a_bad_override_names_its_key_once_and_numbers_plainly(
    override: str, said: str, tmp_path: Path
):
    [problem] = refused(tmp_path, DEMO, override)

    assert said in str(problem)
    assert str(problem).count(override.partition("=")[0]) == 1
    assert "e-07" not in str(problem)
