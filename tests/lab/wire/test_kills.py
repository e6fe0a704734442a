"""Does the judge of the kill loop see what a daemon must never have done?"""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.core import engine
from bot.core.standing import Standing
from bot.lab.wire.kills import violated
from bot.runtime import records
from bot.runtime.journal import Ledger, Row
from tests.runtime.desk import HEADER

HEDGE = "BTC-PERPETUAL"
LEFT = replace(engine.fresh_standing("a1b2c3", 0), positions={HEDGE: Decimal(-50)})


def left_by(folder: Path, standing: Standing = LEFT, orders=("db-1", "db-2"), trades=("t-1",)):
    """The ledger of a daemon that sent these orders, took over these trades, and was killed."""
    path = folder / "ledger.sqlite3"
    actions = [{"$": "SubmitOrder", "order_id": order_id} for order_id in orders]
    facts = [{"$": "FillSeen", "trade_id": trade_id} for trade_id in trades]
    ledger = Ledger.open(path, HEADER)
    ledger._commit(
        [
            Row(kind="step", at_ms=0, body=json.dumps({"actions": actions})),
            Row(kind="facts", at_ms=0, body=json.dumps({"facts": facts})),
            Row(kind="standing", at_ms=0, body=records.standing_text(1, standing)),
        ]
    )
    ledger.close()
    return path


def seen(labels=("db-1", "db-2"), trades=("t-1",), size: int = -50):
    return {
        "requests": [{"method": "private/buy", "label": label} for label in labels],
        "fills": [{"trade_id": trade_id, "cause": "trade"} for trade_id in trades],
        "positions": {HEDGE: size},
    }


def test_books_that_agree_are_no_violation(tmp_path):
    assert violated(seen(), left_by(tmp_path)) == []


def test_an_order_whose_row_was_written_and_that_never_left_is_no_violation(tmp_path):
    assert violated(seen(labels=("db-1",)), left_by(tmp_path)) == []


WRONG: dict[str, dict[str, Any]] = {
    "label db-1 came 2 times": {"labels": ("db-1", "db-1")},
    "db-9 left without a ledger row": {"labels": ("db-9",)},
    "trade t-2 is not here": {"trades": ("t-1", "t-2")},
    "-60 at the venue, -50 here": {"size": -60},
}


@pytest.mark.parametrize("words", WRONG)
def test_what_the_venue_saw_and_the_ledger_does_not_bear_out_is_named(tmp_path, words):
    (said,) = violated(seen(**WRONG[words]), left_by(tmp_path))
    assert words in said


def test_a_trade_that_the_venue_never_made_and_a_halt_are_named(tmp_path):
    halted = replace(LEFT, halt_reason="the disk is full")
    said = violated(seen(), left_by(tmp_path, halted, trades=("t-1", "t-7")))
    assert len(said) == 2
    assert "t-7" in said[0]
    assert "the disk is full" in said[1]
