"""Shocks that happened, as data: what moved by how much, who says so, and how sure that is."""

from datetime import date
from pathlib import Path
from typing import Annotated, Final

from pydantic import ConfigDict, Field, ValidationError

from bot.core.margin.report import Evidence
from bot.core.margin.shocks import Shock
from bot.settings.document import read
from bot.settings.problems import ConfigError
from bot.settings.sections import Section

SHIPPED: Final = Path(__file__).parent / "shocks.yaml"


class _Recorded(Section):
    """Not strict, as a text of the file becomes a date or an enumeration here."""

    model_config = ConfigDict(strict=False)


class Moved(_Recorded):
    """One figure; `move` is null where none was found."""

    move: float | None
    """A share, or a decimal of volatility."""
    source: Annotated[str, Field(min_length=1)]
    """Who says so."""
    evidence: Evidence
    """How sure that is."""


class HistoricalShock(_Recorded):
    """A day that happened."""

    day: date
    """The day that it is known by."""
    name: str
    """What it is remembered as."""
    spot: Moved
    """The index, a share."""
    vol_points: Moved
    """Volatility about a month out, decimals added."""
    basis: Moved
    """Perpetuals, futures and forwards against the index, a share of it."""

    @property
    def shock(self) -> Shock:
        """What happens to a market that lives through it again; what was not found stays still."""
        return Shock(
            spot=self.spot.move or 0.0,
            vol_points=self.vol_points.move or 0.0,
            basis=self.basis.move or 0.0,
        )

    @property
    def title(self) -> str:
        """The day and what it is remembered as."""
        return f"{self.day:%d %b %Y} {self.name}".lstrip("0")

    @property
    def missing(self) -> tuple[str, ...]:
        """What of the market nobody was found to have told."""
        named = (("vol", self.vol_points), ("basis", self.basis))
        return tuple(name for name, moved in named if moved.move is None)


class _File(_Recorded):
    shocks: tuple[HistoricalShock, ...]


def historical_shocks(path: Path = SHIPPED) -> tuple[HistoricalShock, ...]:
    """Read the shocks of a file, those that the package brings if no other is named.

    Raises:
        ConfigError: with every key that is missing, unknown or no such value, and its line.
    """
    document = read(path)
    try:
        return _File.model_validate(document.tree).shocks
    except ValidationError as error:
        for complaint in error.errors(include_url=False, include_context=False):
            document.report(complaint["loc"], complaint["msg"])
        raise ConfigError(document.problems) from None
