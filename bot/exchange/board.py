"""What the latest frames say, by contract, whichever pair it belongs to."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from bot.exchange.contracts import PAIR_OF_PREFIX, Contract, Pair
from bot.exchange.market import FutureQuote, MarketFrame
from bot.exchange.pair_board import PairBoard, UnitGreeks


@dataclass(frozen=True, slots=True)
class Board:
    """One board for each pair. Questions about a contract go to its pair's; see `PairBoard`."""

    by_pair: dict[Pair, PairBoard]

    @classmethod
    def showing(cls, frames: Iterable[MarketFrame]) -> Self:
        """Boards with their first frames."""
        return cls({frame.pair: PairBoard.showing(frame) for frame in frames})

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs that are traded here, in the market's order."""
        return tuple(self.by_pair)

    def frame(self, pair: Pair) -> MarketFrame:
        """The pair's latest frame."""
        return self.by_pair[pair].frame

    def index_usd(self, pair: Pair) -> float:
        """The pair's index, USD (USDC for linear pairs)."""
        return self.by_pair[pair].frame.index_usd

    def update(self, frame: MarketFrame) -> tuple[Contract, ...]:
        """Put up the next frame; returns the contracts that it lists for the first time."""
        return self.by_pair[frame.pair].update(frame)

    def at(self, frames: Iterable[MarketFrame]) -> Self:
        """The same with some other frames: for valuing what is held at a shifted market."""
        shifted = {frame.pair: self.by_pair[frame.pair].at(frame) for frame in frames}
        return type(self)({**self.by_pair, **shifted})

    def drop(self, contract: Contract) -> None:
        """Forget an expired contract that was carried."""
        self.by_pair[contract.pair].drop(contract.name)

    def contracts(self) -> tuple[Contract, ...]:
        """Tradable contracts, pair after pair: the perpetual, futures, then options."""
        return tuple(found for board in self.by_pair.values() for found in board.contracts())

    def known_contracts(self) -> tuple[Contract, ...]:
        """What is tradable or carried and will expire."""
        return tuple(found for board in self.by_pair.values() for found in board.known_contracts())

    def contract(self, name: str) -> Contract | None:
        """A tradable contract by name."""
        pair = PAIR_OF_PREFIX.get(name.partition("-")[0])
        board = None if pair is None else self.by_pair.get(pair)
        return None if board is None else board.contract(name)

    def column(self, contract: Contract) -> int | None:
        """The option's column in its frame; None for futures and for carried options."""
        return self.by_pair[contract.pair].column(contract)

    def future(self, contract: Contract) -> FutureQuote | None:
        """How a perpetual or future is quoted; None if its frame does not show it."""
        return self.by_pair[contract.pair].future(contract)

    def mark(self, contract: Contract) -> float:
        """Mark price, native. KeyError if never quoted."""
        return self.by_pair[contract.pair].mark(contract)

    def mark_iv(self, contract: Contract) -> float:
        """Volatility behind an option's mark, a decimal."""
        return self.by_pair[contract.pair].mark_iv(contract)

    def underlying(self, contract: Contract) -> float:
        """The forward of a contract's expiry, USD; the index for a perpetual."""
        return self.by_pair[contract.pair].underlying(contract)

    def discount(self, contract: Contract) -> float:
        """The discount factor until a contract's expiry; 1 for inverse pairs."""
        return self.by_pair[contract.pair].discount(contract)

    def greeks(self, contract: Contract) -> UnitGreeks:
        """Greeks of one contract; an option's only."""
        return self.by_pair[contract.pair].greeks(contract)

    def quote_iv_percent(self, contract: Contract) -> tuple[float, float]:
        """Volatilities of an option's bid and ask in percent; 0 where nothing explains a quote."""
        return self.by_pair[contract.pair].quote_iv_percent(contract)
