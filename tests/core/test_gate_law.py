"""Over random accounts and hedges: what the gate lets pass, and how it says why it does not.

`DELTABAND_GATES=10000` tries so many accounts; the few of every run are the first of them.
"""

import math
import os
import re
from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from bot.core import units
from bot.core.columns import table_of
from bot.core.events import BalanceSeen, QuoteSeen
from bot.core.gate import Approved, Refused, Trimmed, judge
from bot.core.instruments import Instrument, size_coin
from bot.core.margin.gating import usage
from bot.core.margin.gating_stages import GatePolicy
from bot.core.margin.holding import account_of
from bot.core.margin.modelling import DeribitPortfolio, DeribitStandard, Model, resized
from bot.core.margin.shocks import Shock, shocked
from bot.core.quotes import QuotePolicy
from bot.core.state import State
from bot.quant import black76
from bot.settings.margin_parameters import Deribit, parameters
from tests.builders import EXPIRY_MS, PERP, START_MS, World, balance, option, perp, policy, quote

ACCOUNTS = int(os.environ.get("DELTABAND_GATES", "150"))
DERIBIT = parameters(Deribit)
MODELS: tuple[Model, ...] = (
    DeribitStandard(parameters=DERIBIT.standard),
    DeribitPortfolio(parameters=DERIBIT.portfolio),
)
QUOTES = QuotePolicy()
LIMIT = 1.0
RULES = GatePolicy(stressed_reduce_only=LIMIT, doubt_buffer=0.02)
CORNERS = [
    Shock(spot=spot, vol_points=vol)
    for vol in (0.0, 0.20)
    for spot in (-0.15, 0.0, 0.15)
    if spot or vol
]


class Case(NamedTuple):
    """An account, and what is asked of it."""

    state: State
    model: Model
    size: Decimal


@cache
def plain() -> State:
    world = World(policy())
    world.begin({})
    world.quotes()
    return world.state


def drawn(seed: int) -> Case:
    """Options sold and bought, a hedge or none, more or less money, and an order either way."""
    rng = np.random.default_rng(seed)
    model = MODELS[seed % 2]
    index = float(np.round(np.exp(rng.uniform(math.log(20_000), math.log(200_000)))))
    listed = {PERP: perp()}
    for strike in np.unique(np.round(index * np.exp(rng.normal(0, 0.2, rng.integers(1, 6))), -2)):
        days = int(rng.choice([1, 7, 30, 180]))
        name = f"BTC-4FEB26-{strike:.0f}-{'CP'[rng.integers(2)]}"
        expiry_ms = START_MS + days * units.MS_PER_DAY
        listed[name] = option(name, expiry_ms=expiry_ms)
    held = {name: Decimal(int(rng.integers(-80, 40))) / 10 for name in listed if name != PERP}
    held[PERP] = Decimal(int(rng.integers(-40, 41))) * 10_000
    state = seen(listed, {name: size for name, size in held.items() if size}, index, rng)
    needed = model.report(account_of(state, "BTC", also=(PERP,)))
    money = float(needed.initial * rng.uniform(0.5, 8.0) + 0.01)
    told = balance(
        equity=money,
        initial_margin=needed.initial * float(rng.choice([0.0, 1.0, 1.3])),
        maintenance_margin=needed.maintenance * float(rng.choice([0.0, 1.0, 1.3])),
    )
    sign = 1 if rng.random() < 0.5 else -1
    size = Decimal(sign * 10 * int(np.exp(rng.uniform(0.0, math.log(200_000)))))
    return Case(state=replace(state, balances={"BTC": told}), model=model, size=size)


def seen(
    listed: dict[str, Instrument],
    held: dict[str, Decimal],
    index: float,
    rng: np.random.Generator,
) -> State:
    """Every instrument quoted, options at Black's price of a volatility of their own."""
    quotes: dict[str, QuoteSeen] = {PERP: quote(PERP, price=index * rng.uniform(0.995, 1.005))}
    quotes[PERP] = replace(quotes[PERP], index_usd=index)
    for name, terms in listed.items():
        if name == PERP:
            continue
        forward, iv = index * rng.uniform(0.99, 1.02), rng.uniform(0.3, 1.2)
        years = ((terms.expiry_ms or EXPIRY_MS) - START_MS) / units.MS_PER_YEAR
        strike, is_call = terms.strike or 0.0, bool(terms.is_call)
        price = black76.greeks(forward, strike, years, iv, is_call).price
        mark = float(price) / forward
        quotes[name] = quote(name, mark=mark, index_usd=index, forward_usd=forward, iv=iv)
    options = [(listed[name], float(size)) for name, size in sorted(held.items()) if name != PERP]
    state = plain()
    return replace(
        state,
        now_ns=0,
        now_ms=START_MS,
        instruments=listed,
        quotes=quotes,
        standing=replace(state.standing, positions=held, orders={}),
        table=table_of(options, quotes),
    )


