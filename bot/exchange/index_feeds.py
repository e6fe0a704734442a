"""What the channels about an index say: its price, its sources, its day, its volatility."""

from dataclasses import dataclass
from typing import Final

from bot.exchange import views
from bot.exchange.channels import IndexChannel, IndexTopic
from bot.exchange.commands import MarketMoved
from bot.exchange.contracts import Kind
from bot.exchange.look import Look, News
from bot.exchange.protocol import Json, dumps
from bot.exchange.views.wording import PERCENT_DIGITS, USD_DIGITS

DAY_MS: Final = 86_400_000
SETTLEMENT_WINDOW_MS: Final = 1_800_000
SOURCE: Final = "simulated"
HIGH_VOLATILITY_PERCENT: Final = 5.0  # a range of the day beyond this is called high


@dataclass(slots=True, kw_only=True)
class IndexFeed:
    """One topic of one index, told whole whenever it is told."""

    channel: IndexChannel
    is_stale: bool = False

    def hear(self, news: News) -> None:
        """The index moves with the frames."""
        if isinstance(news, MarketMoved):
            self.is_stale |= news.frame.pair.index_name == self.channel.index_name

    def opening(self, look: Look) -> str | None:
        """What is so at this moment; nothing for an index that is not the market's."""
        name = self.channel.index_name
        if name not in look.chronicle.indices:
            return None
        match self.channel.topic:
            case IndexTopic.PRICE:
                return dumps(_price(look, name))
            case IndexTopic.RANKING:
                return dumps([_source(look, name)])
            case IndexTopic.STATISTICS:
                return dumps(_statistics(look, name))
            case IndexTopic.EXPIRATION:
                return dumps(_expiration(look, name))
            case IndexTopic.OPTION_MARKS:
                return dumps(_marks(look, name))
            case IndexTopic.VOLATILITY:
                content = _volatility(look, name)
                return None if content is None else dumps(content)

    def payloads(self, look: Look) -> list[str]:
        """What is so at this moment."""
        self.is_stale = False
        text = self.opening(look)
        return [] if text is None else [text]


def _price(look: Look, name: str) -> dict[str, Json]:
    return {
        "timestamp": look.engine.now_ms,
        "index_name": name,
        "price": round(look.index_usd(name), USD_DIGITS),
    }


def _source(look: Look, name: str) -> dict[str, Json]:
    """The simulated market is the only source that there is."""
    price = round(look.index_usd(name), USD_DIGITS)
    return {
        "identifier": SOURCE,
        "enabled": True,
        "weight": 100.0,
        "price": price,
        "original_price": price,
        "timestamp": look.engine.now_ms,
    }


def _statistics(look: Look, name: str) -> dict[str, Json]:
    now_ms = look.engine.now_ms
    day = look.chronicle.indices[name].between(now_ms - DAY_MS, now_ms)
    price = look.index_usd(name)
    low = min((each.low for each in day), default=price)
    high = max((each.high for each in day), default=price)
    opened = day[0].open if day else price
    return {
        "index_name": name,
        "low24h": round(low, USD_DIGITS),
        "high24h": round(high, USD_DIGITS),
        "change24h": round(100 * (price / opened - 1), PERCENT_DIGITS),
        "high_volatility": 100 * (high / low - 1) > HIGH_VOLATILITY_PERCENT,
    }


def _volatility(look: Look, name: str) -> dict[str, Json] | None:
    series = look.chronicle.volatility.get(name)
    candle = None if series is None else series.at(look.engine.now_ms)
    if candle is None:
        return None
    return {
        "timestamp": look.engine.now_ms,
        "index_name": name,
        "volatility": round(candle.close, PERCENT_DIGITS),
    }


def _options(look: Look, name: str) -> list[str]:
    return [
        contract.name
        for contract in look.engine.contracts()
        if contract.kind is Kind.OPTION and contract.pair.index_name == name
    ]


def _expiration(look: Look, name: str) -> dict[str, Json]:
    """The next expiry: in how many seconds, and at what as far as is known."""
    now_ms = look.engine.now_ms
    dated = [
        contract
        for contract in look.engine.contracts()
        if contract.kind is not Kind.PERPETUAL and contract.pair.index_name == name
    ]
    following = min(dated, key=lambda contract: contract.expiry_ms, default=None)
    view = None if following is None else look.ticker(following.name)
    if following is None or view is None:
        return {"seconds": 0, "price": look.index_usd(name), "is_estimated": False}
    left_ms = following.expiry_ms - now_ms
    return {
        "seconds": left_ms // 1_000,
        "price": round(view.estimated_delivery_price, USD_DIGITS),
        "is_estimated": left_ms <= SETTLEMENT_WINDOW_MS,
    }


def _marks(look: Look, name: str) -> list[Json]:
    lines: list[Json] = []
    for option in _options(look, name):
        view = look.ticker(option)
        if view is not None and view.option is not None:
            lines.append(
                {
                    "instrument_name": option,
                    "mark_price": round(view.mark_price, views.OPTION_MARK_DIGITS),
                    "iv": round(view.option.mark_iv / 100, 4),
                }
            )
    return lines
