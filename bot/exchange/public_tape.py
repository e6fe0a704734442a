"""The trades that everybody may see: each once, from its taker's side, whoever the parties were."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from bot.exchange.reports import Direction, FillCause, Liquidity, TradeView

TRADES_KEPT: Final = 20_000
DROPPED_AT_ONCE: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicTrade:
    """A trade, and which way its taker went."""

    trade: TradeView
    direction: Direction


@dataclass(slots=True)
class PublicTape:
    """The latest trades of all instruments, oldest first."""

    _trades: list[PublicTrade] = field(default_factory=list)

    def hear(self, fill: TradeView) -> PublicTrade | None:
        """A user's fill. None for what is no trade, and for the second party of a known one."""
        if fill.cause in (FillCause.SETTLEMENT, FillCause.BUST):
            return None
        taker = fill.direction
        if fill.liquidity is Liquidity.MAKER:
            if self._trades and _is_other_side(self._trades[-1].trade, fill):
                return None
            taker = Direction.SELL if fill.direction is Direction.BUY else Direction.BUY
        return self.keep(fill, taker)

    def keep(self, trade: TradeView, direction: Direction) -> PublicTrade:
        """Put a trade on the tape; `direction` is its taker's."""
        told = PublicTrade(trade=trade, direction=direction)
        self._trades.append(told)
        if len(self._trades) > TRADES_KEPT + DROPPED_AT_ONCE:
            del self._trades[:DROPPED_AT_ONCE]
        return told

    def since(self, at_ms: int) -> Sequence[PublicTrade]:
        """Trades at or after `at_ms`."""
        return self._trades[bisect_left(self._trades, at_ms, key=lambda one: one.trade.at_ms) :]

    def of(self, instrument_name: str) -> Iterator[PublicTrade]:
        """One instrument's trades, oldest first."""
        return (one for one in self._trades if one.trade.instrument_name == instrument_name)


def _is_other_side(taker: TradeView, maker: TradeView) -> bool:
    """Whether two fills in a row are the two sides of one trade between users."""
    return (
        taker.liquidity is Liquidity.TAKER
        and (taker.instrument_name, taker.price, taker.amount, taker.at_ms)
        == (maker.instrument_name, maker.price, maker.amount, maker.at_ms)
        and taker.direction is not maker.direction
    )
