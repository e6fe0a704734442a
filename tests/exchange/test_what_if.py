"""What an account would be with other positions, and what it is once it has them."""

import json
from typing import Any

import pytest

from tests.exchange.wire import PERPETUAL, Client, Hall, RpcFailedError, hall

MARGINS = ("initial_margin", "maintenance_margin", "delta_total", "options_delta", "options_value")


@pytest.fixture
def place() -> Hall:
    return hall(book="demo", equity_coin=60.0, sim=True)


def summary(client: Client) -> Any:
    return client.call("private/get_account_summary", currency="BTC")


def simulated(client: Client, sizes: Any, **how: Any) -> Any:
    return client.call(
        "private/simulate_portfolio", currency="BTC", simulated_positions=sizes, **how
    )


def option_held(client: Client) -> str:
    held = client.call("private/get_positions", currency="BTC", kind="option")
    return str(held[0]["instrument_name"])


def test_other_positions_change_what_is_needed_and_not_what_there_is(place: Hall) -> None:
    client = place.client().login()
    before = summary(client)

    after = simulated(client, {PERPETUAL: 500_000, option_held(client): -1.0})

    assert after["initial_margin"] > before["initial_margin"]
    assert after["equity"] == pytest.approx(before["equity"], abs=1e-7)
    assert after["available_funds"] < before["available_funds"]
    assert summary(client) == before
    assert not {"limits", "estimated_liquidation_ratio"} & after.keys()


def test_it_is_what_the_account_becomes_when_the_positions_are_there(place: Hall) -> None:
    client = place.client().login()
    name = option_held(client)
    told = simulated(client, {PERPETUAL: -20_000, name: 0.5})

    for instrument, side, amount in ((PERPETUAL, "sell", 20_000), (name, "buy", 0.5)):
        client.call(f"private/{side}", instrument_name=instrument, amount=amount, type="market")

    now = summary(client)
    for figure in MARGINS:
        assert now[figure] == pytest.approx(told[figure], rel=2e-3, abs=1e-5), figure


def test_instead_of_the_account_s_own_nothing_of_it_is_needed(place: Hall) -> None:
    client = place.client().login()
    before = summary(client)
    client.call("private/buy", instrument_name=PERPETUAL, amount=10_000, type="limit", price=50_000)

    empty = simulated(client, {}, add_positions=False)
    alone = simulated(client, {PERPETUAL: 10_000}, add_positions=False)

    assert empty["initial_margin"] == empty["maintenance_margin"] == empty["delta_total"] == 0.0
    assert empty["options_value"] == 0.0
    assert empty["equity"] == pytest.approx(before["equity"], abs=1e-7)
    mark = client.call("public/ticker", instrument_name=PERPETUAL)["mark_price"]
    assert alone["delta_total"] == pytest.approx(10_000 / mark, rel=1e-6)


def test_sizes_may_come_as_the_text_of_an_object_as_in_a_query(place: Hall) -> None:
    client = place.client().login()
    sizes = {PERPETUAL: -1_000}

    assert simulated(client, json.dumps(sizes)) == simulated(client, sizes)
    assert simulated(client, None) == simulated(client, {})


@pytest.mark.parametrize(
    "sizes", [{"BTC-1JAN20": 1}, {"ETH-PERPETUAL": 1}, {PERPETUAL: "x"}, [], 1]
)
def test_what_cannot_be_held_in_that_currency_is_refused(place: Hall, sizes: Any) -> None:
    client = place.client().login()

    with pytest.raises(RpcFailedError, match=r"simulated_positions|finite number"):
        simulated(client, sizes)
