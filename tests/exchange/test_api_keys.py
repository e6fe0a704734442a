"""API keys are made, narrowed, shut and taken away, and logins go with their keys."""

from typing import Any

import pytest

from tests.exchange.wire import PERPETUAL, Client, RpcFailedError, hall

READ = ["account:read", "trade:read"]
MANAGING = (
    ("create_api_key", {"max_scope": READ}),
    ("edit_api_key", {"id": 1, "max_scope": READ}),
    ("change_api_key_name", {"id": 1, "name": "x"}),
    ("change_scope_in_api_key", {"id": 1, "max_scope": READ}),
    ("enable_api_key", {"id": 1}),
    ("disable_api_key", {"id": 1}),
    ("reset_api_key", {"id": 1}),
    ("remove_api_key", {"id": 1}),
)


def refusal(client: Client, method: str, **params: Any) -> int:
    with pytest.raises(RpcFailedError) as refused:
        client.call(method, **params)
    return int(refused.value.code)


def log_in(client: Client, key: dict[str, Any], **more: Any) -> dict[str, Any]:
    reply: dict[str, Any] = client.call(
        "public/auth",
        grant_type="client_credentials",
        client_id=key["client_id"],
        client_secret=key["client_secret"],
        **more,
    )
    return reply


DEMO_READ = {"client_id": "demo-read", "client_secret": "demo-read-secret"}


@pytest.mark.parametrize(("method", "params"), MANAGING)
def test_only_who_may_write_to_the_account_manages_keys(
    method: str, params: dict[str, Any]
) -> None:
    client = hall().client()
    log_in(client, DEMO_READ)

    assert refusal(client, f"private/{method}", **params) == 13021


def test_a_reader_sees_the_keys_and_no_secret() -> None:
    world = hall()
    owner, reader = world.client().login(), world.client()
    log_in(reader, DEMO_READ)

    seen = reader.call("private/list_api_keys")
    full = owner.call("private/list_api_keys")

    assert [each["client_id"] for each in seen] == ["demo", "demo-read"]
    assert {each["client_secret"] for each in seen} == {"********"}
    assert [each["client_secret"] for each in full] == ["demo-secret", "demo-read-secret"]
    assert [each["default"] for each in full] == [True, False]


def test_the_demo_key_trades_and_cannot_withdraw() -> None:
    client = hall().client()

    scope = client.login().call("private/list_api_keys")[0]["max_scope"]

    assert {"trade:read_write", "account:read_write", "wallet:read"} <= set(scope)


def test_a_new_key_opens_as_far_as_it_was_made_for() -> None:
    world = hall()
    key = world.client().login().call("private/create_api_key", max_scope=READ, name="eye")
    client = world.client()
    log_in(client, key)

    assert client.call("private/get_positions", currency="BTC") == []
    assert refusal(client, "private/cancel_all") == 13021
    assert key["enabled"] is True
    assert key["name"] == "eye"


def test_the_scope_may_be_one_text_as_in_the_venues_examples() -> None:
    owner = hall().client().login()

    key = owner.call("private/create_api_key", max_scope="account:read trade:read_write")

    assert {"account:read", "trade:read_write", "wallet:none"} <= set(key["max_scope"])


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("disable_api_key", {}),
        ("reset_api_key", {}),
        ("remove_api_key", {}),
        ("change_scope_in_api_key", {"max_scope": ["account:read"]}),
        ("edit_api_key", {"max_scope": ["trade:read"]}),
    ],
)
def test_a_key_that_changes_loses_its_logins_tokens_and_channels(
    method: str, more: dict[str, Any]
) -> None:
    world = hall()
    owner, robot = world.client().login(), world.client()
    key = owner.call("private/create_api_key", max_scope=["account:read", "trade:read_write"])
    reply = log_in(robot, key, scope="session:robot")
    robot.call("private/subscribe", channels=["user.orders.any.any.raw"])

    owner.call(f"private/{method}", id=key["id"], **more)

    assert refusal(robot, "private/get_positions", currency="BTC") == 13009
    token = {"access_token": reply["access_token"]}
    assert refusal(world.client(), "private/get_positions", currency="BTC", **token) == 13009
    refresh = {"grant_type": "refresh_token", "refresh_token": reply["refresh_token"]}
    assert refusal(robot, "public/auth", **refresh) == 13004
    assert robot.session.channels == set()
    assert owner.call("private/get_positions", currency="BTC") == []


