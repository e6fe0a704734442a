"""What every frame of every market must be, whoever made it."""

import math
from decimal import Decimal

import numpy as np

from bot.exchange.contracts import perpetual
from bot.exchange.market import FloatArray, MarketFrame
from bot.quant.black76 import greeks
from bot.quant.processes import YEAR_MS

COLUMNS = (
    "mark_price",
    "mark_iv",
    "bid_price",
    "ask_price",
    "bid_size_coin",
    "ask_size_coin",
    "is_call",
    "strike",
    "expiry_ms",
)


def forward_usd(frame: MarketFrame) -> FloatArray:
    return np.array([frame.forwards[int(expiry)] for expiry in frame.expiry_ms])


def black_mark_coin(frame: MarketFrame) -> FloatArray:
    """What Black-76 with no rate and a 365-day year says of the frame's own volatilities."""
    forward, years = forward_usd(frame), (frame.expiry_ms - frame.at_ms) / YEAR_MS
    return greeks(forward, frame.strike, years, frame.mark_iv, frame.is_call).price / forward


def black_mark(frame: MarketFrame) -> FloatArray:
    """The same in the pair's own prices: discounted USDC where it is linear."""
    if not frame.pair.is_linear:
        return black_mark_coin(frame)
    forward, years = forward_usd(frame), (frame.expiry_ms - frame.at_ms) / YEAR_MS
    discount = np.array([frame.discounts[int(expiry)] for expiry in frame.expiry_ms])
    return greeks(forward, frame.strike, years, frame.mark_iv, frame.is_call, discount).price


def assert_frame_is_sound(frame: MarketFrame) -> None:
    """Columns aligned and read-only, nothing expired, quotes apart and on their steps."""
    for name in COLUMNS:
        column = getattr(frame, name)
        assert len(column) == len(frame.contracts), name
        assert not column.flags.writeable, name
    for at, contract in enumerate(frame.contracts):
        terms = (frame.expiry_ms[at], frame.strike[at], bool(frame.is_call[at]))
        assert terms == (contract.expiry_ms, contract.strike, contract.is_call)
    assert (frame.expiry_ms > frame.at_ms).all()
    assert set(frame.forwards) == set(frame.expiry_ms.tolist())
    assert np.isfinite(frame.mark_price).all()
    assert (frame.mark_price >= 0).all()
    assert (frame.mark_iv > 0).all()
    assert_quotes_are_sound(frame)


def assert_quotes_are_sound(frame: MarketFrame) -> None:
    both = np.isfinite(frame.bid_price) & np.isfinite(frame.ask_price)
    assert (frame.bid_price[both] < frame.ask_price[both]).all()
    for prices, sizes in (
        (frame.bid_price, frame.bid_size_coin),
        (frame.ask_price, frame.ask_size_coin),
    ):
        assert ((sizes > 0) == np.isfinite(prices)).all()
        for contract, price in zip(frame.contracts, prices.tolist(), strict=True):
            assert math.isnan(price) or contract.is_on_tick(Decimal(str(price)))
    assert frame.perpetual.contract == perpetual(frame.pair)
    for quote in (frame.perpetual, *frame.futures):
        assert quote.bid_usd < quote.ask_usd
        assert quote.contract.is_on_tick(Decimal(str(quote.bid_usd)))
        assert quote.contract.is_on_tick(Decimal(str(quote.ask_usd)))
        assert quote.bid_usd <= quote.mark_usd <= quote.ask_usd
        lots = [size / float(quote.contract.lot) for _, size in quote.depth]
        assert all(lot >= 1 and abs(lot - round(lot)) < 1e-6 for lot in lots)
