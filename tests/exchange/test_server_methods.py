"""What the trading methods accept, refuse and find again."""

from decimal import Decimal
from typing import Any

import pytest

from bot.exchange.protocol import Params, RpcError
from tests.exchange.wire import PERPETUAL, Client, RpcFailedError, hall

BUY = {"instrument_name": PERPETUAL, "amount": 10, "type": "market"}


def trader() -> Client:
    return hall().client().login()


def far_below(client: Client) -> float:
    return float(client.call("public/ticker", instrument_name=PERPETUAL)["min_price"])


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": None}, -32602),
        ({"amount": "ten"}, -32602),
        ({"amount": float("inf")}, -32602),
        ({"type": "stop_limit"}, -32602),
        ({"time_in_force": "good_til_dawn"}, -32602),
        ({"trigger_price": 90_000}, -32602),
        ({"advanced": "usd"}, 11038),
        ({"linked_order_type": "one_cancels_other"}, 10033),
        ({"post_only": "perhaps"}, -32602),
        ({"contracts": 3}, -32602),
    ],
)
def test_an_order_that_cannot_be_understood_is_refused_before_it_exists(
    change: dict[str, Any], code: int
) -> None:
    client = trader()

    with pytest.raises(RpcFailedError) as refused:
        client.call("private/buy", **{**BUY, **change})

    assert refused.value.code == code
    assert client.call("private/get_positions", currency="BTC") == []


def test_an_unknown_parameter_is_passed_over_as_the_venue_does() -> None:
    assert trader().call("private/buy", **BUY, clientOrderId="x")["order"]["label"] == ""


def test_contracts_are_ten_dollars_each() -> None:
    client = trader()
    params = {key: value for key, value in BUY.items() if key != "amount"}

    assert client.call("private/buy", **params, contracts=7)["order"]["amount"] == 70
    assert client.call("private/buy", **params, contracts=2, amount=20)["order"]["amount"] == 20


def test_an_order_is_not_started_after_its_deadline_in_market_time() -> None:
    client = trader()
    now_ms = client.call("public/get_time")

    with pytest.raises(RpcFailedError):
        client.call("private/buy", **BUY, valid_until=now_ms - 1, label="late")
    client.call("private/buy", **BUY, valid_until=now_ms + 1_000, label="timely")

    assert client.call("private/get_order_state_by_label", currency="BTC", label="late") == []
    found = client.call("private/get_order_state_by_label", currency="BTC", label="timely")
    assert [order["order_state"] for order in found] == ["filled"]


def test_a_label_finds_all_its_orders_newest_first() -> None:
    client = trader()
    first = client.call("private/buy", **BUY, label="twice")["order"]["order_id"]
    second = client.call("private/buy", **BUY, label="twice")["order"]["order_id"]

    found = client.call("private/get_order_state_by_label", currency="BTC", label="twice")

    assert [order["order_id"] for order in found] == [second, first]


def test_an_order_that_never_was_is_not_found() -> None:
    client = trader()

    for method in ("private/get_order_state", "private/cancel"):
        with pytest.raises(RpcFailedError) as refused:
            client.call(method, order_id="BTC-1")
        assert refused.value.code == 10004


def test_open_orders_are_found_by_every_key_and_cancelled_by_every_key() -> None:
    client = trader()
    order = {"instrument_name": PERPETUAL, "amount": 10, "price": far_below(client)}
    lists: list[tuple[str, dict[str, Any]]] = [
        ("private/get_open_orders", {}),
        ("private/get_open_orders", {"kind": "future", "type": "limit"}),
        ("private/get_open_orders_by_currency", {"currency": "BTC"}),
        ("private/get_open_orders_by_currency", {"currency": "any"}),
        ("private/get_open_orders_by_instrument", {"instrument_name": PERPETUAL}),
        ("private/get_open_orders_by_label", {"currency": "BTC", "label": "rest"}),
    ]
    cancels: list[tuple[str, dict[str, Any]]] = [
        ("private/cancel_all", {}),
        ("private/cancel_all_by_instrument", {"instrument_name": PERPETUAL}),
        ("private/cancel_all_by_currency", {"currency": "BTC", "kind": "future"}),
        ("private/cancel_by_label", {"label": "rest"}),
    ]
    for cancel, cancel_params in cancels:
        placed = client.call("private/buy", **order, label="rest")["order"]["order_id"]
        for method, params in lists:
            assert [each["order_id"] for each in client.call(method, **params)] == [placed], method
        assert client.call("private/get_open_orders", kind="option") == []
        assert client.call("private/get_open_orders_by_currency", currency="ETH") == []
        assert client.call(cancel, **cancel_params) == 1
        assert client.call("private/get_open_orders") == []


