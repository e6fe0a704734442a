"""What the exchange remembers of its market for those who ask later: charts, funding, deliveries.

Fed with the engine's events, bounded in memory, never asked by the engine itself. It begins when
the exchange does: there is no past before the first frame, and a hole in recorded data stays one.
"""

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
    SessionSettled,
    Traded,
    TradingEngine,
)
from bot.exchange.contracts import Contract, Kind, Pair, parse_name
from bot.exchange.market import MarketFrame
from bot.exchange.public_tape import PublicTape, PublicTrade
from bot.exchange.volatility_index import Chain, volatility_index

HOUR_MS: Final = 3_600_000
EIGHT_HOURS_MS: Final = 8 * HOUR_MS
MARKS_KEPT_MINUTES: Final = 180
FUNDING_KEPT_MINUTES: Final = 32 * 24 * 60
DELIVERIES_MAX: Final = 1_000


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


@dataclass(slots=True)
class Chronicle:
    """The market's memory. `observe` takes what happened, the rest is there to be read."""

    indices: dict[str, CandleSeries] = field(default_factory=dict)
    marks: dict[str, CandleSeries] = field(default_factory=dict)
    volatility: dict[str, CandleSeries] = field(default_factory=dict)
    funding: dict[str, deque[FundingMinute]] = field(default_factory=dict)
    deliveries: dict[str, deque[DeliveryPrice]] = field(default_factory=dict)
    settlements: deque[Settled] = field(default_factory=lambda: deque(maxlen=DELIVERIES_MAX))
    tape: PublicTape = field(default_factory=PublicTape)
    _frames: dict[Pair, deque[MarketFrame]] = field(default_factory=dict)

    def begin(self, engine: TradingEngine) -> None:
        """The first frames: the earliest moment that there is."""
        for pair in engine.pairs:
            self._see(engine.frame(pair), engine)

    def observe(self, events: Sequence[Event], engine: TradingEngine) -> list[PublicTrade]:
        """Remember what happened; answers the trades that everybody may hear of."""
        trades: list[PublicTrade] = []
        for event in events:
            match event:
                case MarketMoved():
                    self._see(event.frame, engine)
                case Traded():
                    told = self.tape.hear(event.trade)
                    trades += [] if told is None else [told]
                case InstrumentExpired():
                    self._deliver(event)
                case SessionSettled():
                    self._settle(event.at_ms, engine)
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

    # ---- taking note -------------------------------------------------------------------------

    def _see(self, frame: MarketFrame, engine: TradingEngine) -> None:
        name = frame.pair.index_name
        self.indices.setdefault(name, CandleSeries()).observe(frame.at_ms, frame.index_usd)
        for quote in (frame.perpetual, *frame.futures):
            series = self.marks.setdefault(quote.contract.name, CandleSeries())
            series.observe(frame.at_ms, quote.mark_usd)
        frames = self._frames.setdefault(frame.pair, deque(maxlen=MARKS_KEPT_MINUTES))
        if not frames or frame.at_ms // MINUTE_MS != frames[-1].at_ms // MINUTE_MS:
            frames.append(frame)
            self._sample(frame, engine)

    def _sample(self, frame: MarketFrame, engine: TradingEngine) -> None:
        name, perpetual = frame.pair.index_name, frame.perpetual.contract.name
        value = volatility_index(_chain(frame), frame.at_ms)
        if value is not None:
            self.volatility.setdefault(name, CandleSeries()).observe(frame.at_ms, value)
        view = engine.ticker(perpetual)
        if view is None:
            return
        minutes = self.funding.setdefault(perpetual, deque(maxlen=FUNDING_KEPT_MINUTES))
        interest = 0.0
        if minutes:
            since_ms = frame.at_ms - minutes[-1].at_ms
            interest = minutes[-1].interest + (view.current_funding or 0.0) * (
                min(since_ms, HOUR_MS) / EIGHT_HOURS_MS
            )
        minutes.append(
            FundingMinute(
                at_ms=frame.at_ms,
                index_price=frame.index_usd,
                interest=interest,
                interest_8h=view.funding_8h or 0.0,
            )
        )

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
            if contract.kind is Kind.OPTION:
                continue
            view = engine.ticker(contract.name)
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


def _chain(frame: MarketFrame) -> Chain:
    forward = np.array([frame.forwards[int(expiry)] for expiry in frame.expiry_ms])
    return Chain(
        expiry_ms=frame.expiry_ms,
        strike=frame.strike,
        is_call=frame.is_call,
        forward=forward,
        value_usd=frame.mark_price if frame.pair.is_linear else frame.mark_price * forward,
    )
