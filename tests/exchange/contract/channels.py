"""What the scenes heard, by method and by family of channels; and what is wrong with the latter."""

import functools
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from bot.exchange.channels import (
    AccountChannel,
    Cadence,
    Channel,
    IndexChannel,
    TradesChannel,
    UserChannel,
    UserTopic,
)
from tests.exchange.contract.described import faults_of_datum
from tests.exchange.contract.scenes import played
from tests.exchange.contract.stage import Answer, Push

# Nobody is ever answered: the exchange has nothing to withdraw.
ALWAYS_REFUSED: Final = frozenset({"private/withdraw"})
LISTS: Final = " in lists"
# Family of channels -> schema of its datum.
DESCRIBED: Final[Mapping[str, str]] = {
    "TickerChannel": "TickerNotification",
    "PortfolioChannel": "currency_portfolio",
    "TradesChannel": "public_trade",
    "AccountChannel access_log": "access_log",
    "UserChannel orders": "order",
    "UserChannel trades": "user_trade",
    "UserChannel changes": "user_change",
}


def family(channel: Channel) -> str:
    """Channels that say the same kind of thing: the class, for a user's also the topic."""
    name = type(channel).__name__
    match channel:
        case UserChannel() | AccountChannel() | IndexChannel():
            return f"{name} {channel.topic}"
        case _:
            return name


def says_lists(channel: Channel) -> bool:
    """Whether the datum is a list of the object: fills always, orders where they are collected."""
    match channel:
        case UserChannel(topic=UserTopic.TRADES) | TradesChannel():
            return True
        case UserChannel(topic=UserTopic.ORDERS):
            return channel.cadence is not Cadence.RAW
        case _:
            return False


@functools.cache
def answers_by_method() -> Mapping[str, list[Answer]]:
    """What the scenes were answered."""
    found: dict[str, list[Answer]] = defaultdict(list)
    for stage in played():
        for answer in stage.answers():
            found[answer.method].append(answer)
    return found


def refused_methods() -> set[str]:
    """Methods that were refused to somebody in a scene."""
    return {method for stage in played() for actor in stage.actors for method in actor.refusals}


@functools.cache
def pushes_by_family() -> Mapping[str, list[Push]]:
    """What the scenes were told."""
    found: dict[str, list[Push]] = defaultdict(list)
    for stage in played():
        for push in stage.pushes():
            key = family(push.channel)
            found[key + LISTS if says_lists(push.channel) else key].append(push)
    return found


def faults_of_pushes(key: str) -> list[str]:
    """What is wrong with what a family of channels said, by the description; [] without one."""
    schema = DESCRIBED.get(key.removesuffix(LISTS))
    if schema is None:
        return []
    return [
        fault
        for push in pushes_by_family()[key]
        for fault in faults_of_datum(schema, push.datum, is_list=says_lists(push.channel))
    ]
