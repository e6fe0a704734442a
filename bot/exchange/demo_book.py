"""A book to show hedging on: short strangles on three expiries, flat at the start, never for long.

The near expiry carries the gamma: one hour of market moves the net delta of the book by two to four
coins. Nothing here is advice.
"""

import math
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

import numpy as np

from bot.exchange.board import Board
from bot.exchange.contracts import parse_name
from bot.exchange.margins import Claims, Holding, standard
from bot.exchange.market import FloatArray, IntArray, MarketFrame
from bot.exchange.rules import Rules
from bot.quant.black76 import greeks
from bot.quant.conventions import (
    Convention,
    inverse_perp_delta_coin,
    linear_option_delta_coin,
    linear_perp_delta_coin,
    option_delta_coin,
)
from bot.quant.processes import YEAR_MS

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
EXPIRY_LEFT_MIN_MS: Final = 12 * HOUR_MS
# For each strangle, near to far: days to expiry to look for, and the size of its call in coins.
STRANGLES: Final = ((1.7, Decimal(30)), (10.0, Decimal(10)), (27.0, Decimal(6)))
# On top of them, if asked for, a small one on the very next expiry: something that settles soon.
NEXT_SIZE: Final = Decimal(3)
NEXT_LEFT_MIN_MS: Final = HOUR_MS
LEG_DELTA: Final = 0.25
LEG_DELTA_RANGE: Final = (0.08, 0.42)
MARGIN_USED: Final = 0.30
EQUITY_COIN_MIN: Final = 1.0


def demo_book(frame: MarketFrame, *, with_next: bool = False) -> dict[str, Decimal]:
    """Signed sizes in coins by instrument: about 25-delta calls and puts, sold on three expiries.

    The puts are sized so that calls and puts cancel in net (coin) delta, as far as lots allow. Only
    options quoted on both sides, with more than twelve hours to live, are taken. `with_next` adds a
    small strangle on the next expiry, if that is more than an hour away and the chain has one.

    Raises:
        ValueError: if the chain does not have three such expiries.
    """
    black_delta = _black_delta(frame)
    net_delta = _net_delta(frame)
    legs: list[tuple[int, int, Decimal]] = []
    for days, call_size in STRANGLES:
        strangle = _nearest_strangle(
            frame, black_delta, days, {frame.expiry_ms[leg[0]] for leg in legs}
        )
        if strangle is None:
            raise ValueError(
                f"no demo book at market time {frame.at_ms}: it needs three expiries more than "
                "12 hours away with 25-delta calls and puts quoted on both sides, "
                f"and there are {len(legs)}"
            )
        legs.append((*strangle, call_size))
    if with_next:
        legs += _on_next_expiry(frame, black_delta, {frame.expiry_ms[leg[0]] for leg in legs})
    book: dict[str, Decimal] = {}
    carried = 0.0  # net delta that rounding has left so far, in coins
    for call, put, call_size in legs:
        lot = frame.contracts[put].lot
        wanted = (carried - float(call_size) * net_delta[call]) / net_delta[put]
        put_size = (Decimal(wanted) / lot).to_integral_value(ROUND_HALF_EVEN) * lot
        carried -= float(call_size) * net_delta[call] + float(put_size) * net_delta[put]
        book[frame.contracts[call].name] = -call_size
        book[frame.contracts[put].name] = -put_size
    return book


def _on_next_expiry(
    frame: MarketFrame, black_delta: FloatArray, taken: set[int]
) -> list[tuple[int, int, Decimal]]:
    living = [at for at in frame.forwards if at - frame.at_ms > NEXT_LEFT_MIN_MS]
    nearest = min(living, default=None)
    if nearest is None or nearest in taken:
        return []
    call, put = (_leg(frame, black_delta, nearest, sign) for sign in (1.0, -1.0))
    return [] if call is None or put is None else [(call, put, NEXT_SIZE)]


