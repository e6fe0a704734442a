"""Margin parameters in force against those that the venue publishes, on the embedded exchange."""

import asyncio
from dataclasses import replace

from bot.core.margin.deribit_standard import LeverageCurve
from bot.core.margin.modelling import DeribitPortfolio, DeribitStandard, Model, ModelName
from bot.settings.margin_choice import named
from bot.venues import deribit_parameters
from bot.venues.deribit_findings import Answered, Outcome
from bot.venues.deribit_parameters import judged
from tests.exchange.wire import Client, Hall, hall

STANDARD = named(ModelName.DERIBIT_STANDARD)
PORTFOLIO = named(ModelName.DERIBIT_PORTFOLIO)


async def found(model: Model | None, currency: str = "BTC", place: Hall | None = None) -> Answered:
    client: Client = (place or hall()).client().login()

    async def ask(method: str, params: dict[str, object]) -> object:
        return client.call(method, **params)

    return await judged(model, currency, ask, lambda _: asyncio.sleep(0))


async def test_the_parameters_that_the_package_brings_are_the_exchange_s() -> None:
    standard, portfolio = await found(STANDARD), await found(PORTFOLIO)

    assert standard == Answered(
        Outcome.OK, "1 stated by the venue, all in force; those in force are of 2026-09-24"
    )
    assert portfolio.outcome is Outcome.OK
    assert "17 stated by the venue, all in force" in portfolio.said
    assert "of 2026-02-15 and 2026-09-23" in portfolio.said


async def test_a_parameter_that_the_venue_moved_is_named_with_both_values_and_our_date() -> None:
    assert isinstance(PORTFOLIO, DeribitPortfolio)
    ours = PORTFOLIO.parameters
    pair = replace(ours.pairs["btc_usd"], price_range=0.16, vol_down=0.3)
    coin = replace(ours.coins["BTC"], dampener_usd=100_000.0)
    old = replace(
        ours,
        pairs={**ours.pairs, "btc_usd": pair},
        coins={**ours.coins, "BTC": coin},
        maintenance_factor=0.75,
    )
    told = await found(DeribitPortfolio(parameters=old))

    assert told.outcome is Outcome.FAILED
    assert told.said == (
        "the venue's differ: mm_factor 0.8, here 0.75; price_range of btc_usd 0.14, here 0.16; "
        "volatility_range_down of btc_usd 0.25, here 0.3; extended_dampener of BTC 200000, here "
        "100000; those in force are of 2026-02-15 and 2026-09-23: see margin.parameters"
    )


async def test_of_standard_margin_the_largest_leverage_is_all_that_any_endpoint_states() -> None:
    assert isinstance(STANDARD, DeribitStandard)
    curve = STANDARD.parameters.futures["BTC"]
    assert isinstance(curve, LeverageCurve)
    old = replace(STANDARD.parameters, futures={"BTC": replace(curve, leverage=25.0)})
    told = await found(DeribitStandard(parameters=old))

    assert told.outcome is Outcome.FAILED
    assert (
        "max_leverage of BTC-PERPETUAL 50, here 25; those in force are of 2026-09-24" in told.said
    )


async def test_each_currency_has_its_own_and_what_the_venue_does_not_state_is_not_checked() -> None:
    assert (await found(PORTFOLIO, "ETH")).outcome is Outcome.OK
    assert (await found(PORTFOLIO, "USDC")).outcome is Outcome.OK
    assert isinstance(STANDARD, DeribitStandard)
    other = replace(STANDARD.parameters, futures={"SOL": STANDARD.parameters.futures["BTC"]})
    assert (await found(DeribitStandard(parameters=other))).outcome is Outcome.NOT_CHECKED
    assert (await found(None)).outcome is Outcome.NOT_CHECKED


def test_everything_compared_is_a_parameter_of_ours() -> None:
    assert isinstance(PORTFOLIO, DeribitPortfolio)
    ours = PORTFOLIO.parameters
    for field in deribit_parameters.PAIR.values():
        assert hasattr(ours.pairs["btc_usd"], field)
    for field in deribit_parameters.COIN.values():
        assert hasattr(ours.coins["BTC"], field)
