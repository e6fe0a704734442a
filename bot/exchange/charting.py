"""Candles of a contract: the course of its mark, with the volumes that were traded.

The mark rather than the trades makes the prices, because nobody but the users trades here.
"""

from collections.abc import Sequence

from bot.exchange.candles import MINUTE_MS, Candle, coarser
from bot.exchange.chronicle import Chronicle
from bot.exchange.contracts import Contract, Kind
from bot.exchange.protocol import Json
from bot.exchange.public_tape import PublicTrade
from bot.exchange.views.wording import COIN_DIGITS, price_digits

Volumes = dict[int, tuple[float, float]]
NOTHING = (0.0, 0.0)


def minutes_of(
    chronicle: Chronicle, contract: Contract, from_ms: int, to_ms: int
) -> Sequence[Candle]:
    """The mark minute by minute; an option's is sampled, once a minute."""
    if contract.kind is not Kind.OPTION:
        series = chronicle.marks.get(contract.name)
        return [] if series is None else series.between(from_ms - from_ms % MINUTE_MS, to_ms)
    return [
        Candle(start_ms=at_ms - at_ms % MINUTE_MS, open=mark, high=mark, low=mark, close=mark)
        for at_ms, mark in chronicle.marks_of(contract)
        if from_ms <= at_ms <= to_ms
    ]


def candles_of(
    chronicle: Chronicle, contract: Contract, span_ms: tuple[int, int], step_ms: int
) -> list[Candle]:
    """The mark in candles of `step_ms`."""
    return coarser(minutes_of(chronicle, contract, *span_ms), step_ms)


def volumes_of(chronicle: Chronicle, contract: Contract, step_ms: int) -> Volumes:
    """(coins, quote currency) traded, by the start of a candle."""
    sums: Volumes = {}
    for one in chronicle.tape.of(contract.name):
        start_ms = one.trade.at_ms - one.trade.at_ms % step_ms
        coins, cost = traded_of(contract, one)
        before = sums.get(start_ms, NOTHING)
        sums[start_ms] = (before[0] + coins, before[1] + cost)
    return sums


def traded_of(contract: Contract, one: PublicTrade) -> tuple[float, float]:
    """What a trade moved, in coins and in the currency that its price is quoted in."""
    amount, price = float(one.trade.amount), float(one.trade.price)
    if contract.kind is Kind.OPTION:
        return amount, amount * price
    return amount / price, amount


def bar(contract: Contract, candle: Candle, traded: tuple[float, float]) -> dict[str, Json]:
    """One candle with its volumes, as the venue rounds and names them."""
    digits = price_digits(contract)
    return {
        "open": round(candle.open, digits),
        "high": round(candle.high, digits),
        "low": round(candle.low, digits),
        "close": round(candle.close, digits),
        "volume": round(traded[0], COIN_DIGITS),
        "cost": round(traded[1], COIN_DIGITS),
    }
