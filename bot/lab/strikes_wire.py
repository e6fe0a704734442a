"""Strikes on the wire and on the life of an order: N1 to N15, O1 to O9 of the catalogue."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from bot.exchange.faults import FaultKind, Harm
from bot.exchange.trading_commands import HaltBook
from bot.lab.scene import OPENINGS, Row, Scene, Strikes, during, once, pushes, requests
from bot.lab.world import HEDGE

INTERNAL_ERROR: Final = 11_094
TOO_MANY: Final = 10_028
BY_LABEL: Final = "private/get_order_state_by_label"
OPEN_ORDERS: Final = "private/get_open_orders"
TRADES: Final = "private/get_user_trades"


def _request_lost(scene: Scene, fault_id: str) -> None:
    cut = scene.rng.random() < 0.5
    for side in ("private/buy", "private/sell"):
        scene.arm(fault_id, FaultKind.DROP_BEFORE, requests(side), once(), Harm(cut=cut))


def _response_lost(scene: Scene, fault_id: str) -> None:
    cut = scene.rng.random() < 0.5
    name = scene.side()
    scene.arm(fault_id, FaultKind.DROP_AFTER_ACCEPT, requests(name), once(), Harm(cut=cut))


def _broken_answer(scene: Scene, fault_id: str) -> None:
    kind = scene.rng.choice((FaultKind.TRUNCATE, FaultKind.CORRUPT_COMPRESSION))
    harm = Harm(whole=scene.rng.random() < 0.5)
    scene.arm(fault_id, kind, requests(scene.side()), once(), harm)


def _nonsense(scene: Scene, fault_id: str) -> None:
    if scene.rng.random() < 0.5:
        harm = Harm(code=TOO_MANY, message="too_many_requests")
        scene.arm(fault_id, FaultKind.ERROR_FRAME, pushes(), during(10.0, 0.2), harm)
    else:
        harm = Harm(whole=True)
        scene.arm(fault_id, FaultKind.TRUNCATE, requests("private/get"), once(2), harm)


def _too_often(scene: Scene, fault_id: str) -> None:
    name = scene.rng.choice(("private/get", "private/buy", "private/sell", "private/subscribe"))
    harm = Harm(code=TOO_MANY, message="too_many_requests", cut=scene.rng.random() < 0.3)
    scene.arm(fault_id, FaultKind.RATE_LIMIT, requests(name), once(2), harm)


def _server_error(scene: Scene, fault_id: str) -> None:
    name = scene.rng.choice(("private/buy", "private/sell", "private/get", "public/get"))
    harm = Harm(code=INTERNAL_ERROR, message="internal_server_error", cut=False)
    scene.arm(fault_id, FaultKind.RATE_LIMIT, requests(name), once(2), harm)


def _cut(scene: Scene, fault_id: str) -> None:
    if scene.world.network.wires:
        scene.world.network.cut(scene.rng.randrange(2), "connection reset by peer")
        scene.did(fault_id)


def _channel_dead(scene: Scene, fault_id: str) -> None:
    name = scene.rng.choice(("ticker.", "user.", "book."))
    scene.arm(fault_id, FaultKind.SILENT_STALL, pushes(name), during(scene.between(5.0, 40.0)))


def _stuck(scene: Scene, fault_id: str) -> None:
    harm = Harm(whole=scene.rng.random() < 0.5)
    seconds = scene.between(3.0, 15.0)
    scene.arm(fault_id, FaultKind.STUCK_TIMESTAMP, pushes("ticker."), during(seconds), harm)


def _gap(scene: Scene, fault_id: str) -> None:
    scene.arm(fault_id, FaultKind.SEQUENCE_GAP, pushes("book."), once(2))


def _twice(scene: Scene, fault_id: str) -> None:
    scene.arm(fault_id, FaultKind.DUPLICATE, pushes(), during(scene.between(5.0, 60.0), 0.4))


def _out_of_order(scene: Scene, fault_id: str) -> None:
    if scene.rng.random() < 0.5:
        scene.arm(fault_id, FaultKind.REORDER, pushes("user."), during(40.0, 0.6))
    else:
        harm = Harm(delay_ms=scene.between(100.0, 1_500.0))
        scene.arm(fault_id, FaultKind.DELAY, requests(scene.side()), once(3), harm)


def _clogged(scene: Scene, fault_id: str) -> None:
    network = scene.world.network
    way = scene.rng.choice((network.up, network.down))
    way.clog_ms = scene.between(50.0, 1_500.0)
    scene.did(fault_id)

    def clear() -> None:
        way.clog_ms = 0.0

    scene.later(scene.between(2.0, 20.0), clear)


def _unreachable(scene: Scene, fault_id: str) -> None:
    exchange, network = scene.world.exchange, scene.world.network
    exchange.is_shut = True
    for _ in range(len(network.wires)):
        network.cut(0, "no route to host")
    scene.did(fault_id)

    def back() -> None:
        exchange.is_shut = False

    scene.later(scene.between(1.0, 25.0), back)


def _refused_door(scene: Scene, fault_id: str) -> None:
    scene.arm(fault_id, FaultKind.DROP_BEFORE, OPENINGS, once(scene.rng.randint(1, 4)))
    scene.world.network.cut(scene.rng.randrange(2), "connection reset by peer")


def _acked_twice(scene: Scene, fault_id: str) -> None:
    scene.arm(fault_id, FaultKind.DUPLICATE, requests(scene.side()), once(3))


def _thin(scene: Scene, fault_id: str) -> None:
    weather = scene.world.market.weather
    weather.depth = scene.between(0.005, 0.05)
    before = len(scene.world.exchange.engine.ledger_orders())

    def refill() -> None:
        weather.depth = 1.0
        for order in scene.world.exchange.engine.ledger_orders()[before:]:
            if order.label and 0 < order.filled_amount < order.amount:
                scene.did(fault_id)

    scene.meanwhile(scene.between(5.0, 30.0), refill)


def _late_fill(scene: Scene, fault_id: str) -> None:
    harm = Harm(delay_ms=scene.between(500.0, 4_000.0))
    scene.arm(fault_id, FaultKind.DELAY, pushes("user.changes"), during(30, 0.7), harm)


def _empty_list(message: Row, _: Mapping[str, Any]) -> None:
    message["result"] = []


def _no_trades(message: Row, _: Mapping[str, Any]) -> None:
    message["result"] = {"trades": [], "has_more": False}


def _not_visible_yet(scene: Scene, fault_id: str) -> None:
    """An order's answer is lost, and for a while nobody at the venue knows of it.

    Neither its label, nor what rests, nor the trades: all three lie from the moment it is accepted
    and beyond the one at which it can no longer start. What the account holds tells the truth.
    """
    for side in ("private/buy", "private/sell"):
        quota = once(seconds=30.0)
        scene.arm("", FaultKind.DROP_AFTER_ACCEPT, requests(side), quota, Harm(cut=False))
    scene.arm("", FaultKind.SILENT_STALL, pushes("user.changes"), during(30.0))
    left = [scene.between(4.0, 7.0)]

    def heard(_: str, __: Mapping[str, Any]) -> None:
        if left:
            seconds = left.pop()
            scene.lie(fault_id, BY_LABEL, _empty_list, seconds=seconds, chance=1.0)
            scene.lie(fault_id, OPEN_ORDERS, _empty_list, seconds=seconds, chance=1.0)
            scene.lie(fault_id, TRADES, _no_trades, seconds=seconds, chance=1.0)

    scene.on_order(heard, 30.0)


def _forgotten(scene: Scene, fault_id: str) -> None:
    """The venue's memory of labels ends before that of its trades."""
    scene.arm(
        "",
        FaultKind.DROP_AFTER_ACCEPT,
        requests(scene.side()),
        once(seconds=60.0),
        Harm(cut=True),
    )
    scene.lie(fault_id, BY_LABEL, _empty_list, seconds=60.0, chance=1.0)


def _book_closed(scene: Scene, fault_id: str) -> None:
    engine = scene.world.exchange.engine
    engine.handle(HaltBook(instrument_name=HEDGE, is_halted=True))

    def opened() -> None:
        engine.handle(HaltBook(instrument_name=HEDGE, is_halted=False))

    seconds = scene.between(2.0, 20.0)
    scene.on_order(lambda _, __: scene.did(fault_id), seconds)
    scene.meanwhile(seconds, opened)


STRIKES: Final[Strikes] = MappingProxyType(
    {
        "N1": _request_lost,
        "N2": _response_lost,
        "N4": _broken_answer,
        "N5": _nonsense,
        "N6": _too_often,
        "N7": _server_error,
        "N8": _refused_door,
        "N9": _channel_dead,
        "N10": _stuck,
        "N11": _gap,
        "N12": _twice,
        "N13": _out_of_order,
        "N14": _clogged,
        "N15": _unreachable,
        "O1": _acked_twice,
        "O2": _thin,
        "O3": _late_fill,
        "O4": _not_visible_yet,
        "O5": _forgotten,
        "O9": _book_closed,
    }
)
RECONNECT: Final = _cut
