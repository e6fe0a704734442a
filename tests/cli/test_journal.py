"""Reading a ledger in words: what happened, and why, on the line itself."""

import json
from pathlib import Path

import pytest

from bot.cli.ledger_words import words
from bot.core import codec
from bot.core.engine import Step
from bot.core.events import (
    ClockSeen,
    Command,
    CommandGiven,
    Fact,
    FillCause,
    Link,
    LinkDown,
    OrderRejected,
    OrderUnknown,
    VenueStatus,
)
from bot.runtime import records
from bot.runtime.journal import Row
from tests.builders import CALL, PERP, START_MS, World, balance, fill, order_seen, positions
from tests.cli.desk import ledger_with, told, verb

CLOCK = ClockSeen(market_ms=START_MS, wire_ns=0)


def hedging() -> tuple[World, Step]:
    """A world whose last step sent a hedge."""
    world = World()
    world.begin({CALL: "-10"})
    return world, world.quotes()


def rows_of(step: Step) -> list[Row]:
    return records.step_rows(1, step, None, records.Standings())


def said_of(*facts: Fact) -> list[str]:
    rows = records.fact_rows(1, CLOCK, facts)
    return [words(row.kind, text_of(row)) for row in rows]


def text_of(row: Row) -> str:
    return row.body if isinstance(row.body, str) else row.body.decode()


def test_a_step_says_its_mode_its_verdict_why_and_the_order_however_long(tmp_path: Path) -> None:
    journal = tmp_path / "ledger.db"
    world, step = hedging()
    (order,) = world.orders()
    ledger_with(journal, *rows_of(step))

    lines = verb("journal", "tail", str(journal)).stdout.splitlines()

    assert [line.split()[3] for line in lines] == ["run", "step", "standing"]
    assert "2026-01-05 09:00:00" in lines[1]
    assert f"RUN; main: HEDGE (order {order.order_id}): delta -2.8716 from target" in lines[1]
    assert "back to the target; " in lines[1]
    assert "of BTC margin is used after the fill" in lines[1]
    assert f"send order {order.order_id}: +287,160 BTC-PERPETUAL, limit 100200.5" in lines[1]
    assert "1 position, 1 order under way, 1 sent so far" in lines[2]
    assert "{" not in "".join(lines)


def test_with_json_a_row_is_exactly_what_was_written(tmp_path: Path) -> None:
    journal = tmp_path / "ledger.db"
    _, step = hedging()
    written = rows_of(step)
    ledger_with(journal, *written)

    (_, first, second) = told(verb("journal", "tail", str(journal), "--json"))["rows"]

    assert [first["body"], second["body"]] == [json.loads(row.body) for row in written]


@pytest.mark.parametrize("way", ["word", "--journal", "--config", "environment"])
@pytest.mark.parametrize("action", ["tail", "verify"])
def test_the_ledger_is_named_as_for_every_other_verb(
    action: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = tmp_path / "ledger.db"
    ledger_with(journal)
    demo = Path(__file__).parents[2] / "config" / "demo.yaml"
    config = tmp_path / "config.yaml"
    config.write_text(demo.read_text().replace("var/demo.sqlite3", str(journal)))
    monkeypatch.setenv("DELTABAND_JOURNAL", str(journal))
    if way != "environment":
        monkeypatch.delenv("DELTABAND_JOURNAL")
    named = {
        "word": (str(journal),), "--journal": (way, str(journal)), "--config": (way, str(config)),
    }  # fmt: skip

    answer = verb("journal", action, *named.get(way, ()), "--json")

    assert answer.exit_code == 0
    assert told(answer)["journal"] == str(journal)


def test_orders_and_fills_are_told_once_with_size_price_and_reason() -> None:
    mine = fill("db1", size="-250", trade_id="T1", fee=0.000025)
    seen = order_seen("db1", VenueStatus.FILLED, size="-250", filled="-250")

    (told_once,) = said_of(mine, seen, mine, seen, balance(equity=0.0))
    (liquidated,) = said_of(fill(size="100", cause=FillCause.LIQUIDATION))
    (trouble,) = said_of(
        OrderRejected(order_id="db2", code=10009, reason="not_enough_funds"),
        OrderUnknown(order_id="db3", reason="connection lost"),
        LinkDown(link=Link.TRADING, reason="closed by the venue"),
    )

    assert told_once == (
        "fill -250 BTC-PERPETUAL at 100,000, fee 0.00002500 (order db1); "
        "order db1 filled, -250 of -250 BTC-PERPETUAL done"
    )
    assert liquidated.startswith("liquidation fill +100 BTC-PERPETUAL")
    assert trouble == (
        "order db2 rejected: not_enough_funds (code 10009); "
        "order db3 of unknown fate: connection lost; "
        "trading connection is down: closed by the venue"
    )


def test_a_read_of_the_account_is_summed_up() -> None:
    again = [fill("db1", size="10", trade_id=f"T{number}") for number in range(7)]

    (read,) = said_of(*again, positions({PERP: "70", CALL: "-1"}), balance(equity=10.0))

    assert read == (
        "7 fills, the last: fill +10 BTC-PERPETUAL at 100,000, fee 0.00000005 (order db1); "
        "the venue reports BTC-PERPETUAL +70, BTC-4FEB26-110000-C -1; "
        "BTC equity 10.0000, margin 1.0000 of 10.0000"
    )


def test_a_command_says_who_and_why_and_a_standing_that_it_holds() -> None:
    world, _ = hedging()
    command = CommandGiven(command=Command.HALT, command_id="c1", actor="cli:kim", note="smoke")
    step = world.fold(command)
    standing = rows_of(step)[-1]

    assert said_of(command) == ["HALT by cli:kim: smoke"]
    assert "halted by cli:kim: smoke" in words("standing", text_of(standing))


@pytest.mark.parametrize(
    ("kind", "body"),
    [("step", "{}"), ("facts", "not json"), ("novelty", '{"a":1}'), ("facts", '{"$":"Unheard"}')],
)
def test_what_this_version_cannot_read_is_shown_as_it_is(kind: str, body: str) -> None:
    assert words(kind, body) == body


def test_a_crash_shows_the_error_that_ended_the_core() -> None:
    error = "Traceback (most recent call last):\n  ...\nAssertionError: time ran back\n"
    body = codec.dumps({"fold": 1, "facts": [], "error": error}).decode()

    assert words("crash", body) == "AssertionError: time ran back"


def test_a_kind_that_no_row_has_is_answered_with_those_there_are(tmp_path: Path) -> None:
    journal = tmp_path / "ledger.db"
    ledger_with(journal)

    result = verb("journal", "tail", str(journal), "--kind", "decision")

    assert result.exit_code == 0
    assert "no row is of kind decision; there are: run" in result.stderr


def test_the_ids_of_commands_are_counted_and_not_listed() -> None:
    world, _ = hedging()
    before = world.state.standing
    command = CommandGiven(command=Command.PAUSE, command_id="0f" * 16, actor="cli:kim", note="")
    after = world.fold(command).state.standing
    change = records.change_text(2, before, after)
    assert change is not None

    said = words("change", change.decode())

    assert "commands seen (1); pause reason paused by cli:kim" in said
    assert command.command_id not in said
