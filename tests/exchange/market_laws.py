"""What every frame of every market must be, whoever made it."""

import math
from decimal import Decimal

import numpy as np

from bot.exchange.contracts import BTC_USD, perpetual
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
    perp = perpetual(BTC_USD)
    assert frame.perpetual.bid_usd < frame.perpetual.ask_usd
    assert perp.is_on_tick(Decimal(str(frame.perpetual.bid_usd)))
    assert perp.is_on_tick(Decimal(str(frame.perpetual.ask_usd)))
    assert frame.perpetual.bid_usd <= frame.perpetual.mark_usd <= frame.perpetual.ask_usd
    assert all(size_usd > 0 and size_usd % 10 == 0 for _, size_usd in frame.perpetual.depth)
