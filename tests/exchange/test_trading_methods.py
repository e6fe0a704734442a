"""The rules of trading, asked for over the wire in the venue's own words."""

from typing import Any

import pytest

from bot.exchange.methods import histories, user_trades
from bot.exchange.venue_commands import Shock
from tests.exchange.wire import PERPETUAL, Client, Hall, RpcFailedError, hall

PERP = {"instrument_name": PERPETUAL}
BTC = {"currency": "BTC"}


def trader(world: Hall | None = None) -> Client:
    return (world or hall()).client().login()


def prices(client: Client) -> tuple[float, float]:
    """The lowest and the highest price of an order now."""
    ticker = client.call("public/ticker", **PERP)
    return ticker["min_price"], ticker["max_price"]


def resting(client: Client, **more: Any) -> dict[str, Any]:
    params = {"amount": 50, "price": prices(client)[0], **more}
    order: dict[str, Any] = client.call("private/buy", **PERP, **params)["order"]
    return order


def refusal(client: Client, method: str, **params: Any) -> int:
    with pytest.raises(RpcFailedError) as refused:
        client.call(method, **params)
    return int(refused.value.code)


def behind_the_house(client: Client) -> tuple[str, dict[str, Any]]:
    """Rest at the best ask; the order's id, and a buy that takes the house's level and this."""
    price, amount = client.call("public/get_order_book", **PERP, depth=1)["asks"][0]
    placed = client.call("private/sell", **PERP, amount=10, price=price)["order"]
    whole = {"amount": amount + 10, "price": price, "time_in_force": "immediate_or_cancel"}
    return placed["order_id"], whole


def test_an_edit_answers_like_an_order_and_says_that_it_replaced_one() -> None:
    client = trader()
    placed = resting(client, label="mine", post_only=True)

    answer = client.call("private/edit", order_id=placed["order_id"], amount=40)

    assert answer["trades"] == []
    changed = answer["order"]
    assert (changed["order_id"], changed["amount"]) == (placed["order_id"], 40)
    assert (changed["replaced"], changed["post_only"], placed["replaced"]) == (True, True, False)
    by_label = client.call("private/edit_by_label", **PERP, label="mine", contracts=3)
    assert by_label["order"]["amount"] == 30
    assert refusal(client, "private/edit_by_label", **PERP, label="nobody", amount=10) == 10004


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"type": "stop_market", "trigger_price": 10}, -32602),
        ({"type": "stop_market", "trigger": "mark_price"}, -32602),
        ({"type": "stop_limit", "trigger": "mark_price", "trigger_price": 10}, -32602),
        ({"type": "trailing_stop", "trigger": "mark_price"}, -32602),
        ({"type": "stop_market", "trigger": "moon", "trigger_price": 10}, -32602),
        ({"type": "stop_market", "trigger": "index_price", "trigger_price": 10}, 10035),
        ({"type": "take_market", "trigger": "index_price", "trigger_price": 1_000_000}, 10034),
        ({"type": "limit", "price": 10, "trigger_price": 10}, -32602),
        ({"type": "market", "otoco_config": [{"amount": 10}]}, 10033),
        ({"type": "limit", "price": 10, "advanced": "implv"}, 11038),
        ({"type": "market", "post_only": True}, 11055),
        ({"type": "market", "mmp": True}, 11047),
        ({"type": "limit", "price": 10, "mmp": True}, 11030),
    ],
)
def test_a_bad_order_is_refused_with_the_venues_code(params: dict[str, Any], code: int) -> None:
    assert refusal(trader(), "private/buy", **PERP, amount=10, **params) == code


