"""Which margin model the configuration asks for, and with which parameters."""

from dataclasses import replace
from pathlib import Path
from typing import assert_never

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


def named(name: ModelName, path: Path | None = None) -> Model:  # noqa: C901, PLR0911 (a case each)
    """Return a model with the parameters that the package brings, or those of a file.

    Raises:
        ConfigError: the file is not there or holds something wrong.
    """
    match name:
        case ModelName.DERIBIT_STANDARD:
            return DeribitStandard(parameters=parameters(Deribit, path).standard)
        case ModelName.DERIBIT_PORTFOLIO:
            return DeribitPortfolio(parameters=parameters(Deribit, path).portfolio)
        case ModelName.DERIVE_STANDARD:
            return OtherVenue(parameters=parameters(Derive, path).standard)
        case ModelName.DERIVE_PORTFOLIO:
            return OtherVenue(parameters=parameters(Derive, path).portfolio)
        case ModelName.OKX_OPTIONS:
            return OtherVenue(parameters=parameters(Okx, path).options)
        case ModelName.OKX_PORTFOLIO:
            return OtherVenue(parameters=parameters(Okx, path).portfolio)
        case ModelName.BYBIT_OPTIONS:
            return OtherVenue(parameters=parameters(Bybit, path).options)
        case ModelName.BYBIT_PORTFOLIO:
            return OtherVenue(parameters=parameters(Bybit, path).portfolio)
        case ModelName.PARADEX_STANDARD:
            return OtherVenue(parameters=parameters(Paradex, path).standard)
        case ModelName.PARADEX_PORTFOLIO:
            return OtherVenue(parameters=parameters(Paradex, path).portfolio)
        case ModelName.HYPERLIQUID_CROSS:
            return OtherVenue(parameters=parameters(Hyperliquid, path).cross)
    assert_never(name)


def _rates(rows: RateRows) -> tuple[FuturesRate, ...]:
    return tuple(
        FuturesRate(size_coin_upper=size, initial=_share(initial), maintenance=_share(maintenance))
        for size, initial, maintenance in rows
    )


def _share(percent: float) -> float:
    return float(exact(percent) / 100)
