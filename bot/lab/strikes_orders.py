"""Strikes on the life of an order that need the venue's engine: O6, O7 and O10 to O13."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from bot.core.events import Command
from bot.exchange.commands import CancelOrder, PlaceOrder, Refused
from bot.exchange.faults import FaultKind, Harm
from bot.exchange.reports import Direction, OrderState, OrderType, TradeView
from bot.exchange.trading_commands import SelfTradeMode, SelfTradeRule, SetSelfTrading
from bot.lab.scene import Scene, Strikes, during, once, pushes, requests
from bot.lab.simexchange import ACCOUNT
from bot.lab.simhost import INSTANCE
from bot.lab.strikes_wire import INTERNAL_ERROR, TOO_MANY
from bot.lab.world import HEDGE, PREFIX
from bot.runtime.ledger_file import high_path

OURS: Final = PREFIX + INSTANCE
BY_HAND: Final = "by hand"
ORDER_OVERLAP: Final = 10_003
CLERK_LOTS: Final = Decimal(2_000)  # of a person's resting order, native
SIDES: Final = (Direction.BUY, Direction.SELL)
OF_METHOD: Final = MappingProxyType({"private/buy": Direction.BUY, "private/sell": Direction.SELL})


def _our_fills(scene: Scene) -> list[TradeView]:
    engine, forged = scene.world.exchange.engine, scene.world.forged
    return [
        fill
        for fill in engine.ledger_fills()
        if fill.label.startswith(OURS) and fill.order_id not in forged
    ]


def _last_counter(scene: Scene) -> int:
    """Return the highest number of an order that ever left."""
    labels = (label for _, label in scene.world.exchange.requests() if label.startswith(OURS))
    return max((int(label.removeprefix(OURS)) for label in labels), default=0)


# ------------------------------------------------------------------ O6: ids


def _odd_ids(scene: Scene, fault_id: str) -> None:
    scene.rng.choice((_copy_elsewhere, _odd_label, _all_restored))(scene, fault_id)


def _copy_elsewhere(scene: Scene, fault_id: str) -> None:
    """A copy of this ledger trades elsewhere: its labels are ours, and numbers are yet to come."""
    label = f"{OURS}{_last_counter(scene) + scene.rng.randint(1, 3):07d}"
    if scene.forge(label, scene.rng.choice(SIDES), Decimal(1_000)):
        scene.did(fault_id)


def _odd_label(scene: Scene, fault_id: str) -> None:
    """Somebody's labels begin as ours do, and go on otherwise."""
    ends = ("", "-1", f"{INSTANCE}x", f"{INSTANCE}-1", "9" * 62)
    label = PREFIX + scene.rng.choice(ends)
    if scene.forge(label, scene.rng.choice(SIDES), Decimal(1_000)):
        scene.did(fault_id)


def _all_restored(scene: Scene, fault_id: str) -> None:
    """The whole disk is set back, with the mark that would tell of it: only the venue knows."""
    world = scene.world
    if world.machine.life is None or world.machine.life.ledger is None:
        return
    mark = high_path(world.disk.path)
    if not mark.exists():
        return
    copy, known = world.disk.back_up(), mark.read_bytes()

    def restored() -> None:
        if world.machine.crash():
            world.disk.restore(copy)
            mark.write_bytes(known)
            scene.did(fault_id)

    scene.later(scene.between(10.0, 30.0), restored)


# ------------------------------------------------------------------ O7: one label, two orders


def _same_label(scene: Scene, fault_id: str) -> None:
    """An order of ours is sent once more by somebody else: the venue takes labels twice."""
    if scene.rng.random() < 0.5:
        _as_it_arrives(scene, fault_id)
    elif fills := _our_fills(scene):
        fill = fills[-1]
        if scene.forge(fill.label, fill.direction, fill.amount):
            scene.did(fault_id)


def _as_it_arrives(scene: Scene, fault_id: str) -> None:
    left = [fault_id]

    def heard(method: str, params: Mapping[str, Any]) -> None:
        if left:
            amount = Decimal(str(params["amount"]))
            if scene.forge(params["label"], OF_METHOD[method], amount):
                scene.did(left.pop())

    scene.on_order(heard, 30.0)


# ------------------------------------------------------------------ O10: many trades


def _in_pieces(scene: Scene, fault_id: str) -> None:
    """An order meets many small ones, so that it is filled by several trades."""
    weather, before = scene.world.market.weather, len(_our_fills(scene))
    weather.depth = scene.between(0.05, 0.2)

    def refill() -> None:
        weather.depth = 1.0
        labels = [fill.label for fill in _our_fills(scene)[before:]]
        for label in sorted(set(labels)):
            if labels.count(label) > 1:
                scene.did(fault_id)

    scene.meanwhile(scene.between(8.0, 30.0), refill)


# ------------------------------------------------------------------ O11: cancels fail