def test_a_trigger_order_is_listed_fires_and_is_logged() -> None:
    world = hall(speed=10.0)
    client = trader(world)
    client.call("private/buy", **PERP, amount=100, type="market")
    client.call("private/subscribe", channels=["user.orders.any.any.raw"])
    level = round(prices(client)[0])
    stop = {"type": "stop_market", "trigger": "mark_price", "trigger_price": level}
    order = client.call("private/sell", **PERP, amount=100, reduce_only=True, **stop)["order"]
    assert (order["order_state"], order["order_type"]) == ("untriggered", "stop_market")
    assert (order["price"], order["trigger"], order["triggered"]) == (
        "market_price",
        "mark_price",
        False,
    )
    for kind in ("all", "trigger_all", "stop_all", "stop_market"):
        (listed,) = client.call("private/get_open_orders", type=kind)
        assert listed["order_id"] == order["order_id"]
    assert client.call("private/get_open_orders", type="limit") == []

    world.floor.accept(world.floor.engine.handle(Shock(underlying="BTC", move=-0.1)))
    for _ in range(3):
        world.pass_ms(500)

    assert client.call("private/get_positions", **BTC) == []
    told = [frame["params"]["data"]["order_state"] for frame in client.heard if "params" in frame]
    assert told == ["untriggered", "triggered", "filled"]
    (entry,) = client.call("private/get_trigger_order_history", **BTC)["entries"]
    assert (entry["trigger_order_id"], entry["request"]) == (order["order_id"], "trigger:order")
    assert (entry["order_state"], entry["order_type"]) == ("triggered", "market")
    born = client.call("private/get_order_state", order_id=entry["order_id"])
    assert born["trigger_order_id"] == order["order_id"]
    assert client.call("private/get_trigger_order_history", currency="ETH")["entries"] == []


def test_closing_a_position_needs_one() -> None:
    client = trader()
    assert refusal(client, "private/close_position", **PERP, type="market") == 11030
    client.call("private/sell", **PERP, amount=200, type="market")
    assert refusal(client, "private/close_position", **PERP, type="limit") == -32602
    assert refusal(client, "private/close_position", **PERP, type="stop_market") == -32602
    closed = client.call("private/close_position", **PERP, type="market")
    assert (closed["order"]["direction"], closed["order"]["reduce_only"]) == ("buy", True)
    assert client.call("private/get_positions", **BTC) == []


def test_a_detailed_cancel_reports_by_book_and_type() -> None:
    client = trader()
    resting(client)
    stop = {"type": "stop_market", "trigger": "index_price", "trigger_price": 1_000}
    client.call("private/sell", **PERP, amount=10, **stop)
    reports = client.call("private/cancel_all", detailed=True)
    assert [(each["type"], len(each["result"])) for each in reports] == [
        ("limit", 1),
        ("trigger", 1),
    ]
    assert client.call("private/cancel_all", detailed=True) == []
    assert client.call("private/cancel_all") == 0


@pytest.mark.parametrize(
    ("method", "params", "count"),
    [
        ("cancel_all_by_currency_pair", {"currency_pair": "btc_usd"}, 1),
        ("cancel_all_by_currency_pair", {"currency_pair": "BTC_USD", "kind": "option"}, 0),
        ("cancel_all_by_currency_pair", {"currency_pair": "eth_usd"}, 0),
        ("cancel_all_by_kind_or_type", {"currency": "any"}, 1),
        ("cancel_all_by_kind_or_type", {"currency": ["ETH", "USDC"]}, 0),
        ("cancel_all_by_kind_or_type", {"currency": '["BTC","ETH"]', "type": "limit"}, 1),
        ("cancel_all_by_kind_or_type", {"currency": "BTC", "type": "trigger_all"}, 0),
        ("cancel_all_by_currency", {"currency": "BTC", "kind": "spot"}, 0),
        ("cancel_all_by_currency", {"currency": "BTC", "kind": "any", "freeze_quotes": True}, 1),
        ("cancel_all_by_instrument", {**PERP, "type": "take"}, 0),
    ],
)
def test_a_mass_cancel_counts_what_it_took(method: str, params: dict[str, Any], count: int) -> None:
    client = trader()
    resting(client)
    assert client.call(f"private/{method}", **params) == count


