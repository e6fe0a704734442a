"""Small markets and engines for the tests of the engine: every number is chosen, none is drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np

from bot.exchange.commands import Answer, PlaceOrder, Refused
from bot.exchange.contracts import BTC_USD, Contract, Pair, option, perpetual
from bot.exchange.engine import Engine
from bot.exchange.market import FutureQuote, MarketFrame, Skipped
from bot.exchange.quotes import option_ticks
from bot.exchange.reports import (
    Direction,
    OrderType,
    PlacedView,
    TimeInForce,
)
from bot.exchange.rules import OpeningAccount, Rules
from bot.quant.black76 import greeks

DAY_MS = 86_400_000
START_MS = 1_765_281_600_000  # 2025-12-09T12:00Z
EXPIRY_MS = START_MS - 4 * 3_600_000 + 17 * DAY_MS  # 2025-12-26T08:00Z
PERP = "BTC-PERPETUAL"
CALL = option(BTC_USD, EXPIRY_MS, 110_000.0, True)
PUT = option(BTC_USD, EXPIRY_MS, 90_000.0, False)
LINEAR_RATE = 0.04
DEPTH = ((0, 1_000.0), (2, 2_000.0), (4, 4_000.0))
BUY, SELL = Direction.BUY, Direction.SELL
IOC, FOK = TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL


def frame(
    at_ms: int = START_MS,
    *,
    pair: Pair = BTC_USD,
    index: float = 100_000.0,
    mark: float | None = None,
    half_spread: float = 1.0,
    contracts: Sequence[Contract] = (CALL, PUT),
    futures: Sequence[Contract] = (),
    vol: float = 0.60,
    basis: float = 1.0,
    depth: tuple[tuple[int, float], ...] = DEPTH,
) -> MarketFrame:
    """A frame whose options are marked by Black-76 at one volatility, unrounded.

    Linear pairs discount at `LINEAR_RATE`; a pair's options must be its own.
    """
    mark = index if mark is None else mark
    forward = index * basis
    strikes = np.array([c.strike for c in contracts], dtype=np.float64)
    expiries = np.array([c.expiry_ms for c in contracts], dtype=np.int64)
    calls = np.array([bool(c.is_call) for c in contracts], dtype=np.bool_)
    years = np.maximum(expiries - at_ms, 0) / (365 * DAY_MS)
    discount = np.exp(-LINEAR_RATE * years) if pair.is_linear else np.ones(len(contracts))
    price = greeks(forward, strikes, years, vol, calls, discount).price
    price = price if pair.is_linear else price / forward
    ticks = option_ticks(pair).at(price)
    bid = np.floor(price / ticks) * ticks
    dated = {c.expiry_ms for c in (*contracts, *futures)}
    by_expiry = dict(zip(expiries.tolist(), discount.tolist(), strict=True))
    return MarketFrame(
        pair=pair,
        at_ms=at_ms,
        index_usd=index,
        perpetual=_future_quote(perpetual(pair), mark, half_spread, depth),
        futures=tuple(_future_quote(c, forward, half_spread, depth) for c in futures),
        forwards=dict.fromkeys(sorted(dated), forward),
        discounts={expiry: by_expiry.get(expiry, 1.0) for expiry in sorted(dated)},
        contracts=tuple(contracts),
        mark_price=price,
        mark_iv=np.full(len(contracts), vol),
        bid_price=np.where(bid > 0, bid, np.nan),
        ask_price=bid + ticks,
        bid_size_coin=np.full(len(contracts), 5.0),
        ask_size_coin=np.full(len(contracts), 5.0),
        is_call=calls,
        strike=strikes,
        expiry_ms=expiries,
    )


def _future_quote(
    contract: Contract, mark: float, half_spread: float, depth: tuple[tuple[int, float], ...]
) -> FutureQuote:
    return FutureQuote(
        contract=contract,
        mark_usd=mark,
        bid_usd=mark - half_spread,
        ask_usd=mark + half_spread,
        depth=depth,
    )


class ScriptedMarket:
    """A market that plays the frames (and gaps) it was given."""

    def __init__(self, script: Sequence[MarketFrame | Skipped]) -> None:
        first = script[0]
        assert isinstance(first, MarketFrame)
        self._frame = first
        self._script = list(script[1:])
        self._factor = 1.0

    @property
    def pairs(self) -> tuple[Pair, ...]:
        return (self._frame.pair,)

    @property
    def start_ms(self) -> int:
        return self._frame.at_ms

    def frame(self, pair: Pair) -> MarketFrame:
        assert pair == self._frame.pair
        return self._frame

    def advance(self, to_ms: int) -> list[MarketFrame | Skipped]:
        out: list[MarketFrame | Skipped] = []
        while self._script:
            item = self._script[0]
            if (item.at_ms if isinstance(item, MarketFrame) else item.from_ms) > to_ms:
                break
            del self._script[0]
            if isinstance(item, Skipped):
                beyond = self._script.pop(0)
                assert isinstance(beyond, MarketFrame)
                self._frame = self._scaled(beyond)
                return [*out, item, self._frame]
            self._frame = self._scaled(item)
            out.append(self._frame)
        return out

    def shock(self, underlying: str, move: float) -> None:
        assert underlying == self._frame.pair.base
        self._factor *= 1 + move

    def _scaled(self, item: MarketFrame) -> MarketFrame:
        f, perp = self._factor, item.perpetual
        return replace(
            item,
            index_usd=item.index_usd * f,
            perpetual=replace(
                perp, mark_usd=perp.mark_usd * f, bid_usd=perp.bid_usd * f, ask_usd=perp.ask_usd * f
            ),
            forwards={e: v * f for e, v in item.forwards.items()},
        )


def engine(
    *script: MarketFrame | Skipped,
    equity: float = 10.0,
    positions: Mapping[str, float] | None = None,
    rules: Rules | None = None,
) -> Engine:
    """An engine with the accounts `demo` (with positions) and `other` on a scripted market."""
    return Engine(
        market=ScriptedMarket(script or (frame(),)),
        rules=rules or Rules(),
        accounts=[
            OpeningAccount(name="demo", equity={"BTC": equity}, positions=positions or {}),
            OpeningAccount(name="other", equity={"BTC": 10.0}),
        ],
    )


def order(
    direction: Direction,
    amount: float,
    price: float | None = None,
    *,
    name: str = PERP,
    account: str = "demo",
    tif: TimeInForce = TimeInForce.GOOD_TIL_CANCELLED,
    post_only: bool = False,
    reject_post_only: bool = False,
    reduce_only: bool = False,
    valid_until_ms: int | None = None,
    label: str = "",
) -> PlaceOrder:
    """An order; without a price it is a market order."""
    return PlaceOrder(
        account=account,
        instrument_name=name,
        direction=direction,
        amount=Decimal(str(amount)),
        order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
        price=None if price is None else Decimal(str(price)),
        time_in_force=tif,
        post_only=post_only,
        reject_post_only=reject_post_only,
        reduce_only=reduce_only,
        valid_until_ms=valid_until_ms,
        label=label,
    )


def placed(answer: Answer[PlacedView] | Refused) -> PlacedView:
    """The answer of an order that must have been accepted."""
    assert isinstance(answer, Answer), answer
    return answer.result


def refused(answer: Answer[PlacedView] | Refused) -> Refused:
    """The answer of an order that must have been refused."""
    assert isinstance(answer, Refused), answer
    return answer
