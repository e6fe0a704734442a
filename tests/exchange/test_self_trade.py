"""Nobody trades with itself: the arriving order is refused, or the resting one gives way."""

from bot.exchange.reports import CancelReason, OrderState
from bot.exchange.trading_commands import SelfTradeMode, SelfTradeRule, SetSelfTrading
from tests.exchange.engine_builders import BUY, FOK, PERP, SELL, engine, order, placed, refused
from tests.exchange.trading_builders import cancel_makers, crowd, done, order_now


def test_the_arriving_order_is_refused_unless_the_owner_chose_otherwise() -> None:
    venue = engine()
    placed(venue.handle(order(BUY, 100, 100_000.0)))
    assert venue.self_trading("demo").mode is SelfTradeMode.REJECT_TAKER
    assert refused(venue.handle(order(SELL, 100, 100_000.0))).code == 10003


def test_the_resting_order_gives_way_where_the_owner_chose_so() -> None:
    venue = crowd()
    mine = placed(venue.handle(order(BUY, 100, 100_000.5))).order
    theirs = placed(venue.handle(order(BUY, 100, 100_000.0, account="other"))).order
    cancel_makers(venue)

    taken = placed(venue.handle(order(SELL, 100, 100_000.0)))

    gone = order_now(venue, mine.order_id)
    assert gone.order_state is OrderState.CANCELLED
    assert gone.cancel_reason is CancelReason.USER_REQUEST
    assert [trade.amount for trade in taken.trades] == [100]
    assert order_now(venue, theirs.order_id, "other").order_state is OrderState.FILLED
    assert [t.order_id for t in venue.trades("demo")] == [taken.order.order_id]


def test_an_own_order_is_no_liquidity_for_a_fill_or_kill_order() -> None:
    venue = crowd()
    placed(venue.handle(order(BUY, 100, 100_000.0)))
    placed(venue.handle(order(BUY, 50, 100_000.0, account="other")))
    cancel_makers(venue)
    killed = placed(venue.handle(order(SELL, 150, 100_000.0, tif=FOK)))
    assert (killed.order.order_state, killed.trades) == (OrderState.CANCELLED, ())
    assert len(venue.open_orders("demo")) == 1


def test_accounts_of_one_owner_trade_with_each_other_unless_the_rule_is_extended() -> None:
    venue = crowd()
    venue.desk.self_trading.owners.update({"other": "demo"})
    placed(venue.handle(order(BUY, 100, 100_000.0, account="other")))
    assert placed(venue.handle(order(SELL, 50, 100_000.0))).trades

    rule = SelfTradeRule(mode=SelfTradeMode.REJECT_TAKER, extended_to_subaccounts=True)
    done(venue.handle(SetSelfTrading(account="demo", rule=rule)))

    assert refused(venue.handle(order(SELL, 50, 100_000.0))).code == 10003
    assert venue.self_trading("other") == rule
    assert placed(venue.handle(order(SELL, 50, 100_000.0, account="third"))).trades
    assert venue.ledger_positions("third")[PERP] == -50
