"""What the exchange remembers of its market for those who ask later: charts, funding, deliveries.

Fed with the engine's events, bounded in memory, never asked by the engine itself. It begins when
the exchange does: there is no past before the first frame, and a hole in recorded data stays one.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from bot.exchange.candles import MINUTE_MS, CandleSeries
from bot.exchange.commands import (
    Event,
    InstrumentExpired,
    MarketMoved,
    Printed,
    SessionSettled,
    Traded,
    TradingEngine,
)
from bot.exchange.contracts import Contract, Pair, parse_name
from bot.exchange.funding import funding_rate_8h
from bot.exchange.market import MarketFrame, Skipped
from bot.exchange.public_tape import PublicTape, PublicTrade
from bot.exchange.rules import FundingRules
from bot.exchange.volatility_index import Chain, volatility_index

HOUR_MS: Final = 3_600_000
EIGHT_HOURS_MS: Final = 8 * HOUR_MS
MARKS_KEPT_MINUTES: Final = 180
FUNDING_KEPT_MINUTES: Final = 32 * 24 * 60
DELIVERIES_MAX: Final = 1_000
SETTLEMENTS_MAX: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingMinute:
    """A perpetual's funding at a minute: `interest` has added up, as a rate, since the start."""

    at_ms: int
    index_price: float
    interest: float
    interest_8h: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPrice:
    """What an index was settled at."""

    at_ms: int
    price: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A contract at a settlement of the session, or at its delivery: `position` was open then."""

    at_ms: int
    contract: Contract
    is_delivery: bool
    mark_price: float
    index_price: float
    position: float


@dataclass(slots=True, kw_only=True)
class _Accrual:
    """A perpetual's funding up to now: the rate that holds, and what has added up as a rate."""

    at_ms: int
    rate_8h: float
    interest: float = 0.0

    def pass_to(self, at_ms: int) -> None:
        """Let the rate work until `at_ms`."""
        self.interest += self.rate_8h * max(at_ms - self.at_ms, 0) / EIGHT_HOURS_MS
        self.at_ms = max(self.at_ms, at_ms)


def _frames() -> deque[MarketFrame]:
    return deque(maxlen=MARKS_KEPT_MINUTES)


