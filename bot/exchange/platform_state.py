"""Which of the exchange's doors are shut: maintenance, locked indices, the settlement's pause.

Whoever flips a switch here, the channels `platform_state` tell it. Codes: Deribit's "RPC error
codes".
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from bot.exchange.protocol import (
    LOCKED_BY_ADMIN,
    SETTLEMENT_IN_PROGRESS,
    SYSTEM_MAINTENANCE,
    TOO_MANY_CONCURRENT_REQUESTS,
    Json,
    RpcError,
    dumps,
)

PLATFORM_STATE: Final = "platform_state"
PUBLIC_METHODS_STATE: Final = "platform_state.public_methods_state"
# What a stranger needs to become known, or to stay on the line, is never refused.
OPEN_TO_STRANGERS: Final = frozenset(
    {
        "public/auth",
        "public/exchange_token",
        "public/fork_token",
        "public/test",
        "public/hello",
        "public/status",
        "public/get_time",
        "public/set_heartbeat",
        "public/disable_heartbeat",
        "public/subscribe",
        "public/unsubscribe",
        "public/unsubscribe_all",
    }
)


@dataclass(slots=True, kw_only=True)
class PlatformState:
    """The switches. `tell` says a payload on a channel; `settles_until_ns` is wire time."""

    tell: Callable[[str, str], None]
    is_in_maintenance: bool = False
    serves_strangers: bool = True
    locked_indices: set[str] = field(default_factory=set)
    settles_until_ns: int = 0

    def set_maintenance(self, *, is_on: bool) -> None:
        """Begin or end maintenance: market data go on, trading is refused with 11051."""
        if self.is_in_maintenance != is_on:
            self.is_in_maintenance = is_on
            self.tell(PLATFORM_STATE, dumps({"maintenance": is_on}))

    def lock_index(self, index_name: str, *, is_locked: bool) -> None:
        """Lock or unlock a price index: new orders on its instruments are refused with 10019."""
        if is_locked == (index_name in self.locked_indices):
            return
        if is_locked:
            self.locked_indices.add(index_name)
        else:
            self.locked_indices.remove(index_name)
        self.tell(PLATFORM_STATE, dumps({"price_index": index_name, "locked": is_locked}))

    def serve_strangers(self, *, is_on: bool) -> None:
        """Answer market data to those who have not logged in, or refuse them with 10066."""
        if self.serves_strangers != is_on:
            self.serves_strangers = is_on
            payload = dumps({"allow_unauthenticated_public_requests": is_on})
            self.tell(PUBLIC_METHODS_STATE, payload)

    def settle_until(self, until_ns: int) -> None:
        """Pause trading, with 10041, while profits are settled."""
        self.settles_until_ns = max(self.settles_until_ns, until_ns)

    def admit_trading(self, now_ns: int) -> None:
        """RpcError where no trading request is taken now."""
        if self.is_in_maintenance:
            raise RpcError(SYSTEM_MAINTENANCE, "system_maintenance")
        if now_ns < self.settles_until_ns:
            raise RpcError(SETTLEMENT_IN_PROGRESS, "settlement_in_progress")

    def admit_order(self, index_name: str) -> None:
        """RpcError where the instrument's index is locked."""
        if index_name in self.locked_indices:
            raise RpcError(LOCKED_BY_ADMIN, "locked_by_admin", {"price_index": index_name})

    def admit_stranger(self, method: str) -> None:
        """RpcError where somebody without a login is not served."""
        if not self.serves_strangers and method not in OPEN_TO_STRANGERS:
            raise RpcError(TOO_MANY_CONCURRENT_REQUESTS, "too_many_concurrent_requests")

    def status(self, indices: frozenset[str]) -> dict[str, Json]:
        """The answer to `public/status`; `indices` are those that the exchange has."""
        locked = indices if self.is_in_maintenance else self.locked_indices & indices
        word = "false" if not locked else "true" if locked == indices else "partial"
        return {"locked": word, "locked_indices": sorted(locked)}