def stressed_use(case: Case, size: Decimal) -> float:
    """The stressed u after an order, worked out anew from the models and shocks alone."""
    told, mark = case.state.balances["BTC"], case.state.quotes[PERP].mark or 0.0
    account = account_of(case.state, "BTC", also=(PERP,))
    more = told.maintenance_margin - case.model.report(account).maintenance
    coins = size_coin(perp(), size, mark)
    after = resized(account, {PERP: coins})
    worst = 0.0
    for corner in CORNERS:
        moved = shocked(after, corner)
        made = moved.futures_profit
        made += moved.options_profit if case.model.name == "deribit_portfolio" else 0.0
        there = case.model.report(moved.account).maintenance + max(more, 0.0)
        worst = max(worst, usage(there, told.margin_balance - 0.0005 * abs(coins) + made))
    return worst


def asked(case: Case) -> Approved | Trimmed | Refused:
    return judge(case.state, perp(), case.size, RULES, case.model, QUOTES)


FIGURES = re.compile(r"(\d[\d.]*) - initial (\d[\d.]*) leaves (-?\d[\d.]*)")
QUOTIENT = re.compile(r"maintenance (\d[\d.]*) / balance (-?\d[\d.]*) = ([\d.]+|inf)%")


def adds_up(reason: str) -> bool:
    """Whether every sum and quotient of a reason comes out when done again."""
    for balance_told, initial, left in FIGURES.findall(reason):
        if abs(float(balance_told) - float(initial) - float(left)) > 1e-9:
            return False
    for above, below, percent in QUOTIENT.findall(reason):
        again = 100 * usage(float(above), float(below))
        if percent != "inf" and abs(again - float(percent)) > 0.06:
            return False
    return True


def test_no_approved_action_leaves_the_stressed_use_over_its_limit_unless_it_lowered_it() -> None:
    counted = {Approved: 0, Trimmed: 0, Refused: 0}
    for seed in range(ACCOUNTS):
        case = drawn(seed)
        verdict = asked(case)
        counted[type(verdict)] += 1
        assert adds_up(verdict.reason), f"seed {seed}: {verdict.reason}"
        if isinstance(verdict, Refused):
            assert verdict.numbers, f"seed {seed}: {verdict.reason}"
            continue
        before, after = stressed_use(case, units.ZERO), stressed_use(case, verdict.size_native)
        told = verdict.numbers
        assert told["stressed_u_after"] == pytest.approx(after, rel=1e-6), f"seed {seed}"
        assert told["stressed_u_before"] == pytest.approx(before, rel=1e-6), f"seed {seed}"
        assert after < LIMIT or after < before, f"seed {seed}: {told}"
    assert min(counted.values()) >= ACCOUNTS // 50, "every verdict is seen"


def test_the_numbers_of_a_verdict_come_out_when_they_are_added_again() -> None:
    for seed in range(0, ACCOUNTS, 2):
        told = asked(drawn(seed)).numbers
        paid = told["margin_balance_before"] - told["margin_fee"]
        assert told["margin_balance_after"] == pytest.approx(paid, rel=1e-12)
        for when in ("before", "after"):
            quotient = usage(told[f"maintenance_{when}"], told[f"margin_balance_{when}"])
            assert told[f"u_{when}"] == quotient
            stressed = (told[f"stressed_maintenance_{when}"], told[f"stressed_balance_{when}"])
            assert told[f"stressed_u_{when}"] == usage(*stressed)


def old(state: State) -> State:
    return replace(state, now_ns=121 * units.NS_PER_SECOND)


def dark(state: State) -> State:
    """The last option has lost its volatility."""
    quoted = state.table.quoted.copy()
    quoted[1, -1] = np.nan
    return replace(state, table=replace(state.table, quoted=quoted))


def late(state: State) -> State:
    """One option's quote is older than allowed, the hedge's is not."""
    now_ns = 31 * units.NS_PER_SECOND
    fresh = replace(state.quotes[PERP], arrived_ns=now_ns)
    told: BalanceSeen = replace(state.balances["BTC"], arrived_ns=now_ns)
    quotes = {**state.quotes, PERP: fresh}
    return replace(state, now_ns=now_ns, quotes=quotes, balances={"BTC": told})


@pytest.mark.parametrize("spoiled", [old, dark, late, lambda state: replace(state, balances={})])
def test_a_failed_or_stale_input_refuses_whatever_is_asked(spoiled) -> None:
    for seed in range(0, ACCOUNTS, 10):
        case = drawn(seed)
        if not len(case.state.table.held.names):
            continue
        verdict = asked(case._replace(state=spoiled(case.state)))
        assert isinstance(verdict, Refused), f"seed {seed}: {verdict.reason}"
        assert verdict.reason.startswith("no margin projection: ")
