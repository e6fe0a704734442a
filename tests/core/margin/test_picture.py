"""The whole picture of a stress: every part belongs to the same account."""

from dataclasses import replace

import numpy as np
import pytest

from bot.core.margin.account import Account
from bot.core.margin.distance import spot_range
from bot.core.margin.gating_stages import GatePolicy
from bot.core.margin.modelling import Unmodelled
from bot.core.margin.nodes import Subject, node_at
from bot.core.margin.picture import Picture, Question, picture
from bot.core.margin.relief import Means
from bot.core.margin.shocks import Shock
from tests.core.margin.test_nodes import STANDARD
from tests.core.margin.test_relief import CALL, PERP, PUT, offers, strangle

LONG = "120000C30"
CRASH = Shock(spot=-0.3, vol_points=0.4, basis=-0.02)


def question(held: Account, *, buy_back: bool = False) -> Question:
    return Question(
        policy=GatePolicy(),
        expiries={CALL: "2026-01-30", PUT: "2026-01-30", LONG: "2026-01-30", PERP: "perpetual"},
        history=[("a crash", CRASH)],
        rates={PERP: 0.0001},
        offers=offers(held),
        buy_back_options=buy_back,
    )


def drawn(*, perpetual: float = 3.0, buy_back: bool = False, balance: float = 7.0) -> Picture:
    held = strangle(perpetual)
    subject = Subject(account=held, model=STANDARD, balance=balance, equity=balance - 1.0)
    found = picture(subject, question(held, buy_back=buy_back))
    assert isinstance(found, Picture), found
    return found


def test_every_part_is_of_the_account_as_it_stands() -> None:
    found = drawn()

    subject, question_asked = found.subject, found.question
    at = question_asked.spots.index(-0.2), question_asked.vols.index(0.2)
    assert found.matrix.nodes[at[1]][at[0]] == node_at(subject, Shock(spot=-0.2, vol_points=0.2))
    assert found.now == node_at(subject, Shock())
    assert found.history == (("a crash", node_at(subject, CRASH)),)
    assert found.reach == spot_range(subject)
    assert found.reach_stressed == spot_range(subject, vol_points=0.2)
    assert found.standing.stressed_usage == max(
        node_at(subject, Shock(spot=spot, vol_points=vol)).usage
        for spot in (-0.15, 0.0, 0.15)
        for vol in (0.0, 0.2)
    )


def test_profits_by_expiry_add_up_to_the_row_where_volatility_stays() -> None:
    found = drawn()

    row = found.matrix.nodes[found.question.vols.index(0.0)]
    assert [one.label for one in found.expiries] == ["2026-01-30", "perpetual"]
    sums = np.array([one.profits for one in found.expiries]).sum(axis=0)
    assert sums == pytest.approx([node.profit for node in row])


def test_an_expiry_of_which_nothing_is_held_has_no_row() -> None:
    assert [one.label for one in drawn(perpetual=0.0).expiries] == ["2026-01-30"]


def test_options_are_bought_back_only_where_asked() -> None:
    assert Means.BUY_BACK not in {one.means for one in drawn().reliefs}
    assert Means.BUY_BACK in {one.means for one in drawn(buy_back=True).reliefs}


def test_an_account_that_cannot_be_valued_has_no_picture() -> None:
    held = strangle()
    (one,) = held.pairs
    blind = replace(one, options=replace(one.options, iv=np.full(3, np.nan)))
    subject = Subject(
        account=replace(held, pairs=(blind,)), model=STANDARD, balance=7.0, equity=6.0
    )

    found = picture(subject, question(held))

    assert isinstance(found, Unmodelled)
