"""A stress test as one object, on a terminal and as a page."""

import io
import json
import math
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from bot.cli.stress_screen import screen
from bot.core.margin.distance import AlreadyOver, Crossing, NoneWithin, Range
from bot.core.margin.picture import Picture, picture
from bot.lab.stress_page import page
from bot.lab.stress_told import moment, share_words, short, told
from bot.settings.historical_shocks import historical_shocks
from tests.core.margin.test_picture import drawn

COLUMNS = 100
SHOWN = drawn(buy_back=True)


def payload(changed: Picture | None = None) -> dict[str, Any]:
    shown = changed or SHOWN
    history = historical_shocks()
    with_history = replace(shown.question, history=[(one.title, one.shock) for one in history])
    made = picture(shown.subject, with_history)
    assert isinstance(made, Picture)
    kept = replace(shown, history=made.history)
    return {
        "head": "rehearsal at <nowhere>, 05 Jan 2026",
        "accounts": [told(kept, history)],
        "notes": ["ETH: no positions"],
    }


def on_terminal(of: dict[str, Any], columns: int = COLUMNS) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=columns, highlight=False, soft_wrap=True).print(screen(of))
    return out.getvalue().splitlines()


def test_what_is_told_is_json_without_a_nan() -> None:
    text = json.dumps(payload(), allow_nan=False)

    (account,) = json.loads(text)["accounts"]
    assert len(account["matrix"]["usage"]) == len(account["vols"])
    assert {len(row) for row in account["matrix"]["profit"]} == {len(account["spots"])}
    assert account["now"]["usage"] == pytest.approx(
        account["now"]["maintenance"] / account["now"]["balance"]
    )
    assert account["limits"]["warn"] == 0.5


def test_an_account_without_a_balance_is_told_as_lost() -> None:
    (account,) = payload(drawn(balance=-1.0))["accounts"]

    assert account["now"]["usage"] is None
    assert account["now"]["is_liquidated"] is True
    assert account["liquidation"]["down"]["words"] == "already over"
    assert any("lost" in line for line in on_terminal(payload(drawn(balance=-1.0))))


def test_tables_fit_a_terminal_of_a_hundred_columns() -> None:
    lines = on_terminal(payload())

    tables = [line for line in lines if "not proven" not in line]
    assert max(len(line.rstrip()) for line in tables) <= COLUMNS
    assert not any("…" in line for line in lines)
    assert any(line.startswith("liquidated down") for line in lines)
    assert any("buy back" in line for line in lines)
    assert any("12 Mar 2020 Black Thursday" in line for line in lines)
    assert "ETH: no positions" in lines


def test_in_a_file_or_on_a_narrow_terminal_no_figure_is_cut() -> None:
    assert on_terminal(payload(), columns=60) == on_terminal(payload())


def test_a_terminal_says_what_was_left_out() -> None:
    lines = on_terminal(payload(drawn()))

    assert any("--buy-back-options" in line for line in lines)
    assert not any("--buy-back-options" in line for line in on_terminal(payload()))


def test_distances_are_told_in_words() -> None:
    ranges = Range(down=Crossing(at=-0.321, later=(-0.5,)), up=NoneWithin(reach=0.6))
    over = AlreadyOver(usage=1.2)
    changed = replace(SHOWN, reach=ranges, theta=NoneWithin(reach=720.0), funding=over)
    changed = replace(changed, reach_stressed=Range(down=over, up=Crossing(at=0.1)))

    (account,) = payload(changed)["accounts"]

    far = account["liquidation"]
    assert far["down"]["words"] == "-32.1%, 67,900 USD; u crosses 1 again at -50%"
    assert far["up"]["words"] == "none within 60%"
    assert far["down_stressed"]["words"] == "already over"
    assert far["up_stressed"]["indices_usd"] == {"btc_usd": pytest.approx(110_000.0)}
    assert account["theta_to_warn"]["words"] == "not within 30.0 days"
    assert account["funding_to_warn"]["words"] == "u is over 50% already"


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0"), (None, "-"), (0.123, "+0.12"), (-9.876, "-9.88"), (-49.66, "-49.7"),
        (123.4, "+123"), (999.99, "+1.0k"), (-1234.0, "-1.2k"), (-42_123.0, "-42k"),
        (99_960.0, "+100k"), (-999_800.0, "-1.0m"), (-3_870_000.0, "-3.9m"), (2.5e9, "+2.5b"),
    ],
)  # fmt: skip
def test_numbers_are_short(value: float | None, words: str) -> None:
    assert short(value) == words
    assert len(words) <= 5


def test_shares_are_short() -> None:
    assert share_words(0.214) == "21%"
    assert share_words(1.66) == "166%"
    assert share_words(10.0) == ">999%"
    assert share_words(None) == "lost"
    assert share_words(0.2144, digits=1) == "21.4%"


def test_a_moment_is_told_in_utc() -> None:
    assert moment(1_767_622_915_000) == "05 Jan 2026 14:21:55 UTC"


def test_the_page_is_complete_in_itself() -> None:
    html = page(payload())

    assert html.startswith("<!doctype html>")
    assert not re.search(r'(?:src|href)="', html.split("<script>")[0])
    assert "Plotly.newPlot" in html
    assert html.count("class='plot'") == 5
    assert "&lt;nowhere&gt;" in html
    assert "<nowhere>" not in html


def test_a_page_s_heatmaps_hold_what_was_told() -> None:
    shown = payload()
    html = page(shown)

    found = re.search(r"const plots = (\[.*\]);\n", html)
    assert found is not None
    usage, profit, *_ = json.loads(found[1])
    (account,) = shown["accounts"]
    assert usage[1][0]["text"][0][0] == share_words(account["matrix"]["usage"][0][0])
    assert profit[1][0]["z"] == account["matrix"]["profit"]
    assert usage[1][0]["x"][account["spots"].index(0.0)] == "now"
    assert all(0.0 <= stop <= 1.0 for stop, _ in usage[1][0]["colorscale"])
    assert math.isclose(usage[1][0]["colorscale"][-1][0], 1.0)
