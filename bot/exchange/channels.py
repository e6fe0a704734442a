"""Channel names: text in, a description of what the subscriber wants out.

The name is echoed in every message exactly as it was subscribed, so it is kept beside the
description. Grammar: "Subscriptions" of the venue's API v2 description.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bot.exchange.contracts import Contract, Kind

ANY: Final = "any"
KINDS_BY_WORD: Final = {
    ANY: frozenset(Kind),
    "future": frozenset({Kind.PERPETUAL, Kind.FUTURE}),
    "option": frozenset({Kind.OPTION}),
}
DEPTHS: Final = {"1": 1, "10": 10, "20": 20}
# Prices of a book are rounded to so many ticks; the venue has the last four for ETH, none for
# options.
GROUPS: Final = {"none": 1, **{str(ticks): ticks for ticks in (1, 2, 5, 10, 25, 100, 250)}}
MINUTE_MS: Final = 60_000
RESOLUTIONS_MS: Final = {
    **{str(n): n * MINUTE_MS for n in (1, 3, 5, 10, 15, 30, 60, 120, 180, 360, 720)},
    "1D": 1_440 * MINUTE_MS,
}


class Cadence(StrEnum):
    """How often a channel may speak; `raw` on every change, the others at most that often."""

    RAW = "raw"
    MS_100 = "100ms"
    AGGREGATED = "agg2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Which instruments a user channel covers: one by name, or a kind and a currency."""

    instrument_name: str | None
    kinds: frozenset[Kind]
    currency: str | None

    def covers(self, contract: Contract) -> bool:
        """Whether news about `contract` belongs to the channel."""
        if self.instrument_name is not None:
            return contract.name == self.instrument_name
        is_currency = self.currency in (None, contract.settlement_currency)
        return is_currency and contract.kind in self.kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class TickerChannel:
    """`ticker.{instrument}.{cadence}`."""

    instrument_name: str
    cadence: Cadence


@dataclass(frozen=True, slots=True, kw_only=True)
class IncrementalChannel:
    """`incremental_ticker.{instrument}`: the ticker once, then what changed in it."""

    instrument_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteChannel:
    """`quote.{instrument}`."""

    instrument_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BookChannel:
    """`book.{instrument}.{cadence}`: a snapshot, then changes."""

    instrument_name: str
    cadence: Cadence


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthChannel:
    """`book.{instrument}.{group}.{depth}.{cadence}`: the best levels, whole each time.

    Prices are rounded away from the middle to multiples of `group_ticks` ticks.
    """

    instrument_name: str
    group_ticks: int
    depth: int
    cadence: Cadence


@dataclass(frozen=True, slots=True, kw_only=True)
class TradesChannel:
    """`trades.{instrument, or kind.currency}.{cadence}`: everybody's trades."""

    selector: Selector
    cadence: Cadence


@dataclass(frozen=True, slots=True, kw_only=True)
class PerpetualChannel:
    """`perpetual.{instrument}.{cadence}`: the funding of the moment."""

    instrument_name: str
    cadence: Cadence


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartChannel:
    """`chart.trades.{instrument}.{resolution}`: the candle of the moment."""

    instrument_name: str
    step_ms: int


class IndexTopic(StrEnum):
    """What a channel says about an index; the words are the channels' own."""

    PRICE = "deribit_price_index"
    RANKING = "deribit_price_ranking"
    STATISTICS = "deribit_price_statistics"
    VOLATILITY = "deribit_volatility_index"
    EXPIRATION = "estimated_expiration_price"
    OPTION_MARKS = "markprice.options"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexChannel:
    """`{topic}.{index}`."""

    topic: IndexTopic
    index_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentStateChannel:
    """`instrument.state.{kind}.{currency}`: listings and expiries."""

    selector: Selector


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformChannel:
    """`platform_state` and `platform_state.public_methods_state`: which doors are shut."""

    name: str


class UserTopic(StrEnum):
    """What a user channel with a selector speaks about."""

    ORDERS = "orders"
    TRADES = "trades"
    CHANGES = "changes"


@dataclass(frozen=True, slots=True, kw_only=True)
class UserChannel:
    """`user.{orders|trades|changes}.{instrument, or kind.currency}.{cadence}`."""

    topic: UserTopic
    selector: Selector
    cadence: Cadence


@dataclass(frozen=True, slots=True, kw_only=True)
class PortfolioChannel:
    """`user.portfolio.{currency}`."""

    currency: str


class AccountTopic(StrEnum):
    """What a user channel without a selector speaks about."""

    LOCK = "lock"
    ACCESS_LOG = "access_log"
    MMP_TRIGGER = "mmp_trigger"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountChannel:
    """`user.{lock|access_log}` and `user.mmp_trigger.{index}`."""

    topic: AccountTopic
    index_name: str | None = None


PublicChannel = (
    TickerChannel
    | IncrementalChannel
    | QuoteChannel
    | BookChannel
    | DepthChannel
    | TradesChannel
    | PerpetualChannel
    | ChartChannel
    | IndexChannel
    | InstrumentStateChannel
    | PlatformChannel
)
PrivateChannel = UserChannel | PortfolioChannel | AccountChannel
Channel = PublicChannel | PrivateChannel

