"""Scenes about who may talk to the exchange: tokens, keys, subaccounts, its doors."""

from tests.exchange.contract.stage import BTC, Stage, far_below
from tests.exchange.wire import PERPETUAL

SECRET = {
    "grant_type": "client_credentials",
    "client_id": "demo",
    "client_secret": "demo-secret",
}
SUB_SECRET = "demo-sub-secret"


def tokens(stage: Stage) -> None:
    """Tokens in each of the ways in which they are given out."""
    actor = stage.stranger()
    told = actor.call("public/auth", **SECRET, scope="session:desk expires:60", state="here")
    refresh = told["refresh_token"]
    actor.call("public/fork_token", refresh_token=refresh, session_name="other")
    actor.call("public/exchange_token", refresh_token=refresh, subject_id=2)
    actor.call("public/auth", grant_type="refresh_token", refresh_token=refresh)


def platform(stage: Stage) -> None:
    """The platform's doors are shut and opened again."""
    actor = stage.actor()
    actor.listen("platform_state", "platform_state.public_methods_state")
    doors = stage.world.floor.platform
    for is_shut in (True, False):
        doors.set_maintenance(is_on=is_shut)
        doors.lock_index("btc_usd", is_locked=is_shut)
        doors.serve_strangers(is_on=not is_shut)
        actor.call("public/status")


def api_keys(stage: Stage) -> None:
    """A key's whole life."""
    owner = stage.actor()
    scope = ["account:read", "trade:read"]
    number = owner.call("private/create_api_key", max_scope=scope, name="robot")["id"]
    owner.call("private/change_api_key_name", id=number, name="robot_2")
    owner.call("private/change_scope_in_api_key", id=number, max_scope=["trade:read_write"])
    edits = {"enabled": True, "ip_whitelist": ["127.0.0.1"], "enabled_features": []}
    owner.call("private/edit_api_key", id=number, max_scope=scope, name="robot_3", **edits)
    for change in ("disable", "enable", "reset"):
        owner.call(f"private/{change}_api_key", id=number)
    owner.call("private/list_api_keys")
    owner.call("private/remove_api_key", id=number)


def subaccounts(stage: Stage) -> None:
    """A main account and its subaccounts, old and new."""
    main, child = stage.actor(), stage.stranger()
    child.call("public/auth", **SECRET | {"client_id": "demo-sub", "client_secret": SUB_SECRET})
    for actor in (main, child):
        actor.call("private/get_subaccounts")
        actor.call("private/get_subaccounts", with_portfolio=True)
    main.call("private/buy", instrument_name=PERPETUAL, amount=500, type="market")
    child.call("private/buy", instrument_name=PERPETUAL, amount=10, price=far_below(child))
    main.call("private/get_subaccounts_details", **BTC, with_open_orders=True)
    child.call("private/get_subaccounts_details", **BTC)
    number = main.call("private/create_subaccount")["id"]
    main.call("private/change_subaccount_name", sid=number, name="puts_only")
    main.call("private/set_email_for_subaccount", sid=number, email="puts@localhost")
    main.call("private/toggle_notifications_from_subaccount", sid=number, state=True)
    main.call("private/toggle_subaccount_login", sid=number, state="enable")
    main.call("private/remove_subaccount", subaccount_id=number)
