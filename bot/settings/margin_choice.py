"""Which margin model the configuration asks for, and with which parameters."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from bot.core.margin import deribit_portfolio, deribit_standard
from bot.core.margin.deribit_standard import FuturesRate
from bot.core.margin.modelling import (
    DeribitPortfolio,
    DeribitStandard,
    Model,
    ModelName,
    OtherVenue,
)
from bot.core.units import exact
from bot.settings.margin_models import RateRows
from bot.settings.margin_parameters import (
    Bybit,
    Deribit,
    Derive,
    Hyperliquid,
    Okx,
    Paradex,
    Venue,
    parameters,
)
from bot.settings.models import Config


def model(config: Config) -> Model:
    """Return the margin model of a configuration.

    Raises:
        ConfigError: the file of parameters is not there or holds something wrong.
    """
    margin = config.margin
    path = None if margin.parameters is None else Path(margin.parameters)
    chosen, tables = named(margin.model, path), margin.futures_rates
    if tables is None or not isinstance(chosen, DeribitStandard):
        return chosen
    given = {underlying: _rates(rows) for underlying, rows in tables if rows is not None}
    rates = chosen.parameters
    return DeribitStandard(parameters=replace(rates, futures={**rates.futures, **given}))


_FILES: Mapping[str, type[Venue]] = {
    "deribit": Deribit,
    "derive": Derive,
    "okx": Okx,
    "bybit": Bybit,
    "paradex": Paradex,
    "hyperliquid": Hyperliquid,
}


def named(name: ModelName, path: Path | None = None) -> Model:
    """Return a model with the parameters that the package brings, or those of a file.

    Its name says the venue, whose file it is, and the section there.

    Raises:
        ConfigError: the file is not there or holds something wrong.
    """
    venue, _, section = name.partition("_")
    found = getattr(parameters(_FILES[venue], path), section)
    if isinstance(found, deribit_standard.Rates):
        return DeribitStandard(parameters=found)
    if isinstance(found, deribit_portfolio.Parameters):
        return DeribitPortfolio(parameters=found)
    return OtherVenue(parameters=found)


def _rates(rows: RateRows) -> tuple[FuturesRate, ...]:
    return tuple(
        FuturesRate(size_coin_upper=size, initial=_share(initial), maintenance=_share(maintenance))
        for size, initial, maintenance in rows
    )


def _share(percent: float) -> float:
    return float(exact(percent) / 100)
