"""Our delta of the account against the venue's own figures, and what a lasting difference stops."""

from dataclasses import replace
from typing import Any

import pytest

from bot.core import agreement, units
from bot.core.events import OrderUnknown
from bot.core.reported import Gap
from bot.core.state import Mode
from bot.quant.conventions import Convention
from tests.builders import CALL, PERP, START_MS, World, balance, policy, positions
from tests.core.pairs import BTC, BTC_USDC, ETH, ETH_USDC, Account

BTC_PUT, ETH_PUT = BTC_USDC.option(110_000, "P"), ETH_USDC.option(3_300, "P")
WIDE = Convention.BOOK
# F = 100,000, K = 110,000, T = 30/365, vol 0.60: the design's golden values, hundred ms later.
NET, BLACK = 0.2871630806, 0.3198656857


def inverse(**rules: Any) -> Account:
    """Ten calls and 0.3 coins short, of which forward and index are the same."""
    level = replace(BTC, perp_over=1.0, forward_over=1.0)
    held = {BTC.option(110_000, "C"): "10", PERP: "-30000"}
    return Account(BTC.plan(WIDE), held=held, markets=[level], **rules).quotes()


def told(account: Account, currency: str = "BTC", **figures: Any) -> Mode:
    """One more second, a balance with these figures, and the mode then."""
    account.quotes(account.balance(currency, **figures), after_ms=1_000)
    return account.world.state.mode


def gaps(account: Account) -> dict[str, Gap]:
    return dict(account.world.state.gaps)


def test_the_net_delta_takes_the_premium_off_and_the_map_does_not() -> None:
    account = inverse()
    told(account, delta_total_coin=0.0, delta_total_map={"btc_usd": 0.0})

    assert gaps(account).keys() == {"BTC", "btc_usd"}
    assert gaps(account)["BTC"].gap_coin == pytest.approx(10 * NET - 0.3, rel=1e-6)
    assert gaps(account)["btc_usd"].gap_coin == pytest.approx(10 * BLACK - 0.3, rel=1e-6)


def test_a_delta_that_keeps_differing_stops_trading_until_both_agree() -> None:
    account, ours = inverse(), 10 * NET - 0.3
    for _ in range(6):
        assert told(account, delta_total_coin=ours - 0.2) is Mode.RUN, "a moment's gap is borne"
    assert told(account, delta_total_coin=ours - 0.2) is Mode.HOLD
    assert "own delta on BTC differs from the venue's by +0.2" in account.world.state.mode_reason
    assert told(account, delta_total_coin=None) is Mode.HOLD, "silence is no agreement"
    assert told(account, delta_total_coin=ours) is Mode.RUN
    assert gaps(account)["BTC"].since_ns is None


def test_a_gap_in_the_map_alone_stops_trading_as_well() -> None:
    account = inverse()
    figures: dict[str, Any] = {
        "delta_total_coin": 10 * NET - 0.3,
        "delta_total_map": {"btc_usd": 0.0},
    }
    modes = [told(account, **figures) for _ in range(7)]

    assert modes[-1] is Mode.HOLD
    assert "own delta on btc_usd" in account.world.state.mode_reason


def test_one_old_figure_does_not_age_into_a_gap() -> None:
    account = inverse()
    told(account, delta_total_coin=5.0)
    for _ in range(20):
        account.quotes(after_ms=1_000)
        assert account.world.state.mode is Mode.RUN


