"""What a pair's latest frame says, by contract: marks, underlyings, volatilities, Greeks.

Greeks and the volatilities of bids and asks are computed for a whole frame at once, the first time
that anybody asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from bot.exchange.contracts import Contract
from bot.exchange.market import BoolArray, FloatArray, FutureQuote, IntArray, MarketFrame
from bot.quant import black76, implied_vol
from bot.quant.conventions import expiry_weight

YEAR_MS: Final = 365 * 86_400_000
DAYS_PER_YEAR: Final = 365.0


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitGreeks:
    """Greeks of one contract in the venue's units, per coin of an option.

    `delta` is Black's, with the discount factor of a linear option. In the last half hour what the
    settlement average already knows is taken out: w D of a linear option; of an inverse one out of
    the net part, m + w (D - m), so that `delta` less the mark is what still moves.
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
    """What some options are marked by, by column. `net_of` is the mark in coin, 0 if linear."""

    forward: FloatArray
    discount: FloatArray
    vol: FloatArray
    net_of: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _FrameGreeks:
    delta: FloatArray
    gamma: FloatArray
    vega: FloatArray
    theta: FloatArray
    rho: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Columns:
    """Where each option and future stands in its frame, and which expiries the options have."""

    contracts: tuple[Contract, ...]
    futures: tuple[Contract, ...]
    by_name: Mapping[str, int]
    future_by_name: Mapping[str, int]
    expiries: IntArray
    expiry_of: IntArray


@dataclass(frozen=True, slots=True)
class _Carried:
    """The last mark of a contract that the data lost before its expiry."""

    contract: Contract
    mark_price: float
    mark_iv: float


def warm_pricing() -> None:
    """Compile the kernels behind Greeks and volatilities, or load them: seconds, once a process."""
    black76.warm()
    implied_vol.warm()


def _columns(frame: MarketFrame) -> _Columns:
    expiries, expiry_of = np.unique(frame.expiry_ms, return_inverse=True)
    futures = tuple(quote.contract for quote in frame.futures)
    return _Columns(
        contracts=frame.contracts,
        futures=futures,
        by_name={contract.name: at for at, contract in enumerate(frame.contracts)},
        future_by_name={contract.name: at for at, contract in enumerate(futures)},
        expiries=expiries,
        expiry_of=expiry_of,
    )


def _lists_the_same(columns: _Columns, frame: MarketFrame) -> bool:
    if frame.contracts is not columns.contracts or len(frame.futures) != len(columns.futures):
        return False
    both = zip(frame.futures, columns.futures, strict=True)
    return all(quote.contract is known for quote, known in both)


