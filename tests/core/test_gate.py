"""Margin before action: what passes, what is trimmed, what is refused, and why."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import gate
from bot.core.gate import Approved, Basis, Projection, Refused, Trimmed, basis_of, judge, project
from bot.core.margin.deribit_standard import FuturesRate, Rates
from bot.core.margin.gating import usage
from bot.core.margin.gating_stages import GatePolicy, reached
from bot.core.margin.gating_stages import asked as asks
from bot.core.margin.holding import account_of
from bot.core.margin.modelling import DeribitStandard, Model
from bot.core.quotes import QuotePolicy
from bot.core.state import Judgement, Mode, State
from tests.builders import CALL, MODEL, PERP, World, balance, book, perp, policy, quote

QUOTES = QuotePolicy()


def stage(state: State, currency: str) -> Judgement | None:
    return asks(reached(state.balances, state.margin_seen, GATE, (currency,)))


GATE = GatePolicy()
TIERS = DeribitStandard(
    parameters=Rates(
        futures={
            "BTC": (
                FuturesRate(size_coin_upper=1.0, initial=0.02, maintenance=0.0134),
                FuturesRate(size_coin_upper=1e9, initial=0.05, maintenance=0.03),
            )
        }
    )
)


def account(held: dict[str, str], **figures: float) -> State:
    """An account that holds `held`, with the venue's margin figures."""
    world = World(policy(book(band_low_coin=-1e9, band_high_coin=1e9)))
    world.begin(held)
    world.quotes()
    known = {"margin_balance": 10.0, "initial_margin": 0.0, "maintenance_margin": 0.0} | figures
    world.fold(replace(balance(), **known), after_ms=0)  # type: ignore[arg-type]
    return world.state


def asked(
    state: State, size: int, model: Model = MODEL, rules: GatePolicy = GATE
) -> Approved | Trimmed | Refused:
    return judge(state, perp(), Decimal(size), rules, model, QUOTES)


def projected(state: State, size: int, model: Model = MODEL) -> Projection:
    found = project(state, perp(), Decimal(size), GATE, model, QUOTES)
    assert isinstance(found, Projection), found
    return found


def test_the_projection_is_the_venues_level_and_our_change() -> None:
    seen = projected(account({PERP: "100000"}, initial_margin=1.5, maintenance_margin=1.2), 100_000)

    assert (seen.before.initial, seen.before.maintenance) == pytest.approx((1.5, 1.2))
    assert (seen.after.initial, seen.after.maintenance) == pytest.approx((1.52, 1.2134))
    assert seen.fee == pytest.approx(0.0005)
    assert seen.after.usage == pytest.approx(1.2134 / 9.9995)


def test_where_the_venue_shows_less_than_our_model_the_model_counts() -> None:
    state = account({PERP: "100000", CALL: "-1"})
    seen = projected(state, 0)

    report = MODEL.report(account_of(state, "BTC"))
    assert seen.before.initial == pytest.approx(report.initial)
    assert seen.before.initial > 0.1
    assert seen.before.maintenance == pytest.approx(report.maintenance)


def test_an_order_with_room_passes_and_says_how_much_it_uses() -> None:
    found = asked(account({}), 100_000)

    assert isinstance(found, Approved)
    assert found.size_native == Decimal(100_000)
    assert "of BTC margin" in found.reason


@pytest.mark.parametrize("maintenance", [6.9, 8.6, 20.0])
def test_an_order_that_lowers_the_requirement_always_passes(maintenance) -> None:
    state = account({PERP: "500000"}, initial_margin=9.99, maintenance_margin=maintenance)
    found = asked(state, -500_000)

    assert isinstance(found, Approved)
    assert found.numbers["maintenance_after"] < found.numbers["maintenance_before"]
    assert "it lowers that at spot -15% from" in found.reason


def test_an_order_over_the_stage_is_refused_with_its_arithmetic() -> None:
    found = asked(account({}, maintenance_margin=7.0), 10)

    assert isinstance(found, Refused)
    assert (
        "BTC maintenance 7.000001 / balance 10.000000 = 70.0% after the fill, limit 70%"
        in found.reason
    )


def test_an_order_that_the_venue_would_refuse_for_funds_is_refused_here() -> None:
    found = asked(account({}, initial_margin=9.5), 10_000)

    assert isinstance(found, Refused)
    assert "BTC balance 9.999950 - initial 9.502000 leaves 0.497950" in found.reason
    assert "at least 0.500000 must stay free" in found.reason


def passes(basis: Basis, size: Decimal) -> bool:
    return gate.trouble_of(basis.project(size), GATE) is None


