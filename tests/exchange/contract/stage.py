"""Where scenes are played: an exchange with stopped clocks, clients that keep all they hear."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bot.exchange.channels import Channel, parse_channel
from tests.exchange.wire import PERPETUAL, Client, Hall, RpcFailedError, hall

BTC = {"currency": "BTC"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a method answered."""

    method: str
    params: dict[str, Any]
    result: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """What a channel said."""

    name: str
    channel: Channel
    datum: Any


@dataclass(slots=True, eq=False)
class Actor(Client):
    """A client that keeps every answer. Pushes stay in `heard`."""

    answers: list[Answer] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)

    def call(self, method: str, **params: Any) -> Any:
        result = Client.call(self, method, **params)
        self.answers.append(Answer(method=method, params=params, result=result))
        return result

    def refused(self, method: str, **params: Any) -> int:
        """The code with which a call is refused."""
        try:
            Client.call(self, method, **params)
        except RpcFailedError as error:
            self.refusals[method] = int(error.code)
            return self.refusals[method]
        raise AssertionError(f"{method} was not refused")

    def listen(self, *channels: str) -> None:
        """Subscribe to channels, each of which has to exist."""
        answer = self.call("private/subscribe", channels=list(channels))
        assert answer == list(channels), set(channels) - set(answer)


@dataclass(slots=True, kw_only=True)
class Stage:
    """An exchange and those who came to it."""

    world: Hall
    actors: list[Actor] = field(default_factory=list)

    @classmethod
    def opened(cls, **options: Any) -> "Stage":
        return cls(world=hall(**options))

    def actor(self) -> Actor:
        """Somebody who has logged in."""
        actor = self.stranger()
        actor.login()
        return actor

    def stranger(self) -> Actor:
        """Somebody who has not."""
        actor = Actor(self.world.floor, len(self.actors) + 1)
        self.actors.append(actor)
        return actor

    def pass_ms(self, milliseconds: float, rounds: int = 1) -> None:
        """Let wire time pass, so many times."""
        for _ in range(rounds):
            self.world.pass_ms(milliseconds)

    def answers(self) -> Iterator[Answer]:
        """Everything that was answered."""
        for actor in self.actors:
            yield from actor.answers

    def pushes(self) -> Iterator[Push]:
        """Everything that was said on channels."""
        for actor in self.actors:
            for frame in actor.heard:
                if frame.get("method") == "subscription":
                    name = frame["params"]["channel"]
                    channel = parse_channel(name)
                    assert channel is not None, name
                    yield Push(name=name, channel=channel, datum=frame["params"]["data"])


def liquid_option(actor: Actor, currency: str = "BTC") -> str:
    """An option with a quote on both sides."""
    lines = actor.call("public/get_book_summary_by_currency", currency=currency, kind="option")
    quoted = [line for line in lines if line["bid_price"] and line["ask_price"]]
    return str(quoted[len(quoted) // 2]["instrument_name"])


def far_below(actor: Actor, name: str = PERPETUAL) -> float:
    """The lowest price that an order may have."""
    return float(actor.call("public/ticker", instrument_name=name)["min_price"])


def one_of_everything(actor: Actor) -> list[str]:
    """Of each index the perpetual, a dated future if there is one, and an option with quotes."""
    found: dict[tuple[str, str, bool], str] = {}
    for each in actor.call("public/get_instruments", currency="any"):
        key = each["price_index"], each["kind"], each["settlement_period"] == "perpetual"
        name = each["instrument_name"]
        if key not in found:
            ticker = actor.call("public/ticker", instrument_name=name)
            if ticker["best_bid_price"] and ticker["best_ask_price"]:
                found[key] = name
    return list(found.values())
