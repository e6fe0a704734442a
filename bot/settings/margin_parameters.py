"""Margin parameters: files that the package brings and that users can replace, one a venue.

A file has the shape of the frozen parameters that the models take, so that what it holds is what
they get: shares as decimals, each set with the day that it held, its source and how sure that is.
"""

from pathlib import Path
from typing import Final, TypeVar

from pydantic import ConfigDict, ValidationError

from bot.core.margin import (
    bybit,
    bybit_portfolio,
    deribit_portfolio,
    deribit_standard,
    derive_portfolio,
    derive_standard,
    hyperliquid,
    okx,
    okx_portfolio,
    paradex,
    paradex_portfolio,
)
from bot.settings.document import read
from bot.settings.problems import ConfigError
from bot.settings.sections import Section

SHIPPED: Final = Path(__file__).parent / "margin"


class Venue(Section):
    """One venue's file. Not strict, as its values become the models' own types."""

    model_config = ConfigDict(strict=False)


class Deribit(Venue):
    """Deribit's standard and portfolio margin."""

    standard: deribit_standard.Rates
    """Options and futures, position by position."""
    portfolio: deribit_portfolio.Parameters
    """Scenarios and what is added to the worst."""


class Derive(Venue):
    """Derive's standard and portfolio manager."""

    standard: derive_standard.Parameters
    """SRM: short options alone, or the largest loss of an expiry."""
    portfolio: derive_portfolio.Parameters
    """PMRM2: scenarios and contingencies."""


class Okx(Venue):
    """OKX's options outside the portfolio mode, and the portfolio mode."""

    options: okx.Rates
    """Position by position."""
    portfolio: okx_portfolio.Parameters
    """Risk units."""


class Bybit(Venue):
    """Bybit's options in a unified account, and its portfolio margin."""

    options: bybit.Rates
    """Position by position."""
    portfolio: bybit_portfolio.Parameters
    """Worst scenario and contingencies."""


class Paradex(Venue):
    """Paradex's cross and portfolio margin."""

    standard: paradex.Rates
    """Position by position."""
    portfolio: paradex_portfolio.Parameters
    """Weighted scenarios and the least charge on delta."""


class Hyperliquid(Venue):
    """Hyperliquid's perpetuals."""

    cross: hyperliquid.Rates
    """Tiers of leverage."""


VenueT = TypeVar("VenueT", bound=Venue)


def parameters(venue: type[VenueT], path: Path | None = None) -> VenueT:
    """Read a venue's parameters from `path`, or those that the package brings.

    Raises:
        ConfigError: with every key that is missing, unknown or no such value, and its line.
    """
    document = read(path or SHIPPED / f"{venue.__name__.lower()}.yaml")
    try:
        found = venue.model_validate(document.tree)
    except ValidationError as error:
        for complaint in error.errors(include_url=False, include_context=False):
            document.report(complaint["loc"], complaint["msg"])
        raise ConfigError(document.problems) from None
    if document.problems:
        raise ConfigError(document.problems)
    return found
