"""What lowers margin use most per dollar: sizes, costs and what comes of each."""

import math
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.instruments import Settlement
from bot.core.margin.account import Account
from bot.core.margin.gating import usage
from bot.core.margin.modelling import Model, Unmodelled, resized
from bot.core.margin.nodes import Subject
from bot.core.margin.relief import (
    Ground,
    Means,
    Offer,
    Relief,
    Wanted,
    ground_of,
    reliefs,
)
from bot.core.margin.shocks import Shock, shocked
from tests.builders import option, perp
from tests.core.margin.test_nodes import PORTFOLIO, STANDARD
from tests.core.margin.test_shocks import INDEX, marked
from tests.core.margin.vectors import account, futures, options, pair

PERP, CALL, PUT = "BTC-PERPETUAL", "110000C30", "90000P30"
STRESS = tuple(
    (f"spot {spot:+.0%} vol {vol:+.1f}", Shock(spot=spot, vol_points=vol))
    for spot in (-0.15, 0.15)
    for vol in (0.0, 0.2)
)
ALL = Wanted(usage=0.5, stressed_usage=0.8, buy_back_options=True)
LIMITED = replace(ALL, buy_back_options=False)


def strangle(perpetual: float = 0.0, *, size: float = -20.0, linear: bool = False) -> Account:
    rows = options(
        (size, 110_000.0, 30.0, True),
        (size, 90_000.0, 30.0, False),
        (1.0, 120_000.0, 30.0, True),
        forward=INDEX,
    )
    hedge = futures((PERP, perpetual, INDEX, 0.0))
    made = pair(options=marked(rows, linear=linear), futures=hedge, index=INDEX, linear=linear)
    return account(made, currency="USDC" if linear else "BTC")


def offers(held: Account, *, spread: float = 0.001, linear: bool = False) -> dict[str, Offer]:
    """The perpetual five dollars wide, options `spread` wide: coins, or that share of the index."""
    settlement = Settlement.LINEAR if linear else Settlement.INVERSE
    lot = Decimal("0.001") if linear else Decimal(10)
    hedge = perp(settlement=settlement, lot=lot, size_min=lot)
    found = {PERP: Offer(terms=hedge, bid=INDEX - 2.5, ask=INDEX + 2.5, mark=INDEX)}
    rows, half = held.pairs[0].options, spread / 2.0 * (INDEX if linear else 1.0)
    for name, mark in zip(rows.names, rows.mark.tolist(), strict=True):
        strike, side = name[:-3], name[-3]
        terms = replace(
            option(f"BTC-27DEC25-{strike}-{side}"),
            name=name,
            settlement=settlement,
            taker_fee=Decimal("0.0003"),
        )
        found[name] = Offer(terms=terms, bid=mark - half, ask=mark + half, mark=mark)
    return found


def ground(held: Account, balance: float = 6.0, model: Model = STANDARD) -> Ground:
    subject = Subject(account=held, model=model, balance=balance, equity=balance)
    made = ground_of(subject, STRESS)
    assert not isinstance(made, Unmodelled), made
    return made


def anew(asked: Ground, one: Relief, price_unit: float = 1.0) -> tuple[float, float]:
    """u and stressed u after a trade, by reporting everything afresh."""
    subject = asked.subject
    lost = (one.spread_usd + one.fee_usd) / subject.account.currency_usd
    balance = subject.balance - lost
    held = subject.account
    if one.means is Means.COLLATERAL:
        balance += one.size_coin
    else:
        held = resized(held, {one.instrument: one.size_coin})
    if one.means is Means.BUY_BACK and not subject.model.counts_options:
        rows = held.pairs[0].options
        balance -= one.size_coin * float(rows.mark[rows.names.index(one.instrument)]) * price_unit
    used = []
    for shock in (Shock(), *(shock for _, shock in STRESS)):
        there = shocked(held, shock)
        counted = there.options_profit if subject.model.counts_options else 0.0
        needed = subject.model.report(there.account).maintenance
        used.append(usage(needed, balance + there.futures_profit + counted))
    return used[0], max(used[1:])


@pytest.mark.parametrize("model", [STANDARD, PORTFOLIO])
@pytest.mark.parametrize("linear", [False, True])
@settings(max_examples=8, deadline=None)
@given(perpetual=st.floats(-8.0, 8.0), balance=st.floats(2.0, 9.0))
def test_what_comes_of_each_is_what_a_new_report_would_say(
    model: Model, linear: bool, perpetual: float, balance: float
) -> None:
    held = strangle(perpetual, linear=linear)
    asked = ground(held, balance * (INDEX if linear else 1.0), model)

    found = reliefs(asked, offers(held, linear=linear), ALL)

    assert found
    for one in found:
        assert anew(asked, one) == pytest.approx((one.after.usage, one.after.stressed_usage))
        assert one.before == asked.standing()


def test_the_most_for_a_dollar_comes_first_and_everything_lowers() -> None:
    held = strangle(4.0)

    found = reliefs(ground(held), offers(held), ALL)

    rates = [one.lowered_per_dollar for one in found]
    assert rates == sorted(rates, reverse=True)
    assert all(one.lowered > 0.0 and one.after.worst < one.before.worst for one in found)
    assert {one.means for one in found} == set(Means)


def test_options_are_bought_back_only_where_that_is_allowed() -> None:
    held = strangle(4.0)

    found = reliefs(ground(held), offers(held), LIMITED)

    assert {one.means for one in found} == {Means.HEDGE, Means.COLLATERAL}