@given(
    st.integers(-60, 60),
    st.integers(-40, 40).filter(bool),
    st.floats(min_value=0.0, max_value=10.0),
    st.floats(min_value=0.0, max_value=8.0),
    st.sampled_from([MODEL, TIERS]),
)
def test_what_is_trimmed_is_the_largest_part_that_passes(held, size, initial, maintenance, model):
    """Twenty thousand dollars a step, so that every step moves the margin visibly."""
    lot = perp(lot=Decimal(20_000), size_min=Decimal(20_000))
    state = _ACCOUNT
    held_usd = {PERP: Decimal(20_000 * held)} if held else {}
    state = replace(
        state,
        standing=replace(state.standing, positions=held_usd),
        balances={"BTC": balance(initial_margin=initial, maintenance_margin=maintenance)},
    )
    found = judge(state, lot, Decimal(20_000 * size), GATE, model, QUOTES)
    basis = basis_of(state, lot, GATE, model, QUOTES)
    assert isinstance(basis, Basis), basis
    step = 1 if size > 0 else -1
    best = Decimal(0)
    for count in range(step, size + step, step):
        if passes(basis, Decimal(20_000 * count)):
            best = Decimal(20_000 * count)
    given_size = Decimal(0) if isinstance(found, Refused) else found.size_native

    assert given_size == best
    assert isinstance(found, Approved) is (best == 20_000 * size)


_ACCOUNT = account({})


def test_a_trimmed_order_says_what_stood_in_its_way() -> None:
    found = asked(account({}, initial_margin=9.4), 1_000_000)

    assert isinstance(found, Trimmed)
    # Each 100,000 USD take 0.02 of initial margin and 0.0005 of fee from the 0.1 that may go.
    assert found.size_native == Decimal(487_800)
    assert found.reason.startswith("487800 of 1000000 BTC-PERPETUAL: BTC balance")


def test_what_is_left_below_the_venues_minimum_is_refused() -> None:
    state = account({}, initial_margin=9.4)
    found = judge(state, perp(size_min=Decimal(500_000)), Decimal(1_000_000), GATE, MODEL, QUOTES)

    assert isinstance(found, Refused)


def test_a_projection_that_fails_refuses_and_says_which_leg() -> None:
    state = account({CALL: "-1"})
    late = replace(state, now_ns=state.now_ns + 31 * 10**9)

    assert asked(replace(state, balances={}), 10) == Refused(
        reason="no margin projection: the BTC balance is not known"
    )
    found = asked(late, 10)
    assert isinstance(found, Refused)
    assert found.reason.startswith("no margin projection: BTC-PERPETUAL: last good quote")
    fresh = replace(late, quotes={**late.quotes, PERP: quote(PERP, arrived_ns=late.now_ns)})
    found = asked(fresh, 10)
    assert isinstance(found, Refused)
    assert CALL in found.reason


def test_a_position_without_a_mark_leaves_no_projection() -> None:
    state = account({})
    other = perp(name="BTC-27MAR26")
    dark = replace(
        state,
        instruments={**state.instruments, other.name: other},
        standing=replace(state.standing, positions={other.name: Decimal(10)}),
    )

    assert asked(dark, 10) == Refused(
        reason="no margin projection: deribit_standard has no number for BTC: "
        "BTC-27MAR26 has no price"
    )


def test_an_account_without_a_balance_uses_everything() -> None:
    assert usage(1.0, 0.0) == float("inf")
    assert usage(1.0, -1.0) == float("inf")
    assert isinstance(asked(account({}, margin_balance=0.0), 10), Refused)


@pytest.mark.parametrize(
    ("maintenance", "mode"),
    [
        (0.0, None),
        (6.99, None),
        (7.0, Mode.DEGRADED),
        (8.49, Mode.DEGRADED),
        (8.5, Mode.HOLD),
        (50.0, Mode.HOLD),
    ],
)
def test_margin_use_asks_for_a_mode_by_stages(maintenance, mode) -> None:
    found = stage(account({}, maintenance_margin=maintenance), "BTC")

    assert (found.mode if found else None) is mode
    if found:
        assert f"{maintenance / 10:.1%}" in found.reason
        assert found.clears.startswith("BTC margin use under")


def test_without_a_balance_no_stage_is_asked_for() -> None:
    assert stage(account({}), "ETH") is None


def test_an_order_beyond_all_measure_is_trimmed_to_something_that_passes() -> None:
    state = account({})
    found = asked(state, 10**13)

    assert isinstance(found, Trimmed)
    basis = basis_of(state, perp(), GATE, MODEL, QUOTES)
    assert isinstance(basis, Basis), basis
    assert passes(basis, found.size_native)
    assert found.size_native > 0
