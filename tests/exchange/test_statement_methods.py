"""The transaction log, settlements and transfers as an account reads them."""

from typing import Any

import pytest

from tests.exchange.contract.scenes import FIRST_EXPIRY_MS, dying_option
from tests.exchange.contract.stage import BTC, Actor, Stage
from tests.exchange.wire import PERPETUAL

ALWAYS = {"start_timestamp": 0, "end_timestamp": FIRST_EXPIRY_MS + 3_600_000}


def over_an_expiry() -> tuple[Stage, Actor, str]:
    """An account that has held a perpetual and an option over 08:00."""
    stage = Stage.opened(from_ms=FIRST_EXPIRY_MS - 60_000, speed=100.0)
    owner = stage.actor()
    option = dying_option(owner)
    owner.call("private/buy", instrument_name=PERPETUAL, amount=50_000, type="market")
    owner.call("private/buy", instrument_name=option, amount=0.3, type="market")
    stage.pass_ms(700)
    return stage, owner, option


def logs_of(actor: Actor, **params: Any) -> list[dict[str, Any]]:
    logs: list[dict[str, Any]] = actor.call(
        "private/get_transaction_log", **BTC, **ALWAYS, **params
    )["logs"]
    return logs


def test_each_row_of_the_log_explains_the_balance_after_it() -> None:
    _, owner, option = over_an_expiry()

    rows = logs_of(owner)[::-1]
    summary = owner.call("private/get_account_summary", **BTC)

    balance = 0.0
    for row in rows:
        balance += row["change"]
        assert row["balance"] == pytest.approx(balance, abs=2e-8), row
    assert rows[-1]["balance"] == pytest.approx(summary["balance"], abs=2e-8)
    kinds = [(row["type"], row.get("instrument_name")) for row in rows]
    assert kinds.count(("deposit", None)) == 1
    assert ("delivery", option) in kinds
    assert ("settlement", PERPETUAL) in kinds
    bought = next(row for row in rows if row["type"] == "trade" and row["side"] == "open buy")
    assert (bought["instrument_name"], bought["user_role"]) == (PERPETUAL, "taker")
    assert bought["change"] == pytest.approx(-bought["commission"], abs=1e-8)


def test_the_log_is_turned_page_by_page_and_searched_by_words() -> None:
    _, owner, option = over_an_expiry()
    whole = logs_of(owner)

    pages: list[dict[str, Any]] = []
    token: int | None = None
    for _ in range(len(whole)):
        more = {} if token is None else {"continuation": token}
        page = owner.call("private/get_transaction_log", **BTC, **ALWAYS, count=2, **more)
        pages += page["logs"]
        token = page["continuation"]
        if token is None:
            break

    assert pages == whole
    now_ms = whole[0]["timestamp"]
    recent = {"start_timestamp": now_ms, "end_timestamp": now_ms}
    assert owner.call("private/get_transaction_log", **BTC, **recent)["logs"] == [
        row for row in whole if row["timestamp"] == now_ms
    ]
    assert {row["type"] for row in logs_of(owner, query="trade")} == {"trade"}
    assert logs_of(owner, query="maker") == []
    assert {row["instrument_name"] for row in logs_of(owner, query=option)} == {option}


def test_settlements_say_what_the_session_earned() -> None:
    _, owner, option = over_an_expiry()

    history = owner.call("private/get_settlement_history_by_currency", **BTC)["settlements"]
    of_kind = {each["type"]: each for each in history}
    row = next(row for row in logs_of(owner) if row["type"] == "settlement")

    assert of_kind["delivery"]["instrument_name"] == option
    assert of_kind["settlement"]["instrument_name"] == PERPETUAL
    assert of_kind["settlement"]["position"] == 50_000
    assert of_kind["settlement"]["session_profit_loss"] == pytest.approx(row["change"], abs=2e-8)
    (alone,) = owner.call("private/get_settlement_history_by_instrument", instrument_name=option)[
        "settlements"
    ]
    assert alone == of_kind["delivery"]
    only = owner.call("private/get_settlement_history_by_currency", **BTC, type="bankruptcy")
    assert only["settlements"] == []


def treasurer_of(stage: Stage) -> Actor:
    """The main account with a key that may move money."""
    main = stage.actor()
    scope = "account:read_write trade:read_write wallet:read_write"
    key = main.call("private/create_api_key", max_scope=scope)
    treasurer = stage.stranger()
    secret = {"client_id": key["client_id"], "client_secret": key["client_secret"]}
    treasurer.call("public/auth", grant_type="client_credentials", **secret)
    return treasurer


def test_a_transfer_leaves_one_account_and_arrives_at_the_other() -> None:
    stage = Stage.opened()
    main = treasurer_of(stage)
    child = main.call("private/get_subaccounts")[-1]
    before = main.call("private/get_account_summary", **BTC)["balance"]

    def child_summary() -> float:
        found = main.call("private/get_account_summary", **BTC, subaccount_id=child["id"])
        return float(found["balance"])

    child_before = child_summary()
    sent = main.call(
        "private/submit_transfer_to_subaccount", **BTC, amount=1.25, destination=child["id"]
    )

    assert (sent["direction"], sent["amount"], sent["state"]) == ("payment", 1.25, "confirmed")
    assert sent["other_side"] == child["username"]
    assert main.call("private/get_account_summary", **BTC)["balance"] == before - 1.25
    assert child_summary() == child_before + 1.25
    assert main.call("private/get_transfers", **BTC)["data"] == [sent]
    (row, *_) = logs_of(main)
    assert (row["type"], row["change"]) == ("transfer", -1.25)


def test_money_that_is_not_there_or_not_theirs_is_not_moved() -> None:
    stage = Stage.opened()
    main = treasurer_of(stage)
    child = main.call("private/get_subaccounts")[-1]["id"]
    to_child = "private/submit_transfer_to_subaccount"

    assert main.refused(to_child, **BTC, amount=1_000, destination=child) == 10009
    assert main.refused(to_child, **BTC, amount=-1, destination=child) == -32602
    assert main.refused(to_child, **BTC, amount=1, destination=999) == -32602
    assert stage.actor().refused(to_child, **BTC, amount=1, destination=child) == 13021
    assert main.call("private/get_transfers", **BTC)["count"] == 0
