"""What the channels of trades, of funding and of candles say."""

from dataclasses import dataclass, field

from bot.exchange import views
from bot.exchange.channels import ChartChannel, PerpetualChannel, TradesChannel
from bot.exchange.charting import NOTHING, bar, candles_of, volumes_of
from bot.exchange.commands import MarketMoved
from bot.exchange.contracts import parse_name
from bot.exchange.look import Look, News, concerns
from bot.exchange.protocol import Json, dumps
from bot.exchange.public_tape import PublicTrade
from bot.exchange.views.wording import RATE_DIGITS, USD_DIGITS


@dataclass(slots=True, kw_only=True)
class TradesFeed:
    """`trades`: what was traded since, in a list."""

    channel: TradesChannel
    _news: list[Json] = field(default_factory=list)

    @property
    def is_stale(self) -> bool:
        """Whether something was traded since."""
        return bool(self._news)

    def hear(self, news: News) -> None:
        """Keep trades that the channel covers."""
        if not isinstance(news, PublicTrade):
            return
        if self.channel.selector.covers(parse_name(news.trade.instrument_name)):
            self._news.append(views.public_trade(news.trade, news.direction))

    def opening(self, look: Look) -> str | None:  # noqa: ARG002 - the feeds share one signature
        """Nothing: the channel tells of what happens from now on."""
        return None

    def payloads(self, look: Look) -> list[str]:  # noqa: ARG002 - the feeds share one signature
        """Everything that was traded since."""
        news, self._news = self._news, []
        return [dumps(news)] if news else []


@dataclass(slots=True, kw_only=True)
class PerpetualFeed:
    """`perpetual`: the rate that holds and the index that it is paid on."""

    channel: PerpetualChannel
    is_stale: bool = False

    def hear(self, news: News) -> None:
        """Funding moves with the frames."""
        self.is_stale |= isinstance(news, MarketMoved)

    def opening(self, look: Look) -> str | None:
        """The rate at this moment."""
        view = look.ticker(self.channel.instrument_name)
        if view is None:
            return None
        return dumps(
            {
                "timestamp": view.at_ms,
                "interest": round(view.current_funding or 0.0, RATE_DIGITS),
                "index_price": round(view.index_price, USD_DIGITS),
            }
        )

    def payloads(self, look: Look) -> list[str]:
        """The rate at this moment."""
        self.is_stale = False
        text = self.opening(look)
        return [] if text is None else [text]


@dataclass(slots=True, kw_only=True)
class ChartFeed:
    """`chart.trades`: the candle that is being drawn."""

    channel: ChartChannel
    is_stale: bool = False

    def hear(self, news: News) -> None:
        """Frames move the price, trades the volume."""
        self.is_stale |= concerns(news, self.channel.instrument_name)

    def opening(self, look: Look) -> str | None:
        """The candle of this moment; nothing before its first minute."""
        contract = look.engine.contract(self.channel.instrument_name)
        if contract is None:
            return None
        now_ms, step_ms = look.engine.now_ms, self.channel.step_ms
        start_ms = now_ms - now_ms % step_ms
        candles = candles_of(look.chronicle, contract, (start_ms, now_ms), step_ms)
        if not candles:
            return None
        traded = volumes_of(look.chronicle, contract, step_ms).get(start_ms, NOTHING)
        return dumps({"tick": start_ms, **bar(contract, candles[-1], traded)})

    def payloads(self, look: Look) -> list[str]:
        """The candle of this moment."""
        self.is_stale = False
        text = self.opening(look)
        return [] if text is None else [text]


def course_feed(
    channel: TradesChannel | PerpetualChannel | ChartChannel,
) -> TradesFeed | PerpetualFeed | ChartFeed:
    """The feed behind one of these channels."""
    match channel:
        case TradesChannel():
            return TradesFeed(channel=channel)
        case PerpetualChannel():
            return PerpetualFeed(channel=channel)
        case ChartChannel():
            return ChartFeed(channel=channel)
