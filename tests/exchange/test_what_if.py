"""What an account would be with other positions, and what it is once it has them."""

import json
from typing import Any

import pytest

from bot.exchange.rules import MarginModel
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


@pytest.mark.parametrize("adds", [True, False])
def test_a_hedge_that_is_only_supposed_to_be_closed_makes_nobody_richer(
    place: Hall, adds: bool
) -> None:
    client = place.client().login()
    client.call("private/buy", instrument_name=PERPETUAL, amount=100_000, type="market")
    place.pass_ms(60_000)
    before = summary(client)

    simulated(client, {PERPETUAL: -100_000}, add_positions=adds)

    assert summary(client) == before


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


# ---- private/pme/simulate ------------------------------------------------------------------------


def matrix(client: Client, currency: str = "BTC", **how: Any) -> Any:
    return client.call("private/pme/simulate", currency=currency, **how)


@pytest.fixture
def netting() -> Client:
    world = hall(book="demo", equity_coin=60.0, margin_model=MarginModel.SEGREGATED_PM)
    return world.client().login()


def test_the_risk_matrix_is_what_the_account_s_margins_are_made_of(netting: Client) -> None:
    told, now = matrix(netting), summary(netting)

    margins = told["margins"]["btc"]
    details = margins["initial_margin_details"]
    parts = details["risk_matrix_margin_details"]
    assert margins["initial_margin"] == pytest.approx(now["initial_margin"], abs=1e-8)
    assert margins["maintenance_margin"] == pytest.approx(now["maintenance_margin"], abs=1e-8)
    charged = parts["worst_case"] + parts["roll_shock"] + parts["delta_shock"]
    assert details["risk_matrix_margin"] == pytest.approx(charged)
    vectors = told["aggregated_risk_vectors"]["btc_btc"]
    assert parts["worst_case"] == pytest.approx(-min(vectors["standard"] + vectors["extended"]))
    bucket = parts["worst_case_bucket"]
    worst = vectors[bucket["source"]][bucket["index"] - 1]
    assert worst == pytest.approx(-parts["worst_case"])
    assert (len(vectors["standard"]), len(vectors["extended"])) == (27, 8)
    singles = [row["standard"] for row in told["initial_risk_vectors"].values()]
    summed = [sum(column) for column in zip(*singles, strict=True)]
    assert told["pre_aggregated_risk_vectors"]["btc_btc"]["standard"] == pytest.approx(summed)
    assert told["model_params"]["currency_pair"]["btc_usd"]["price_range"] == 0.14


def test_it_takes_coins_where_the_simulated_portfolio_takes_dollars(netting: Client) -> None:
    mark = netting.call("public/ticker", instrument_name=PERPETUAL)["mark_price"]
    lots = round(1.5 * mark / 10) * 10

    in_coins = matrix(netting, simulated_positions={PERPETUAL: -lots / mark})
    in_usd = simulated(netting, {PERPETUAL: -lots})

    told = in_coins["margins"]["btc"]["maintenance_margin"]
    assert told == pytest.approx(in_usd["maintenance_margin"], rel=1e-7)
    assert in_coins["portfolio"]["position"][PERPETUAL] == pytest.approx(-lots / mark)
    alone = matrix(netting, simulated_positions={PERPETUAL: -1.0}, add_positions=False)
    assert alone["portfolio"]["position"] == {PERPETUAL: -1.0}
    # Short one coin: 14 % up lose 1 - 1/1.14, and half a percent rolls it.
    asked = 1 - 1 / 1.14 + 0.005
    assert alone["margins"]["btc"]["initial_margin"] == pytest.approx(asked, abs=1e-9)
    assert alone["margins"]["btc"]["maintenance_margin"] == pytest.approx(0.8 * asked, abs=1e-9)


def test_a_standard_account_learns_what_portfolio_margin_would_ask_of_it(place: Hall) -> None:
    client = place.client().login()
    told = matrix(client)["margins"]["btc"]["initial_margin"]
    dry = client.call("private/change_margin_model", margin_model="segregated_pm", dry_run=True)
    available = next(row for row in dry if row["currency"] == "BTC")["new_state"]

    assert told != pytest.approx(summary(client)["initial_margin"], rel=1e-3)
    equity = summary(client)["equity"]
    assert available["available_balance"] == pytest.approx(equity - told, abs=2e-8)


def test_all_currencies_together_are_asked_for_as_cross(netting: Client) -> None:
    held = {"ETH-PERPETUAL": -2.0, "BTC_USDC-PERPETUAL": 0.5}
    told = matrix(netting, "CROSS", simulated_positions=held, add_positions=False)

    assert told["portfolio"]["position"] == held
    assert set(told["aggregated_risk_vectors"]) == {"eth_eth", "btc_usdc"}
    assert told["margins"]["cross"]["initial_margin"] > 5_000  # US dollars


@pytest.mark.parametrize(
    ("currency", "sizes"), [("EURR", {}), ("USDT", {}), ("BTC", {"ETH-PERPETUAL": 1})]
)
def test_a_matrix_of_what_is_not_there_is_refused(
    netting: Client, currency: str, sizes: Any
) -> None:
    with pytest.raises(RpcFailedError, match=r"currency|settles|simulated_positions"):
        matrix(netting, currency, simulated_positions=sizes)
