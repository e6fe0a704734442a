"""An account over spot and volatility: what it makes, needs and has left at each node."""

import math
from dataclasses import replace

import pytest

from bot.core.margin.account import Account
from bot.core.margin.gating import Stress, Told, nodes_of, scene_of, usage
from bot.core.margin.modelling import DeribitPortfolio, DeribitStandard, Model, Unmodelled
from bot.core.margin.nodes import (
    Subject,
    delta_coin,
    matrix,
    node_at,
    profit_by_instrument,
)
from bot.core.margin.shocks import Shock, Smile, shocked
from bot.settings.margin_parameters import Deribit, parameters
from tests.core.margin.test_shocks import desk

PARAMETERS = parameters(Deribit)
STANDARD = DeribitStandard(parameters=PARAMETERS.standard)
PORTFOLIO = DeribitPortfolio(parameters=PARAMETERS.portfolio)


def subject(held: Account, model: Model = STANDARD, balance: float = 10.0) -> Subject:
    return Subject(account=held, model=model, balance=balance, equity=balance + 1.0)


def test_u_is_maintenance_over_balance_and_a_lost_balance_is_the_worst() -> None:
    assert usage(2.0, 8.0) == 0.25
    assert usage(0.0, 8.0) == 0.0
    assert usage(0.0, 0.0) == 0.0
    assert usage(2.0, 0.0) == math.inf
    assert usage(0.0, -1.0) == math.inf
    assert math.isnan(usage(math.nan, 1.0))


@pytest.mark.parametrize("model", [STANDARD, PORTFOLIO])
def test_a_node_is_the_moved_account_reported_and_its_profit_added(model: Model) -> None:
    held, shock = desk(), Shock(spot=-0.2, vol_points=0.3)
    asked = replace(subject(held, model), excess=0.25)

    node = node_at(asked, shock)

    there = shocked(held, shock)
    counted = there.profit if model is PORTFOLIO else there.futures_profit
    assert node.maintenance == model.report(there.account).maintenance + 0.25
    assert node.balance == pytest.approx(10.0 + counted)
    assert node.usage == pytest.approx(node.maintenance / node.balance)
    assert node.equity_change_usd == pytest.approx((11.0 + there.profit) * 80_000.0 - 1_100_000.0)
    assert node.index_usd == pytest.approx(80_000.0)


@pytest.mark.parametrize("model", [STANDARD, PORTFOLIO])
def test_the_gate_names_the_node_that_it_means(model: Model) -> None:
    held, stress = desk(), Stress(spot=0.15, vol_points=0.2)
    told = Told(balance=10.0, initial=0.0, maintenance=0.0)

    scene = scene_of(held, model, stress, told)

    assert not isinstance(scene, Unmodelled), scene
    moves = dict(nodes_of(stress))
    assert [node.name for node in scene.nodes] == list(moves)
    for node in scene.nodes:
        alone = node_at(subject(held, model), moves[node.name])
        found = node.after({}, told.balance, 0.0)
        assert found[1:] == pytest.approx((alone.maintenance, alone.balance), rel=1e-12)


@pytest.mark.parametrize("linear", [False, True])
def test_the_delta_is_what_the_profit_changes_by(linear: bool) -> None:
    held, step = desk(linear=linear), 1e-6
    up, down = (
        shocked(held, Shock(spot=move, smile=Smile.STICKY_STRIKE)).profit for move in (step, -step)
    )

    (pair,) = held.pairs
    unit = pair.index_usd if linear else 1.0
    assert delta_coin(pair) == pytest.approx((up - down) / (2 * step) / unit, rel=1e-6)
    assert node_at(subject(held), Shock()).delta_usd == delta_coin(pair) * pair.index_usd


def test_a_matrix_holds_every_node_by_volatility_then_spot() -> None:
    asked = subject(desk())

    found = matrix(asked, (-0.3, 0.0, 0.3), (0.0, 0.2))

    assert [[node.shock.spot for node in row] for row in found.nodes] == [[-0.3, 0.0, 0.3]] * 2
    assert [row[0].shock.vol_points for row in found.nodes] == [0.0, 0.2]
    assert found.nodes[1][2] == node_at(asked, Shock(spot=0.3, vol_points=0.2))
    assert found.nodes[0][1].profit == 0.0


def test_profits_by_instrument_add_up_to_the_whole() -> None:
    held, shock = desk(), Shock(spot=0.4, vol_points=-0.1)

    found = profit_by_instrument(held, shock)

    assert sum(found.values()) == pytest.approx(shocked(held, shock).profit)
    assert set(found) == set(held.pairs[0].names)
    assert found["100000P60"] == 0.0


def test_an_account_with_no_number_at_a_node_counts_as_lost_there() -> None:
    held = desk()
    (pair,) = held.pairs
    marks = pair.options.mark.copy()
    marks[0] = math.nan
    blind = replace(held, pairs=(replace(pair, options=replace(pair.options, mark=marks)),))

    node = node_at(subject(blind), Shock(spot=0.1))

    assert math.isnan(node.usage)
    assert node.is_liquidated


def test_an_account_without_positions_stands_where_it_stood() -> None:
    bare = Account(currency="BTC", currency_usd=100_000.0, pairs=())

    node = node_at(subject(bare), Shock(spot=-0.5))

    assert (node.profit, node.usage, node.delta_usd) == (0.0, 0.0, 0.0)
