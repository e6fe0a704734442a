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
