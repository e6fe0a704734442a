"""Who listens to what, and when each channel may speak.

Cadence is wire time: a fast rehearsal must not drown its clients. Each message is put into JSON
once, however many listen.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bot.exchange import views
from bot.exchange.channels import (
    ANY,
    AccountChannel,
    AccountTopic,
    BookChannel,
    Cadence,
    Channel,
    ChartChannel,
    DepthChannel,
    IncrementalChannel,
    IndexChannel,
    IndexTopic,
    InstrumentStateChannel,
    PerpetualChannel,
    PlatformChannel,
    PortfolioChannel,
    PrivateChannel,
    PublicChannel,
    QuoteChannel,
    TickerChannel,
    TradesChannel,
    UserChannel,
    cadence_of,
    instrument_of,
    parse_channel,
)
from bot.exchange.chronicle import Chronicle
from bot.exchange.clock import NS_PER_MS
from bot.exchange.commands import BookChanged, Event, MarketMoved, TradingEngine
from bot.exchange.contracts import Kind
from bot.exchange.feeds import Feed, make_feed
from bot.exchange.look import Look, News
from bot.exchange.protocol import Json, notification
from bot.exchange.public_tape import PublicTrade
from bot.exchange.session import Session
from bot.exchange.summaries import CURRENCIES
from bot.exchange.trading_commands import MmpTriggered
from bot.exchange.user_feeds import AccountFeed, PortfolioFeed, UserFeed, transactions

CHANNELS_PER_SESSION_MAX: Final = 5_000
LINES_A_ROUND: Final = 100  # about 10 ms of work, which is what an order may have to wait for


@dataclass(frozen=True, slots=True, kw_only=True)
class CadencePolicy:
    """How often channels speak, wire milliseconds."""

    aggregate_interval_ms: float = 100.0
    coarse_interval_ms: float = 1_000.0
    republish_interval_ms: float = 500.0
    portfolio_interval_ms: float = 250.0

    def interval_ns(self, cadence: Cadence) -> float:
        """The shortest time between two messages of a channel."""
        match cadence:
            case Cadence.RAW:
                return 0.0
            case Cadence.MS_100:
                return self.aggregate_interval_ms * NS_PER_MS
            case Cadence.AGGREGATED:
                return self.coarse_interval_ms * NS_PER_MS


@dataclass(slots=True, kw_only=True)
class PublicLine:
    """A public channel with its listeners."""

    name: str
    feed: Feed
    interval_ns: float
    republishes: bool
    spoken_ns: int
    sessions: dict[Session, None] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class PrivateLine:
    """A private channel of one account with its listeners."""

    name: str
    account: str
    feed: UserFeed | PortfolioFeed | AccountFeed
    interval_ns: float
    spoken_ns: int = 0
    sessions: dict[Session, None] = field(default_factory=dict)


class ChannelHub:
    """All channels that somebody listens to."""

    def __init__(
        self, *, engine: TradingEngine, chronicle: Chronicle, policy: CadencePolicy
    ) -> None:
        self._engine = engine
        self._chronicle = chronicle
        self._policy = policy
        self._public: dict[str, PublicLine] = {}
        self._about: dict[str, dict[str, PublicLine]] = {}  # the same, by instrument
        self._general: dict[str, PublicLine] = {}  # those that are about no single instrument
        self._private: dict[tuple[str, str], PrivateLine] = {}
        self._openings: list[tuple[Session, str]] = []

    def exists(self, channel: Channel | None) -> bool:
        """Whether the exchange serves such a channel."""
        match channel:
            case None:
                return False
            case (
                TickerChannel()
                | IncrementalChannel()
                | QuoteChannel()
                | BookChannel()
                | DepthChannel()
                | ChartChannel()
            ):
                return self._engine.contract(channel.instrument_name) is not None
            case PerpetualChannel():
                contract = self._engine.contract(channel.instrument_name)
                return contract is not None and contract.kind is Kind.PERPETUAL
            case IndexChannel():
                return channel.index_name in self._chronicle.indices
            case PortfolioChannel():
                return channel.currency == ANY or channel.currency.upper() in CURRENCIES
            case InstrumentStateChannel() | PlatformChannel():
                return True
            case AccountChannel():
                return channel.index_name in (None, *self._chronicle.indices)
            case UserChannel() | TradesChannel():
                name = channel.selector.instrument_name
                return name is None or self._engine.contract(name) is not None

    def subscribe(self, session: Session, name: str, now_ns: int) -> bool:
        """Let the session listen; False if there is no such channel, or it has too many."""
        channel = parse_channel(name)
        if channel is None or not self.exists(channel):
            return False
        if name in session.channels:
            return True
        if len(session.channels) >= CHANNELS_PER_SESSION_MAX:
            return False
        session.channels.add(name)
        match channel:
            case UserChannel() | PortfolioChannel() | AccountChannel():
                self._listen_private(session, name, channel, now_ns)
            case _:
                self._listen_public(session, name, channel, now_ns)
        return True

    def _listen_public(
        self, session: Session, name: str, channel: PublicChannel, now_ns: int
    ) -> None:
        line = self._public.get(name)
        if line is None:
            line = PublicLine(
                name=name,
                feed=make_feed(channel),
                interval_ns=_interval_ns(channel, self._policy),
                republishes=isinstance(channel, TickerChannel | QuoteChannel | IndexChannel),
                spoken_ns=now_ns,
            )
            self._public[name] = line
            self._shelf(channel)[name] = line
        line.sessions[session] = None
        opening = line.feed.opening(Look(self._engine, self._chronicle))
        if opening is not None:
            self._openings.append((session, notification(name, opening)))

    def _shelf(self, channel: PublicChannel) -> dict[str, PublicLine]:
        """Where a channel's line is found by what it is about."""
        name = instrument_of(channel)
        return self._general if name is None else self._about.setdefault(name, {})

    def _listen_private(
        self, session: Session, name: str, channel: PrivateChannel, now_ns: int
    ) -> None:
        assert session.grant is not None, "private channels are for a session that has logged in"
        account = session.grant.account
        line = self._private.get((name, account))
        if line is None:
            line = self._private_line(name, channel, account)
            line.spoken_ns = now_ns
            self._private[name, account] = line
        line.sessions[session] = None
        if isinstance(line.feed, PortfolioFeed):
            for payload in line.feed.payloads(self._engine):
                self._openings.append((session, notification(name, payload)))

    def _private_line(self, name: str, channel: PrivateChannel, account: str) -> PrivateLine:
        match channel:
            case UserChannel():
                return PrivateLine(
                    name=name,
                    account=account,
                    feed=UserFeed(channel=channel, account=account),
                    interval_ns=self._policy.interval_ns(channel.cadence),
                )
            case AccountChannel():
                return PrivateLine(
                    name=name,
                    account=account,
                    feed=AccountFeed(channel=channel),
                    interval_ns=0.0,
                )
            case PortfolioChannel():
                return PrivateLine(
                    name=name,
                    account=account,
                    feed=PortfolioFeed(channel=channel, account=account),
                    interval_ns=self._policy.portfolio_interval_ms * NS_PER_MS,
                )

    def unsubscribe(self, session: Session, name: str) -> bool:
        """Stop listening; False if the session did not."""
        if name not in session.channels:
            return False
        session.channels.discard(name)
        public = self._public.get(name)
        if public is not None:
            public.sessions.pop(session, None)
            if not public.sessions:
                self._forget(name)
        for key in [key for key, line in self._private.items() if line.name == name]:
            private = self._private[key]
            private.sessions.pop(session, None)
            if not private.sessions:
                del self._private[key]
        return True

    def _forget(self, name: str) -> None:
        del self._public[name]
        channel = parse_channel(name)
        assert isinstance(channel, PublicChannel), "what was listened to has a name that parses"
        shelf = self._shelf(channel)
        del shelf[name]
        instrument = instrument_of(channel)
        if instrument is not None and not shelf:
            del self._about[instrument]

    def drop(self, session: Session) -> None:
        """Forget a session that is gone."""
        for name in list(session.channels):
            self.unsubscribe(session, name)

    def drop_private(self, session: Session) -> None:
        """Stop telling a session about an account, its login having ended."""
        for (name, _), line in list(self._private.items()):
            if session in line.sessions:
                self.unsubscribe(session, name)

    def open(self) -> None:
        """Send new listeners what they hear first; after the answer to their request."""
        openings, self._openings = self._openings, []
        for session, text in openings:
            session.send(text)

    def tell(self, name: str, payload: str) -> None:
        """Say something at once to everybody who listens to a public channel."""
        line = self._public.get(name)
        if line is not None:
            _broadcast(name, [payload], line.sessions)

    def hear(self, events: Iterable[Event], trades: Sequence[PublicTrade], now_ns: int) -> None:
        """Take one transaction's events and trades; tell at once what concerns an account.

        Market data waits for `speak`, so that no order's answer waits for other people's tickers.
        """
        events = _latest_frame_only(events)
        for news in (*events, *trades):
            for line in self._concerned(news):
                line.feed.hear(news)
        for event in events:
            if isinstance(event, MmpTriggered):
                told = views.mmp_status(event.key, event.frozen_until_ms)
                self.tell_account(event.key.account, AccountTopic.MMP_TRIGGER, told)
        private = transactions(events)
        for private_line in list(self._private.values()):
            feed = private_line.feed
            if isinstance(feed, PortfolioFeed):
                for event in events:
                    feed.hear_market(event)
            if private_line.account in private and not isinstance(feed, AccountFeed):
                feed.hear(private[private_line.account])
            self._speak_private(private_line, now_ns)

    def _concerned(self, news: News) -> Iterable[PublicLine]:
        """Lines that may care: an order must not have to ask every ticker."""
        match news:
            case MarketMoved():
                return self._public.values()
            case BookChanged():
                return self._about.get(news.instrument_name, {}).values()
            case _:
                return self._general.values()

    def tell_account(self, account: str, topic: AccountTopic, content: Mapping[str, Json]) -> None:
        """Say something at once to those who listen to an account's channel of a topic."""
        for line in self._private.values():
            if isinstance(line.feed, AccountFeed) and line.account == account:
                line.feed.take(topic, content)

    def speak(self, now_ns: int) -> None:
        """Say whatever is due by the wire's clock, at most `LINES_A_ROUND` public channels.

        Those that waited longest come first: under load every channel slows down alike.
        """
        look = Look(self._engine, self._chronicle)
        republish_ns = self._policy.republish_interval_ms * NS_PER_MS
        spoken = 0
        for line in list(self._public.values()):
            silent_ns = now_ns - line.spoken_ns
            is_due = line.feed.is_stale and silent_ns >= line.interval_ns
            if is_due or (line.republishes and silent_ns >= republish_ns):
                line.spoken_ns = now_ns
                self._public[line.name] = self._public.pop(line.name)
                _broadcast(line.name, line.feed.payloads(look), line.sessions)
                spoken += 1
            if spoken == LINES_A_ROUND:
                break
        for private in list(self._private.values()):
            self._speak_private(private, now_ns)

    def _speak_private(self, line: PrivateLine, now_ns: int) -> None:
        is_urgent = isinstance(line.feed, PortfolioFeed) and line.feed.is_urgent
        is_due = line.feed.is_stale and now_ns - line.spoken_ns >= line.interval_ns
        if not (is_urgent or is_due):
            return
        line.spoken_ns = now_ns
        for session in list(line.sessions):
            if session.grant is None or not session.grant.is_live(now_ns):
                self.drop_private(session)
        _broadcast(line.name, line.feed.payloads(self._engine), line.sessions)


def _latest_frame_only(events: Iterable[Event]) -> tuple[Event, ...]:
    """Of a pair's frames that were crossed at once, listeners can only be shown the last."""
    events = tuple(events)
    last = {event.frame.pair: event for event in events if isinstance(event, MarketMoved)}
    return tuple(
        event
        for event in events
        if not isinstance(event, MarketMoved) or event is last[event.frame.pair]
    )


def _broadcast(name: str, payloads: Iterable[str], sessions: Mapping[Session, None]) -> None:
    for payload in payloads:
        text = notification(name, payload)
        for session in list(sessions):
            session.send(text)


def _interval_ns(channel: PublicChannel, policy: CadencePolicy) -> float:
    match channel:
        case IndexChannel() | ChartChannel():
            is_price = isinstance(channel, IndexChannel) and channel.topic is IndexTopic.PRICE
            return policy.interval_ns(Cadence.RAW if is_price else Cadence.AGGREGATED)
        case _:
            return policy.interval_ns(cadence_of(channel) or Cadence.RAW)
