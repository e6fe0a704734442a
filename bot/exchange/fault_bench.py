"""What the faults of a simulation work with: the plan, the wire's clock, the exchange's levers."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from bot.exchange.fault_words import strikes_at_once
from bot.exchange.faults import Armed, Fault, FaultKind, FaultPlan, Moment
from bot.exchange.floor import TradingFloor
from bot.exchange.protocol import RpcError
from bot.exchange.trading_commands import BustTrade

MS_PER_S: Final = 1_000


@dataclass(slots=True, kw_only=True)
class FaultBench:
    """The plan, and what a fault does that is not about a frame. It is there only with `--sim`.

    `account` is the one whose trades are taken back.
    """

    floor: TradingFloor
    account: str
    plan: FaultPlan = field(default_factory=FaultPlan)

    def now_ns(self) -> int:
        """The wire's clock."""
        return self.floor.wire.monotonic_ns()

    def arm(self, fault: Fault) -> Armed:
        """Let a fault wait, or do at once what waits for nothing. RpcError if it cannot be done."""
        armed = self.plan.arm(fault, self.now_ns())
        if strikes_at_once(fault):
            armed.seen = armed.struck = 1
            try:
                self.act(fault)
            except RpcError:
                self.plan.clear(armed.number)
                raise
        return armed

    def clear(self, number: int | None) -> list[Armed]:
        """Disarm one fault, or all (None); answers those that were armed."""
        cleared = self.plan.clear(number)
        if any(armed.fault.kind is FaultKind.MAINTENANCE for armed in cleared):
            self._reopen()
        return cleared

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits that could harm a moment, so that nobody need say which it is."""
        return self.plan.is_idle

    def strike(self, moment: Moment) -> tuple[Armed, ...]:
        """What harms this moment. What is no matter of the moment itself is done already."""
        struck = self.plan.strike(moment, self.now_ns())
        for armed in struck:
            with suppress(RpcError):  # nothing to take back: the request goes its way
                self.act(armed.fault)
        return struck

    def act(self, fault: Fault) -> None:
        """Do what a fault does to the exchange rather than to the wire."""
        match fault.kind:
            case FaultKind.TOKEN_EXPIRY:
                self._expire_tokens()
            case FaultKind.MAINTENANCE:
                self._maintain(fault)
            case FaultKind.BUST:
                command = BustTrade(account=self.account, trade_id=fault.harm.trade_id or None)
                self.floor.accept(self.floor.engine.handle(command))
            case _:
                pass

    def _expire_tokens(self) -> None:
        self.floor.gatekeeper.revoke(lambda _: True)
        now_ns = self.now_ns()
        for session in self.floor.sessions.values():
            if session.grant is not None:
                session.grant = replace(session.grant, expires_ns=now_ns)

    def _maintain(self, fault: Fault) -> None:
        assert fault.quota.window_ms is not None, "maintenance has an end"
        self.floor.platform.set_maintenance(is_on=True)
        loop = asyncio.get_running_loop()
        loop.call_later(fault.quota.window_ms / MS_PER_S, self._reopen)

    def _reopen(self) -> None:
        self.floor.platform.set_maintenance(is_on=False)

    def refusal(self, struck: Iterable[Armed]) -> RpcError | None:
        """The error that the venue answers instead of working, if a struck fault says so."""
        for armed in struck:
            if armed.fault.kind is FaultKind.RATE_LIMIT:
                harm = armed.fault.harm
                return RpcError(harm.code, harm.message)
        return None