def _cancel_fails(scene: Scene, fault_id: str) -> None:
    """A halt falls on an order whose answer is lost, and what cancels it fails, again and again."""
    left = [scene.rng.randrange(10**9)]

    def heard(_: str, __: Mapping[str, Any]) -> None:
        if left:
            _halted_at(scene, fault_id, left.pop())

    scene.arm("", FaultKind.SILENT_STALL, pushes("user.changes"), during(30.0))
    for side in OF_METHOD:
        harm = Harm(cut=False)
        scene.arm("", FaultKind.DROP_AFTER_ACCEPT, requests(side), once(seconds=30.0), harm)
    scene.on_order(heard, 30.0)


def _halted_at(scene: Scene, fault_id: str, number: int) -> None:
    cancels, machine = requests("private/cancel"), scene.world.machine
    if scene.rng.random() < 0.5:
        code = scene.rng.choice((TOO_MANY, INTERNAL_ERROR))
        harm = Harm(code=code, message="no", cut=False)
        scene.arm(fault_id, FaultKind.RATE_LIMIT, cancels, once(3), harm)
    else:
        scene.arm(fault_id, FaultKind.DROP_BEFORE, cancels, once(2), Harm(cut=False))
    halt, resume = f"halt{number}", f"after{number}"
    scene.later(scene.between(0.0, 0.5), lambda: machine.command(Command.HALT, halt))
    scene.later(scene.between(15.0, 30.0), lambda: machine.command(Command.RESUME, resume))


# ------------------------------------------------------------------ O12: amended, cancelled


def _clamped(scene: Scene, fault_id: str) -> None:
    """The venue's price band is so narrow that it amends our limit, or cancels what is left."""
    if not scene.is_free(fault_id, seconds := scene.between(5.0, 25.0)):
        return
    desk, wide = scene.world.exchange.engine.desk, scene.rules.price_band
    narrow = replace(wide, perp_fraction=scene.between(1e-6, 4e-5))
    desk.rules = replace(desk.rules, price_band=narrow)
    asked: dict[str, Decimal] = {}

    def heard(_: str, params: Mapping[str, Any]) -> None:
        asked[params["label"]] = Decimal(str(params["price"]))

    def wide_again() -> None:
        desk.rules = replace(desk.rules, price_band=wide)
        for order in scene.world.exchange.engine.closed_orders(ACCOUNT):
            if order.price != asked.get(order.label, order.price):
                scene.did(fault_id)

    scene.on_order(heard, seconds)
    scene.meanwhile(seconds, wide_again)


# ------------------------------------------------------------------ O13: ourselves


def _meets_itself(scene: Scene, fault_id: str) -> None:
    """A person's order rests on the account where ours arrives: one of the two has to go."""
    mode = scene.rng.choice((SelfTradeMode.REJECT_TAKER, SelfTradeMode.CANCEL_MAKER))
    scene.decree(SetSelfTrading(account=ACCOUNT, rule=SelfTradeRule(mode=mode)))
    placed: dict[str, str] = {}

    def heard(method: str, params: Mapping[str, Any]) -> None:
        side = Direction.SELL if OF_METHOD[method] is Direction.BUY else Direction.BUY
        order_id = _rested(scene, side) if len(placed) < 3 else None
        if order_id is not None:
            placed[order_id] = params["label"]

    def over() -> None:
        for order_id, label in placed.items():
            if _has_met(scene, order_id, label):
                scene.did(fault_id)
            scene.decree(CancelOrder(account=ACCOUNT, order_id=order_id))
        scene.decree(SetSelfTrading(account=ACCOUNT, rule=SelfTradeRule()))

    seconds = scene.between(10.0, 30.0)
    scene.on_order(heard, seconds)
    scene.meanwhile(seconds, over)


def _rested(scene: Scene, side: Direction) -> str | None:
    """Let a person's order rest before everybody else's; its venue id, None if it was refused."""
    quote = scene.world.market.frame(scene.world.market.pairs[0]).perpetual
    best = quote.ask_usd if side is Direction.SELL else quote.bid_usd
    command = PlaceOrder(
        account=ACCOUNT,
        instrument_name=HEDGE,
        direction=side,
        amount=CLERK_LOTS,
        order_type=OrderType.LIMIT,
        price=Decimal(str(best)),
        post_only=True,
        label=BY_HAND,
    )
    floor = scene.world.exchange.floor
    done = floor.engine.handle(command)
    return None if isinstance(done, Refused) else floor.accept(done).order.order_id


def _has_met(scene: Scene, order_id: str, label: str) -> bool:
    """Whether the two met: ours was refused, or the person's gave way."""
    known = {order.order_id: order for order in scene.world.exchange.engine.ledger_orders()}
    ours = [order for order in known.values() if order.label == label]
    refused = any(order.reject_code == ORDER_OVERLAP for order in ours)
    person = known.get(order_id)
    return refused or (person is not None and person.order_state is OrderState.CANCELLED)


STRIKES: Final[Strikes] = MappingProxyType(
    {
        "O6": _odd_ids,
        "O7": _same_label,
        "O10": _in_pieces,
        "O11": _cancel_fails,
        "O12": _clamped,
        "O13": _meets_itself,
    }
)
