"""What does not fit together in what the configuration says of margin."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from bot.core.margin.modelling import ModelName
from bot.settings import margin_choice
from bot.settings.models import Config
from bot.settings.problems import ConfigError, Finding, KeyPath


def findings(config: Config) -> Iterator[Finding]:
    """Yield what does not fit together in the section of margin."""
    margin = config.margin
    stages = [f"{stage}_percent" for stage in ("warn", "reduce_only", "hold", "emergency")]
    for keys in (stages, [f"stressed_{stage}" for stage in stages]):
        set_ones = [key for key in keys if getattr(margin, key) is not None]
        for lower, upper in pairwise(set_ones):
            below, above = getattr(margin, lower), getattr(margin, upper)
            if below >= above:
                yield ("margin", upper), f"expected more than {lower} {below:g}, found {above:g}"
    for underlying, rows in margin.futures_rates or ():
        yield from _rates(("margin", "futures_rates", underlying), rows or ())
    yield from _model(config)


def _rates(table: KeyPath, rows: Sequence[tuple[float, float, float]]) -> Iterator[Finding]:
    size_before = 0.0
    for index, (size, initial, maintenance) in enumerate(rows):
        here: KeyPath = (*table, index)
        if size <= size_before:
            yield here, f"expected a size above {size_before:g}, the row before, found {size:g}"
        if maintenance >= initial:
            yield (
                here,
                f"expected maintenance below initial {initial:g} percent, found {maintenance:g}",
            )
        size_before = size


def _model(config: Config) -> Iterator[Finding]:
    margin, venue = config.margin, config.venue.name.value
    if margin.model.venue != venue:
        known = ", ".join(name for name in ModelName if name.venue == venue)
        found = f"expected a model of {venue} ({known}), found {margin.model}"
        yield ("margin", "model"), found
        return
    rates_given = "futures_rates" in margin.model_fields_set
    if rates_given and margin.model is not ModelName.DERIBIT_STANDARD:
        yield (
            ("margin", "futures_rates"),
            f"expected only with deribit_standard, not {margin.model}",
        )
    elif rates_given and margin.parameters is not None:
        yield ("margin", "futures_rates"), f"expected here or in {margin.parameters}, not in both"
    try:
        margin_choice.model(config)
    except ConfigError as error:
        for problem in error.problems:
            yield ("margin", "parameters"), str(problem)
