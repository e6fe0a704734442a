"""What a book is exposed to: golden values, conventions, who is in, and when there is no number."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import units
from bot.core.books import BookPolicy, Selector, holds, members
from bot.core.columns import table_of
from bot.core.dealing import BookPlan
from bot.core.events import BalanceSeen, InstrumentsSeen, OrderUnknown, PositionsSeen
from bot.core.exposure import Exposure, Unpriced, exposure_of
from bot.core.instruments import Instrument, Kind
from bot.core.quotes import QuotePolicy
from bot.quant.conventions import Convention
from tests.builders import (
    CALL,
    PERP,
    PUT,
    START_MS,
    World,
    balance,
    book,
    option,
    perp,
    policy,
    positions,
    quote,
)

NO_WAIT = QuotePolicy()
# F = 100,000, K = 110,000, T = 30/365, vol 0.60: the design's golden values.
CALL_COIN, CALL_D, CALL_NET, PUT_NET = 0.032702605047, 0.3198656857, 0.2871630806, -0.8128369194
VEGA_COIN = 0.1025058560


def still(
    held: dict[str, str], plan: BookPlan | None = None, left_ms: int = 30 * units.MS_PER_DAY
) -> World:
    """An account with a band too wide to trade, quoted `left_ms` before its options expire."""
    world = World(policy(plan or book(band_low_coin=-1e9, band_high_coin=1e9)))
    world.begin(held)
    expiry_ms = world.now_ms + 100 + left_ms
    named = {*held, CALL, PUT} - {PERP}
    world.fold(
        InstrumentsSeen(instruments=tuple(option(name, expiry_ms=expiry_ms) for name in named)),
        after_ms=0,
    )
    world.quotes(after_ms=100)
    return world


def valued(world: World, plan: BookPlan | None = None) -> Exposure:
    found = exposure_of(world.state, (plan or world.policy.books[0]).book, NO_WAIT)
    assert isinstance(found, Exposure), found
    return found


def wide(convention: Convention) -> BookPlan:
    return book(convention=convention, band_low_coin=-1e9, band_high_coin=1e9)


def test_a_call_has_its_golden_numbers() -> None:
    seen = valued(still({CALL: "10"}))

    assert seen.options_delta_coin == pytest.approx(10 * CALL_NET, rel=1e-9)
    assert seen.options_value_coin == pytest.approx(10 * CALL_COIN, rel=1e-9)
    # Vega per vol point, in USD: coin vega per 1.00 times 100,000 / 100.
    assert seen.vega_usd_per_vol_point == pytest.approx(10 * VEGA_COIN * 1_000, rel=1e-9)
    assert seen.options_held == 1
    assert seen.delta_coin == seen.options_delta_coin


def test_a_put_has_its_golden_delta() -> None:
    seen = valued(still({PUT: "-2"}))

    assert seen.options_delta_coin == pytest.approx(-2 * PUT_NET, rel=1e-9)


@pytest.mark.parametrize(
    ("convention", "call_delta", "equity"),
    [
        (Convention.COIN, CALL_NET, 0.0),
        (Convention.USD, CALL_NET, 10.0),
        (Convention.BOOK, CALL_D, 0.0),
    ],
)
def test_each_convention_counts_what_its_equity_is_made_of(convention, call_delta, equity):
    plan = wide(convention)
    seen = valued(still({CALL: "10", PERP: "50000"}, plan))

    assert seen.options_delta_coin == pytest.approx(10 * call_delta, rel=1e-9)
    assert seen.hedge_delta_coin == pytest.approx(0.5)
    assert seen.equity_delta_coin == equity
    assert seen.delta_coin == pytest.approx(10 * call_delta + 0.5 + equity)


def test_a_book_answers_for_its_share_of_the_collateral() -> None:
    plan = wide(Convention.USD)
    quarter = replace(plan, book=replace(plan.book, collateral_share=0.25))

    assert valued(still({CALL: "10"}, quarter)).equity_delta_coin == 2.5


@given(
    st.integers(-200, 200).filter(bool),
    st.integers(-200, 200).filter(bool),
    st.sampled_from(list(Convention)),
)
def test_a_book_is_the_sum_of_its_options(calls, puts, convention):
    sizes = [{CALL: calls / 10}, {PUT: puts / 10}, {CALL: calls / 10, PUT: puts / 10}]
    one, other, both = (
        valued(still({name: str(size) for name, size in held.items()}, wide(convention)))
        for held in sizes
    )

    for name in (
        "options_delta_coin",
        "gamma_coin_per_percent",
        "vega_usd_per_vol_point",
        "theta_usd_per_day",
        "options_value_coin",
    ):
        apart = getattr(one, name) + getattr(other, name)
        assert getattr(both, name) == pytest.approx(apart, rel=1e-9, abs=1e-9)


def test_gamma_is_the_change_of_black_delta_over_one_percent() -> None:
    world = still({CALL: "10"}, wide(Convention.BOOK))
    up, down = (
        valued(_requoted(world, price)).options_delta_coin for price in (100_100.0, 99_900.0)
    )

    assert (up - down) / 0.2 == pytest.approx(valued(world).gamma_coin_per_percent, rel=1e-3)


def _requoted(world: World, price: float) -> World:
    other = World(world.policy, world.state.standing)
    other.state, other.now_ns = world.state, world.now_ns
    other.fold(
        *(quote(name, arrived_ns=world.now_ns, price=price) for name in (PERP, CALL)), after_ms=0
    )
    return other


@pytest.mark.parametrize(
    ("left_ms", "weight"),
    [(30 * units.MS_PER_MINUTE, 1.0), (15 * units.MS_PER_MINUTE, 0.5), (60_000, 1 / 30)],
)
def test_in_the_settlement_window_delta_decays_linearly(left_ms, weight) -> None:
    deep = "BTC-4FEB26-50000-C"
    world = still({deep: "10"}, left_ms=left_ms)
    seen = valued(world)

    # Far in the money: D = 1, m = 1 - 50,000/100,000.
    assert seen.options_delta_coin == pytest.approx(10 * 0.5 * weight, rel=1e-9)


def test_an_expired_option_is_in_no_book() -> None:
    world = still({CALL: "10"}, left_ms=1)
    assert valued(world).options_held == 1
    world.quotes(after_ms=1)

    assert valued(world).options_held == 0
    assert valued(world).delta_coin == 0.0


NEAR, FAR = "BTC-12JAN26-100000-C", "BTC-27MAR26-100000-P"


def listed() -> dict[str, Instrument]:
    near = option(NEAR, expiry_ms=START_MS + 7 * units.MS_PER_DAY)
    far = option(FAR, expiry_ms=START_MS + 80 * units.MS_PER_DAY)
    return {NEAR: near, FAR: far, CALL: option(CALL), PERP: perp()}


def selecting(underlying: str = "BTC", currency: str = "BTC", **terms: object) -> BookPolicy:
    selector = Selector(underlying=underlying, **terms)  # type: ignore[arg-type]
    return replace(book().book, selector=selector, currency=currency)


def chosen(wanted: BookPolicy) -> set[str]:
    return {name for name, one in listed().items() if holds(wanted, one, START_MS)}


def days(count: float) -> timedelta:
    return timedelta(days=count)


@pytest.mark.parametrize(
    ("terms", "names"),
    [
        ({}, {NEAR, CALL, FAR}),
        ({"expiry_min": days(7)}, {NEAR, CALL, FAR}),
        ({"expiry_min": days(7.001)}, {CALL, FAR}),
        ({"expiry_max": days(30)}, {NEAR}),
        ({"expiry_max": days(30.001)}, {NEAR, CALL}),
        ({"expiry_min": days(20), "expiry_max": days(40)}, {CALL}),
        ({"exclude": frozenset({CALL})}, {NEAR, FAR}),
        ({"expiry_max": days(8), "include": frozenset({FAR})}, {NEAR, FAR}),
        ({"kinds": frozenset({Kind.PERPETUAL})}, {PERP}),
        ({"kinds": frozenset({Kind.OPTION, Kind.PERPETUAL})}, {NEAR, CALL, FAR, PERP}),
        ({"kinds": frozenset()}, set()),
        ({"kinds": frozenset(), "include": frozenset({CALL})}, {CALL}),
    ],
)
def test_a_selector_chooses_by_kind_expiry_and_name(terms, names) -> None:
    wanted = selecting(**terms)
    assert chosen(wanted) == names
    held = [(one, 1.0) for one in listed().values() if one.kind is Kind.OPTION]
    assert rows(held, wanted) == names - {PERP}


def rows(held: list[tuple[Instrument, float]], wanted: BookPolicy) -> set[str]:
    table = table_of(held, {})
    return {table.held.names[row] for row in members(table, wanted, START_MS).rows}


def test_another_underlying_is_another_book() -> None:
    assert chosen(selecting("ETH")) == set()
    assert rows([(option(CALL), 1.0)], selecting("ETH")) == set()
    assert rows([(option(CALL), 1.0)], selecting("ETH", include=frozenset({CALL})))


def test_what_settles_in_another_currency_is_in_no_book_even_by_name() -> None:
    wanted = selecting(currency="USDC", include=frozenset({CALL, PERP}))

    assert chosen(wanted) == set()
    assert rows([(option(CALL), 1.0)], wanted) == set()
    assert rows([(option(CALL, currency="USDC"), 1.0)], wanted) == {CALL}


def test_without_a_quote_of_every_leg_there_is_no_number_and_the_leg_is_named() -> None:
    world = World(policy(wide(Convention.COIN)))
    world.begin({CALL: "-10"})
    found = exposure_of(world.state, world.policy.books[0].book, NO_WAIT)
    assert found == Unpriced(reason=f"{PERP}: no quote yet")

    world.fold(quote(PERP, arrived_ns=world.now_ns), quote(CALL, iv=None))
    world.fold(quote(PERP, arrived_ns=world.now_ns))
    assert CALL not in world.state.standing.positions, "not priced, so not taken over either"


@pytest.mark.parametrize(("name", "age_ms"), [(PERP, 3_000), (CALL, 30_000)])
def test_a_leg_is_good_up_to_its_age_and_then_there_is_no_number(name, age_ms) -> None:
    world = still({CALL: "-10"})
    other = CALL if name == PERP else PERP
    world.now_ns += (age_ms - 1) * units.NS_PER_MS
    world.fold(quote(other, arrived_ns=world.now_ns), after_ms=1)
    assert isinstance(world.last and world.last.exposures["main"], Exposure)

    step = world.fold(quote(other, arrived_ns=world.now_ns), after_ms=1)
    unpriced = step.exposures["main"]
    assert isinstance(unpriced, Unpriced)
    assert unpriced.reason == f"{name}: last good quote {age_ms / 1000:.1f} s ago"


def test_without_the_accounts_equity_there_is_no_number() -> None:
    world = still({CALL: "-10"})
    blind = replace(world.state, balances={})
    found = exposure_of(blind, world.policy.books[0].book, NO_WAIT)

    assert found == Unpriced(reason="the account's equity in BTC is not known yet")


def test_an_order_in_flight_makes_the_delta_an_interval_from_nothing_to_all_of_it() -> None:
    world = World()
    world.begin({CALL: "-10"})
    world.quotes()
    (order,) = world.orders()
    step = world.quotes()
    seen = step.exposures["main"]
    assert isinstance(seen, Exposure)

    assert seen.delta_low_coin == pytest.approx(seen.delta_coin)
    assert seen.delta_high_coin == pytest.approx(seen.delta_coin + float(order.size_native) / 1e5)
    world.fold(OrderUnknown(order_id=order.order_id, reason="timeout"))
    assert valued(world).delta_high_coin == pytest.approx(seen.delta_high_coin, abs=1e-6)
    world.settle(order)
    assert valued(world).delta_low_coin == valued(world).delta_high_coin


def test_a_perpetual_that_is_not_the_hedge_counts_in_a_book_that_selects_it() -> None:
    other = "BTC-27MAR26"
    future = perp(name=other, kind=Kind.FUTURE, expiry_ms=START_MS + 80 * units.MS_PER_DAY)
    plan = book(band_low_coin=-1e9, band_high_coin=1e9)
    kinds = frozenset({Kind.OPTION, Kind.FUTURE})
    selector = Selector(underlying="BTC", kinds=kinds)
    wanted = replace(plan, book=replace(plan.book, selector=selector))
    world = World(policy(wanted))
    world.begin({})
    world.fold(
        InstrumentsSeen(instruments=(future,)),
        PositionsSeen(
            positions=positions({other: "200000"}).positions,
            complete=False,
            asked_ns=None,
            arrived_ns=world.now_ns,
        ),
        quote(other, arrived_ns=world.now_ns, bid=99_999.0, ask=100_001.0, mark=100_000.0),
    )
    world.fold(quote(PERP, arrived_ns=world.now_ns))
    assert valued(world).options_delta_coin == pytest.approx(2.0)
    assert valued(world, plan).options_delta_coin == 0.0, "a book of options does not see it"

    world.fold(quote(PERP, arrived_ns=world.now_ns + 3_100 * units.NS_PER_MS), after_ms=3_100)
    stale = exposure_of(world.state, wanted.book, NO_WAIT)
    assert isinstance(stale, Unpriced)
    assert other in stale.reason
    assert isinstance(exposure_of(world.state, plan.book, NO_WAIT), Exposure)


def test_a_balance_of_the_venue_is_the_equity_that_a_dollar_book_protects() -> None:
    world = still({CALL: "10"}, wide(Convention.USD))
    richer: BalanceSeen = balance(equity=12.5)
    world.fold(richer)

    assert valued(world).equity_delta_coin == 12.5
    assert valued(world).hedge_native == Decimal(0)
