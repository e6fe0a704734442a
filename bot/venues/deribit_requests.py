"""Actions into Deribit's JSON-RPC: plain functions from values to methods and parameters."""

import hashlib
import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bot.core.actions import SubmitOrder

Request = tuple[str, dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """An API key. Its secret is not shown when this is printed."""

    key: str
    secret: str = field(repr=False)


def place(action: SubmitOrder) -> Request:
    """Return the request that places an order: side from the sign, our id as its label."""
    params: dict[str, Any] = {
        "instrument_name": action.instrument,
        "amount": abs(action.size_native),
        "type": "limit",
        "price": action.limit,
        "label": action.order_id,
        "time_in_force": action.time_in_force.value,
        "valid_until": action.valid_until_ms,
    }
    if action.post_only:
        params |= {"post_only": True, "reject_post_only": True}
    if action.reduce_only:
        params["reduce_only"] = True
    return ("private/buy" if action.size_native > 0 else "private/sell"), params


def login(credentials: Credentials, epoch_ms: int, nonce: str) -> Request:
    """Return the request that logs a connection in by a signature over the host's time.

    No scope is asked for, so that the answer states all that the key may do.
    """
    signed = hmac.new(
        credentials.secret.encode(), f"{epoch_ms}\n{nonce}\n".encode(), hashlib.sha256
    )
    return "public/auth", {
        "grant_type": "client_signature",
        "client_id": credentials.key,
        "timestamp": epoch_ms,
        "signature": signed.hexdigest(),
        "nonce": nonce,
        "data": "",
    }


def chunked(channels: Iterable[str], count_max: int, bytes_max: int) -> Iterator[list[str]]:
    """Split channel names so that no frame has over `count_max` names or `bytes_max` bytes."""
    chunk: list[str] = []
    size = 0
    for channel in channels:
        weight = len(channel) + 3  # quotes and comma
        if chunk and (len(chunk) == count_max or size + weight > bytes_max):
            yield chunk
            chunk, size = [], 0
        chunk.append(channel)
        size += weight
    if chunk:
        yield chunk


def scope_refusal(scope: str) -> str | None:
    """Return why a key with this scope may not be used, or None if it may.

    Args:
        scope: the space-separated rights of the login's answer, such as `trade:read_write`.
    """
    rights = scope.split()
    if "wallet:read_write" in rights:
        return (
            "the API key may withdraw (its scope holds wallet:read_write); "
            "make one without wallet rights"
        )
    if "trade:read_write" not in rights:
        return f"the API key may not trade: its scope lacks trade:read_write ({scope or 'empty'})"
    if "account:read_write" not in rights:
        # `account:read` reads the account, but may not arm cancel-on-disconnect, which every
        # trading connection needs before its first order.
        return (
            "the API key may not arm cancel-on-disconnect: "
            f"its scope lacks account:read_write ({scope})"
        )
    return None


def looking_refusal(scope: str) -> str | None:
    """Return why a key with this scope may not even look, or None if it may: reading is enough."""
    rights = scope.split()
    if "wallet:read_write" in rights:
        return scope_refusal(scope)
    missing = [f"{area}:read" for area in ("account", "trade") if not _reads(rights, area)]
    if missing:
        return (
            f"the API key may not read the account: its scope lacks {' and '.join(missing)} "
            f"({scope or 'empty'})"
        )
    return None


def _reads(rights: list[str], area: str) -> bool:
    return f"{area}:read" in rights or f"{area}:read_write" in rights
