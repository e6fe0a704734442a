"""Each invariant fed with a trace that breaks it, and one that does not: the judge can fail."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core.engine import fresh_standing
from bot.core.orders import OrderStatus
from bot.core.state import Mode
from bot.core.units import NS_PER_SECOND
from bot.lab import invariants, watches
from tests.builders import CALL, PERP, PUT, World, policy, quote
from tests.core.test_derisk import ALLOWED, thin

SECOND = NS_PER_SECOND


class Sent:
    """A world in which one order has just been sent."""

    def __init__(self):
        self.world = World()
        self.world.begin({CALL: "-10"})
        self.step = self.world.quotes()
        (self.action,) = self.world.orders()
        self.state = self.world.state
        self.standing = self.state.standing
        (self.order,) = self.standing.orders.values()
        self.exposure = self.step.exposures["main"]
        self.policy = policy()


class Bought:
    """A world short of margin, in which an order that buys an option back has just been sent."""

    def __init__(self, option):
        world = thin(ALLOWED, {option: "-2"}, has=1.0, needs=0.75)
        (self.action,) = world.orders()
        self.policy = world.policy
        self.sent = world.state  # when it was sent
        self.exposure = world.quotes().exposures["main"]  # with it in flight
        self.state = world.state
        (self.order,) = self.state.standing.orders.values()


@pytest.fixture(scope="module")
def sent():
    return Sent()


@pytest.fixture(scope="module", params=[CALL, PUT])
def bought(request):
    return Bought(request.param)


def test_i1_an_order_that_arrives_twice_or_executes_more_than_its_size_is_seen():
    assert invariants.sent_once("a", set()) is None
    assert invariants.sent_once("a", {"a"})
    sizes = {"a": Decimal(100)}
    assert invariants.executed_within(sizes, {"a": Decimal(100)}) is None
    assert invariants.executed_within(sizes, {"a": Decimal(110)})


def test_i1_an_order_without_an_end_or_with_a_late_one_is_seen():
    assert invariants.bounded_life("a", 2_000, 0, 2_000.0) is None
    assert invariants.bounded_life("a", None, 0, 2_000.0)
    assert invariants.bounded_life("a", 2_001, 0, 2_000.0)


def test_i1_more_traded_than_ordered_and_nobody_halted_is_seen(sent):
    over = replace(sent.order, filled_native=2 * sent.order.size_native)
    after = replace(sent.standing, orders={over.order_id: over})
    assert invariants.noticed_excess(sent.standing.orders, after)
    assert invariants.noticed_excess(sent.standing.orders, replace(after, halt_reason="x")) is None
    assert invariants.noticed_excess(after.orders, after) is None, "it was told before"
    assert invariants.noticed_excess(sent.standing.orders, sent.standing) is None


def test_i2_an_order_whose_row_is_not_on_disk_is_seen():
    assert invariants.durable("a", {"a"}) is None
    assert invariants.durable("a", {"b"})


def test_i4_a_second_order_beside_one_in_doubt_is_seen(sent):
    doubtful = replace(sent.order, order_id="other", status=OrderStatus.UNKNOWN)
    assert invariants.one_doubt([sent.order], [sent.action]) is None
    assert invariants.one_doubt([doubtful, sent.order], [])
    assert invariants.one_doubt([doubtful], [sent.action])


def test_i4_an_order_that_comes_back_beside_one_in_doubt_is_none_that_was_sent(sent):
    over = replace(sent.order, order_id="over", status=OrderStatus.CLOSED)
    back = replace(over, status=OrderStatus.UNKNOWN)
    returned = invariants.come_back({"over": over}, {"over": back})
    assert returned == {"over"}
    assert invariants.come_back({"over": back}, {"over": back}) == frozenset()
    assert invariants.one_doubt([back, sent.order], [], returned) is None
    assert invariants.one_doubt([back], [sent.action], returned), "nothing goes beside it"


def test_i5_a_position_that_is_not_the_venues_is_seen():
    assert invariants.agreed({PERP: Decimal(10)}, {PERP: Decimal(10)}) is None
    assert invariants.agreed({}, {PERP: Decimal(10)})
    assert invariants.agreed({PERP: Decimal(10)}, {PERP: Decimal(-10)})


def test_i6_an_order_that_is_too_large_far_off_or_crosses_the_target_is_seen(sent):
    def judged(action, state=sent.state):
        return invariants.bounded(action, state, sent.exposure, sent.policy)

    assert judged(sent.action) is None
    assert judged(replace(sent.action, size_native=Decimal(600_000)))
    assert judged(replace(sent.action, size_native=3 * sent.action.size_native))
    assert judged(replace(sent.action, size_native=-sent.action.size_native))
    assert judged(replace(sent.action, limit=Decimal(150_000)))
    no_index = {**sent.state.quotes, PERP: replace(sent.state.quotes[PERP], index_usd=None)}
    assert judged(sent.action, replace(sent.state, quotes=no_index))


def test_i7_an_order_decided_on_an_old_or_broken_quote_is_seen(sent):
    def judged(state):
        return invariants.fresh(sent.action, state, sent.policy)

    assert judged(sent.state) is None
    assert judged(replace(sent.state, now_ns=sent.state.now_ns + 4 * SECOND))
    young = quote(arrived_ns=sent.state.now_ns + 31 * SECOND)
    later = replace(
        sent.state,
        now_ns=sent.state.now_ns + 31 * SECOND,
        quotes={**sent.state.quotes, PERP: young},
    )
    assert "stale quote" in str(judged(later)), "the option's"
    assert "stale quote" in str(invariants.valued_fresh(sent.exposure, later, sent.policy))
    assert invariants.valued_fresh("no number", later, sent.policy) is None
    assert invariants.valued_fresh(sent.exposure, sent.state, sent.policy) is None
    bad = replace(sent.state.quotes[PERP], bid=float("nan"))
    assert judged(replace(sent.state, quotes={**sent.state.quotes, PERP: bad}))


def test_i8_more_orders_a_minute_than_allowed_are_seen(sent):
    many = [replace(sent.order, order_id=str(number)) for number in range(4)]
    assert invariants.at_rate(many, sent.state.now_ms, 4) is None
    assert invariants.at_rate(many, sent.state.now_ms, 3)
    assert invariants.at_rate(many, sent.state.now_ms + 60_000, 3) is None


def test_i9_an_order_after_a_halt_and_a_halt_that_goes_by_itself_are_seen(sent):
    halted = replace(sent.standing, halt_reason="enough")
    assert invariants.halted(halted, [sent.action], is_resumed=False)
    assert invariants.halted(halted, [sent.action], is_resumed=True) is None
    assert invariants.halted(halted, [], is_resumed=False) is None
    assert invariants.still_halted(halted, sent.standing, is_resumed=False)
    assert invariants.still_halted(halted, sent.standing, is_resumed=True) is None
    assert invariants.still_halted(halted, halted, is_resumed=False) is None


def test_i10_a_daemon_that_does_not_run_doubts_or_stays_outside_its_band_is_seen(sent):
    quiet = replace(sent.order, status=OrderStatus.CLOSED)
    calm = replace(sent.state, standing=replace(sent.standing, orders={quiet.order_id: quiet}))
    assert invariants.healed(calm, 0) is None
    assert invariants.healed(replace(calm, mode=Mode.HOLD), 0)
    assert invariants.healed(calm, 11 * SECOND)
    assert invariants.healed(replace(sent.state, now_ns=sent.state.now_ns + 11 * SECOND), 0)
    assert not invariants.inside("no number", sent.policy)
    assert not invariants.inside(sent.exposure, sent.policy)


def test_i11_an_order_that_a_restart_forgets_is_seen(sent):
    known = sent.standing.orders
    unknown = replace(sent.order, status=OrderStatus.UNKNOWN)
    assert invariants.kept_open(known, {sent.order.order_id: unknown}) is None
    assert invariants.kept_open(known, {})
    closed = replace(sent.order, status=OrderStatus.CLOSED)
    assert invariants.kept_open(known, {sent.order.order_id: closed})
    working = replace(sent.order, status=OrderStatus.WORKING)
    assert invariants.kept_open(known, {sent.order.order_id: working}), "nobody has asked"


def test_i13_an_order_beside_another_daemon_is_seen(sent):
    strangers = {"dbffffff0000001": True}
    assert invariants.alone(strangers, [sent.action], is_resumed=False)
    assert invariants.alone(strangers, [sent.action], is_resumed=True) is None
    assert invariants.alone(strangers, [], is_resumed=False) is None
    looked_at = dict.fromkeys(strangers, False)
    assert invariants.alone(looked_at, [sent.action], is_resumed=False) is None


def test_i15_an_order_called_absent_that_the_venue_took_is_seen():
    assert invariants.absent_for_real(["a"], {"b"}) is None
    assert invariants.absent_for_real(["a"], {"a"})


def test_i16_an_order_in_flight_that_the_interval_forgets_is_seen(sent):
    unit = sent.exposure.hedge_coin_per_native
    wide = sent.exposure._replace(
        delta_low_coin=sent.exposure.delta_coin + min(0.0, float(sent.order.size_native) * unit),
        delta_high_coin=sent.exposure.delta_coin + max(0.0, float(sent.order.size_native) * unit),
    )
    narrow = sent.exposure._replace(
        delta_low_coin=sent.exposure.delta_coin, delta_high_coin=sent.exposure.delta_coin
    )
    small = replace(sent.policy, safety=replace(sent.policy.safety, order_max_usd=10.0))
    assert invariants.spanned(wide, sent.state, [sent.order], sent.policy) is None
    assert invariants.spanned(narrow, sent.state, [sent.order], sent.policy)
    assert invariants.spanned(wide, sent.state, [sent.order], small)
    filled = replace(sent.order, filled_native=sent.order.size_native)
    assert invariants.spanned(narrow, sent.state, [filled], sent.policy) is None
    assert invariants.spanned("no number", sent.state, [sent.order], small) is None


def test_i16_an_option_on_its_way_back_counts_by_its_own_delta(bought):
    def judged(exposure, order=bought.order):
        return invariants.spanned(exposure, bought.state, [order], bought.policy)

    known = bought.exposure
    wide = max(
        known.delta_high_coin - known.delta_coin,
        known.delta_coin - known.delta_low_coin,
    )
    assert wide > 0.1
    assert judged(known) is None
    shifted = {"delta_low_coin": known.delta_low_coin, "delta_high_coin": known.delta_high_coin}
    for bound, delta in shifted.items():
        middle = 0.5 * (delta + known.delta_coin)
        assert bool(judged(known._replace(**{bound: middle}))) is (delta != known.delta_coin)
    gone = replace(bought.order, instrument="BTC-4FEB26-999000-C")
    assert judged(known._replace(delta_low_coin=known.delta_coin), gone) is None, "it is not held"


def test_i6_an_option_bought_back_dear_beyond_what_is_held_or_over_the_largest_order_is_seen(
    bought,
):
    def judged(action=bought.action, rules=bought.policy):
        return invariants.bounded(action, bought.sent, bought.exposure, rules)

    assert judged() is None
    assert judged(replace(bought.action, size_native=Decimal("2.1")))
    assert judged(replace(bought.action, size_native=-bought.action.size_native))
    assert judged(replace(bought.action, limit=Decimal("0.0395")))
    small = replace(bought.policy.safety, order_max_usd=1_000.0)
    assert judged(rules=replace(bought.policy, safety=small))


def test_i7_an_option_bought_back_needs_what_is_asked_and_no_bid(bought):
    name = bought.action.instrument

    def judged(**changes):
        told = replace(bought.sent.quotes[name], **changes)
        seen = replace(bought.sent, quotes={**bought.sent.quotes, name: told})
        return invariants.fresh(bought.action, seen, bought.policy)

    assert judged() is None
    assert judged(bid=None, mark=0.0) is None
    assert judged(ask=None)
    old_ns = bought.sent.now_ns - 31 * SECOND
    assert judged(arrived_ns=old_ns + 2 * SECOND) is None, "options are quoted more seldom"
    assert judged(arrived_ns=old_ns)


def test_i18_a_secret_in_a_log_a_file_or_a_page_is_seen():
    said = [("the log", "all is well"), ("a page", "token=s3cret!")]
    assert list(watches.told(["s3cret!"], said)) == ["secret 0 is written in a page"]
    assert list(watches.told(["other"], said)) == []
    assert list(watches.told([""], said)) == []


def test_i19_a_command_that_is_obeyed_twice_is_seen():
    before = fresh_standing("1ab0ab", 0)
    paused = replace(before, pause_reason="paused by x")
    assert invariants.obeyed_once(before, paused, repeated=True)
    assert invariants.obeyed_once(before, paused, repeated=False) is None
    assert invariants.obeyed_once(paused, paused, repeated=True) is None


def test_i23_money_that_came_from_nowhere_is_seen():
    assert invariants.conserved(1.0, 1.004, 0.005) is None
    assert invariants.conserved(1.0, 1.006, 0.005)
    assert invariants.conserved(1.0, 0.994, 0.005)
    assert invariants.counted(Decimal("1.50"), Decimal("1.5")) is None
    assert invariants.counted(Decimal("1.5"), Decimal(0))


def test_every_invariant_has_words():
    assert list(invariants.TEXTS) == [f"I{number}" for number in range(1, 24)]
