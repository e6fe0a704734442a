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
    "future": frozenset({Kind.PERPETUAL}),
    "option": frozenset({Kind.OPTION}),
}
DEPTHS: Final = {"1": 1, "10": 10, "20": 20}


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
    """`book.{instrument}.none.{depth}.{cadence}`: the best levels, whole each time."""

    instrument_name: str
    depth: int
    cadence: Cadence


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexChannel:
    """`deribit_price_index.{index}`."""

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


PublicChannel = (
    TickerChannel
    | QuoteChannel
    | BookChannel
    | DepthChannel
    | IndexChannel
    | InstrumentStateChannel
    | PlatformChannel
)
PrivateChannel = UserChannel | PortfolioChannel
Channel = PublicChannel | PrivateChannel

CADENCES: Final = {cadence.value: cadence for cadence in Cadence}
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
        case ["book", instrument, "none", depth, "100ms"] if depth in DEPTHS:
            return DepthChannel(
                instrument_name=instrument, depth=DEPTHS[depth], cadence=Cadence.MS_100
            )
        case ["user", *rest]:
            return _parse_private(rest)
        case parts:
            return _parse_general(parts)


def _parse_general(parts: Sequence[str]) -> PublicChannel | None:
    """The channels that are about no instrument by name."""
    match parts:
        case ["deribit_price_index", index]:
            return IndexChannel(index_name=index)
        case ["instrument", "state", kind, currency] if kind in KINDS_BY_WORD:
            return InstrumentStateChannel(selector=_by_kind(kind, currency))
        case ["platform_state"] | ["platform_state", "public_methods_state"]:
            return PlatformChannel(name=".".join(parts))
        case _:
            return None


def _parse_private(parts: Sequence[str]) -> PrivateChannel | None:
    match parts:
        case ["portfolio", currency]:
            return PortfolioChannel(currency=currency)
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
        case TickerChannel() | BookChannel() | DepthChannel():
            return channel.cadence is Cadence.RAW
        case QuoteChannel() | IndexChannel() | InstrumentStateChannel() | PlatformChannel():
            return False
        case UserChannel() | PortfolioChannel():
            return True
