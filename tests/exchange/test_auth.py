"""Who may do what at the exchange's door."""

import hashlib
import hmac
from typing import Any

import pytest

from bot.exchange.auth import AuthPolicy, Gatekeeper
from bot.exchange.keys import DEMO_KEY, DEMO_SUB_KEY, ApiKey, KeyRing
from bot.exchange.protocol import Params, RpcError
from bot.exchange.register import Register
from bot.exchange.scopes import ACCOUNT_WRITE, TRADE_READ, TRADE_WRITE, Access, Area, Scope
from bot.exchange.signatures import SignedRequest
from bot.exchange.tokens import Visit

EPOCH_MS = 1_790_000_000_000
NOW = Visit(epoch_ms=EPOCH_MS, monotonic_ns=0)
WITHDRAWER = ApiKey(
    client_id="danger",
    secret="danger-secret",
    account="demo",
    scope="account:read_write trade:read_write wallet:read_write",
)
SECRET = {"grant_type": "client_credentials", "client_id": "demo", "client_secret": "demo-secret"}


def after_s(seconds: float, connection: int | None = None) -> Visit:
    return Visit(
        epoch_ms=EPOCH_MS + int(seconds * 1000),
        monotonic_ns=int(seconds * 1e9),
        connection=connection,
    )


def on(connection: int) -> Visit:
    return after_s(0, connection)


def gatekeeper(**policy: Any) -> Gatekeeper:
    return Gatekeeper(
        ring=KeyRing((DEMO_KEY, WITHDRAWER, DEMO_SUB_KEY), created_ms=EPOCH_MS),
        register=Register(["demo", "demo_1"], {"demo_1": "demo"}),
        policy=AuthPolicy(**policy),
    )


def signature(text: str, secret: str = "demo-secret") -> str:
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def header(*, path: str, ts: int = EPOCH_MS, secret: str = "demo-secret", body: str = "") -> str:
    sig = signature(f"{ts}\n{ts}\nGET\n{path}\n{body}\n", secret)
    return f"deri-hmac-sha256 id=demo,ts={ts},sig={sig},nonce={ts}"


def test_a_signed_request_is_let_in_and_a_changed_one_is_not() -> None:
    door = gatekeeper()
    path = "/api/v2/private/buy?amount=10"
    sent = SignedRequest(method="GET", path=path, body="")
    changed = SignedRequest(method="GET", path=path + "0", body="")

    assert door.by_header(header(path=path), sent, NOW).account == "demo"
    with pytest.raises(RpcError) as refused:
        door.by_header(header(path=path), changed, NOW)
    assert refused.value.code == 13004


def test_a_wrong_secret_and_an_unknown_key_are_answered_alike() -> None:
    door = gatekeeper()
    wrong_secret = {**SECRET, "client_secret": "demo-secret "}
    unknown = {**SECRET, "client_id": "nobody"}

    for params in (wrong_secret, unknown):
        with pytest.raises(RpcError) as refused:
            door.login(Params(params), on(1))
        assert (refused.value.code, refused.value.message) == (13004, "invalid_credentials")


def test_a_signature_older_than_a_minute_is_refused_with_its_age() -> None:
    door = gatekeeper()
    path = "/api/v2/private/get_positions"
    request = SignedRequest(method="GET", path=path, body="")

    door.by_header(header(path=path), request, after_s(59))
    with pytest.raises(RpcError) as refused:
        door.by_header(header(path=path), request, after_s(61))

    assert refused.value.code == 13004
    assert refused.value.data is not None
    assert "61 s" in str(refused.value.data["reason"])


def test_a_client_signature_logs_in_as_ccxt_words_it() -> None:
    door = gatekeeper()
    params = {
        "grant_type": "client_signature",
        "client_id": "demo",
        "timestamp": EPOCH_MS,
        "signature": signature(f"{EPOCH_MS}\n{EPOCH_MS}\n"),
        "nonce": str(EPOCH_MS),
        "data": "",
    }

    grant, reply = door.login(Params(params), on(7))

    assert grant.connection == 7
    assert reply["expires_in"] == 900
    assert reply["token_type"] == "bearer"


def test_a_token_dies_when_its_wire_time_is_up() -> None:
    door = gatekeeper(token_lifetime_s=5)
    _, reply = door.login(Params(SECRET), NOW)
    token = str(reply["access_token"])

    assert door.by_token(token, after_s(4.9)).account == "demo"
    with pytest.raises(RpcError) as refused:
        door.by_token(token, after_s(5.0))
    assert refused.value.code == 13009


def test_a_connection_token_is_worth_nothing_on_another_connection() -> None:
    door = gatekeeper()
    _, bound = door.login(Params(SECRET), on(1))
    _, free = door.login(Params({**SECRET, "scope": "session:desk"}), on(1))

    door.by_token(str(bound["access_token"]), on(1))
    door.by_token(str(free["access_token"]), on(2))
    with pytest.raises(RpcError) as refused:
        door.by_token(str(bound["access_token"]), on(2))
    assert refused.value.code == 13009


def test_a_refresh_token_works_once_and_prolongs_the_login() -> None:
    door = gatekeeper(token_lifetime_s=10)
    _, first = door.login(Params(SECRET), on(1))
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}

    grant, _ = door.login(Params(refresh), after_s(9, 1))

    assert grant.is_live(after_s(18).monotonic_ns)
    with pytest.raises(RpcError):
        door.login(Params(refresh), after_s(9, 1))


def test_the_reply_says_whether_a_key_may_withdraw() -> None:
    door = gatekeeper()
    withdrawer = {**SECRET, "client_id": "danger", "client_secret": "danger-secret"}

    _, harmless = door.login(Params(SECRET), on(1))
    _, dangerous = door.login(Params(withdrawer), on(2))

    assert "wallet:read " in str(harmless["scope"])
    assert "trade:read_write" in str(harmless["scope"])
    assert "wallet:read_write" in str(dangerous["scope"])


def test_a_narrower_scope_may_be_asked_for_and_a_wider_one_is_not_given() -> None:
    door = gatekeeper()
    asked = {**SECRET, "scope": "trade:read wallet:read_write expires:60"}

    grant, reply = door.login(Params(asked), on(1))

    grant.require(TRADE_READ)
    grant.require(ACCOUNT_WRITE)  # not asked about: as wide as the key
    assert reply["expires_in"] == 60
    for scope in (TRADE_WRITE, Scope(area=Area.WALLET, access=Access.READ_WRITE)):
        with pytest.raises(RpcError) as refused:
            grant.require(scope)
        assert refused.value.code == 13021


def test_a_logout_ends_every_token_of_the_session() -> None:
    door = gatekeeper()
    grant, reply = door.login(Params(SECRET), on(1))
    other, kept = door.login(Params(SECRET), on(2))

    door.revoke(grant.is_same_session)

    with pytest.raises(RpcError):
        door.by_token(str(reply["access_token"]), on(1))
    assert door.by_token(str(kept["access_token"]), on(2)) == other
