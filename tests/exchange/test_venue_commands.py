"""What the venue does by itself: deposits, transfers, and the rows of everything."""

from decimal import Decimal
from typing import Any

import pytest

from bot.exchange.commands import Answer, Refused
from bot.exchange.engine import Engine
from bot.exchange.register import Register
from bot.exchange.statement import EntryKind
from bot.exchange.trading_commands import BustTrade
from bot.exchange.venue_commands import (
    Deposit,
    Transfer,
)
from bot.exchange.views.statements import transaction
from tests.exchange.engine_builders import (
    BUY,
    CALL,
    EXPIRY_MS,
    IOC,
    PERP,
    SELL,
    engine,
    frame,
    order,
    placed,
)


def _rows(venue: Engine, account: str = "demo") -> list[tuple[EntryKind, str]]:
    return [(row.subject.kind, row.subject.side) for row in venue.statement(account, "BTC")]


def test_deposits_and_withdrawals_are_rows_that_lead_to_the_balance() -> None:
    venue = engine()
    for amount in ("0.5", "-0.25"):
        command = Deposit(account="demo", currency="BTC", amount=Decimal(amount))
        assert isinstance(venue.handle(command), Answer)
    rows = venue.statement("demo", "BTC")
    assert [row.subject.kind for row in rows] == [
        EntryKind.DEPOSIT, EntryKind.DEPOSIT, EntryKind.WITHDRAWAL,
    ]  # fmt: skip
    assert [float(row.balance) for row in rows] == [10.0, 10.5, 10.25]
    assert venue.excess("BTC") == 0


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (Deposit(account="demo", currency="BTC", amount=Decimal(-11)), 10009),
        (Deposit(account="demo", currency="BTC", amount=Decimal("NaN")), -32602),
        (Deposit(account="demo", currency="DOGE", amount=Decimal(1)), -32602),
        (Deposit(account="nobody", currency="BTC", amount=Decimal(1)), -32602),
        (Transfer(sender="demo", recipient="other", currency="BTC", amount=Decimal(11)), 10009),
        (Transfer(sender="demo", recipient="demo", currency="BTC", amount=Decimal(1)), -32602),
        (Transfer(sender="demo", recipient="other", currency="BTC", amount=Decimal(-1)), -32602),
        (Transfer(sender="demo", recipient="nobody", currency="BTC", amount=Decimal(1)), -32602),
    ],
)
def test_what_cannot_be_is_refused(command: Deposit | Transfer, code: int) -> None:
    venue = engine()
    answer = venue.handle(command)
    assert isinstance(answer, Refused)
    assert answer.code == code
    assert len(venue.statement("demo", "BTC")) == 1


def test_a_transfer_moves_money_and_says_so_on_both_sides() -> None:
    venue = engine()
    done = venue.handle(
        Transfer(sender="demo", recipient="other", currency="BTC", amount=Decimal("2.5"))
    )
    assert isinstance(done, Answer)
    given, taken = venue.statement("demo", "BTC")[-1], venue.statement("other", "BTC")[-1]
    assert (given.change, taken.change) == (Decimal("-2.5"), Decimal("2.5"))
    assert (given.subject.other_account, taken.subject.other_account) == ("other", "demo")
    assert venue.account("demo", "BTC").balance == 7.5


def test_money_that_margins_need_cannot_be_withdrawn() -> None:
    venue = engine(equity=1.0, positions={PERP: 2_000_000})  # of which 0.4 are margin
    answer = venue.handle(Deposit(account="demo", currency="BTC", amount=Decimal("-0.7")))
    assert isinstance(answer, Refused)
    assert isinstance(
        venue.handle(Deposit(account="demo", currency="BTC", amount=Decimal("-0.59"))), Answer
    )


def test_rows_of_trades_say_what_was_opened_closed_paid_and_held() -> None:
    venue = engine()
    placed(venue.handle(order(BUY, 1_000, 100_001.0, tif=IOC)))
    placed(venue.handle(order(SELL, 400, 99_999.0, tif=IOC)))
    placed(venue.handle(order(BUY, 1, 0.05, name=CALL.name, tif=IOC)))
    assert _rows(venue)[1:] == [
        (EntryKind.TRADE, "open buy"), (EntryKind.TRADE, "close sell"),
        (EntryKind.TRADE, "open buy"),
    ]  # fmt: skip
    _, bought, sold, call = venue.statement("demo", "BTC")
    assert [bought.subject.position, sold.subject.position] == [Decimal(1_000), Decimal(600)]
    assert float(bought.change) == pytest.approx(-0.0005 * 1_000 / 100_001)
    assert float(sold.subject.cashflow) == pytest.approx(400 * (1 / 100_001 - 1 / 99_999))
    premium = -call.subject.cashflow
    assert premium > 0
    assert call.change == -premium - call.subject.commission


def test_opening_a_perpetual_is_no_cashflow_though_its_fee_changes_the_balance() -> None:
    venue = engine()
    placed(venue.handle(order(BUY, 1_000, 100_001.0, tif=IOC)))
    bought = venue.statement("demo", "BTC")[-1]
    row: dict[str, Any] = transaction(bought, Register(["demo"], {}).member("demo"))
    assert row["cashflow"] == 0.0
    assert row["change"] == -row["commission"] < 0.0


def test_a_session_s_end_has_a_row_for_each_future_that_was_held_or_traded() -> None:
    eve = EXPIRY_MS - 86_400_000
    venue = engine(
        frame(eve - 2_000), frame(eve - 1_000, index=105_000.0), positions={PERP: 50_000}
    )
    placed(venue.handle(order(SELL, 10_000, 100.0, tif=IOC)))
    venue.advance(eve)
    row = venue.statement("demo", "BTC")[-1]
    size = venue.ledger_positions("demo")[PERP]
    assert (row.subject.kind, row.subject.side) == (EntryKind.SETTLEMENT, "long")
    assert row.subject.amount == size
    assert row.change == row.subject.session_upl + row.subject.session_rpl
    assert float(row.subject.session_upl) == pytest.approx(
        float(size) * (1 / 100_000 - 1 / 105_000)
    )
    assert float(row.balance) == venue.account("demo", "BTC").balance


def test_a_bust_has_its_row_and_makes_no_coin() -> None:
    venue = engine()
    before = venue.account("demo", "BTC")
    placed(venue.handle(order(BUY, 1, 0.05, name=CALL.name, tif=IOC)))
    assert isinstance(venue.handle(BustTrade(account="demo")), Answer)
    after = venue.account("demo", "BTC")
    assert (after.balance, after.equity, after.fees_paid) == (before.balance, before.equity, 0.0)
    trade, undone = venue.statement("demo", "BTC")[-2:]
    assert undone.subject.kind is EntryKind.CORRECTION
    assert undone.change == -trade.change
    assert undone.subject.position == 0
    assert venue.excess("BTC") == 0
