"""What a person is told of a section of margin that cannot be used."""

from pathlib import Path

import pytest

from tests.settings.test_broken import Broken, broken, check

ROWS = """
  futures_rates:
    BTC:
      - [26.55, 2.0, 1.3334]
      - [50, 2.8, 1.8667]
      - [100, 3.3, 2.2]
"""
BUFFER = "\n  funds_buffer_percent: 5 "


def rated(old: str, new: str, *, key: str, says: tuple[str, ...]) -> Broken:
    """The demo with rows of its own for futures, one of them wrong."""
    assert old in ROWS
    change = (BUFFER, ROWS.replace(old, new).rstrip() + BUFFER)
    return Broken(change=(change,), line=new, key=key, says=says)


CASES = {
    "a row of two": rated(
        "- [50, 2.8, 1.8667]", "- [50, 2.8]",
        key="margin.futures_rates.BTC[1][2]", says=("required",),
    ),
    "a rate without end": rated(
        "- [100, 3.3, 2.2]", "- [.inf, 3.3, 2.2]",
        key="margin.futures_rates.BTC[2][0]", says=("above 0", "found inf"),
    ),
    "thresholds out of order": broken(
        "warn_percent: 50", "warn_percent: 75", line="reduce_only_percent: 70",
        key="margin.reduce_only_percent", says=("more than warn_percent 75", "found 70"),
    ),
    "rates that fall in size": rated(
        "- [100, 3.3, 2.2]", "- [40, 3.3, 2.2]",
        key="margin.futures_rates.BTC[2]", says=("a size above 50", "found 40"),
    ),
    "maintenance over initial": rated(
        "- [100, 3.3, 2.2]", "- [100, 3.3, 4.2]",
        key="margin.futures_rates.BTC[2]", says=("below initial 3.3", "found 4.2"),
    ),
    "stressed thresholds out of order": broken(
        "stressed_warn_percent: 80", "stressed_warn_percent: 120",
        line="stressed_reduce_only_percent: 100", key="margin.stressed_reduce_only_percent",
        says=("more than stressed_warn_percent 120", "found 100"),
    ),
    "a margin model of another venue": broken(
        "model: deribit_standard", "model: okx_portfolio",
        key="margin.model", says=("a model of deribit", "deribit_portfolio", "found okx_portfolio"),
    ),
    "a margin model that nobody has": broken(
        "model: deribit_standard", "model: span",
        key="margin.model", says=("one of", "deribit_standard", 'found "span"'),
    ),
    "margin parameters that are not there": broken(
        "# parameters: my-margin.yaml ", "parameters: nowhere.yaml #",
        key="margin.parameters", says=("nowhere.yaml",), line="parameters: nowhere.yaml",
    ),
    "rates of standard margin with portfolio margin": Broken(
        change=(
            (BUFFER, ROWS.rstrip() + BUFFER),
            ("model: deribit_standard", "model: deribit_portfolio"),
        ),
        line="futures_rates:", key="margin.futures_rates",
        says=("only with deribit_standard", "not deribit_portfolio"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_is_wrong_with_margin_is_told_with_its_line_and_what_was_expected(
    case: Broken, tmp_path: Path
) -> None:
    check(case, tmp_path)
