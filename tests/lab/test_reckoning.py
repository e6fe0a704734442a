"""What the venue's books say at the end of orders that were called absent by proof."""

import random
from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core.orders import Order, OrderStatus, Outcome
from bot.exchange.commands import PlaceOrder
from bot.exchange.reports import Direction, OrderType, TimeInForce
from bot.exchange.trading_commands import BustTrade
from bot.lab.reckoning import Reckoning
from bot.lab.scene import Scene
from bot.lab.simexchange import ACCOUNT
from bot.lab.simhost import INSTANCE
from bot.lab.world import HEDGE, PREFIX, Plan, World

LABEL = f"{PREFIX}{INSTANCE}0000010"


class Case:
    """A world in which one order of ours was called absent, before or after something befell it."""

    def __init__(self, folder):
        self.world = World(Plan(seed=4), folder, [])
        self.scene = Scene(self.world, random.Random(1))
        self.reckoning = Reckoning(self.world)

    def trade(self, label=LABEL):
        order = PlaceOrder(
            account=ACCOUNT,
            instrument_name=HEDGE,
            direction=Direction.BUY,
            amount=Decimal(1_000),
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
            label=label,
        )
        assert self.scene.decree(order)
        self.world.disk.durable.order_ids.add(label)

    def bust(self):
        for fill in self.world.exchange.engine.ledger_fills():
            if fill.label == LABEL:
                self.scene.decree(BustTrade(account=ACCOUNT, trade_id=fill.trade_id))

    def conclude(self, reason="proved absent: all know of none"):
        absent = Order(
            order_id=LABEL,
            instrument=HEDGE,
            size_native=Decimal(1_000),
            limit=Decimal(90_000),
            shares=(),
            requested_ms=0,
            requested_ns=0,
            valid_until_ms=1,
            status=OrderStatus.CLOSED,
            outcome=Outcome.ABSENT,
        )
        self.reckoning.note({LABEL: replace(absent, reason=reason)})

    def broken(self):
        return [text for _, text in self.reckoning._executed({LABEL: Decimal(1_000)})]


@pytest.fixture
def case(tmp_path):
    made = Case(tmp_path)
    yield made
    made.world.loop.bury()


CALLED_ABSENT = [f"order {LABEL} was called absent, and the venue took it"]


def test_an_order_let_go_by_a_person_is_not_one_called_absent(case):
    case.conclude("let go by a person")
    assert case.reckoning.absent == set()
    case.conclude()
    assert case.reckoning.absent == {LABEL}


def test_an_order_that_has_traded_and_is_called_absent_is_seen(case):
    case.trade()
    case.conclude()
    assert case.broken() == CALLED_ABSENT


def test_an_order_that_trades_after_it_was_called_absent_is_seen(case):
    case.conclude()
    assert case.broken() == []
    case.trade()
    assert case.broken() == CALLED_ABSENT


def test_an_order_whose_trades_were_all_taken_back_is_as_good_as_absent(case):
    """Once a forgotten label and a bust together were taken for a wrong proof."""
    case.trade()
    case.bust()
    case.conclude()
    assert case.broken() == []


def test_what_is_taken_back_only_after_it_was_called_absent_was_there_when_that_was_said(case):
    case.trade()
    case.conclude()
    case.bust()
    case.conclude()  # as every later fold notes it again
    assert case.broken() == CALLED_ABSENT


def test_an_order_taken_back_and_one_that_trades_later_under_its_label_are_two(case):
    case.trade()
    case.bust()
    case.conclude()
    case.trade()
    assert CALLED_ABSENT[0] in case.broken()