@pytest.mark.parametrize(("gap_usd", "counts"), [(9_990, False), (10_010, True)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_gap_counts_from_its_limit_on_in_both_directions(sign, gap_usd, counts) -> None:
    account = inverse()
    told(account, delta_total_coin=10 * NET - 0.3 - sign * gap_usd / 100_000)

    assert (gaps(account)["BTC"].since_ns is not None) is counts


@pytest.mark.parametrize(("late_ms", "compared"), [(2_000, True), (2_001, False)])
@pytest.mark.parametrize("sign", [1, -1])
def test_quotes_much_older_or_newer_than_the_balance_are_not_compared(
    sign, late_ms, compared
) -> None:
    account = inverse()
    late_ns = account.world.now_ns + sign * late_ms * units.NS_PER_MS
    report = replace(account.balance("BTC", delta_total_coin=0.0), arrived_ns=late_ns)
    rules = account.world.policy
    after = agreement.compared(
        account.world.state, {"BTC": report}, ["BTC"], rules.quotes, rules.agreement
    )

    assert ("BTC" in after.gaps) is compared


@pytest.mark.parametrize("leg", [PERP, BTC.option(110_000, "C")])
def test_one_old_leg_is_enough_to_compare_nothing(leg) -> None:
    account = inverse()
    account.quotes(after_ms=2_500)
    old = replace(account.world.state.quotes[leg], arrived_ns=account.world.now_ns - 2_100_000_000)
    account.world.fold(old, account.balance("BTC", delta_total_coin=0.0), after_ms=0)

    assert not gaps(account)


def test_nothing_is_compared_while_a_position_is_moving() -> None:
    world = World()
    world.begin({CALL: "-10"})
    world.quotes()
    (order,) = world.orders()
    world.fold(OrderUnknown(order_id=order.order_id, reason="timeout"))
    for _ in range(10):
        report = balance(delta_total_coin=40.0, arrived_ns=world.now_ns)
        assert not world.quotes(100_000.0, report, after_ms=1_000).state.gaps


def test_nothing_is_compared_without_fresh_quotes_of_everything() -> None:
    account = inverse()
    late = account.balance("BTC", delta_total_coin=40.0, arrived_ns=account.world.now_ns)
    account.world.fold(late, after_ms=40_000)
    assert not gaps(account)

    account.world.fold(
        replace(account.world.state.quotes[PERP], arrived_ns=account.world.now_ns),
        account.balance("BTC", delta_total_coin=40.0),
        after_ms=0,
    )
    assert not gaps(account), "the option's quote is still old"


def test_nothing_is_compared_while_a_perpetual_held_has_an_old_quote() -> None:
    account = inverse()
    call = BTC.option(110_000, "C")
    account.world.now_ns += 5_000 * units.NS_PER_MS
    now_ns, now_ms = account.world.now_ns, account.world.now_ms
    fresh = replace(account.world.state.quotes[call], arrived_ns=now_ns, venue_ms=now_ms)
    account.world.fold(fresh, account.balance("BTC", delta_total_coin=40.0), after_ms=0)

    assert not gaps(account)


def test_an_option_that_has_expired_is_no_part_of_the_comparison() -> None:
    deep = BTC.option(50_000, "C")
    expiry_ms = START_MS + 15 * units.MS_PER_MINUTE
    held = {deep: "10", PERP: "-100200"}
    account = Account(BTC.plan(WIDE), held=held, expiry_ms=expiry_ms).quotes()
    account.quotes(after_ms=15 * units.MS_PER_MINUTE)
    assert deep in account.world.state.standing.positions, "the venue has not settled it yet"
    told(account, delta_total_coin=-1.0)

    assert gaps(account)["BTC"].gap_coin == pytest.approx(0.0, abs=1e-9)


def linear(*, venue_has_df: bool, count: int = 1) -> Account:
    """Puts on both coins in one dollar account; the venue's figures read one way or the other."""
    held = {BTC_PUT: "-40", ETH_PUT: "-100", BTC_USDC.perp: "2", ETH_USDC.future: "7"}
    plans = (BTC_USDC.plan(WIDE), ETH_USDC.plan(WIDE))
    account = Account(*plans, held=held, equity={"USDC": 1e7}).quotes()
    told(account, "USDC", delta_total_map={"btc_usdc": 0.0, "eth_usdc": 0.0})
    state = account.world.state
    own = agreement._own(state, "USDC", account.world.policy.quotes)
    assert own is not None
    for _ in range(count):
        figures = {
            name: one.discounted if venue_has_df else one.undiscounted
            for name, one in own.by_index.items()
        }
        told(account, "USDC", delta_total_coin=1e6, delta_total_map=figures)
    return account


@pytest.mark.parametrize("venue_has_df", [True, False])
def test_whether_a_linear_figure_holds_the_discount_factor_is_learned(venue_has_df) -> None:
    account = linear(venue_has_df=venue_has_df, count=4)

    assert gaps(account).keys() == {"btc_usdc", "eth_usdc"}, "a dollar account has no net delta"
    for gap in gaps(account).values():
        assert abs(gap.gap_coin) < 1e-4
        assert gap.reading == ("discounted" if venue_has_df else "undiscounted")


def test_the_reading_that_fitted_more_often_counts_against_a_moments_chance() -> None:
    account = linear(venue_has_df=True, count=4)
    own = agreement._own(account.world.state, "USDC", account.world.policy.quotes)
    assert own is not None
    other = {name: one.undiscounted for name, one in own.by_index.items()}
    told(account, "USDC", delta_total_map=other)

    seen = gaps(account)["btc_usdc"]
    assert seen.reading == "discounted"
    assert seen.gap_coin == pytest.approx(-40 * -0.65 * (0.99672 - 1), rel=0.1)


def test_a_linear_perpetual_counts_as_its_coins_whatever_its_mark() -> None:
    account = Account(BTC_USDC.plan(WIDE), held={BTC_USDC.perp: "2.5"}).quotes()
    told(account, "USDC", delta_total_map={"btc_usdc": 2.5, "eth_usdc": 1.0, "sol_usdc": 1.0})

    assert gaps(account)["btc_usdc"].gap_coin == 0.0
    assert gaps(account)["btc_usdc"].reading == ""
    assert gaps(account).keys() == {"btc_usdc"}, "of the others no index is quoted"


def test_what_the_venue_counts_and_we_do_not_hold_is_a_gap() -> None:
    account = Account(BTC.plan(WIDE), ETH.plan(WIDE), held={}).quotes()
    told(account, "ETH", delta_total_coin=7.0, delta_total_map={"eth_usd": 7.0})

    assert {key: gap.gap_coin for key, gap in gaps(account).items()} == {
        "ETH": -7.0,
        "eth_usd": -7.0,
    }


def test_in_the_settlement_window_the_venue_decays_options_and_no_futures() -> None:
    deep = BTC.option(50_000, "C")  # D = 1, m = 1 - 50,000 / 100,500
    expiry_ms = START_MS + 300 + 15 * units.MS_PER_MINUTE
    held = {BTC.future: "100500", deep: "2"}
    account = Account(BTC.plan(WIDE), held=held, expiry_ms=expiry_ms).quotes()
    mark = 1 - 50_000 / 100_500
    net, black = 2 * 0.5 * (1 - mark), 2 * (mark + 0.5 * (1 - mark))
    told = {"btc_usd": 1.0 + black}
    account.quotes(
        account.balance("BTC", delta_total_coin=1.0 + net, delta_total_map=told), after_ms=0
    )

    assert gaps(account)["BTC"].gap_coin == pytest.approx(0.0, abs=1e-9)
    assert gaps(account)["btc_usd"].gap_coin == pytest.approx(0.0, abs=1e-9)


def test_currencies_without_a_book_are_not_compared() -> None:
    world = World(policy())
    world.begin({})
    report = balance(currency="ETH", delta_total_coin=9.0, arrived_ns=world.now_ns)
    world.quotes(100_000.0, report, positions({}))

    assert not world.state.gaps