@dataclass(slots=True)
class PairBoard:
    """The latest frame of a pair, read by contract. `update` puts the next one up."""

    frame: MarketFrame
    _columns: _Columns
    _carried: dict[str, _Carried] = field(default_factory=dict)
    _greeks: _FrameGreeks | None = None
    _unit_greeks: dict[int, UnitGreeks] = field(default_factory=dict)  # by column, once asked for
    _quote_iv: list[tuple[float, float]] | None = None
    _terms_at: tuple[FloatArray, FloatArray] | None = None

    @classmethod
    def showing(cls, frame: MarketFrame) -> "PairBoard":
        """A board with its first frame."""
        return cls(frame, _columns(frame))

    @property
    def perpetual(self) -> Contract:
        """The pair's perpetual."""
        return self.frame.perpetual.contract

    def update(self, frame: MarketFrame) -> tuple[Contract, ...]:
        """Put up the next frame; returns the contracts that it lists for the first time."""
        listed: tuple[Contract, ...] = ()
        if not _lists_the_same(self._columns, frame):
            listed = self._relist(frame)
        self.frame = frame
        self._greeks = self._quote_iv = self._terms_at = None
        self._unit_greeks = {}
        return listed

    def _relist(self, frame: MarketFrame) -> tuple[Contract, ...]:
        before, after = self._columns, _columns(frame)
        known = (*before.futures, *before.contracts)
        now_listed = after.by_name.keys() | after.future_by_name.keys()
        for contract in known:
            if contract.name not in now_listed and contract.expiry_ms > frame.at_ms:
                iv = self.mark_iv(contract) if contract.is_option else 0.0
                self._carried[contract.name] = _Carried(contract, self.mark(contract), iv)
        seen = {contract.name for contract in known} | self._carried.keys()
        for name in now_listed:
            self._carried.pop(name, None)
        self._columns = after
        return tuple(c for c in (*after.futures, *after.contracts) if c.name not in seen)

    def drop(self, name: str) -> None:
        """Forget an expired contract that was carried."""
        self._carried.pop(name, None)

    def at(self, frame: MarketFrame) -> "PairBoard":
        """Another frame read as this one is: for valuing what is held at a shifted market."""
        same = _lists_the_same(self._columns, frame)
        return PairBoard(frame, self._columns if same else _columns(frame), dict(self._carried))

    def contracts(self) -> tuple[Contract, ...]:
        """Tradable contracts: the perpetual, the futures, then the frame's options."""
        return (self.perpetual, *self._columns.futures, *self._columns.contracts)

    def known_contracts(self) -> tuple[Contract, ...]:
        """What is tradable or carried and will expire."""
        carried = (one.contract for one in self._carried.values())
        return (*self._columns.futures, *self._columns.contracts, *carried)

    def contract(self, name: str) -> Contract | None:
        """A tradable contract by name."""
        if name == self.perpetual.name:
            return self.perpetual
        column = self._columns.by_name.get(name)
        if column is not None:
            return self._columns.contracts[column]
        place = self._columns.future_by_name.get(name)
        return None if place is None else self._columns.futures[place]

    def column(self, contract: Contract) -> int | None:
        """The option's column in the frame; None for futures and for carried options."""
        return self._columns.by_name.get(contract.name)

    def future(self, contract: Contract) -> FutureQuote | None:
        """How the perpetual or a future is quoted; None if the frame does not show it."""
        if contract.name == self.perpetual.name:
            return self.frame.perpetual
        place = self._columns.future_by_name.get(contract.name)
        return None if place is None else self.frame.futures[place]

    def mark(self, contract: Contract) -> float:
        """Mark price, native. KeyError if never quoted."""
        column = self._columns.by_name.get(contract.name)
        if column is not None:
            return float(self.frame.mark_price[column])
        quote = None if contract.is_option else self.future(contract)
        if quote is not None:
            return float(quote.mark_usd)
        return self._carried[contract.name].mark_price

    def mark_iv(self, contract: Contract) -> float:
        """Volatility behind an option's mark, a decimal."""
        column = self.column(contract)
        if column is None:
            return self._carried[contract.name].mark_iv
        return float(self.frame.mark_iv[column])

    def underlying(self, contract: Contract) -> float:
        """The forward of a contract's expiry, USD; the index for the perpetual."""
        return self.frame.forwards.get(contract.expiry_ms, self.frame.index_usd)

    def discount(self, contract: Contract) -> float:
        """The discount factor until a contract's expiry; 1 for inverse pairs."""
        return self.frame.discounts.get(contract.expiry_ms, 1.0)

    def greeks(self, contract: Contract) -> UnitGreeks:
        """Greeks of one contract; an option's only."""
        column = self.column(contract)
        if column is None:
            return self._carried_greeks(contract)
        known = self._unit_greeks.get(column)
        if known is None:
            known = self._unit_greeks[column] = self._greeks_at(column)
        return known

    def _greeks_at(self, column: int) -> UnitGreeks:
        if self._greeks is None:
            frame, (forwards, discounts) = self.frame, self._by_column()
            terms = _Terms(frame.strike, frame.expiry_ms, frame.is_call)
            marked = _Marked(forwards, discounts, frame.mark_iv, self._net_of(frame.mark_price))
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
            self._quote_iv = self._quotes_iv_percent()
        return self._quote_iv[column]

    def _quotes_iv_percent(self) -> list[tuple[float, float]]:
        """By column, of bid and ask."""
        frame, (forwards, discounts) = self.frame, self._by_column()
        price = np.stack((frame.bid_price, frame.ask_price))
        usd = price if frame.pair.is_linear else price * forwards
        years = _years(frame.expiry_ms, frame.at_ms)
        found = 100 * implied_vol.implied_vol(
            usd, forwards, frame.strike, years, frame.is_call, discounts
        )
        found[np.isnan(found)] = 0.0
        bid, ask = found.tolist()
        return list(zip(bid, ask, strict=True))

    def _by_column(self) -> tuple[FloatArray, FloatArray]:
        """Forward and discount factor of every option."""
        if self._terms_at is None:
            frame = self.frame
            self._terms_at = self._by_expiry(frame.forwards), self._by_expiry(frame.discounts)
        return self._terms_at

    def _by_expiry(self, values: Mapping[int, float]) -> FloatArray:
        columns = self._columns
        by_expiry = np.array([values[int(expiry)] for expiry in columns.expiries])
        return by_expiry[columns.expiry_of]

    def _net_of(self, mark_price: FloatArray) -> FloatArray:
        """What the premium takes off the delta: the mark where it is in coin, else nothing."""
        return np.zeros_like(mark_price) if self.frame.pair.is_linear else mark_price

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
            np.array([self.discount(contract)]),
            np.array([carried.mark_iv]),
            self._net_of(np.array([carried.mark_price])),
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
    raw = black76.greeks(
        marked.forward, terms.strike, years, marked.vol, terms.is_call, marked.discount
    )
    weight = expiry_weight(at_ms, terms.expiry_ms)
    return _FrameGreeks(
        delta=marked.net_of + weight * (raw.delta - marked.net_of),
        gamma=raw.gamma,
        vega=raw.vega / 100,
        theta=np.maximum(raw.theta * np.minimum(1 / DAYS_PER_YEAR, years), -raw.price),
        rho=raw.rho / 100,
    )