def test_history_leaves_unfilled_orders_out_unless_they_are_asked_for() -> None:
    client = trader()
    filled = [
        client.call("private/buy", **PERP, amount=10, type="market")["order"]["order_id"]
        for _ in range(3)
    ]
    idle = resting(client)["order_id"]
    client.call("private/cancel", order_id=idle)

    def ids(**more: Any) -> list[str]:
        answer = client.call("private/get_order_history_by_currency", **BTC, **more)
        return [each["order_id"] for each in answer]

    assert ids() == filled[::-1]
    assert ids(include_unfilled=True) == [idle, *filled[::-1]]
    assert ids(kind="option") == []
    assert ids(offset=1, count=1) == [filled[1]]
    assert ids(historical=True) == []
    by_name = client.call("private/get_order_history_by_instrument", **PERP, count=2)
    assert [each["order_id"] for each in by_name] == filled[:0:-1]
    for wrong in ({"count": 0}, {"count": 1_001}, {"offset": -1}, {"continuation": "x"}):
        method = "private/get_order_history_by_currency"
        assert refusal(client, method, **BTC, **wrong) == -32602


def test_history_is_turned_page_by_page_with_a_token() -> None:
    client = trader()
    filled = [
        client.call("private/buy", **PERP, amount=10, type="market")["order"]["order_id"]
        for _ in range(5)
    ]
    seen: list[str] = []
    token: dict[str, Any] = {}
    for _ in range(3):
        page = client.call(
            "private/get_order_history_by_instrument",
            **PERP,
            **token,
            count=2,
            with_continuation=True,
        )
        seen += [each["order_id"] for each in page["orders"]]
        token = {"continuation": page["continuation"]}
    assert seen == filled[::-1]
    assert token == {"continuation": ""}


def test_recent_and_historical_records_are_kept_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    # A day and half an hour would take too long.
    monkeypatch.setattr(user_trades, "RECENT_MS", 20_000)
    monkeypatch.setattr(histories, "RECENT_MS", 10_000)
    world = hall(speed=100.0)
    client = trader(world)
    client.call("private/buy", **PERP, amount=10, type="market", label="old")

    def labels(method: str, **more: Any) -> list[str]:
        answer = client.call(method, **{**BTC, **more})
        found = answer["trades"] if isinstance(answer, dict) else answer
        return [each["label"] for each in found]

    trades = "private/get_user_trades_by_currency"
    orders = "private/get_order_history_by_currency"
    assert (labels(trades), labels(orders)) == (["old"], ["old"])
    assert (labels(trades, historical=True), labels(orders, historical=True)) == ([], [])

    world.pass_ms(120)  # twelve seconds of the market
    client.call("private/buy", **PERP, amount=10, type="market", label="new")
    assert (labels(trades), labels(orders)) == (["new", "old"], ["new"])
    assert labels(trades, start_timestamp=0) == ["old", "new"]
    assert labels(trades, start_timestamp=0, sorting="desc") == ["new", "old"]
    assert labels(orders, historical=True) == ["old"]
    assert labels(orders, include_old=True) == ["new", "old"]

    world.pass_ms(120)
    assert (labels(trades), labels(trades, historical=True)) == (["new"], ["old"])


def test_the_margin_of_orders_is_what_they_add_and_closed_ones_are_left_out() -> None:
    client = trader()
    one, two = (resting(client, amount=10_000)["order_id"] for _ in range(2))
    client.call("private/cancel", order_id=two)
    before = client.call("private/get_account_summary", **BTC)["initial_margin"]
    (margin,) = client.call("private/get_order_margin_by_ids", ids=[one, two])
    assert (margin["order_id"], margin["initial_margin_currency"]) == (one, "BTC")
    client.call("private/cancel_all")
    after = client.call("private/get_account_summary", **BTC)["initial_margin"]
    assert margin["initial_margin"] == pytest.approx(before - after)
    assert refusal(client, "private/get_order_margin_by_ids", ids=["BTC-1"]) == 10004


