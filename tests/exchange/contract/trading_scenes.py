"""Scenes of orders that are changed, wait for a price, are protected, and leave a history."""

from typing import Any

from bot.exchange.venue_commands import Shock
from tests.exchange.contract.stage import BTC, Actor, Stage, far_below, liquid_option
from tests.exchange.wire import PERPETUAL


def changes(stage: Stage) -> None:
    """Orders are edited, cancelled in all ways, and looked up when they are over."""
    trader = stage.actor()
    option, far = liquid_option(trader), far_below(trader)
    perp = {"instrument_name": PERPETUAL}
    resting = trader.call("private/buy", **perp, amount=50, price=far, label="edit")["order"]
    smaller = {"amount": 40, "price": far}
    trader.call("private/edit", order_id=resting["order_id"], **smaller)
    trader.call("private/edit_by_label", label="edit", **perp, amount=60)
    trader.call("private/get_order_margin_by_ids", ids=[resting["order_id"]])
    for method, params in (
        ("cancel_all_by_currency_pair", {"currency_pair": "btc_usd", "detailed": True}),
        ("cancel_all_by_kind_or_type", {"currency": ["BTC", "ETH"], "kind": "future"}),
        ("cancel_all_by_kind_or_type", {"currency": "any", "type": "limit", "detailed": True}),
    ):
        trader.call("private/buy", **perp, amount=10, price=far, time_in_force="good_til_day")
        trader.call(f"private/{method}", **params)
    trader.call("private/buy", **perp, amount=500, type="market_limit")
    trader.call("private/buy", **perp, amount=10_000, display_amount=1_000, price=far)
    trader.call("private/buy", instrument_name=option, amount=0.1, type="market")
    trader.call("private/close_position", **perp, type="market")
    trader.call("private/get_order_history_by_currency", **BTC, include_unfilled=True)
    trader.call("private/get_order_history_by_instrument", **perp, count=1)
    trader.call("private/get_order_history_by_currency", **BTC, with_continuation=True, count=1)


def triggers(stage: Stage) -> None:
    """Stops of all kinds wait, are listed, edited and cancelled; the market reaches one."""
    trader = stage.actor()
    price = trader.call("public/ticker", instrument_name=PERPETUAL)["mark_price"]
    low, high = _tick(0.9 * price), _tick(1.1 * price)
    trader.call("private/buy", instrument_name=PERPETUAL, amount=500, type="market")
    stops = [
        _waiting(trader, "sell", type="stop_market", trigger_price=low, trigger="mark_price"),
        _waiting(trader, "sell", type="stop_limit", trigger_price=low, price=low),
        _waiting(trader, "sell", type="take_limit", trigger_price=high, price=high),
        _waiting(trader, "buy", type="take_market", trigger_price=low),
        _waiting(trader, "sell", type="trailing_stop", trigger_offset=500),
    ]
    trader.call("private/edit", order_id=stops[0]["order_id"], amount=20)
    trader.call("private/get_open_orders", type="trigger_all")
    trader.call("private/cancel", order_id=stops[1]["order_id"])
    stage.world.floor.engine.handle(Shock(underlying="BTC", move=-0.15))
    stage.pass_ms(1_000, rounds=3)
    trader.call("private/cancel_all", detailed=True)
    trader.call("private/get_trigger_order_history", **BTC)
    trader.call("private/get_trigger_order_history", **BTC, count=1)


def _tick(price: float) -> float:
    return round(2 * price) / 2


def _waiting(trader: Actor, side: str, **terms: Any) -> dict[str, Any]:
    terms.setdefault("trigger", "index_price")
    answer = trader.call(f"private/{side}", instrument_name=PERPETUAL, amount=10, **terms)
    order: dict[str, Any] = answer["order"]
    return order


def protection(stage: Stage) -> None:
    """A market maker is protected, runs into the limit, and is thawed."""
    maker = stage.actor()
    maker.listen("user.mmp_trigger.btc_usd")
    index = {"index_name": "btc_usd"}
    limits = {"quantity_limit": 0.001, "delta_limit": 5, "vega_limit": 100}
    maker.call(
        "private/set_mmp_config",
        **index,
        interval=5,
        frozen_time=60,
        max_quote_quantity=3,
        **limits,
    )
    maker.call("private/get_mmp_config", **index)
    high = maker.call("public/ticker", instrument_name=PERPETUAL)["max_price"]
    maker.call("private/buy", instrument_name=PERPETUAL, amount=500, price=high, mmp=True)
    maker.call("private/get_mmp_status")
    maker.call("private/reset_mmp", **index)
    maker.call("private/set_mmp_config", **index, interval=0, frozen_time=0)
    maker.call("private/get_mmp_config")
    maker.call(
        "private/set_self_trading_config", mode="cancel_maker", extended_to_subaccounts=False
    )
