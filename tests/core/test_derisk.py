"""Out of a large margin use: which trade goes, when, how large, and when none does."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import units
from bot.core.events import BalanceSeen, Link, LinkDown
from bot.core.hedger import Code, Verdict
from bot.core.margin.gating_stages import GatePolicy
from bot.core.safety import SafetyPolicy
from bot.core.state import Mode
from tests.builders import CALL, PERP, PUT, World, balance, book, policy, quote

ALLOWED = GatePolicy(gap_max=1e9, buy_back_options=True, emergency_hedges=True)
SHORT = {CALL: "-2", PUT: "-2"}


def thin(
    rules: GatePolicy,
    held: dict[str, str],
    has: float,
    needs: float,
    safety: SafetyPolicy = SafetyPolicy(),  # noqa: B008  it is frozen
    **plan: float,
) -> World:
    """A book whose account has `has` coins of balance, of which `needs` must be maintained."""
    wide = {"band_low_coin": -1e9, "band_high_coin": 1e9} | plan
    world = World(policy(book(**wide), gate=rules, safety=safety))  # type: ignore[arg-type]
    world.begin(held, equity=has)
    world.quotes()
    told(world, has, needs)
    return world


def figures(world: World, has: float, needs: float) -> BalanceSeen:
    return replace(
        balance(equity=has, arrived_ns=world.now_ns + 1),
        maintenance_margin=needs,
        initial_margin=1.3 * needs,
    )


def told(world: World, has: float, needs: float) -> None:
    """The venue tells a balance, and a little later everything is quoted again."""
    world.fold(figures(world, has, needs), after_ms=1_100)
    world.quotes()


def test_a_short_option_is_bought_back_from_reduce_only_on_and_reduces_only() -> None:
    world = thin(ALLOWED, SHORT, has=1.0, needs=0.75)

    (order,) = world.orders()
    assert order.instrument in SHORT
    assert order.reduce_only
    assert 0 < order.size_native <= 2
    assert order.limit == Decimal("0.0340")  # two ticks above the ask
    last = world.last
    assert last is not None
    verdict = last.verdicts["main"]
    assert (verdict.verdict, verdict.code) == (Verdict.HEDGE, Code.MARGIN)
    assert "buy back" in verdict.reason
    assert "takes u from" in verdict.reason
    assert verdict.numbers["u_after_all"] < verdict.numbers["u_before"]


@pytest.mark.parametrize(
    ("rules", "needs"),
    [
        (GatePolicy(gap_max=1e9), 0.75),  # nothing of it is allowed by default
        (GatePolicy(gap_max=1e9), 0.97),
        (replace(ALLOWED, buy_back_options=False), 0.9),  # hedges go in an emergency only
        (ALLOWED, 0.3),  # nothing is wrong
    ],
)
def test_nothing_is_traded_that_the_configuration_and_the_stage_do_not_ask_for(
    rules: GatePolicy, needs: float
) -> None:
    calm = replace(rules, stressed_warn=None, stressed_reduce_only=None)
    world = thin(calm, SHORT, has=1.0, needs=needs)

    assert world.state.standing.orders == {}


def test_in_an_emergency_the_hedge_goes_before_any_option_although_the_mode_is_hold() -> None:
    world = thin(ALLOWED, {CALL: "-2", PERP: "-500000"}, has=1.0, needs=0.97)

    assert world.state.mode is Mode.HOLD
    (order,) = world.orders()
    assert order.instrument == PERP
    assert order.size_native > 0


@pytest.mark.parametrize(
    ("limits", "name", "size"),
    [
        (SafetyPolicy(), PERP, 500_000),
        (SafetyPolicy(turnover_per_hour_max_usd=70_000.0), PERP, 70_000),
        (SafetyPolicy(fees_per_day_max_usd=20.0), PERP, 40_000),
        (SafetyPolicy(turnover_per_hour_max_usd=9.0), CALL, 5),  # no room for a lot of the hedge
    ],
)
def test_a_hedge_in_an_emergency_stays_within_what_hedges_may_trade_and_cost(
    limits: SafetyPolicy, name: str, size: int
) -> None:
    held = {CALL: "-20", PERP: "-500000"}
    (order,) = thin(ALLOWED, held, has=1.0, needs=0.97, safety=limits).orders()

    assert (order.instrument, int(order.size_native)) == (name, size)


def test_the_next_trade_waits_for_the_end_of_the_last_and_for_a_younger_balance() -> None:
    world = thin(ALLOWED, SHORT, has=1.0, needs=0.75)
    (order,) = world.orders()

    world.quotes()
    assert world.orders() == []  # the order is on its way
    world.settle(order)
    assert world.orders() == []
    world.quotes()
    assert world.orders() == []  # what the balance says is older than the fill
    told(world, has=1.0, needs=0.74)
    assert len(world.orders()) == 1 or len(world.state.standing.orders) == 2


def test_a_balance_told_while_an_order_was_on_its_way_says_nothing_of_its_fill() -> None:
    """Judged by it, what was bought back would be bought once more."""
    world = thin(ALLOWED, SHORT, has=1.0, needs=0.75)
    (order,) = world.orders()
    world.fold(figures(world, 1.0, 0.75), after_ms=500)
    world.settle(order)
    assert world.orders() == []
    for _ in range(5):
        world.quotes()
        assert world.orders() == []
    told(world, has=1.0, needs=0.74)
    assert len(world.state.standing.orders) == 2


def test_a_balance_told_with_a_fill_holds_it_and_the_next_option_does_not_wait() -> None:
    """In a quiet account no other balance comes: margin use stayed over its limit."""
    world = thin(ALLOWED, SHORT, has=1.0, needs=0.75)
    (order,) = world.orders()
    at_once = world.now_ns + 100 * units.NS_PER_MS
    world.settle(order, replace(figures(world, 1.0, 0.74), arrived_ns=at_once))
    world.quotes()
    assert len(world.state.standing.orders) == 2


def test_no_more_is_bought_back_than_leaves_the_stage() -> None:
    calm = replace(ALLOWED, stressed_warn=None, stressed_reduce_only=None)
    little = thin(calm, SHORT, has=1.0, needs=0.705)
    much = thin(calm, SHORT, has=1.0, needs=0.84)

    (small,), (large,) = little.orders(), much.orders()
    assert small.size_native < large.size_native


def test_no_option_is_bought_at_a_price_far_from_its_mark_or_without_one() -> None:
    world = World(policy(book(band_low_coin=-1e9, band_high_coin=1e9), gate=ALLOWED))
    world.begin(SHORT, equity=1.0)
    world.quotes()
    world.fold(figures(world, 1.0, 0.75), after_ms=1_100)
    dear = [replace(quote(name, arrived_ns=world.now_ns), ask=0.0395) for name in (CALL, PUT)]
    world.fold(*dear, quote(arrived_ns=world.now_ns), after_ms=10)

    assert world.state.standing.orders == {}


def test_how_far_from_its_mark_an_option_may_be_bought_is_for_the_operator_to_say() -> None:
    world = thin(replace(ALLOWED, buy_back_spread_max=0.0002), SHORT, has=1.0, needs=0.75)
    assert not world.orders(), "it is asked for 0.0330, its mark is 0.0327"

    world = thin(replace(ALLOWED, buy_back_spread_max=0.0004), SHORT, has=1.0, needs=0.75)
    assert world.orders()


def test_while_anything_but_margin_forbids_trading_nothing_is_bought_back() -> None:
    world = thin(replace(ALLOWED, buy_back_options=False), SHORT, has=1.0, needs=0.75)
    world.policy = replace(world.policy, gate=ALLOWED)
    world.fold(LinkDown(link=Link.TRADING, reason="gone"))

    assert world.state.mode is Mode.RECONCILING
    assert world.orders() == []
