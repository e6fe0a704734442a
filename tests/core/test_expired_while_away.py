"""A daemon that was not there when an option settled takes it off its books when it is back."""

from decimal import Decimal

import pytest

from bot.core import engine
from bot.core.events import AccountRead, InstrumentsSeen, Link, LinkUp
from bot.core.reconcile import SETTLED, Adopted
from bot.core.standing import Account, Standing, with_account, with_position
from bot.core.state import Mode
from tests.builders import (
    CALL,
    INSTANCE,
    PUT,
    START_MS,
    World,
    balance,
    option,
    perp,
    positions,
    quote,
)

STRIKE = 110_000.0


def left_by_an_earlier_run(name: str) -> Standing:
    known = engine.fresh_standing(INSTANCE, START_MS)
    known = with_position(known, name, Decimal(-10))
    return with_account(known, name, Account(cost=-0.3))


@pytest.mark.parametrize(
    ("name", "index_usd", "worth_coin"),
    [
        (CALL, 120_000.0, 10_000.0 / 120_000.0),
        (CALL, 100_000.0, 0.0),
        (PUT, 80_000.0, (float(PUT.split("-")[2]) - 80_000.0) / 80_000.0),
    ],
)
def test_what_expired_while_nobody_was_there_is_settled_at_its_worth(name, index_usd, worth_coin):
    world = World(standing=left_by_an_earlier_run(name))
    gone = option(name, expiry_ms=START_MS - 1)
    world.fold(
        InstrumentsSeen(instruments=(perp(), gone)),
        LinkUp(link=Link.MARKET),
        LinkUp(link=Link.TRADING),
    )
    read = (positions({}, asked_ns=world.now_ns), balance(), AccountRead(asked_ns=world.now_ns))
    step = world.fold(*read, quote(arrived_ns=world.now_ns, price=index_usd))

    assert [note.reason for note in step.notes if isinstance(note, Adopted)] == [SETTLED]
    assert world.state.standing.positions == {}
    cost = world.state.standing.accounts[name].cost
    assert cost == pytest.approx(-0.3 + 10.0 * worth_coin)
    assert world.state.mode is Mode.RUN