CADENCES: Final = {cadence.value: cadence for cadence in Cadence}
INDEX_TOPICS: Final = {topic.value: topic for topic in IndexTopic}
ACCOUNT_TOPICS: Final = {
    topic.value: topic for topic in AccountTopic if topic is not AccountTopic.MMP_TRIGGER
}
TOPICS: Final = {topic.value: topic for topic in UserTopic}


def parse_channel(name: str) -> Channel | None:
    """The channel behind a name; None if the exchange has no such channel.

    Whether the instrument exists is not asked here.
    """
    match name.split("."):
        case ["ticker", instrument, cadence] if cadence in CADENCES:
            return TickerChannel(instrument_name=instrument, cadence=CADENCES[cadence])
        case ["quote", instrument]:
            return QuoteChannel(instrument_name=instrument)
        case ["book", instrument, cadence] if cadence in CADENCES:
            return BookChannel(instrument_name=instrument, cadence=CADENCES[cadence])
        case ["book", instrument, group, depth, ("100ms" | "agg2") as cadence] if (
            group in GROUPS and depth in DEPTHS
        ):
            return DepthChannel(
                instrument_name=instrument,
                group_ticks=GROUPS[group],
                depth=DEPTHS[depth],
                cadence=CADENCES[cadence],
            )
        case ["instrument", "state", kind, currency] if kind in KINDS_BY_WORD:
            return InstrumentStateChannel(selector=_by_kind(kind, currency))
        case ["user", *rest]:
            return _parse_private(rest)
        case parts:
            return _parse_course(parts)


def _parse_course(parts: Sequence[str]) -> PublicChannel | None:
    """Trades, funding, candles, indices: what happens rather than what is offered."""
    match parts:
        case ["incremental_ticker", instrument]:
            return IncrementalChannel(instrument_name=instrument)
        case ["trades", instrument, cadence] if cadence in CADENCES:
            selector = Selector(instrument_name=instrument, kinds=frozenset(Kind), currency=None)
            return TradesChannel(selector=selector, cadence=CADENCES[cadence])
        case ["trades", kind, currency, cadence] if kind in KINDS_BY_WORD and cadence in CADENCES:
            return TradesChannel(selector=_by_kind(kind, currency), cadence=CADENCES[cadence])
        case ["perpetual", instrument, cadence] if cadence in CADENCES:
            return PerpetualChannel(instrument_name=instrument, cadence=CADENCES[cadence])
        case ["chart", "trades", instrument, step] if step in RESOLUTIONS_MS:
            return ChartChannel(instrument_name=instrument, step_ms=RESOLUTIONS_MS[step])
        case ["platform_state"] | ["platform_state", "public_methods_state"]:
            return PlatformChannel(name=".".join(parts))
        case [*topic, index] if ".".join(topic) in INDEX_TOPICS:
            return IndexChannel(topic=INDEX_TOPICS[".".join(topic)], index_name=index)
        case _:
            return None


def _parse_private(parts: Sequence[str]) -> PrivateChannel | None:
    match parts:
        case ["portfolio", currency]:
            return PortfolioChannel(currency=currency)
        case [AccountTopic.MMP_TRIGGER.value as topic, index]:
            return AccountChannel(topic=AccountTopic(topic), index_name=index)
        case [topic] if topic in ACCOUNT_TOPICS:
            return AccountChannel(topic=ACCOUNT_TOPICS[topic])
        case [topic, instrument, cadence] if topic in TOPICS and cadence in CADENCES:
            selector = Selector(instrument_name=instrument, kinds=frozenset(Kind), currency=None)
            return UserChannel(topic=TOPICS[topic], selector=selector, cadence=CADENCES[cadence])
        case [topic, kind, currency, cadence] if (
            topic in TOPICS and kind in KINDS_BY_WORD and cadence in CADENCES
        ):
            return UserChannel(
                topic=TOPICS[topic],
                selector=_by_kind(kind, currency),
                cadence=CADENCES[cadence],
            )
        case _:
            return None


def _by_kind(kind: str, currency: str) -> Selector:
    return Selector(
        instrument_name=None,
        kinds=KINDS_BY_WORD[kind],
        currency=None if currency == ANY else currency.upper(),
    )


def needs_login(channel: Channel) -> bool:
    """Raw market data and everything about a user ask for a login."""
    match channel:
        case UserChannel() | PortfolioChannel() | AccountChannel():
            return True
        case _:
            return cadence_of(channel) is Cadence.RAW


def cadence_of(channel: PublicChannel) -> Cadence | None:
    """The cadence that a channel's name states; None where there is none to choose."""
    match channel:
        case (
            TickerChannel() | BookChannel() | DepthChannel() | TradesChannel() | PerpetualChannel()
        ):
            return channel.cadence
        case (
            IncrementalChannel()
            | QuoteChannel()
            | ChartChannel()
            | IndexChannel()
            | InstrumentStateChannel()
            | PlatformChannel()
        ):
            return None


def instrument_of(channel: PublicChannel) -> str | None:
    """The instrument whose book or ticker a channel is about; None for all others."""
    match channel:
        case (
            TickerChannel()
            | IncrementalChannel()
            | QuoteChannel()
            | BookChannel()
            | DepthChannel()
            | PerpetualChannel()
            | ChartChannel()
        ):
            return channel.instrument_name
        case TradesChannel() | IndexChannel() | InstrumentStateChannel() | PlatformChannel():
            return None
