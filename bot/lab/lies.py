"""What a venue says that is not so: answers and pushes that are well-formed, and wrong.

Faults of the wire are `bot.exchange.faults`; these need to know what a message means. A lie holds
for a span of wire time, and is told with some chance each time that it fits.
"""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

PUSH: Final = '{"jsonrpc":"2.0","method":"subscription"'

Told = dict[str, Any]
Twist = Callable[[Told, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lie:
    """One lie.

    `about` is the prefix of a method, or of a channel; `twist` changes the decoded message, given
    the parameters of the question (empty for a push). `on_told` counts it.
    """

    about: str
    is_push: bool
    until_ns: int
    chance: float
    twist: Twist
    on_told: Callable[[], None]


@dataclass(slots=True)
class Lies:
    """The lies that are told now."""

    now_ns: Callable[[], int]
    rng: random.Random
    _told: list[Lie] = field(default_factory=list)

    def tell(self, lie: Lie) -> None:
        """Begin to tell one."""
        self._told.append(lie)

    def clear(self) -> None:
        """Tell the truth from now on."""
        self._told.clear()

    def answer(self, method: str, params: Mapping[str, Any], text: str) -> str:
        """Return an answer as it is told."""
        return self._twisted(method, params, text, is_push=False) if self._told else text

    def push(self, text: str) -> str:
        """Return a push as it is told."""
        if not self._told or not text.startswith(PUSH):
            return text
        start = text.index('"channel":"') + len('"channel":"')
        return self._twisted(text[start : text.index('"', start)], {}, text, is_push=True)

    def _twisted(self, name: str, params: Mapping[str, Any], text: str, *, is_push: bool) -> str:
        now_ns = self.now_ns()
        self._told = [lie for lie in self._told if lie.until_ns > now_ns]
        fitting = [
            lie for lie in self._told if lie.is_push is is_push and name.startswith(lie.about)
        ]
        for lie in fitting:
            if self.rng.random() < lie.chance:
                message = json.loads(text)
                if "error" in message:
                    return text
                lie.twist(message, params)
                lie.on_told()
                text = json.dumps(message)
        return text
