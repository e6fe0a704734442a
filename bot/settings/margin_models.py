"""How the account is margined, and when that makes the daemon careful."""

from typing import Annotated

from pydantic import Field

from bot.core.margin.modelling import ModelName
from bot.settings.sections import FilePath, Section, Shape

Percent = Annotated[float, Field(ge=1, le=99)]
StressedPercent = Annotated[float, Field(ge=1, le=10_000)]
RatePercent = Annotated[float, Field(ge=0.1, le=100)]
RateRow = Annotated[
    tuple[Annotated[float, Field(gt=0)], RatePercent, RatePercent],
    Shape("a row [size_up_to_coin, initial_percent, maintenance_percent]"),
]
RateRows = Annotated[tuple[RateRow, ...], Field(min_length=1)]


class FuturesRates(Section):
    """Standard margin of perpetuals and futures by size, the last row also beyond its size.

    Rows of [size_up_to_coin, initial_percent, maintenance_percent].
    """

    BTC: RateRows | None = None
    """On BTC, coin-settled and dollar-settled alike."""
    ETH: RateRows | None = None
    """On ETH, coin-settled and dollar-settled alike."""


class StressSection(Section):
    """A large adverse move: the spot up and down, volatility up, and both at once."""

    spot_percent: Annotated[float, Field(ge=0, le=80)] = 15.0
    """How far the spot moves, up and down."""
    vol_points: Annotated[float, Field(ge=0, le=300)] = 20.0
    """By how many points volatility rises: 20 turns 50 % into 70 %."""


class Margin(Section):
    """When margin makes the daemon careful: maintenance / margin balance, after a full fill.

    In every settlement currency by itself; the worst one decides.
    """

    model: Annotated[ModelName, Field(strict=False)] = ModelName.DERIBIT_STANDARD
    """Which of the venue's models margins the account, as the venue's own account page says."""
    parameters: FilePath | None = None
    """A file of the model's parameters in place of those that the package brings (copy one of
    bot/settings/margin, and change it)."""
    warn_percent: Percent = 50.0
    """Above this a person is told."""
    reduce_only_percent: Percent = 70.0
    """Above this only orders that lower the margin requirement pass."""
    hold_percent: Percent = 85.0
    """Above this nothing is sent; at 100 the venue liquidates."""
    emergency_percent: Percent = 95.0
    """Above this a person is called at once."""
    stress: StressSection = StressSection()
    """What is supposed to happen when margin is asked how it would bear it."""
    stressed_warn_percent: StressedPercent | None = 80.0
    """Margin use at the worst of the stress above which a person is told; null for never."""
    stressed_reduce_only_percent: StressedPercent | None = 100.0
    """Above this only orders that lower it pass; null for never."""
    stressed_hold_percent: StressedPercent | None = None
    """Above this nothing is sent, not even what would lower it; null for never."""
    stressed_emergency_percent: StressedPercent | None = None
    """Above this a person is called at once; null for never."""
    funds_buffer_percent: Annotated[float, Field(ge=0, le=50)] = 5.0
    """Share of the margin balance that stays free of initial margin."""
    doubt_buffer_percent: Annotated[float, Field(ge=0, le=50)] = 2.0
    """By this an order's limits are lower, and the buffer larger, where the model rests on anything
    that is not proven."""
    gap_max_percent: Annotated[float, Field(gt=0, le=100)] = 5.0
    """How far our margin requirement may be from the venue's, of the venue's."""
    gap_grace_seconds: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """How long it may be further; then only careful orders are sent."""
    gap_skew_max_seconds: Annotated[float, Field(gt=0, le=60)] = 2.0
    """Only quotes that arrived so close to the venue's figures are compared with them."""
    second_opinion_seconds: Annotated[float, Field(ge=2, le=86_400)] | None = 60.0
    """How often the venue is asked what it would hold the account to: as it is, and after the
    largest order that may be sent, bought and sold; null for never."""
    second_opinion_near_seconds: Annotated[float, Field(ge=2, le=3600)] = 10.0
    """How often while margin use is near a limit, or while the two opinions differ; the venue takes
    one such question a second."""
    second_opinion_near_percent: Annotated[float, Field(ge=0, le=100)] = 5.0
    """So many points of margin use (as it is, or in the stress) from a limit are near."""
    second_opinion_gap_max_percent: Annotated[float, Field(gt=0, le=100)] = 5.0
    """How far ours may be from the venue's second opinion, of the venue's; from gap_grace_seconds
    on only careful orders are sent."""
    emergency_hedges: bool = False
    """In an emergency send the hedge that lowers margin use most, whatever the bands say."""
    buy_back_options: bool = False
    """From reduce-only on buy short options back, those first that lower margin use most for each
    dollar, until the stage is left."""
    buy_back_spread_max_percent: Annotated[float, Field(gt=0, le=10)] = 0.5
    """What an option that is bought back may cost above its mark, of the underlying's price."""
    futures_rates: FuturesRates | None = None
    """Standard margin of perpetuals and futures by size, for each underlying, in place of the curve
    among the model's parameters."""
