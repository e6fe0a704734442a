"""Where an order is between the decision and the ledger that knows its fill: what a kill can split.

Followed from outside the daemon, at the disk and on the wires, so that it is known of every step of
the loop what a crash just before it would tear apart.
"""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from bot.core.actions import SubmitOrder
from bot.lab.world import World

ORDER: Final = '"method":"private/'
PLACING: Final = frozenset({"private/buy", "private/sell"})


class Phase(StrEnum):
    """What would be torn apart."""

    QUIET = "nothing under way"
    ROW = "a row waits for the disk"
    DURABLE = "row durable, bytes not sent"
    SENT = "sent, not at the venue"
    HEARD = "at the venue, not answered"
    FILL = "fill arrived, row not durable"
    ANSWERED = "answered, not over"


NARROW: Final = (Phase.ROW, Phase.DURABLE, Phase.SENT, Phase.HEARD, Phase.FILL, Phase.ANSWERED)


@dataclass(slots=True)
class Trail:
    """Follows every order of a world that has not begun; `phases` holds a phase for each step."""

    world: World
    phases: list[Phase] = field(default_factory=list)
    _at: dict[str, Phase] = field(default_factory=dict)
    _asked: dict[tuple[int, int], str] = field(default_factory=dict)
    _fills: set[str] = field(default_factory=set)
    _fills_known: set[str] = field(default_factory=set)

    def follow(self) -> None:
        """Listen at the disk and on the wires."""
        world = self.world
        world.disk.durable.on_row.append(self._row)
        world.network.on_sent.append(self._sent)
        world.network.on_heard.append(self._heard)
        world.exchange.watchers.append(self._arrived)
        world.loop.on_step = self._step

    def _step(self, _: int) -> None:
        self.phases.append(self._phase())

    def _phase(self) -> Phase:
        life = self.world.machine.life
        if life is None or life.loop is None or life.ledger is None:
            return Phase.QUIET
        if self._fills:
            return Phase.FILL
        orders = life.loop.state.standing.orders
        for order_id, phase in reversed(self._at.items()):
            known = orders.get(order_id)
            if known is None or not known.is_quiet:
                return phase
        return Phase.ROW if life.ledger.waiting else Phase.QUIET

    # ------------------------------------------------------------------ what is heard

    def _row(self, kind: str, _: int, body: str) -> None:
        self._fills = {trade_id for trade_id in self._fills if f'"{trade_id}"' not in body}
        if kind == "step" and '"SubmitOrder"' in body:
            told = json.loads(body)["actions"]
            self._at |= {
                action["order_id"]: Phase.DURABLE
                for action in told
                if action["$"] == SubmitOrder.__name__
            }

    def _sent(self, client: object, text: str) -> None:
        if ORDER not in text:
            return
        told = json.loads(text)
        if told["method"] in PLACING:
            label = str(told["params"]["label"])
            self._at[label] = Phase.SENT
            self._asked[id(client), told["id"]] = label

    def _arrived(self, _: str, params: Any) -> None:
        self._at[str(params.get("label", ""))] = Phase.HEARD

    def _heard(self, client: object, message: Any) -> None:
        if not isinstance(message, dict):
            return
        told = message.get("result") if "id" in message else message.get("params")
        label = self._asked.pop((id(client), message.get("id", 0)), None)
        if label is not None:
            self._at[label] = Phase.ANSWERED
        data = told.get("data", told) if isinstance(told, dict) else None
        trades = data.get("trades") if isinstance(data, dict) else None
        for trade in trades if isinstance(trades, list) else ():
            self._fill(str(trade["trade_id"]))

    def _fill(self, trade_id: str) -> None:
        if trade_id not in self._fills_known:
            self._fills_known.add(trade_id)
            self._fills.add(trade_id)