@dataclass(slots=True)
class Chronicle:
    """The market's memory. `observe` takes what happened, the rest is there to be read.

    By index name: `indices`, `volatility`, `deliveries`. By instrument: `marks` of perpetuals and
    futures, `funding`. An option's mark is kept a minute apart, with the frame that it was in.
    """

    indices: dict[str, CandleSeries] = field(default_factory=dict)
    marks: dict[str, CandleSeries] = field(default_factory=dict)
    volatility: dict[str, CandleSeries] = field(default_factory=dict)
    funding: dict[str, deque[FundingMinute]] = field(default_factory=dict)
    deliveries: dict[str, deque[DeliveryPrice]] = field(default_factory=dict)
    settlements: deque[Settled] = field(default_factory=lambda: deque(maxlen=SETTLEMENTS_MAX))
    tape: PublicTape = field(default_factory=PublicTape)
    _frames: dict[Pair, deque[MarketFrame]] = field(default_factory=dict)
    _accruals: dict[str, _Accrual] = field(default_factory=dict)

    def begin(self, engine: TradingEngine) -> None:
        """The first frames: the earliest moment that there is."""
        for pair in engine.pairs:
            self._see(engine.frame(pair), engine.rules.funding)

    def observe(self, events: Sequence[Event], engine: TradingEngine) -> list[PublicTrade]:
        """Remember what happened; answers the trades that everybody may hear of."""
        trades: list[PublicTrade] = []
        for event in events:
            match event:
                case MarketMoved():
                    self._see(event.frame, engine.rules.funding)
                case Traded():
                    told = self.tape.hear(event.trade)
                    trades += [] if told is None else [told]
                case Printed():
                    trades.append(self.tape.keep(event.trade, event.trade.direction))
                case InstrumentExpired():
                    self._deliver(event)
                case SessionSettled():
                    self._settle(event.at_ms, engine)
                case Skipped():
                    self._skip(event)
                case _:
                    pass
        return trades

    def marks_of(self, contract: Contract) -> list[tuple[int, float]]:
        """(time, mark) of an option, a minute apart, oldest first."""
        return [
            (frame.at_ms, float(frame.mark_price[column]))
            for frame in self._frames.get(contract.pair, ())
            for column in np.flatnonzero(frame.strike == contract.strike)
            if frame.contracts[column].name == contract.name
        ]

    def interest_8h(self, perpetual: str, at_ms: int) -> float:
        """Funding of the eight hours before, as a rate, as far as history goes."""
        minutes, accrual = self.funding.get(perpetual), self._accruals.get(perpetual)
        if not minutes or accrual is None:
            return 0.0
        place = bisect_left(minutes, at_ms - EIGHT_HOURS_MS, key=lambda each: each.at_ms)
        since = minutes[min(place, len(minutes) - 1)]
        return accrual.interest - since.interest

    # ---- taking note -------------------------------------------------------------------------

    def _see(self, frame: MarketFrame, rules: FundingRules) -> None:
        name, at_ms = frame.pair.index_name, frame.at_ms
        self.indices.setdefault(name, CandleSeries()).observe(at_ms, frame.index_usd)
        for quote in (frame.perpetual, *frame.futures):
            series = self.marks.setdefault(quote.contract.name, CandleSeries())
            series.observe(at_ms, quote.mark_usd)
        perpetual = frame.perpetual.contract.name
        rate_8h = funding_rate_8h(rules, frame.perpetual.mark_usd, frame.index_usd)
        accrual = self._accruals.setdefault(perpetual, _Accrual(at_ms=at_ms, rate_8h=rate_8h))
        accrual.pass_to(at_ms)
        accrual.rate_8h = rate_8h
        frames = self._frames.setdefault(frame.pair, _frames())
        if not frames or at_ms // MINUTE_MS != frames[-1].at_ms // MINUTE_MS:
            frames.append(frame)
            self._sample(frame, accrual.interest)

    def _sample(self, frame: MarketFrame, interest: float) -> None:
        """Once a minute: the volatility index and the funding."""
        name, perpetual = frame.pair.index_name, frame.perpetual.contract.name
        value = volatility_index(chain_of(frame), frame.at_ms)
        if value is not None:
            self.volatility.setdefault(name, CandleSeries()).observe(frame.at_ms, value)
        minutes = self.funding.setdefault(perpetual, deque(maxlen=FUNDING_KEPT_MINUTES))
        minutes.append(
            FundingMinute(
                at_ms=frame.at_ms,
                index_price=frame.index_usd,
                interest=interest,
                interest_8h=self.interest_8h(perpetual, frame.at_ms),
            )
        )

    def _skip(self, gap: Skipped) -> None:
        """A hole in the data costs nobody funding."""
        for accrual in self._accruals.values():
            accrual.pass_to(gap.from_ms)
            accrual.at_ms = gap.to_ms

    def _deliver(self, event: InstrumentExpired) -> None:
        contract = parse_name(event.instrument_name)
        name = contract.pair.index_name
        known = self.deliveries.setdefault(name, deque(maxlen=DELIVERIES_MAX))
        if not known or known[-1].at_ms != event.at_ms:
            known.append(DeliveryPrice(at_ms=event.at_ms, price=event.delivery_price_usd))
        self.settlements.append(
            Settled(
                at_ms=event.at_ms,
                contract=contract,
                is_delivery=True,
                mark_price=event.delivery_price_usd,
                index_price=event.delivery_price_usd,
                position=0.0,
            )
        )

    def _settle(self, at_ms: int, engine: TradingEngine) -> None:
        for contract in engine.contracts():
            view = None if contract.is_option else engine.ticker(contract.name)
            if view is not None:
                self.settlements.append(
                    Settled(
                        at_ms=at_ms,
                        contract=contract,
                        is_delivery=False,
                        mark_price=view.mark_price,
                        index_price=view.index_price,
                        position=view.open_interest,
                    )
                )


def chain_of(frame: MarketFrame) -> Chain:
    """The frame's options as the volatility index wants them: undiscounted, in USD."""
    expiries = [int(expiry) for expiry in frame.expiry_ms]
    forward = np.array([frame.forwards[expiry] for expiry in expiries])
    discount = np.array([frame.discounts[expiry] for expiry in expiries])
    worth_usd = frame.mark_price if frame.pair.is_linear else frame.mark_price * forward
    return Chain(
        expiry_ms=frame.expiry_ms,
        strike=frame.strike,
        is_call=frame.is_call,
        forward=forward,
        value_usd=worth_usd / discount,
    )
