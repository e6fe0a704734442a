"""API keys: who holds which, how far each reaches, and whether it still opens anything.

The secrets of keys made here are derived, not drawn: the same run makes the same keys, and all they
open is a simulated account on loopback. Limits: Deribit's "Connection management".
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bot.exchange.protocol import Json, RpcError, invalid_param
from bot.exchange.scopes import Accesses, widest, words

KEYS_PER_ACCOUNT_MAX: Final = 8
REQUEST_FAILED: Final = 13008
NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9_]{0,16}")
FEATURES: Final = frozenset({"restricted_block_trades", "block_trade_approval"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key that the exchange opens with. `scope` is the widest that it gives."""

    client_id: str
    secret: str
    account: str
    scope: str = "account:read_write trade:read_write"
    name: str = ""


# Public on purpose: they open simulated accounts on loopback and nothing else.
DEMO_KEY: Final = ApiKey(
    client_id="demo",
    secret="demo-secret",  # noqa: S106
    account="demo",
    scope="account:read_write trade:read_write wallet:read",
    name="demo",
)
DEMO_READ_KEY: Final = ApiKey(
    client_id="demo-read",
    secret="demo-read-secret",  # noqa: S106
    account="demo",
    scope="account:read trade:read wallet:read",
    name="read_only",
)
DEMO_SUB_KEY: Final = ApiKey(
    client_id="demo-sub",
    secret="demo-sub-secret",  # noqa: S106
    account="demo_1",
    name="subaccount",
)


@dataclass(slots=True, kw_only=True)
class KeyRecord:
    """One key as the exchange keeps it. `number` counts within the account."""

    number: int
    client_id: str
    secret: str
    account: str
    accesses: Accesses
    created_ms: int
    name: str = ""
    is_enabled: bool = True
    is_default: bool = False
    features: Sequence[str] = ()
    ips: Sequence[str] = ()

    def fields(self) -> dict[str, Json]:
        """The venue's `api_key` object."""
        return {
            "id": self.number,
            "timestamp": self.created_ms,
            "client_id": self.client_id,
            "client_secret": self.secret,
            "max_scope": words(self.accesses),
            "enabled": self.is_enabled,
            "default": self.is_default,
            "name": self.name,
            "enabled_features": list(self.features),
            "ip_whitelist": list(self.ips),
        }


class KeyRing:
    """Every key of the exchange."""

    def __init__(self, keys: Sequence[ApiKey], *, created_ms: int) -> None:
        self._by_id: dict[str, KeyRecord] = {}
        self._numbers: dict[str, int] = {}
        self._made = 0
        for key in keys:
            number = self._next_number(key.account)
            self._by_id[key.client_id] = KeyRecord(
                number=number,
                client_id=key.client_id,
                secret=key.secret,
                account=key.account,
                accesses=widest(key.scope),
                created_ms=created_ms,
                name=key.name,
                is_default=number == 1,
            )

    def get(self, client_id: str) -> KeyRecord | None:
        """The key of that name, enabled or not."""
        return self._by_id.get(client_id)

    def of_account(self, account: str) -> list[KeyRecord]:
        """The keys of an account, oldest first."""
        return [key for key in self._by_id.values() if key.account == account]

    def numbered(self, account: str, number: int) -> KeyRecord:
        """The account's key of that number; RpcError -32602 if it has none."""
        for key in self.of_account(account):
            if key.number == number:
                return key
        raise invalid_param("id", f"the account has no API key {number}")

    def create(self, account: str, accesses: Accesses, name: str, at_ms: int) -> KeyRecord:
        """A new key. RpcError if the account has as many as it may."""
        if len(self.of_account(account)) >= KEYS_PER_ACCOUNT_MAX:
            reason = f"an account has at most {KEYS_PER_ACCOUNT_MAX} API keys"
            raise RpcError(REQUEST_FAILED, "request_failed", {"reason": reason})
        check_name(name)
        key = KeyRecord(
            number=self._next_number(account),
            client_id=self._word(account, "id")[:8],
            secret=self._word(account, "secret"),
            account=account,
            accesses=accesses,
            created_ms=at_ms,
            name=name,
        )
        self._by_id[key.client_id] = key
        return key

    def reset(self, key: KeyRecord) -> None:
        """Give the key a new secret; the old one opens nothing any more."""
        key.secret = self._word(key.account, "secret")

    def remove(self, key: KeyRecord) -> None:
        """Forget the key for good."""
        del self._by_id[key.client_id]

    def _next_number(self, account: str) -> int:
        self._numbers[account] = self._numbers.get(account, 0) + 1
        return self._numbers[account]

    def _word(self, account: str, purpose: str) -> str:
        self._made += 1
        digest = hashlib.sha256(f"{account}\n{purpose}\n{self._made}".encode()).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=").replace("-", "A")


def check_name(name: str) -> None:
    """RpcError -32602 for a name that a key may not have."""
    if not NAME_PATTERN.fullmatch(name):
        raise invalid_param("name", "only letters, digits and underscores, 16 at most")
