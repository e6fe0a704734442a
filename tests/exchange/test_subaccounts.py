"""A main account, its subaccounts, and the tokens that lead from one to the other."""

from typing import Any

import pytest

from tests.exchange.wire import PERPETUAL, Client, Hall, RpcFailedError, hall

SECRET = {"grant_type": "client_credentials"}
MAIN = SECRET | {"client_id": "demo", "client_secret": "demo-secret"}
CHILD = SECRET | {"client_id": "demo-sub", "client_secret": "demo-sub-secret"}
SUBJECT = 2  # the subaccount that the exchange opens with


def refusal(client: Client, method: str, **params: Any) -> int:
    with pytest.raises(RpcFailedError) as refused:
        client.call(method, **params)
    return int(refused.value.code)


def main_and_child(world: Hall) -> tuple[Client, Client]:
    child = world.client()
    child.call("public/auth", **CHILD)
    return world.client().login(), child


def ids(people: Any) -> list[tuple[int, str]]:
    return [(each["id"], each["type"]) for each in people]


def test_the_main_account_sees_its_family_and_a_subaccount_itself_and_whose_it_is() -> None:
    main, child = main_and_child(hall())

    seen_by_main = main.call("private/get_subaccounts", with_portfolio=True)
    seen_by_child = child.call("private/get_subaccounts", with_portfolio=True)

    assert ids(seen_by_main) == ids(seen_by_child) == [(1, "main"), (2, "subaccount")]
    assert [each["portfolio"]["btc"]["equity"] for each in seen_by_main] == [10.0, 10.0]
    assert "portfolio" not in seen_by_child[0]
    assert seen_by_child[1]["portfolio"]["btc"]["balance"] == 10.0


def test_a_child_does_not_see_its_brothers() -> None:
    main, child = main_and_child(hall())
    main.call("private/create_subaccount")

    assert ids(main.call("private/get_subaccounts"))[2:] == [(3, "subaccount")]
    assert len(child.call("private/get_subaccounts")) == 2
    details = child.call("private/get_subaccounts_details", currency="BTC")
    assert [each["uid"] for each in details] == [SUBJECT]


def test_the_main_account_sees_positions_and_orders_of_all() -> None:
    main, child = main_and_child(hall())
    low = main.call("public/ticker", instrument_name=PERPETUAL)["min_price"]
    child.call("private/buy", instrument_name=PERPETUAL, amount=40, type="market")
    child.call("private/buy", instrument_name=PERPETUAL, amount=10, price=low)

    of_main, of_child = main.call(
        "private/get_subaccounts_details", currency="BTC", with_open_orders=True
    )

    assert (of_main["uid"], of_main["positions"], of_main["open_orders"]) == (1, [], [])
    assert of_child["uid"] == SUBJECT
    assert [each["size"] for each in of_child["positions"]] == [40]
    assert [each["amount"] for each in of_child["open_orders"]] == [10]


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("create_subaccount", {}),
        ("change_subaccount_name", {"sid": 2, "name": "other"}),
        ("toggle_subaccount_login", {"sid": 2, "state": "enable"}),
        ("remove_subaccount", {"subaccount_id": 2}),
        ("set_email_for_subaccount", {"sid": 2, "email": "a@b"}),
        ("toggle_notifications_from_subaccount", {"sid": 2, "state": True}),
    ],
)
def test_a_subaccount_has_no_say_over_the_family(method: str, params: dict[str, Any]) -> None:
    _, child = main_and_child(hall())

    assert refusal(child, f"private/{method}", **params) == 13012


@pytest.mark.parametrize("sid", [1, 99])
def test_only_a_subaccount_is_one(sid: int) -> None:
    main, _ = main_and_child(hall())

    assert refusal(main, "private/change_subaccount_name", sid=sid, name="other") == -32602
    assert refusal(main, "private/remove_subaccount", subaccount_id=sid) == -32602


def test_a_new_subaccount_is_empty_gets_a_key_trades_nothing_and_goes_again() -> None:
    world = hall()
    main, _ = main_and_child(world)
    number = main.call("private/create_subaccount")["id"]
    session = main.call("public/auth", **MAIN, scope="session:desk")
    moved = main.call(
        "public/exchange_token", refresh_token=session["refresh_token"], subject_id=number
    )
    token = {"access_token": moved["access_token"]}
    stranger = world.client()
    key = stranger.call("private/create_api_key", max_scope=["trade:read_write"], **token)
    trader = world.client()
    secret = {"client_id": key["client_id"], "client_secret": key["client_secret"]}
    trader.call("public/auth", **SECRET, **secret)

    order = {"instrument_name": PERPETUAL, "amount": 10, "type": "market"}
    assert refusal(trader, "private/buy", **order) == 10009
    assert main.call("private/remove_subaccount", subaccount_id=number) == "ok"
    assert refusal(trader, "private/get_positions", currency="BTC") == 13009
    assert refusal(trader, "public/auth", **SECRET, **secret) == 13004
    assert ids(main.call("private/get_subaccounts")) == [(1, "main"), (2, "subaccount")]


