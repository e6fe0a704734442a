"""Strikes on what is listed and what is held: V5, V6, A2, A3 and A9."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from bot.exchange.commands import PlaceOrder
from bot.exchange.reports import Direction, FillCause, OrderType, TimeInForce
from bot.exchange.trading_commands import HaltBook
from bot.exchange.venue_commands import Deposit
from bot.lab.scene import Row, Scene, Strikes
from bot.lab.simexchange import ACCOUNT
from bot.lab.world import HEDGE

COIN: Final = "BTC"
RAISES_MAX: Final = 120  # of the margin rate, by a twentieth each
INSTRUMENTS: Final = "public/get_instruments"
# Lot (USD) and tick (USD) that the venue goes over to, each divisible by those before it.
NEW_TERMS: Final = (
    (Decimal(10), Decimal("2.5")),
    (Decimal(20), Decimal("0.5")),
    (Decimal(100), Decimal(5)),
)


def _new_terms(scene: Scene, fault_id: str) -> None:
    """The venue changes lot and tick of the hedge for good, and says so to nobody."""
    market = scene.world.market
    lot, tick = scene.rng.choice(NEW_TERMS)
    if (lot, tick) == (market.hedge.lot, market.hedge.tick_size):
        return
    market.hedge = replace(market.hedge, lot=lot, contract_size=lot, tick_size=tick)
    left = [fault_id]

    def heard(_: str, __: Mapping[str, Any]) -> None:
        if left:
            scene.did(left.pop())

    scene.on_order(heard, 120.0)


def _delisted(scene: Scene, fault_id: str) -> None:
    """The hedge's book is closed and it is off the list; later another takes its place.

    A daemon that starts meanwhile is refused, and started again, until the hedge is there.
    """
    if not scene.is_free(fault_id, seconds := scene.between(3.0, 20.0)):
        return
    scene.decree(HaltBook(instrument_name=HEDGE, is_halted=True))

    def off(message: Row, _: Mapping[str, Any]) -> None:
        rows = message["result"]
        message["result"] = [row for row in rows if row["instrument_name"] != HEDGE]

    scene.lie(fault_id, INSTRUMENTS, off, seconds=seconds, chance=1.0)

    def listed() -> None:
        scene.decree(HaltBook(instrument_name=HEDGE, is_halted=False))

    scene.meanwhile(seconds, listed)


def _liquidated(scene: Scene, fault_id: str) -> None:
    """The venue asks for more margin than there is, and takes some of what is held."""
    engine = scene.world.exchange.engine
    if not scene.is_free(fault_id, 30.0):
        return
    before, usual = _liquidations(scene), scene.rules.standard_margin
    for _ in range(RAISES_MAX):
        now = engine.desk.situation(ACCOUNT, COIN, engine.now_ms)
        if now.margins().maintenance > now.margin_balance():
            break
        asked = engine.desk.rules.standard_margin
        dearer = replace(asked, option_maintenance=asked.option_maintenance * 1.05)
        engine.desk.rules = replace(engine.desk.rules, standard_margin=dearer)

    def relent() -> None:
        engine.desk.rules = replace(engine.desk.rules, standard_margin=usual)
        scene.tally[fault_id] += _liquidations(scene) - before

    scene.meanwhile(scene.between(1.0, 4.0), relent)


def _liquidations(scene: Scene) -> int:
    fills = scene.world.exchange.engine.ledger_fills()
    return sum(1 for fill in fills if fill.cause is FillCause.LIQUIDATION)


def _deleveraged(scene: Scene, fault_id: str) -> None:
    """The venue closes a part of the hedge by a trade that carries no label."""
    held = scene.world.truth().get(HEDGE, Decimal(0))
    lot = scene.world.market.hedge.lot
    amount = Decimal(str(scene.between(0.1, 0.6))) * abs(held) // lot * lot
    command = PlaceOrder(
        account=ACCOUNT,
        instrument_name=HEDGE,
        direction=Direction.SELL if held > 0 else Direction.BUY,
        amount=amount,
        order_type=OrderType.MARKET,
        time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
        reduce_only=True,
    )
    if amount and scene.decree(command):
        scene.did(fault_id)


def _more_coins(scene: Scene, fault_id: str) -> None:
    """Coins come in, and all but one go out again.

    Equity moves, and with it the delta of whoever counts it; what stays must be counted as brought.
    """
    amount = Decimal(round(scene.between(2.0, 30.0)))
    if scene.decree(Deposit(account=ACCOUNT, currency=COIN, amount=amount)):
        scene.did(fault_id)
        back = Deposit(account=ACCOUNT, currency=COIN, amount=1 - amount)
        scene.later(scene.between(5.0, 30.0), lambda: scene.decree(back))


STRIKES: Final[Strikes] = MappingProxyType(
    {
        "V5": _new_terms,
        "V6": _delisted,
        "A2": _liquidated,
        "A3": _deleveraged,
        "A9": _more_coins,
    }
)