def test_the_self_trade_rule_is_shown_and_obeyed() -> None:
    client = trader()
    shown = client.call("private/get_account_summary", **BTC, extended=True)
    assert shown["self_trading_reject_mode"] == "reject_taker"
    ask, whole = behind_the_house(client)
    assert refusal(client, "private/buy", **PERP, **whole) == 10003

    method = "private/set_self_trading_config"
    assert refusal(client, method, mode="cancel_maker") == -32602
    assert client.call(method, mode="cancel_maker", extended_to_subaccounts=True) == "ok"

    shown = client.call("private/get_account_summary", **BTC, extended=True)
    assert shown["self_trading_reject_mode"] == "cancel_maker"
    assert shown["self_trading_extended_to_subaccounts"] is True
    assert client.call("private/buy", **PERP, **whole)["trades"]
    assert client.call("private/get_order_state", order_id=ask)["order_state"] == "cancelled"


def test_a_protection_is_set_trips_is_told_and_is_reset() -> None:
    client = trader()
    index = {"index_name": "btc_usd"}
    client.call("private/subscribe", channels=["user.mmp_trigger.btc_usd"])
    limits = {"interval": 5, "frozen_time": 0, "quantity_limit": 0.0001, "max_quote_quantity": 1}
    (config,) = client.call("private/set_mmp_config", **index, **limits)
    assert config == {**index, **limits}
    assert client.call("private/get_mmp_config") == [config]
    assert client.call("private/get_mmp_status", **index) == []

    high = prices(client)[1]
    order = client.call("private/buy", **PERP, amount=100, price=high, mmp=True)["order"]
    assert order["mmp"]

    frozen = {**index, "frozen_until": 0, "mmp_group": ""}
    assert client.told("user.mmp_trigger.btc_usd") == [frozen]
    assert client.call("private/get_mmp_status") == [frozen]
    assert refusal(client, "private/buy", **PERP, amount=10, price=high, mmp=True) == 11030
    assert client.call("private/reset_mmp", **index) == "ok"
    assert client.call("private/get_mmp_status") == []
    client.call("private/set_mmp_config", **index, interval=0, frozen_time=0)
    assert client.call("private/get_mmp_config") == []
    assert refusal(client, "private/reset_mmp", **index) == -32602
    assert refusal(client, "private/get_mmp_config", index_name="moon_usd") == -32602
    assert refusal(client, "private/get_mmp_config", **index, mmp_group="a") == 10033


def test_an_iceberg_shows_its_piece_and_nothing_more() -> None:
    client = trader()
    order = resting(client, amount=20_000, display_amount=1_000)
    assert (order["display_amount"], order["refresh_amount"]) == (1_000, 1_000)
    assert (order["max_show"], order["amount"]) == (1_000, 20_000)
    assert refusal(client, "private/edit", order_id=order["order_id"], display_amount=10) == 10036


def test_a_subaccount_trades_with_its_main_account_unless_the_rule_reaches_it() -> None:
    world = hall()
    main, sub = trader(world), world.client()
    secret = {"client_id": "demo-sub", "client_secret": "demo-sub-secret"}
    sub.call("public/auth", grant_type="client_credentials", **secret)
    extended = {"mode": "reject_taker", "extended_to_subaccounts": True}
    main.call("private/set_self_trading_config", **extended)
    ask, whole = behind_the_house(main)
    assert refusal(sub, "private/buy", **PERP, **whole) == 10003

    extended["extended_to_subaccounts"] = False
    main.call("private/set_self_trading_config", **extended)

    assert sub.call("private/buy", **PERP, **whole)["trades"]
    assert main.call("private/get_order_state", order_id=ask)["order_state"] == "filled"
