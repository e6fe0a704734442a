"""API keys, managed by those who may write to the account.

Two-factor confirmation is not asked for: nobody here has a second factor. A key that loses rights
loses its logins with them, so that no token outlives what it was given for.
"""

from bot.exchange.keys import FEATURES, KeyRecord, check_name
from bot.exchange.methods.call import Call
from bot.exchange.protocol import Json, Params, RpcError, invalid_param
from bot.exchange.scopes import ACCOUNT_WRITE, Access, Area, widest

HIDDEN_SECRET = "*" * 8  # for those who may read of keys and not change them


def list_api_keys(call: Call) -> Json:
    """The account's keys, oldest first."""
    assert call.grant is not None, "the table asks for a login"
    may_write = call.grant.accesses[ACCOUNT_WRITE.area] >= ACCOUNT_WRITE.access
    hidden: dict[str, Json] = {} if may_write else {"client_secret": HIDDEN_SECRET}
    return [key.fields() | hidden for key in call.floor.gatekeeper.ring.of_account(call.account)]


def create_api_key(call: Call) -> Json:
    """A new key, enabled at once."""
    if call.params.has("public_key"):
        raise invalid_param("public_key", "asymmetric keys are not served here")
    accesses, features = _max_scope(call.params), _features(call.params)
    name, at_ms = call.params.text("name", ""), call.floor.market_clock.market_ms()
    key = call.floor.gatekeeper.ring.create(call.account, accesses, name, at_ms)
    key.features = features or ()
    _note(call, "new_api_key")
    return key.fields()


def edit_api_key(call: Call) -> Json:
    """Change whatever is given of a key; its scope always is."""
    key, accesses, features = _key(call), _max_scope(call.params), _features(call.params)
    ips = call.params.texts("ip_whitelist") if call.params.has("ip_whitelist") else None
    if call.params.has("name"):
        key.name = _name(call.params)
    key.is_enabled = call.params.flag("enabled", default=key.is_enabled)
    key.features = key.features if features is None else features
    key.ips = key.ips if ips is None else ips
    key.accesses = accesses
    _note(call, "changed_scope" if ips is None else "changed_whitelist")
    return _curtailed(call, key)


def change_api_key_name(call: Call) -> Json:
    """Give a key another name."""
    key = _key(call)
    key.name = _name(call.params)
    return key.fields()


def change_scope_in_api_key(call: Call) -> Json:
    """Let a key reach as far as `max_scope` and no farther."""
    key = _key(call)
    key.accesses = _max_scope(call.params)
    _note(call, "changed_scope")
    return _curtailed(call, key)


def enable_api_key(call: Call) -> Json:
    """Let a key be used again."""
    key = _key(call)
    key.is_enabled = True
    _note(call, "enabled_api_key")
    return key.fields()


def disable_api_key(call: Call) -> Json:
    """Let a key not be used until it is enabled again."""
    key = _key(call)
    key.is_enabled = False
    _note(call, "disabled_api_key")
    return _curtailed(call, key)


def reset_api_key(call: Call) -> Json:
    """Give a key a new secret."""
    key = _key(call)
    call.floor.gatekeeper.ring.reset(key)
    _note(call, "reset_api_key")
    return _curtailed(call, key)


def remove_api_key(call: Call) -> Json:
    """Take a key away for good."""
    key = _key(call)
    call.floor.gatekeeper.ring.remove(key)
    _note(call, "removed_api_key")
    _curtailed(call, key)
    return "ok"


def _note(call: Call, log: str) -> None:
    call.floor.note_access(call.account, call.ip, log)


def _key(call: Call) -> KeyRecord:
    return call.floor.gatekeeper.ring.numbered(call.account, call.params.integer("id"))


def _curtailed(call: Call, key: KeyRecord) -> Json:
    """The key, none of whose logins counts any more."""
    call.floor.log_out(lambda grant: grant.client_id == key.client_id)
    return key.fields()


def _name(params: Params) -> str:
    name = params.text("name")
    check_name(name)
    return name


def _max_scope(params: Params) -> dict[Area, Access]:
    """A list of words, or one text of them as the venue's own examples have it."""
    try:
        words = params.texts("max_scope")
    except RpcError:
        words = (params.text("max_scope"),)
    return widest(" ".join(words))


def _features(params: Params) -> tuple[str, ...] | None:
    if not params.has("enabled_features"):
        return None
    features = params.texts("enabled_features")
    unknown = [feature for feature in features if feature not in FEATURES]
    if unknown:
        raise invalid_param("enabled_features", f"unknown: {', '.join(unknown)}")
    return features
