"""What traded in an instrument: last price, volume and range of 24 hours, direction of ticks."""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from bot.exchange.orders import ZERO

WINDOW_MS: Final = 86_400_000
PLUS, ZERO_PLUS, MINUS, ZERO_MINUS = range(4)  # the venue's numbers for tick directions


@dataclass(slots=True)
class Tape:
    """One instrument's trades. `last_price` outlives the window."""

    last_price: Decimal | None = None
    trades_count: int = 0
    _rising: bool = True
    _recent: deque[tuple[int, Decimal, Decimal]] = field(default_factory=deque)
    _volume: Decimal = ZERO
    _range: tuple[Decimal, Decimal] | None = None  # of the window; None where it must be looked for

    def record(self, at_ms: int, price: Decimal, amount: Decimal) -> int:
        """Add a trade; returns its tick direction, 0 to 3."""
        last, self.last_price = self.last_price, price
        self.trades_count += 1
        if self._range is not None:
            self._range = min(self._range[0], price), max(self._range[1], price)
        self._recent.append((at_ms, price, amount))
        self._volume += amount
        self._forget(at_ms)
        if last is None or price == last:
            return ZERO_PLUS if self._rising else ZERO_MINUS
        self._rising = price > last
        return PLUS if self._rising else MINUS

    def volume(self, now_ms: int) -> Decimal:
        """Native amount traded in the last 24 hours."""
        self._forget(now_ms)
        return self._volume

    def range(self, now_ms: int) -> tuple[Decimal, Decimal] | None:
        """Lowest and highest price of the last 24 hours."""
        self._forget(now_ms)
        if not self._recent:
            return None
        if self._range is None:
            prices = [price for _, price, _ in self._recent]
            self._range = min(prices), max(prices)
        return self._range

    def _forget(self, now_ms: int) -> None:
        while self._recent and self._recent[0][0] < now_ms - WINDOW_MS:
            _, price, amount = self._recent.popleft()
            self._volume -= amount
            if self._range is not None and price in self._range:
                self._range = None
