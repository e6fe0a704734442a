"""Scenes about who may talk to the exchange: tokens."""

from tests.exchange.contract.stage import Stage

SECRET = {
    "grant_type": "client_credentials",
    "client_id": "demo",
    "client_secret": "demo-secret",
}


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
