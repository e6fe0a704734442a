"""How much may be asked: pools of credits that each request draws on and time fills again.

Deribit's "Rate limits": requests that reach the matching engine, cancels of everything, and all
others each have a pool per account; a few methods have one of their own. Strangers share the pools
of their address. A request without credits is answered 10028 and ends its connection.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from bot.exchange.protocol import TOO_MANY_REQUESTS, Json, RpcError

NS_PER_S: Final = 1_000_000_000
GENEROUS_TIMES: Final = 1_000


class Pool(StrEnum):
    """What a request draws on."""

    GENERAL = "non_matching_engine"
    TRADING = "matching_engine"
    CANCEL_ALL = "cancel_all"
    SUBSCRIBING = "subscribe"
    INSTRUMENTS = "get_instruments"
    LOG = "get_transaction_log"
    SIMULATING = "simulate_portfolio"


def _named(family: str, pool: Pool, *names: str) -> dict[str, Pool]:
    return {f"{family}/{name}": pool for name in names}


POOL_BY_METHOD: Final[Mapping[str, Pool]] = {
    **_named("private", Pool.TRADING, "buy", "sell", "edit", "edit_by_label", "close_position"),
    **_named("private", Pool.TRADING, "cancel", "cancel_by_label", "move_positions"),
    **_named("private", Pool.TRADING, "verify_block_trade", "execute_block_trade", "mass_quote"),
    **_named("private", Pool.CANCEL_ALL, "cancel_all", "cancel_all_by_currency", "cancel_quotes"),
    **_named("private", Pool.CANCEL_ALL, "cancel_all_by_instrument", "cancel_all_by_kind_or_type"),
    **_named("private", Pool.CANCEL_ALL, "cancel_all_by_currency_pair"),
    **_named("private", Pool.SUBSCRIBING, "subscribe"),
    **_named("public", Pool.SUBSCRIBING, "subscribe"),
    **_named("public", Pool.INSTRUMENTS, "get_instruments"),
    **_named("private", Pool.LOG, "get_transaction_log"),
    **_named("private", Pool.SIMULATING, "simulate_portfolio", "pme/simulate"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditRule:
    """A request costs `cost` of at most `most` credits, `refill` of which come back a second."""

    cost: float
    most: float
    refill: float

    def __post_init__(self) -> None:
        if not 0 < self.cost <= self.most or not self.refill > 0:
            raise ValueError(f"a pool must have room for a request and be refilled, got {self}")

    def stated(self) -> dict[str, Json]:
        """Requests at once and requests a second, as an account's summary states them."""
        return {"burst": int(self.most / self.cost), "rate": int(self.refill / self.cost)}

    def times(self, factor: float) -> "CreditRule":
        """The same with so many times the credits."""
        return replace(self, most=self.most * factor, refill=self.refill * factor)


# The venue's defaults; those of the matching engine are an account's without turnover.
VENUE_RULES: Final[Mapping[Pool, CreditRule]] = {
    Pool.GENERAL: CreditRule(cost=500, most=50_000, refill=10_000),
    Pool.TRADING: CreditRule(cost=1_000, most=20_000, refill=5_000),
    Pool.CANCEL_ALL: CreditRule(cost=1_000, most=20_000, refill=5_000),
    Pool.SUBSCRIBING: CreditRule(cost=3_000, most=30_000, refill=10_000),
    Pool.INSTRUMENTS: CreditRule(cost=10_000, most=500_000, refill=10_000),
    Pool.LOG: CreditRule(cost=10_000, most=80_000, refill=10_000),
    Pool.SIMULATING: CreditRule(cost=10_000, most=10_000, refill=10_000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitPolicy:
    """The rule of every pool, and whether asking too much ends a connection."""

    rules: Mapping[Pool, CreditRule] = field(default_factory=lambda: VENUE_RULES)
    ends_connection: bool = True

    def stated(self) -> dict[str, Json]:
        """The object `limits` of an account's summary."""
        return {
            "limits_per_currency": False,
            "non_matching_engine": self.rules[Pool.GENERAL].stated(),
            "matching_engine": {
                "trading": {"total": self.rules[Pool.TRADING].stated()},
                "cancel_all": self.rules[Pool.CANCEL_ALL].stated(),
            },
        }


VENUE_LIMITS: Final = LimitPolicy()
GENEROUS_LIMITS: Final = LimitPolicy(
    rules={pool: rule.times(GENEROUS_TIMES) for pool, rule in VENUE_RULES.items()}
)
LIMITS_BY_NAME: Final = {"generous": GENEROUS_LIMITS, "venue": VENUE_LIMITS}


@dataclass(slots=True)
class Credits:
    """What is left in one pool, and when that was counted (wire, monotonic)."""

    left: float
    counted_ns: int


@dataclass(slots=True)
class RateLimits:
    """Everybody's pools. `policy` may be changed while the exchange runs."""

    policy: LimitPolicy
    _pools: dict[tuple[str, Pool], Credits] = field(default_factory=dict)

    def charge(self, payer: str, method: str, now_ns: int) -> None:
        """Draw one request's credits; RpcError 10028, with seconds to wait, if too few are left.

        `payer` is the account of a login, the address of a stranger.
        """
        pool = POOL_BY_METHOD.get(method, Pool.GENERAL)
        rule = self.policy.rules[pool]
        purse = self._credits(payer, pool, rule, now_ns)
        if purse.left < rule.cost:
            wait_s = math.ceil((rule.cost - purse.left) / rule.refill)
            raise RpcError(TOO_MANY_REQUESTS, "too_many_requests", {"wait": wait_s})
        purse.left -= rule.cost

    def drain(self, payer: str, now_ns: int) -> None:
        """Leave a payer without credits in any pool: his next request is too many."""
        for pool, rule in self.policy.rules.items():
            self._credits(payer, pool, rule, now_ns).left = 0.0

    def _credits(self, payer: str, pool: Pool, rule: CreditRule, now_ns: int) -> Credits:
        purse = self._pools.get((payer, pool))
        if purse is None:
            purse = self._pools[payer, pool] = Credits(rule.most, now_ns)
        else:
            refilled = purse.left + (now_ns - purse.counted_ns) * rule.refill / NS_PER_S
            purse.left, purse.counted_ns = min(rule.most, refilled), now_ns
        return purse
