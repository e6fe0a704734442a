"""Market maker protection: what an account's MMP orders traded of late, and whether it is frozen.

As the venue words it (`private/set_mmp_config`): the interval begins with the first trade, runs on
unaffected by those that follow, and the first trade after its end starts another with counters at
nought. Quantity counts either way, delta and vega net, with the Greeks of the moment of each fill.
An option's delta is Black's less the mark, the net transaction delta. A limit is passed when it is
exceeded; then every MMP order on the index is cancelled and new ones are refused for a while.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from bot.exchange.board import Board
from bot.exchange.commands import Refused
from bot.exchange.contracts import Contract
from bot.exchange.orders import Order, signed
from bot.exchange.trading_commands import MmpKey, MmpLimits, MmpTriggered

FROZEN: Final = Refused(code=11030, message="other_reject mmp_frozen")
NOT_CONFIGURED: Final = Refused(code=11030, message="other_reject mmp_not_configured")
UNTIL_RESET: Final = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MmpFill:
    """What one fill counts for: quantity and signed delta in the base, signed vega USD a point."""

    quantity: float
    delta: float
    vega: float


def index_of(contract: Contract) -> str:
    """The index that a protection of this contract goes by."""
    return contract.pair.index_name


def size_in_base(contract: Contract, amount: Decimal, price: float) -> float:
    """A native amount in the base currency: an inverse future's is USD, over its price."""
    return float(amount) / price if contract.is_sized_in_usd else float(amount)


def mmp_fill(board: Board, order: Order, amount: Decimal, price: Decimal) -> MmpFill:
    """What a fill of `amount` (native, positive) of an MMP order counts for."""
    contract = order.contract
    quantity = size_in_base(contract, amount, float(price))
    change = quantity if signed(order.direction, amount) > 0 else -quantity
    if not contract.is_option:
        return MmpFill(quantity=quantity, delta=change, vega=0.0)
    greeks = board.greeks(contract)
    # Net transaction delta: a premium in coin is delta itself, one in USDC is not.
    premium = 0.0 if contract.pair.is_linear else board.mark(contract)
    return MmpFill(
        quantity=quantity, delta=change * (greeks.delta - premium), vega=change * greeks.vega
    )


@dataclass(slots=True, kw_only=True)
class _Guard:
    """One protection: its limits, the interval that runs, and until when it is frozen."""

    limits: MmpLimits
    since_ms: int | None = None
    quantity: float = 0.0
    delta: float = 0.0
    vega: float = 0.0
    frozen_until_ms: int | None = None

    def is_frozen(self, now_ms: int) -> bool:
        """Whether MMP orders are refused; a freeze that is over is forgotten."""
        until_ms = self.frozen_until_ms
        if until_ms is not None and until_ms != UNTIL_RESET and now_ms >= until_ms:
            self.reset()
        return self.frozen_until_ms is not None

    def reset(self) -> None:
        """Thaw, and count from nought."""
        self.since_ms = self.frozen_until_ms = None
        self.quantity = self.delta = self.vega = 0.0

    def count(self, fill: MmpFill, now_ms: int) -> bool:
        """Count a fill; whether a limit is now exceeded."""
        if self.since_ms is None or now_ms >= self.since_ms + 1_000 * self.limits.interval_s:
            self.reset()
            self.since_ms = now_ms
        self.quantity += fill.quantity
        self.delta += fill.delta
        self.vega += fill.vega
        limits = self.limits
        return (
            _exceeds(self.quantity, limits.quantity)
            or _exceeds(self.delta, limits.delta)
            or _exceeds(self.vega, limits.vega)
        )

    def freeze(self, now_ms: int) -> int:
        """Freeze from now on; returns until when."""
        frozen_s = self.limits.frozen_s
        self.frozen_until_ms = now_ms + 1_000 * frozen_s if frozen_s else UNTIL_RESET
        return self.frozen_until_ms


def _exceeds(counted: float, limit: Decimal | None) -> bool:
    # The sum of floats that should be exactly the limit must not pass it by its last digits.
    return limit is not None and abs(counted) > float(limit) * (1 + 1e-9)


@dataclass(slots=True)
class MmpBook:
    """Everybody's protections."""

    _guards: dict[MmpKey, _Guard] = field(default_factory=dict)

    def set_limits(self, key: MmpKey, limits: MmpLimits | None) -> None:
        """Set, change or remove a protection; a freeze outlives a change of limits."""
        guard = self._guards.get(key)
        if limits is None:
            self._guards.pop(key, None)
        elif guard is None:
            self._guards[key] = _Guard(limits=limits)
        else:
            guard.limits = limits

    def reset(self, key: MmpKey) -> bool:
        """Thaw a protection; whether there is one."""
        guard = self._guards.get(key)
        if guard is not None:
            guard.reset()
        return guard is not None

    def limits_of(self, account: str) -> Mapping[MmpKey, MmpLimits]:
        """The account's protections."""
        return {key: g.limits for key, g in self._guards.items() if key.account == account}

    def frozen_of(self, account: str, now_ms: int) -> Mapping[MmpKey, int]:
        """Its frozen protections, with the time they thaw."""
        return {
            key: guard.frozen_until_ms or UNTIL_RESET
            for key, guard in self._guards.items()
            if key.account == account and guard.is_frozen(now_ms)
        }

    def check(self, order: Order, resting_base: float, price: float, now_ms: int) -> Refused | None:
        """Refuse an MMP order while frozen, without a protection, or above the quote quantity.

        `resting_base` is what the account's other MMP orders show on this side of the instrument.
        """
        guard = self._guards.get(orders_key(order))
        if guard is None:
            return NOT_CONFIGURED
        if guard.is_frozen(now_ms):
            return FROZEN
        most = guard.limits.quote_quantity_max
        wanted = resting_base + size_in_base(order.contract, order.remaining, price)
        if not _exceeds(wanted, most):
            return None
        reason = f"{wanted:.4f} in MMP orders on one side exceeds max_quote_quantity {most}"
        return Refused(
            code=11030,
            message=f"other_reject mmp_max_quote_quantity {most}",
            data={"reason": reason},
        )

    def observe(self, order: Order, fill: MmpFill, now_ms: int) -> MmpTriggered | None:
        """Count a fill of an MMP order; the event if that trips its protection."""
        key = orders_key(order)
        guard = self._guards.get(key)
        if guard is None or guard.is_frozen(now_ms) or not guard.count(fill, now_ms):
            return None
        return MmpTriggered(key=key, frozen_until_ms=guard.freeze(now_ms))


def orders_key(order: Order) -> MmpKey:
    """The protection that an order falls under."""
    return MmpKey(account=order.account, index_name=index_of(order.contract))