def test_a_subaccount_that_holds_something_stays() -> None:
    main, _ = main_and_child(hall())

    assert refusal(main, "private/remove_subaccount", subaccount_id=SUBJECT) == 13008


def test_there_are_twenty_subaccounts_at_most_and_numbers_are_not_used_twice() -> None:
    main, _ = main_and_child(hall())
    numbers = [main.call("private/create_subaccount")["id"] for _ in range(19)]

    assert refusal(main, "private/create_subaccount") == 12001
    main.call("private/remove_subaccount", subaccount_id=numbers[-1])
    assert main.call("private/create_subaccount")["id"] == numbers[-1] + 1


@pytest.mark.parametrize("name", ["", "a", "two words", "demo"])
def test_a_name_that_is_none_or_anothers_is_refused(name: str) -> None:
    main, _ = main_and_child(hall())

    assert refusal(main, "private/change_subaccount_name", sid=SUBJECT, name=name) == 12002


def test_a_new_name_is_seen_and_the_systems_stays() -> None:
    main, _ = main_and_child(hall())

    main.call("private/change_subaccount_name", sid=SUBJECT, name="puts_only")

    child = main.call("private/get_subaccounts")[1]
    assert (child["username"], child["system_name"]) == ("puts_only", "demo_1")


def test_a_login_that_is_switched_off_ends_at_once_and_the_main_accounts_own_does_not() -> None:
    world = hall()
    main, child = main_and_child(world)
    refresh = main.call("public/auth", **MAIN, scope="session:desk")["refresh_token"]
    moved = main.call("public/exchange_token", refresh_token=refresh, subject_id=SUBJECT)

    main.call("private/toggle_subaccount_login", sid=SUBJECT, state="disable")

    assert refusal(child, "private/get_positions", currency="BTC") == 13009
    token = {"access_token": moved["access_token"]}
    assert world.client().call("private/get_positions", currency="BTC", **token) == []
    assert main.call("private/get_subaccounts")[1]["login_enabled"] is False


def test_the_main_account_reads_a_subaccounts_summary_and_positions_by_its_number() -> None:
    main, child = main_and_child(hall())
    child.call("private/buy", instrument_name=PERPETUAL, amount=40, type="market")
    of_child = {"currency": "BTC", "subaccount_id": SUBJECT}

    assert [each["size"] for each in main.call("private/get_positions", **of_child)] == [40]
    assert main.call("private/get_positions", currency="BTC") == []
    seen = main.call("private/get_account_summary", **of_child, extended=True)
    own = child.call("private/get_account_summary", currency="BTC", extended=True)
    assert seen == own
    assert (seen["id"], seen["type"], seen["username"]) == (SUBJECT, "subaccount", "demo_1")
    assert main.call("private/get_account_summaries", subaccount_id=SUBJECT)["id"] == SUBJECT
    assert refusal(child, "private/get_positions", currency="BTC", subaccount_id=1) == -32602


# ---- tokens ----------------------------------------------------------------------------------


def test_an_exchanged_token_acts_for_the_subaccount_and_is_no_main_account() -> None:
    world = hall()
    main, _ = main_and_child(world)
    refresh = main.call("public/auth", **MAIN, scope="session:desk")["refresh_token"]

    moved = main.call("public/exchange_token", refresh_token=refresh, subject_id=SUBJECT)

    token = {"access_token": moved["access_token"]}
    order = {"instrument_name": PERPETUAL, "amount": 10, "type": "market"}
    anywhere = world.client()
    anywhere.call("private/buy", **order, **token)
    assert anywhere.call("private/get_position", instrument_name=PERPETUAL, **token)["size"] == 10
    assert main.call("private/get_position", instrument_name=PERPETUAL)["size"] == 0
    assert refusal(anywhere, "private/create_subaccount", **token) == 13012
    assert "mainaccount" not in moved["scope"].split()
    assert "session:desk" in moved["scope"].split()
    back = main.call(
        "public/exchange_token",
        refresh_token=moved["refresh_token"],
        subject_id=1,
        scope="trade:read",
    )
    assert "mainaccount" in back["scope"].split()
    assert "trade:read" in back["scope"].split()


