"""What the latest frame says, by contract: marks, underlyings, volatilities, Greeks.

Greeks and the volatilities of bids and asks are computed for a whole frame at once, the first time
that anybody asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from bot.exchange.contracts import Contract, Kind, perpetual
from bot.exchange.market import BoolArray, FloatArray, IntArray, MarketFrame
from bot.quant import black76, implied_vol
from bot.quant.conventions import expiry_weight

YEAR_MS: Final = 365 * 86_400_000
DAYS_PER_YEAR: Final = 365.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitGreeks:
    """Greeks of one contract in the venue's units, per coin of an option.

    `delta` is Black's; in the last half hour what the settlement average already knows is taken
    out of its net part: m + w (D - m), so that `delta` less the mark is what still moves.
    """

    delta: float
    gamma: float
    vega: float
    theta: float
    rho: float


@dataclass(frozen=True, slots=True, eq=False)
class _Terms:
    """What some options are, by column."""

    strike: FloatArray
    expiry_ms: IntArray
    is_call: BoolArray


@dataclass(frozen=True, slots=True, eq=False)
class _Marked:
    """What some options are marked by, by column: forward in USD, volatility, mark in coin."""

    forward: FloatArray
    vol: FloatArray
    coin: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _FrameGreeks:
    delta: FloatArray
    gamma: FloatArray
    vega: FloatArray
    theta: FloatArray
    rho: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """Where each option stands in the arrays, and which expiries there are."""

    contracts: tuple[Contract, ...]
    by_name: Mapping[str, int]
    expiries: IntArray
    expiry_of: IntArray


@dataclass(frozen=True, slots=True)
class _Carried:
    """The last mark of an option that the data lost before its expiry."""

    contract: Contract
    mark_coin: float
    mark_iv: float


def warm_pricing() -> None:
    """Compile the kernels behind Greeks and volatilities, or load them: seconds, once a process."""
    black76.warm()
    implied_vol.warm()


def _columns(frame: MarketFrame) -> _Columns:
    expiries, expiry_of = np.unique(frame.expiry_ms, return_inverse=True)
    names = {contract.name: at for at, contract in enumerate(frame.contracts)}
    return _Columns(frame.contracts, names, expiries, expiry_of)


@dataclass(slots=True)
class Board:
    """The latest frame, read by contract. `update` puts the next one up."""

    frame: MarketFrame
    perpetual: Contract
    _columns: _Columns
    _carried: dict[str, _Carried] = field(default_factory=dict)
    _greeks: _FrameGreeks | None = None
    _quote_iv: tuple[FloatArray, FloatArray] | None = None

    @classmethod
    def showing(cls, frame: MarketFrame, base: str) -> "Board":
        """A board with its first frame; `base` is the coin."""
        return cls(frame, perpetual(base), _columns(frame))

    def update(self, frame: MarketFrame) -> tuple[Contract, ...]:
        """Put up the next frame; returns the contracts that it lists for the first time."""
        listed: tuple[Contract, ...] = ()
        if frame.contracts is not self._columns.contracts:
            listed = self._relist(frame)
        self.frame = frame
        self._greeks = self._quote_iv = None
        return listed

    def _relist(self, frame: MarketFrame) -> tuple[Contract, ...]:
        before, old = self._columns, self.frame
        self._columns = _columns(frame)
        for name, column in before.by_name.items():
            contract = before.contracts[column]
            if name not in self._columns.by_name and contract.expiry_ms > frame.at_ms:
                mark, iv = float(old.mark_coin[column]), float(old.mark_iv[column])
                self._carried[name] = _Carried(contract, mark, iv)
        seen = before.by_name.keys() | self._carried.keys()
        for name in self._columns.by_name:
            self._carried.pop(name, None)
        return tuple(c for c in frame.contracts if c.name not in seen)

    def drop(self, name: str) -> None:
        """Forget an expired option that was carried."""
        self._carried.pop(name, None)

    def at(self, frame: MarketFrame) -> "Board":
        """Another frame read as this one is: for valuing what is held at a shifted market."""
        same = frame.contracts is self._columns.contracts
        columns = self._columns if same else _columns(frame)
        return Board(frame, self.perpetual, columns, dict(self._carried))

    def contracts(self) -> tuple[Contract, ...]:
        """Tradable contracts: the perpetual, then the frame's options."""
        return (self.perpetual, *self._columns.contracts)

    def known_contracts(self) -> tuple[Contract, ...]:
        """Options that are tradable or carried: everything that will expire."""
        return (*self._columns.contracts, *(one.contract for one in self._carried.values()))

    def contract(self, name: str) -> Contract | None:
        """A tradable contract by name."""
        if name == self.perpetual.name:
            return self.perpetual
        column = self._columns.by_name.get(name)
        return None if column is None else self._columns.contracts[column]

    def column(self, contract: Contract) -> int | None:
        """The option's column in the frame; None for the perpetual and for carried options."""
        return self._columns.by_name.get(contract.name)

    def mark(self, contract: Contract) -> float:
        """Mark price: USD for the perpetual, coin for an option. KeyError if never quoted."""
        if contract.kind is Kind.PERPETUAL:
            return float(self.frame.perp_mark_usd)
        column = self.column(contract)
        if column is None:
            return self._carried[contract.name].mark_coin
        return float(self.frame.mark_coin[column])

    def mark_iv(self, contract: Contract) -> float:
        """Volatility behind an option's mark, a decimal."""
        column = self.column(contract)
        if column is None:
            return self._carried[contract.name].mark_iv
        return float(self.frame.mark_iv[column])

    def underlying(self, contract: Contract) -> float:
        """The forward of an option's expiry, USD; the index for the perpetual."""
        return self.frame.forwards.get(contract.expiry_ms, self.frame.index_usd)

    def greeks(self, contract: Contract) -> UnitGreeks:
        """Greeks of one contract; an option's only."""
        column = self.column(contract)
        if column is None:
            return self._carried_greeks(contract)
        if self._greeks is None:
            frame = self.frame
            terms = _Terms(frame.strike, frame.expiry_ms, frame.is_call)
            marked = _Marked(self._forwards(), frame.mark_iv, frame.mark_coin)
            self._greeks = _frame_greeks(terms, marked, frame.at_ms)
        found = self._greeks
        return UnitGreeks(
            delta=float(found.delta[column]),
            gamma=float(found.gamma[column]),
            vega=float(found.vega[column]),
            theta=float(found.theta[column]),
            rho=float(found.rho[column]),
        )

    def quote_iv_percent(self, contract: Contract) -> tuple[float, float]:
        """Volatilities of an option's bid and ask in percent; 0 where nothing explains a quote."""
        column = self.column(contract)
        if column is None:
            return 0.0, 0.0
        if self._quote_iv is None:
            bid, ask = (
                self._iv_percent(quote) for quote in (self.frame.bid_coin, self.frame.ask_coin)
            )
            self._quote_iv = (bid, ask)
        return float(self._quote_iv[0][column]), float(self._quote_iv[1][column])

    def _iv_percent(self, coin: FloatArray) -> FloatArray:
        frame, forwards = self.frame, self._forwards()
        years = _years(frame.expiry_ms, frame.at_ms)
        found = implied_vol.implied_vol(
            coin * forwards, forwards, frame.strike, years, frame.is_call
        )
        return np.nan_to_num(100 * found)

    def _forwards(self) -> FloatArray:
        columns, forwards = self._columns, self.frame.forwards
        by_expiry = np.array([forwards[int(expiry)] for expiry in columns.expiries])
        return by_expiry[columns.expiry_of]

    def _carried_greeks(self, contract: Contract) -> UnitGreeks:
        carried = self._carried[contract.name]
        assert contract.strike is not None
        terms = _Terms(
            np.array([contract.strike]),
            np.array([contract.expiry_ms]),
            np.array([bool(contract.is_call)]),
        )
        marked = _Marked(
            np.array([self.underlying(contract)]),
            np.array([carried.mark_iv]),
            np.array([carried.mark_coin]),
        )
        found = _frame_greeks(terms, marked, self.frame.at_ms)
        return UnitGreeks(
            delta=float(found.delta[0]),
            gamma=float(found.gamma[0]),
            vega=float(found.vega[0]),
            theta=float(found.theta[0]),
            rho=float(found.rho[0]),
        )


def _years(expiry_ms: IntArray, at_ms: int) -> FloatArray:
    return np.maximum(expiry_ms - at_ms, 0) / YEAR_MS


def _frame_greeks(terms: _Terms, marked: _Marked, at_ms: int) -> _FrameGreeks:
    years = _years(terms.expiry_ms, at_ms)
    raw = black76.greeks(marked.forward, terms.strike, years, marked.vol, terms.is_call)
    weight = expiry_weight(at_ms, terms.expiry_ms)
    return _FrameGreeks(
        delta=marked.coin + weight * (raw.delta - marked.coin),
        gamma=raw.gamma,
        vega=raw.vega / 100,
        theta=raw.theta * np.minimum(1 / DAYS_PER_YEAR, years),
        rho=raw.rho / 100,
    )