def test_only_short_options_are_bought_back_and_no_more_than_is_offered() -> None:
    held = strangle()
    quoted = offers(held)
    quoted[CALL] = replace(quoted[CALL], ask_size_native=3.05)
    quoted[PUT] = replace(quoted[PUT], ask=None)

    bought = [one for one in reliefs(ground(held), quoted, ALL) if one.means is Means.BUY_BACK]

    assert [(one.instrument, one.size_native) for one in bought] == [(CALL, Decimal("3.0"))]
    assert bought[0].price == quoted[CALL].ask


def test_a_trade_costs_half_the_spread_and_the_fee() -> None:
    held = strangle(4.0)
    found = {one.instrument: one for one in reliefs(ground(held), offers(held), ALL)}

    hedge, bought = found[PERP], found[CALL]

    dollars = abs(float(hedge.size_native))
    assert hedge.price == INDEX - 2.5
    assert hedge.size_native < 0
    assert hedge.spread_usd == pytest.approx(dollars * 2.5 / (INDEX - 2.5), rel=1e-9)
    assert hedge.fee_usd == pytest.approx(dollars * 0.0005)
    assert bought.size_coin == 20.0
    assert bought.spread_usd == pytest.approx(20.0 * 0.0005 * INDEX)
    assert bought.fee_usd == pytest.approx(20.0 * 0.0003 * INDEX)
    assert bought.cost_usd == bought.spread_usd + bought.fee_usd


def test_the_fee_of_a_cheap_option_is_a_share_of_its_price() -> None:
    rows = options((-20.0, 180_000.0, 3.0, True), forward=INDEX)
    cheap = replace(rows, mark=np.array([0.0001]))
    held = account(pair(options=cheap, futures=futures((PERP, 0.0, INDEX, 0.0)), index=INDEX))
    quoted = offers(held, spread=0.0002)

    asked = ground(held, 0.5)
    (bought,) = (one for one in reliefs(asked, quoted, ALL) if one.means is Means.BUY_BACK)

    assert bought.fee_usd == pytest.approx(20.0 * 0.125 * 0.0002 * INDEX)


def test_hedges_are_whole_lots_and_toward_the_delta_that_hurts() -> None:
    held = strangle(9.0)

    (hedge,) = (one for one in reliefs(ground(held), offers(held), LIMITED)
                if one.means is Means.HEDGE)  # fmt: skip

    assert hedge.size_native % 10 == 0
    assert hedge.size_native < 0
    assert hedge.size_coin == pytest.approx(float(hedge.size_native) / INDEX)


def test_collateral_brings_the_account_to_where_it_is_wanted() -> None:
    held = strangle()

    asked = ground(held, 4.0)
    (money,) = (one for one in reliefs(asked, {}, ALL))

    assert money.means is Means.COLLATERAL
    assert money.instrument == "BTC"
    assert money.after.usage <= ALL.usage
    assert money.after.stressed_usage <= ALL.stressed_usage
    assert max(
        money.after.usage / ALL.usage, money.after.stressed_usage / ALL.stressed_usage
    ) == pytest.approx(1.0)
    assert money.cost_usd == pytest.approx(money.size_coin * INDEX)


def test_an_account_that_wants_nothing_is_shown_what_a_tenth_more_does() -> None:
    asked = ground(strangle(size=-0.1), 10.0)

    (money,) = reliefs(asked, {}, ALL)

    assert money.size_coin == pytest.approx(1.0)


@pytest.mark.parametrize("balance", [0.001, -1.0])
def test_there_is_a_way_up_from_a_balance_that_is_lost(balance: float) -> None:
    held = strangle()

    found = reliefs(ground(held, balance), offers(held), ALL)

    assert found
    assert all(one.lowered > 0.0 for one in found)
    assert found[-1].after.usage <= ALL.usage + 1e-6


def test_a_hedge_that_takes_u_over_its_threshold_is_left_out() -> None:
    """Standard margin nets nothing: a hedge lowers the stressed u and raises u."""
    rows = options((-20.0, 110_000.0, 30.0, True), forward=INDEX)
    hedge = futures((PERP, 0.0, INDEX, 0.0))
    made = pair(options=marked(rows, linear=False), futures=hedge, index=INDEX)
    asked, quoted = ground(account(made)), offers(account(made))

    tight, roomy = (
        {one.means: one for one in reliefs(asked, quoted, replace(LIMITED, usage=limit))}
        for limit in (0.01, 0.9)
    )

    raised = roomy[Means.HEDGE]
    assert raised.after.usage > raised.before.usage
    assert raised.after.stressed_usage < raised.before.stressed_usage
    assert Means.HEDGE not in tight


def test_what_nobody_quotes_or_knows_is_not_proposed() -> None:
    held = strangle(4.0)
    silent = {name: replace(one, bid=None, ask=None) for name, one in offers(held).items()}

    found = reliefs(ground(held), silent, ALL)

    assert [one.means for one in found] == [Means.COLLATERAL]


def test_an_account_that_cannot_be_valued_says_so() -> None:
    held = strangle()
    (one,) = held.pairs
    blind = replace(one, options=replace(one.options, mark=np.full(3, math.nan)))
    subject = Subject(
        account=replace(held, pairs=(blind,)), model=STANDARD, balance=1.0, equity=1.0
    )

    found = ground_of(subject, STRESS)

    assert isinstance(found, Unmodelled)
    assert "has no price" in found.reason


def _named(found: tuple[Relief, ...]) -> Mapping[str, Relief]:
    return {one.instrument: one for one in found}


def test_a_wider_spread_costs_more_and_ranks_lower() -> None:
    held = strangle(4.0)
    narrow, wide = (
        _named(reliefs(ground(held), offers(held, spread=spread), ALL)) for spread in (0.001, 0.01)
    )

    assert wide[CALL].cost_usd > narrow[CALL].cost_usd
    assert wide[CALL].lowered_per_dollar < narrow[CALL].lowered_per_dollar