def test_a_disabled_key_and_an_old_secret_open_nothing_and_an_enabled_one_does_again() -> None:
    world = hall()
    owner, robot = world.client().login(), world.client()
    key = owner.call("private/create_api_key", max_scope=READ)
    secret = {"grant_type": "client_credentials", "client_id": key["client_id"]}

    owner.call("private/disable_api_key", id=key["id"])
    assert refusal(robot, "public/auth", **secret, client_secret=key["client_secret"]) == 13004
    owner.call("private/enable_api_key", id=key["id"])
    log_in(robot, key)
    renewed = owner.call("private/reset_api_key", id=key["id"])
    assert refusal(robot, "public/auth", **secret, client_secret=key["client_secret"]) == 13004
    log_in(robot, renewed)
    owner.call("private/remove_api_key", id=key["id"])
    assert refusal(robot, "public/auth", **secret, client_secret=renewed["client_secret"]) == 13004


def test_a_key_for_another_address_opens_nothing_from_here() -> None:
    world = hall()
    owner = world.client().login()
    key = owner.call("private/create_api_key", max_scope=READ)

    edit = {"id": key["id"], "max_scope": READ}
    owner.call("private/edit_api_key", **edit, ip_whitelist=["10.0.0.1"])
    secret = {"grant_type": "client_credentials", "client_id": key["client_id"]}
    stranger = world.client()
    assert refusal(stranger, "public/auth", **secret, client_secret=key["client_secret"]) == 13004
    owner.call("private/edit_api_key", **edit, ip_whitelist=["127.0.0.1"])
    log_in(stranger, key)


@pytest.mark.parametrize(
    ("method", "params", "param"),
    [
        ("create_api_key", {}, "max_scope"),
        ("create_api_key", {"max_scope": READ, "name": "two words"}, "name"),
        ("create_api_key", {"max_scope": READ, "name": "x" * 17}, "name"),
        ("create_api_key", {"max_scope": READ, "enabled_features": ["fly"]}, "enabled_features"),
        ("create_api_key", {"max_scope": READ, "public_key": "PEM"}, "public_key"),
        ("change_api_key_name", {"id": 1, "name": "no-dash"}, "name"),
        ("disable_api_key", {"id": 99}, "id"),
        ("disable_api_key", {"id": "one"}, "id"),
        ("disable_api_key", {}, "id"),
        ("edit_api_key", {"id": 1}, "max_scope"),
    ],
)
def test_what_is_no_key_is_refused_by_the_parameters_name(
    method: str, params: dict[str, Any], param: str
) -> None:
    owner = hall().client().login()

    with pytest.raises(RpcFailedError) as refused:
        owner.call(f"private/{method}", **params)

    assert refused.value.code == -32602
    assert refused.value.error["data"]["param"] == param


def test_an_account_has_eight_keys_at_most() -> None:
    owner = hall().client().login()
    for _ in range(6):
        owner.call("private/create_api_key", max_scope=READ)

    assert refusal(owner, "private/create_api_key", max_scope=READ) == 13008
    assert len(owner.call("private/list_api_keys")) == 8


def test_keys_are_of_an_account_and_not_of_its_family() -> None:
    world = hall()
    child = world.client()
    log_in(child, {"client_id": "demo-sub", "client_secret": "demo-sub-secret"})

    assert [each["client_id"] for each in child.call("private/list_api_keys")] == ["demo-sub"]
    key = child.call("private/create_api_key", max_scope=["trade:read_write"])
    trader = world.client()
    log_in(trader, key)
    trader.call("private/buy", instrument_name=PERPETUAL, amount=10, type="market")
    assert world.floor.engine.position("demo_1", PERPETUAL).size == 10  # type: ignore[union-attr]
    assert world.floor.engine.position("demo", PERPETUAL).size == 0  # type: ignore[union-attr]


def test_what_is_done_to_keys_is_in_the_access_log() -> None:
    owner = hall().client().login()
    number = owner.call("private/create_api_key", max_scope=READ)["id"]
    for change in ("disable", "enable", "reset", "remove"):
        owner.call(f"private/{change}_api_key", id=number)

    log = [each["log"] for each in owner.call("private/get_access_log")]

    assert log == [
        "removed_api_key",
        "reset_api_key",
        "enabled_api_key",
        "disabled_api_key",
        "new_api_key",
        "success",
    ]
