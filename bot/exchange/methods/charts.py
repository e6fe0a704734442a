"""Courses of prices and volatilities: candles, index charts, the volatility index."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

import numpy as np

from bot.exchange import views
from bot.exchange.candles import MINUTE_MS, Candle, coarser
from bot.exchange.channels import RESOLUTIONS_MS
from bot.exchange.charting import NOTHING, bar, candles_of, minutes_of, volumes_of
from bot.exchange.contracts import Kind
from bot.exchange.market import FloatArray, IntArray
from bot.exchange.methods.call import Call
from bot.exchange.methods.paging import span_of
from bot.exchange.protocol import Json, invalid_param

T = TypeVar("T")
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
YEAR_MS: Final = 365 * DAY_MS
CANDLES_MAX: Final = 5_000
BAR_FIELDS: Final = ("open", "high", "low", "close", "volume", "cost")
VOLATILITY_RESOLUTION_MS: Final = {
    # A second's candle is a minute's here: the index is computed once a minute.
    "1": MINUTE_MS,
    "60": MINUTE_MS,
    "3600": HOUR_MS,
    "43200": 12 * HOUR_MS,
    "1D": DAY_MS,
}
# How far back a range reaches, and how far apart its points are.
INDEX_RANGES_MS: Final = {
    "1h": (HOUR_MS, MINUTE_MS),
    "1d": (DAY_MS, 10 * MINUTE_MS),
    "2d": (2 * DAY_MS, 30 * MINUTE_MS),
    "1m": (30 * DAY_MS, HOUR_MS),
    "1y": (YEAR_MS, DAY_MS),
    "all": (100 * YEAR_MS, DAY_MS),
}
HISTORICAL_WINDOW_MS: Final = 15 * DAY_MS
RETURNS_MIN: Final = 2


def get_tradingview_chart_data(call: Call) -> Json:
    """Candles of the mark, with the volumes that were traded. `no_data` where nothing is known."""
    contract = call.contract()
    start_ms, end_ms = span_of(call)
    step_ms = _choice(call, "resolution", RESOLUTIONS_MS)
    chronicle = call.floor.chronicle
    candles = candles_of(chronicle, contract, (start_ms, end_ms), step_ms)[-CANDLES_MAX:]
    traded = volumes_of(chronicle, contract, step_ms)
    bars = [bar(contract, each, traded.get(each.start_ms, NOTHING)) for each in candles]
    return {
        "status": "ok" if candles else "no_data",
        "ticks": [each.start_ms for each in candles],
        **{name: [each[name] for each in bars] for name in BAR_FIELDS},
    }


def get_index_chart_data(call: Call) -> Json:
    """(time, average of the index) over a range."""
    name = call.index_name()
    length_ms, step_ms = _choice(call, "range", INDEX_RANGES_MS)
    now_ms = call.floor.engine.now_ms
    series = call.floor.chronicle.indices.get(name)
    minutes = [] if series is None else series.between(now_ms - length_ms, now_ms)
    sums: dict[int, tuple[float, int]] = {}
    for each in minutes:
        start_ms = each.start_ms - each.start_ms % step_ms
        total, count = sums.get(start_ms, (0.0, 0))
        sums[start_ms] = (total + each.close, count + 1)
    return [
        [at_ms, round(total / count, views.USD_DIGITS)] for at_ms, (total, count) in sums.items()
    ]


def get_mark_price_history(call: Call) -> Json:
    """(time, mark) a minute apart, newest first; the venue has it for options as well."""
    contract = call.contract()
    start_ms, end_ms = span_of(call)
    if contract.kind is Kind.OPTION:
        known = call.floor.chronicle.marks_of(contract)
    else:
        minutes = minutes_of(call.floor.chronicle, contract, start_ms, end_ms)
        known = [(each.start_ms, each.close) for each in minutes]
    digits = views.price_digits(contract)
    told = [[at_ms, round(mark, digits)] for at_ms, mark in known if start_ms <= at_ms <= end_ms]
    return told[::-1]


def get_volatility_index_data(call: Call) -> Json:
    """Candles of the volatility index; see `bot.exchange.volatility_index` for what it is."""
    currency = call.currency()
    start_ms, end_ms = span_of(call)
    step_ms = _choice(call, "resolution", VOLATILITY_RESOLUTION_MS)
    series = call.floor.chronicle.volatility.get(f"{currency}_usd".lower())
    minutes = [] if series is None else series.between(start_ms - start_ms % step_ms, end_ms)
    candles = coarser(minutes, step_ms)
    told, rest = candles[-1_000:], candles[:-1_000]
    return {
        "data": [
            [
                each.start_ms,
                *(round(p, views.PERCENT_DIGITS) for p in (each.open, each.high)),
                *(round(p, views.PERCENT_DIGITS) for p in (each.low, each.close)),
            ]
            for each in told
        ],
        "continuation": rest[-1].start_ms if rest else None,
    }


def get_historical_volatility(call: Call) -> Json:
    """(time, volatility in percent a year) hour by hour: of the index over fifteen days."""
    currency = call.currency()
    series = call.floor.chronicle.indices.get(f"{currency}_usd".lower())
    now_ms = call.floor.engine.now_ms
    minutes = [] if series is None else series.between(0, now_ms)
    if len(minutes) <= RETURNS_MIN:
        return []
    hour_ms = now_ms - now_ms % HOUR_MS
    hours = np.arange(hour_ms - HISTORICAL_WINDOW_MS, hour_ms + 1, HOUR_MS)
    ends = np.append(hours[hours > minutes[RETURNS_MIN].start_ms], now_ms)
    found = realised_percent(minutes, ends)
    return [[int(at_ms), float(value)] for at_ms, value in zip(ends, found, strict=True)]


def realised_percent(minutes: Sequence[Candle], ends_ms: IntArray) -> FloatArray:
    """The volatility of a year that the closes of fifteen days up to each end show, percent."""
    times = np.array([each.start_ms for each in minutes], dtype=np.int64)
    closes = np.array([each.close for each in minutes])
    squares = np.concatenate([[0.0], np.cumsum(np.diff(np.log(closes)) ** 2)])
    first = np.searchsorted(times, ends_ms - HISTORICAL_WINDOW_MS)
    last = np.searchsorted(times, ends_ms, side="right") - 1
    years = (times[last] - times[first]) / YEAR_MS
    percent: FloatArray = 100.0 * np.sqrt((squares[last] - squares[first]) / years)
    return percent


def _choice(call: Call, name: str, known: Mapping[str, T]) -> T:
    word = call.params.text(name)
    if word not in known:
        raise invalid_param(name, f"must be one of {', '.join(known)}; got {word!r}")
    return known[word]
