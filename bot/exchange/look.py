"""What the feeds look at: the engine and its memory, each ticker valued once a look."""

from dataclasses import dataclass, field

from bot.exchange.chronicle import Chronicle
from bot.exchange.commands import BookChanged, Event, MarketMoved, TradingEngine
from bot.exchange.public_tape import PublicTrade
from bot.exchange.reports import TickerView

News = Event | PublicTrade


@dataclass(slots=True)
class Look:
    """One look at the market, however many channels show it."""

    engine: TradingEngine
    chronicle: Chronicle
    _tickers: dict[str, TickerView | None] = field(default_factory=dict)

    def ticker(self, instrument_name: str) -> TickerView | None:
        """The ticker at this moment; None if the contract is not listed."""
        if instrument_name not in self._tickers:
            self._tickers[instrument_name] = self.engine.ticker(instrument_name)
        return self._tickers[instrument_name]

    def index_usd(self, index_name: str) -> float:
        """The index at this moment."""
        assert index_name in self.chronicle.indices, "only indices of the market are looked at"
        return self.engine.index_usd(index_name)


def concerns(news: News, instrument_name: str) -> bool:
    """Whether an instrument's ticker or book may have changed by it."""
    match news:
        case MarketMoved():
            return instrument_name.startswith(f"{news.frame.pair.prefix}-")
        case BookChanged():
            return news.instrument_name == instrument_name
        case _:
            return False
