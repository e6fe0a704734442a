"""Margin before action while an option is being bought back, of which nobody knows what became."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import standing
from bot.core.gate import Projection, project
from bot.core.margin.gating_stages import GatePolicy
from bot.core.margin.modelling import DeribitPortfolio, DeribitStandard, Model
from bot.core.orders import OrderStatus
from bot.core.quotes import QuotePolicy
from bot.core.state import State
from bot.settings.margin_parameters import Deribit, parameters
from tests.builders import CALL, PERP, World, balance, book, perp, policy
from tests.core.order_truth import order_of, requested

DERIBIT = parameters(Deribit)
STANDARD = DeribitStandard(parameters=DERIBIT.standard)
PORTFOLIO = DeribitPortfolio(parameters=DERIBIT.portfolio)
MARK, LIMIT = 0.0327, 0.034
DEAREST = LIMIT * 1.125  # no venue's fee is more than an eighth of the premium
DOUBTFUL = (OrderStatus.REQUESTED, OrderStatus.WORKING, OrderStatus.UNKNOWN, OrderStatus.UNPROVABLE)


def account(calls: str, money: float = 10.0) -> State:
    """An account short of calls, and of which the venue asks for nothing beyond our model."""
    world = World(policy(book(band_low_coin=-1e9, band_high_coin=1e9)))
    world.begin({CALL: calls, PERP: "200000"} if calls != "0" else {PERP: "200000"})
    world.quotes()
    told = balance(equity=money, initial_margin=0.0, maintenance_margin=0.0)
    world.fold(told, after_ms=0)
    return world.state


def buying_back(state: State, size: str, status: OrderStatus = OrderStatus.UNKNOWN) -> State:
    order = order_of(requested(Decimal(size)))
    order = replace(
        order, instrument=CALL, limit=Decimal(str(LIMIT)), status=status, shares=(), reason="lost"
    )
    return replace(state, standing=standing.with_order(state.standing, order))


def projected(state: State, model: Model, size: int = 100_000) -> Projection:
    found = project(state, perp(), Decimal(size), GatePolicy(), model, QuotePolicy())
    assert isinstance(found, Projection), found
    return found


@pytest.mark.parametrize("size", [100_000, -400_000, 900_000])
@pytest.mark.parametrize("status", DOUBTFUL)
@pytest.mark.parametrize(("model", "lost"), [(STANDARD, DEAREST), (PORTFOLIO, DEAREST - MARK)])
def test_a_hedge_is_judged_by_the_worse_of_an_option_bought_back_and_not(
    model: Model, lost: float, status: OrderStatus, size: int
) -> None:
    seen = projected(buying_back(account("-10"), "4", status), model, size)

    untouched, bought = account("-10"), account("-6", 10.0 - 4 * lost)
    ends = [projected(untouched, model, size), projected(bought, model, size)]
    for found, each in [
        (seen.before, [end.before for end in ends]),
        (seen.after, [end.after for end in ends]),
    ]:
        assert found.balance == pytest.approx(min(one.balance for one in each))
        assert found.initial == pytest.approx(max(one.initial for one in each))
        assert found.maintenance == pytest.approx(max(one.maintenance for one in each))
        worst = max((one.stressed for one in each), key=lambda one: one.usage)
        assert found.stressed[0] == worst.node
        assert found.stressed[1:] == pytest.approx(worst[1:])


def test_the_premium_of_an_option_that_is_no_longer_held_may_still_have_to_be_paid() -> None:
    seen = projected(buying_back(account("0"), "4"), STANDARD)

    alone = projected(account("0"), STANDARD)
    assert seen.before.balance == pytest.approx(alone.before.balance - 4 * DEAREST)
    assert seen.after.initial == alone.after.initial