def test_a_subaccount_cannot_become_its_main_account_or_its_brother() -> None:
    main, child = main_and_child(hall())
    brother = main.call("private/create_subaccount")["id"]
    refresh = child.call("public/auth", **CHILD, scope="session:desk")["refresh_token"]

    for subject in (1, brother):
        params = {"refresh_token": refresh, "subject_id": subject}
        assert refusal(child, "public/exchange_token", **params) == 13021
    assert refusal(child, "public/exchange_token", refresh_token=refresh, subject_id=99) == -32602


def test_an_exchange_gives_no_more_than_the_token_had() -> None:
    main, _ = main_and_child(hall())
    narrow = main.call("public/auth", **MAIN, scope="session:eye trade:read account:read")

    moved = main.call(
        "public/exchange_token",
        refresh_token=narrow["refresh_token"],
        subject_id=SUBJECT,
        scope="trade:read_write wallet:read_write session:wide",
    )

    words = moved["scope"].split()
    assert {"trade:read", "wallet:read", "account:read", "session:wide"} <= set(words)


def test_a_fork_is_another_session_that_outlives_the_first() -> None:
    world = hall()
    first = world.client()
    reply = first.call("public/auth", **MAIN, scope="session:one")
    fork = first.call("public/fork_token", refresh_token=reply["refresh_token"], session_name="two")

    first.call("private/logout")

    other = world.client()
    old, new = {"access_token": reply["access_token"]}, {"access_token": fork["access_token"]}
    assert refusal(other, "private/get_positions", currency="BTC", **old) == 13009
    assert other.call("private/get_positions", currency="BTC", **new) == []
    assert fork["sid"] == "two"


def test_what_belongs_to_a_connection_cannot_be_forked() -> None:
    client = hall().client()
    refresh = client.call("public/auth", **MAIN)["refresh_token"]

    params = {"refresh_token": refresh, "session_name": "two"}
    assert refusal(client, "public/fork_token", **params) == 13021
    params["refresh_token"] = "made-up"
    assert refusal(client, "public/fork_token", **params) == 13004


def test_a_key_has_sixteen_sessions_and_a_seventeenth_is_refused() -> None:
    client = hall().client()
    for number in range(16):
        client.call("public/auth", **MAIN, scope=f"session:s{number}")

    assert refusal(client, "public/auth", **MAIN, scope="session:s16") == 13021
    client.call("public/auth", **MAIN, scope="session:s3")
    client.call("private/logout")  # of the session s3
    client.call("public/auth", **MAIN, scope="session:s16")


def test_a_token_for_another_address_is_refused_here() -> None:
    client = hall().client()
    here = client.call("public/auth", **MAIN, scope="session:a ip:127.0.0.1")
    there = client.call("public/auth", **MAIN, scope="session:b ip:10.1.2.3")

    stranger = {"currency": "BTC"}
    assert "ip:127.0.0.1" in here["scope"].split()
    client.call("private/get_positions", access_token=here["access_token"], **stranger)
    params = stranger | {"access_token": there["access_token"]}
    assert refusal(client, "private/get_positions", **params) == 13009


def test_a_token_brought_to_a_subscription_is_a_login() -> None:
    world = hall()
    main, _ = main_and_child(world)
    refresh = main.call("public/auth", **MAIN, scope="session:desk")["refresh_token"]
    moved = main.call("public/exchange_token", refresh_token=refresh, subject_id=SUBJECT)
    channel = "user.trades.any.any.raw"
    listener = world.client()

    token = {"access_token": moved["access_token"]}
    assert listener.call("private/subscribe", channels=[channel], **token) == [channel]
    order = {"instrument_name": PERPETUAL, "amount": 10, "type": "market"}
    main.call("private/buy", **order)
    assert listener.told(channel) == []
    listener.call("private/buy", **order)
    assert len(listener.told(channel)) == 1


def test_a_channel_beyond_the_scope_is_left_out_of_the_answer() -> None:
    client = hall().client()
    client.call("public/auth", **MAIN, scope="trade:none")
    channels = ["user.trades.any.any.raw", "user.portfolio.btc", "quote.BTC-PERPETUAL"]

    assert client.call("private/subscribe", channels=channels) == channels[1:]
