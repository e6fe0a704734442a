"""The fields that traders lean on; the shape of every answer is judged in `test_contract`."""

import pytest

from tests.exchange.wire import PERPETUAL, Client, Hall, hall

BTC = {"currency": "BTC"}


def option_of(client: Client) -> str:
    names = client.call("public/get_book_summary_by_currency", **BTC, kind="option")
    liquid = [each for each in names if each["bid_price"] and each["ask_price"]]
    return str(liquid[len(liquid) // 2]["instrument_name"])


def busy_hall() -> tuple[Hall, Client, str]:
    """An account with a position, fills, an open and a cancelled order."""
    world = hall(book="demo", equity_coin=None)
    client = world.client().login()
    option = option_of(client)
    client.call("private/buy", instrument_name=PERPETUAL, amount=500, type="market", label="a")
    client.call("private/sell", instrument_name=option, amount=0.1, type="market", label="b")
    book = client.call("public/get_order_book", instrument_name=PERPETUAL)
    far = book["min_price"]
    for _ in range(2):
        client.call("private/buy", instrument_name=PERPETUAL, amount=10, price=far, label="c")
    order = client.call("private/get_open_orders", kind="future")[0]
    client.call("private/cancel", order_id=order["order_id"])
    return world, client, option


def test_an_option_ticker_carries_what_a_hedger_needs() -> None:
    _, client, option = busy_hall()

    ticker = client.call("public/ticker", instrument_name=option)

    greeks = ticker["greeks"]
    assert 0 < abs(greeks["delta"]) < 1
    assert greeks["gamma"] > 0
    assert 5 < ticker["mark_iv"] < 500  # percent, not a fraction
    assert ticker["underlying_index"].startswith(("BTC-", "SYN.BTC-"))
    assert ticker["timestamp"] == client.call("public/get_time")


def test_option_prices_step_wider_above_half_a_percent() -> None:
    _, client, option = busy_hall()

    instrument = client.call("public/get_instrument", instrument_name=option)

    assert instrument["tick_size"] == 0.0001
    assert instrument["tick_size_steps"] == [{"above_price": 0.005, "tick_size": 0.0005}]
    assert instrument["min_trade_amount"] == 0.1
    assert (instrument["quote_currency"], instrument["counter_currency"]) == ("BTC", "USD")


def test_the_account_adds_up_as_the_venues_examples_do() -> None:
    _, client, _ = busy_hall()

    account = client.call("private/get_account_summary", **BTC)

    profit = account["futures_session_upl"] + account["futures_session_rpl"]
    margin_balance = account["balance"] + profit
    assert account["margin_balance"] == pytest.approx(margin_balance, abs=3e-8)
    assert account["equity"] == pytest.approx(margin_balance + account["options_value"], abs=3e-8)
    available = account["margin_balance"] - account["initial_margin"]
    assert account["available_funds"] == pytest.approx(available, abs=3e-8)


def test_a_flat_position_has_no_direction_and_a_perpetual_is_counted_in_dollars() -> None:
    world = hall()
    client = world.client().login()

    flat = client.call("private/get_position", instrument_name=PERPETUAL)
    client.call("private/sell", instrument_name=PERPETUAL, amount=1_000, type="market")
    held = client.call("private/get_position", instrument_name=PERPETUAL)

    assert (flat["direction"], flat["size"]) == ("zero", 0)
    assert (held["direction"], held["size"]) == ("sell", -1_000)
    assert held["size_currency"] == pytest.approx(-1_000 / held["mark_price"])
    assert held["delta"] == pytest.approx(held["size_currency"])
