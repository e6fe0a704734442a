"""The demo as a person meets it: what is wrong is said once, and ends with the right code."""

from pathlib import Path

import pytest

from tests.cli.desk import process


@pytest.mark.timeout(60)
def test_a_market_that_is_not_there_is_one_line_and_a_usage_error(tmp_path: Path) -> None:
    ended = process("demo", "--market", "nothere.parquet", "--json", folder=tmp_path)

    assert ended.returncode == 2
    (line,) = [line for line in ended.stderr.splitlines() if "nothere.parquet" in line]
    assert line == "deltaband: exchange: there is no file nothere.parquet"
    assert ended.stdout.count("\n") == 1
