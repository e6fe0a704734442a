"""Counting the orders of a ledger that has been at work for long."""

import json
from pathlib import Path

from bot.lab.books import submitted
from bot.runtime.journal import Ledger, Row
from tests.runtime.desk import HEADER


def step(order_id: str) -> Row:
    order = {"$": "SubmitOrder", "order_id": order_id}
    return Row(kind="step", at_ms=0, body=json.dumps({"actions": [order, {"$": "Watch"}]}))


def test_orders_of_closed_volumes_are_counted_too(tmp_path: Path):
    path = tmp_path / "ledger.sqlite3"
    ledger = Ledger.open(path, HEADER)
    ledger._commit([step("db-1"), step("db-2")])
    ledger._turn_over([Row(kind="standing", at_ms=0, body="{}")])
    ledger._commit([step("db-3")])
    ledger.close()
    assert submitted(path) == ["db-1", "db-2", "db-3"]