def test_a_detailed_cancel_names_what_it_cancelled() -> None:
    client = trader()
    client.call("private/buy", instrument_name=PERPETUAL, amount=10, price=far_below(client))

    (report,) = client.call("private/cancel_all", detailed=True)

    assert (report["currency"], report["type"]) == ("BTC", "limit")
    assert report["instrument_name"] == PERPETUAL
    (order,) = report["result"]
    assert (order["order_state"], order["cancel_reason"]) == ("cancelled", "user_request")


def test_trades_are_paged_from_either_end() -> None:
    client = trader()
    for _ in range(12):
        client.call("private/buy", **BUY)

    newest = client.call("private/get_user_trades_by_currency", currency="BTC")
    oldest = client.call(
        "private/get_user_trades_by_instrument", instrument_name=PERPETUAL, sorting="asc", count=3
    )
    seqs = [trade["trade_seq"] for trade in newest["trades"]]
    since = client.call(
        "private/get_user_trades_by_currency",
        currency="BTC",
        start_id=newest["trades"][1]["trade_id"],
    )
    after = client.call(
        "private/get_user_trades_by_instrument",
        instrument_name=PERPETUAL,
        start_seq=seqs[0],
        end_seq=seqs[0],
    )

    assert len(seqs) == 10
    assert newest["has_more"] is True
    assert seqs == sorted(seqs, reverse=True)
    assert [trade["trade_seq"] for trade in oldest["trades"]] == [1, 2, 3]
    assert [trade["trade_seq"] for trade in since["trades"]] == seqs[:2]
    assert [trade["trade_seq"] for trade in after["trades"]] == seqs[:1]
    assert since["has_more"] is after["has_more"] is False


def test_trades_are_found_by_time_and_by_order() -> None:
    world = hall()
    client = world.client().login()
    client.call("private/buy", **BUY)
    world.pass_ms(2_000)
    later_ms = client.call("public/get_time")
    order = client.call("private/sell", **BUY)["order"]["order_id"]

    by_time = client.call(
        "private/get_user_trades_by_currency_and_time", currency="BTC", start_timestamp=later_ms
    )
    by_order = client.call("private/get_user_trades_by_order", order_id=order)

    assert [trade["direction"] for trade in by_time["trades"]] == ["sell"]
    assert [trade["order_id"] for trade in by_order] == [order]
    assert by_order == by_time["trades"]


def test_each_currency_has_its_own_instruments_and_unknown_ones_are_refused() -> None:
    client = trader()
    whole = client.call("public/get_instruments")
    for currency in ("BTC", "ETH", "USDC"):
        part = client.call("public/get_instruments", currency=currency)
        assert part == [each for each in whole if each["settlement_currency"] == currency]
        assert client.call("private/get_account_summary", currency=currency)["equity"] > 0
    with pytest.raises(RpcFailedError) as refused:
        client.call("public/get_instruments", currency="XYZ")
    assert refused.value.error["data"]["param"] == "currency"


def test_there_are_enough_options_to_hedge() -> None:
    client = trader()

    instruments = client.call("public/get_instruments")

    options = [each for each in instruments if each["kind"] == "option"]
    expiries = {each["expiration_timestamp"] for each in options}
    assert len(expiries) >= 6
    for expiry in expiries:
        strikes = {each["strike"] for each in options if each["expiration_timestamp"] == expiry}
        assert len(strikes) >= 20


def test_an_order_too_large_for_the_account_is_refused_for_funds() -> None:
    client = trader()

    with pytest.raises(RpcFailedError) as refused:
        client.call("private/buy", instrument_name=PERPETUAL, amount=100_000_000, type="market")

    assert refused.value.code == 10009


@pytest.mark.parametrize(
    ("value", "read"),
    [("10", "10"), (10, "10"), (0.1, "0.1"), ("0.0005", "0.0005"), (1e-05, "0.00001")],
)
def test_a_number_is_read_exactly_from_text_and_from_json(value: object, read: str) -> None:
    assert Params({"x": value}).decimal("x") == Decimal(read)


@pytest.mark.parametrize("value", ["", "x", "nan", "inf", True, None, [1], float("nan")])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(RpcError) as refused:
        Params({"x": value}).decimal("x")
    assert refused.value.code == -32602
