"""A market of inverse and linear pairs that a test moves by hand, frame by frame."""

from collections.abc import Mapping

from bot.exchange.contracts import (
    BTC_USD,
    BTC_USDC,
    ETH_USD,
    ETH_USDC,
    Contract,
    Pair,
    future,
    option,
)
from bot.exchange.market import MarketFrame, Skipped
from tests.exchange.engine_builders import DAY_MS, EXPIRY_MS, START_MS, frame

PAIRS = (BTC_USD, BTC_USDC, ETH_USD, ETH_USDC)
SPOTS = {"BTC": 100_000.0, "ETH": 3_000.0}
EXPIRIES_MS = tuple(EXPIRY_MS - 16 * DAY_MS + day * DAY_MS for day in (0, 1, 2, 17))
DEPTHS: Mapping[Pair, float] = {BTC_USD: 400_000, ETH_USD: 400_000, BTC_USDC: 4, ETH_USDC: 130}


def options_of(pair: Pair, now_ms: int) -> list[Contract]:
    """A call and a put near the money for each expiry that is to come."""
    spot = SPOTS[pair.base]
    return [
        option(pair, expiry_ms, round(spot * moneyness, -2), is_call)
        for expiry_ms in EXPIRIES_MS
        if expiry_ms > now_ms
        for moneyness, is_call in ((1.1, True), (0.9, False))
    ]


class WanderingMarket:
    """Frames of every pair whenever time passes, at whatever the spots are then."""

    def __init__(self, pairs: tuple[Pair, ...] = PAIRS) -> None:
        self._pairs = pairs
        self._spots = dict(SPOTS)
        self.premium = 0.0
        self.is_quoted = True
        self._frames = {pair: self._made(pair, START_MS) for pair in pairs}

    @property
    def pairs(self) -> tuple[Pair, ...]:
        return self._pairs

    @property
    def start_ms(self) -> int:
        return START_MS

    def frame(self, pair: Pair) -> MarketFrame:
        return self._frames[pair]

    def advance(self, to_ms: int) -> list[MarketFrame | Skipped]:
        """One frame a pair, however long it has been."""
        self._frames = {pair: self._made(pair, to_ms) for pair in self._pairs}
        return list(self._frames.values())

    def shock(self, underlying: str, move: float) -> None:
        self._spots[underlying] *= 1.0 + move

    def _made(self, pair: Pair, at_ms: int) -> MarketFrame:
        spot = self._spots[pair.base]
        expiries = [expiry for expiry in EXPIRIES_MS if expiry > at_ms]
        return frame(
            at_ms,
            pair=pair,
            index=spot,
            mark=spot * (1.0 + self.premium),
            half_spread=spot * 2e-5,
            contracts=options_of(pair, at_ms),
            futures=() if pair.is_linear else [future(pair, expiry) for expiry in expiries],
            basis=1.001,
            depth=((0, float(DEPTHS[pair])),) if self.is_quoted else (),
        )