def net_delta_coin(frame: MarketFrame, book: Mapping[str, Decimal]) -> float:
    """The book's net delta in coins, collateral left out; perpetuals count N/P or n P/S."""
    net = _net_delta(frame)
    at = {contract.name: column for column, contract in enumerate(frame.contracts)}
    total = 0.0
    for name, size in book.items():
        if parse_name(name).is_option:
            total += float(size) * float(net[at[name]])
        elif frame.pair.is_linear:
            mark_usd = frame.perpetual.mark_usd
            total += float(linear_perp_delta_coin(float(size), mark_usd, frame.index_usd))
        else:
            total += float(inverse_perp_delta_coin(float(size), frame.perpetual.mark_usd))
    return total


def comfortable_equity(
    frame: MarketFrame, book: Mapping[str, Decimal], rules: Rules | None = None
) -> float:
    """Equity of which the book's initial standard margin is about 30 %; at least one coin's worth.

    In the pair's settlement currency.
    """
    rules = Rules() if rules is None else rules
    holdings = tuple(
        Holding(contract=parse_name(name), size=float(size)) for name, size in book.items()
    )
    pair, index_usd = frame.pair, frame.index_usd
    claims = Claims(
        currency=pair.settlement_currency,
        currency_usd=1.0 if pair.is_linear else index_usd,
        holdings=holdings,
    )
    needed = standard(Board.showing([frame]), rules.standard_margin, claims).initial
    least = EQUITY_COIN_MIN * (frame.index_usd if frame.pair.is_linear else 1.0)
    return max(round(needed / MARGIN_USED, 1), round(least, 1))


def _black_delta(frame: MarketFrame) -> FloatArray:
    years = (frame.expiry_ms - frame.at_ms) / YEAR_MS
    forward, discount = _of_expiry(frame, frame.forwards), _of_expiry(frame, frame.discounts)
    return greeks(forward, frame.strike, years, frame.mark_iv, frame.is_call, discount).delta


def _net_delta(frame: MarketFrame) -> FloatArray:
    """What one option of each adds to its book's delta, coins: `coin` inverse, `usd` linear."""
    black_delta = _black_delta(frame)
    if frame.pair.is_linear:
        forward = _of_expiry(frame, frame.forwards)
        return linear_option_delta_coin(1.0, black_delta, forward, frame.index_usd)
    return option_delta_coin(Convention.COIN, 1.0, black_delta, frame.mark_price)


def _of_expiry(frame: MarketFrame, values: Mapping[int, float]) -> FloatArray:
    return np.array([values[int(expiry)] for expiry in frame.expiry_ms])


def _nearest_strangle(
    frame: MarketFrame, black_delta: FloatArray, days: float, taken: set[int]
) -> tuple[int, int] | None:
    """Columns of a call and a put, of the untaken expiry whose life is nearest to `days`."""
    left_ms = {expiry: expiry - frame.at_ms for expiry in frame.forwards if expiry not in taken}
    living = [expiry for expiry, left in left_ms.items() if left > EXPIRY_LEFT_MIN_MS]
    for expiry in sorted(living, key=lambda at: abs(math.log(left_ms[at] / (days * DAY_MS)))):
        call, put = (_leg(frame, black_delta, expiry, sign) for sign in (1.0, -1.0))
        if call is not None and put is not None:
            return call, put
    return None


def _leg(frame: MarketFrame, black_delta: FloatArray, expiry_ms: int, sign: float) -> int | None:
    """The column of the quoted option whose delta is nearest to 0.25 `sign`, None if none is."""
    delta = black_delta * sign
    low, high = LEG_DELTA_RANGE
    fits = (frame.expiry_ms == expiry_ms) & (delta > low) & (delta < high)
    fits &= np.isfinite(frame.bid_price) & np.isfinite(frame.ask_price)
    columns: IntArray = np.flatnonzero(fits)
    if not len(columns):
        return None
    return int(columns[np.argmin(np.abs(delta[columns] - LEG_DELTA))])
