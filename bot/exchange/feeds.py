"""What the public channels say: each feed turns the engine's state into message payloads.

A feed is made when its channel gets the first subscriber and lives while it has one. `payloads`
answers what has to be said now, as JSON text that every subscriber of the channel gets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final, Protocol

from bot.exchange import views
from bot.exchange.channels import (
    BookChannel,
    ChartChannel,
    DepthChannel,
    IncrementalChannel,
    IndexChannel,
    InstrumentStateChannel,
    PerpetualChannel,
    PlatformChannel,
    PublicChannel,
    QuoteChannel,
    Selector,
    TickerChannel,
    TradesChannel,
)
from bot.exchange.commands import InstrumentExpired, InstrumentListed
from bot.exchange.contracts import parse_name
from bot.exchange.course_feeds import course_feed
from bot.exchange.index_feeds import IndexFeed
from bot.exchange.look import Look, News, concerns
from bot.exchange.protocol import Json, dumps
from bot.exchange.reports import BookView, TickerView
from bot.exchange.trading_commands import BookHalted

BOOK_LEVELS_MAX: Final = 1_000
STAMPED: Final = '{"timestamp":'


class Feed(Protocol):
    """One public channel that somebody listens to."""

    def hear(self, news: News) -> None:
        """Take note of an event; say nothing yet."""
        ...

    @property
    def is_stale(self) -> bool:
        """Whether something happened since the channel last spoke."""
        ...

    def opening(self, look: Look) -> str | None:
        """What a new subscriber hears at once."""
        ...

    def payloads(self, look: Look) -> list[str]:
        """What every subscriber hears now."""
        ...


@dataclass(slots=True, kw_only=True)
class TickerFeed:
    """`ticker` and `quote`: the state whole, again and again."""

    channel: TickerChannel | QuoteChannel
    is_stale: bool = False
    _rest: str | None = None  # what was said last, after its timestamp

    def hear(self, news: News) -> None:
        """A new frame concerns every ticker, a change of the book its own."""
        self.is_stale |= concerns(news, self.channel.instrument_name)

    def opening(self, look: Look) -> str | None:
        """The state at this moment."""
        view = look.ticker(self.channel.instrument_name)
        return None if view is None else dumps(self._content(view))

    def payloads(self, look: Look) -> list[str]:
        """The state at this moment, also where nothing changed: a held quote stays fresh."""
        if self._rest is not None and not self.is_stale:
            # Half of what a quiet market says: the same again, at another time.
            is_listed = look.engine.contract(self.channel.instrument_name) is not None
            return [f"{STAMPED}{look.engine.now_ms},{self._rest}"] if is_listed else []
        self.is_stale, self._rest = False, None
        view = look.ticker(self.channel.instrument_name)
        if view is None:
            return []
        text = dumps(self._content(view))
        if view.interest_value is None:  # a perpetual's grows by itself
            assert text.startswith(STAMPED), "the time is what a ticker begins with"
            self._rest = text.partition(",")[2]
        return [text]

    def _content(self, view: TickerView) -> dict[str, Json]:
        match self.channel:
            case TickerChannel():
                return views.ticker(view)
            case QuoteChannel():
                return views.quote(view)


@dataclass(slots=True, kw_only=True)
class IncrementalFeed:
    """`incremental_ticker`: the ticker whole for whoever comes, then what changed in it."""

    channel: IncrementalChannel
    is_stale: bool = False
    _said: dict[str, Json] = field(default_factory=dict)

    def hear(self, news: News) -> None:
        """A new frame concerns every ticker, a change of the book its own."""
        self.is_stale |= concerns(news, self.channel.instrument_name)

    def opening(self, look: Look) -> str | None:
        """The ticker as the earlier subscribers know it."""
        if not self._said:
            view = look.ticker(self.channel.instrument_name)
            self._said = {} if view is None else views.ticker(view)
        return dumps({"type": "snapshot", **self._said}) if self._said else None

    def payloads(self, look: Look) -> list[str]:
        """The fields that are not what was said last; nothing if only time has passed."""
        self.is_stale = False
        view = look.ticker(self.channel.instrument_name)
        if view is None:
            return []
        now = views.ticker(view)
        changed = {name: value for name, value in now.items() if self._said.get(name) != value}
        if changed.keys() <= {"timestamp"}:
            return []
        self._said = now
        named: dict[str, Json] = {"timestamp": view.at_ms, "instrument_name": view.instrument_name}
        return [dumps({"type": "change", **named, **changed})]


Levels = Mapping[Decimal, Decimal]


@dataclass(slots=True, kw_only=True)
class BookFeed:
    """`book`: a snapshot for whoever comes, then changes that link by `prev_change_id`.

    What was said last is kept, so that a late subscriber's snapshot and the next change meet.
    """

    channel: BookChannel
    is_stale: bool = False
    _said: BookView | None = None

    def hear(self, news: News) -> None:
        """A new frame concerns every book, a change its own."""
        self.is_stale |= concerns(news, self.channel.instrument_name)

    def opening(self, look: Look) -> str | None:
        """The book as the earlier subscribers know it."""
        if self._said is None:
            self._said = look.engine.book(self.channel.instrument_name, BOOK_LEVELS_MAX)
        if self._said is None:
            return None
        return dumps(
            {
                "type": "snapshot",
                "timestamp": self._said.at_ms,
                "instrument_name": self.channel.instrument_name,
                "change_id": self._said.change_id,
                "bids": _news(self._said.bids),
                "asks": _news(self._said.asks),
            }
        )

    def payloads(self, look: Look) -> list[str]:
        """The difference to what was said last; nothing if there is none."""
        self.is_stale = False
        book = look.engine.book(self.channel.instrument_name, BOOK_LEVELS_MAX)
        said, self._said = self._said, book
        if book is None or said is None:
            return []
        bids = _changes(dict(said.bids), dict(book.bids))
        asks = _changes(dict(said.asks), dict(book.asks))
        if not bids and not asks:
            self._said = said
            return []
        return [
            dumps(
                {
                    "type": "change",
                    "timestamp": book.at_ms,
                    "instrument_name": self.channel.instrument_name,
                    "change_id": book.change_id,
                    "prev_change_id": said.change_id,
                    "bids": bids,
                    "asks": asks,
                }
            )
        ]


def _news(levels: Sequence[tuple[Decimal, Decimal]]) -> list[Json]:
    return [["new", views.number(price), views.number(amount)] for price, amount in levels]


def _changes(before: Levels, after: Levels) -> list[Json]:
    changes: list[Json] = [
        ["delete", views.number(price), 0.0] for price in before if price not in after
    ]
    for price, amount in after.items():
        if price not in before:
            changes.append(["new", views.number(price), views.number(amount)])
        elif before[price] != amount:
            changes.append(["change", views.number(price), views.number(amount)])
    return changes


@dataclass(slots=True, kw_only=True)
class DepthFeed:
    """`book` with a depth: the best levels whole, as pairs."""

    channel: DepthChannel
    is_stale: bool = False

    def hear(self, news: News) -> None:
        """A new frame concerns every book, a change its own."""
        self.is_stale |= concerns(news, self.channel.instrument_name)

    def opening(self, look: Look) -> str | None:
        """The best levels at this moment."""
        depth, ticks = self.channel.depth, self.channel.group_ticks
        contract = look.engine.contract(self.channel.instrument_name)
        book = look.engine.book(
            self.channel.instrument_name, depth if ticks == 1 else BOOK_LEVELS_MAX
        )
        if book is None or contract is None:
            return None
        step = contract.tick_size * ticks
        bids = book.bids if ticks == 1 else grouped(book.bids, step, ROUND_FLOOR)
        asks = book.asks if ticks == 1 else grouped(book.asks, step, ROUND_CEILING)
        return dumps(
            {
                "timestamp": book.at_ms,
                "instrument_name": self.channel.instrument_name,
                "change_id": book.change_id,
                "bids": [[views.number(price), views.number(size)] for price, size in bids[:depth]],
                "asks": [[views.number(price), views.number(size)] for price, size in asks[:depth]],
            }
        )

    def payloads(self, look: Look) -> list[str]:
        """The best levels at this moment."""
        self.is_stale = False
        text = self.opening(look)
        return [] if text is None else [text]


def grouped(
    levels: Sequence[tuple[Decimal, Decimal]], step: Decimal, rounding: str
) -> list[tuple[Decimal, Decimal]]:
    """Levels with their prices rounded to `step`, the amounts of one price summed."""
    sums: dict[Decimal, Decimal] = {}
    for price, amount in levels:
        place = (price / step).to_integral_value(rounding=rounding) * step
        sums[place] = sums.get(place, Decimal(0)) + amount
    return list(sums.items())


@dataclass(slots=True, kw_only=True)
class InstrumentStateFeed:
    """`instrument.state`: one message for each listing and each expiry."""

    channel: InstrumentStateChannel
    _news: list[dict[str, Json]] = field(default_factory=list)

    @property
    def is_stale(self) -> bool:
        """Whether a contract came or went since."""
        return bool(self._news)

    def hear(self, news: News) -> None:
        """Keep listings and expiries that the channel covers."""
        match news:
            case InstrumentListed():
                self._keep(news.instrument_name, "started", news.at_ms)
            case InstrumentExpired():
                self._keep(news.instrument_name, "closed", news.at_ms)
            case BookHalted():
                state = "deactivated" if news.is_halted else "started"
                self._keep(news.instrument_name, state, news.at_ms)
            case _:
                pass

    def _keep(self, name: str, state: str, at_ms: int) -> None:
        selector: Selector = self.channel.selector
        if selector.covers(parse_name(name)):
            self._news.append({"timestamp": at_ms, "instrument_name": name, "state": state})

    def opening(self, look: Look) -> str | None:  # noqa: ARG002 - the feeds share one signature
        """Nothing: the channel tells of changes only."""
        return None

    def payloads(self, look: Look) -> list[str]:  # noqa: ARG002 - the feeds share one signature
        """Everything that came or went since."""
        news, self._news = self._news, []
        return [dumps(item) for item in news]


@dataclass(frozen=True, slots=True)
class ToldFeed:
    """A channel that says nothing by itself: the hub is told what it has to say."""

    is_stale: bool = False

    def hear(self, _news: News) -> None:
        """Nothing in the market concerns it."""

    def opening(self, _look: Look) -> str | None:
        """A new subscriber waits for the next news."""
        return None

    def payloads(self, _look: Look) -> list[str]:
        """Nothing by itself."""
        return []


def make_feed(channel: PublicChannel) -> Feed:
    """The feed behind a public channel."""
    match channel:
        case TickerChannel() | QuoteChannel():
            return TickerFeed(channel=channel)
        case BookChannel():
            return BookFeed(channel=channel)
        case DepthChannel():
            return DepthFeed(channel=channel)
        case IncrementalChannel():
            return IncrementalFeed(channel=channel)
        case TradesChannel() | PerpetualChannel() | ChartChannel():
            return course_feed(channel)
        case IndexChannel():
            return IndexFeed(channel=channel)
        case InstrumentStateChannel():
            return InstrumentStateFeed(channel=channel)
        case PlatformChannel():
            return ToldFeed()
