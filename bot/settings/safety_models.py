"""The section `safety`: limits that hold whatever the hedge wants, with units in their names."""

from typing import Annotated

from pydantic import Field

from bot.core.safety import Stop
from bot.core.tally import TRIES_KEPT
from bot.settings.sections import Section

DivergencePercent = Annotated[float, Field(gt=0, le=50)]


class Safety(Section):
    """Limits that hold whatever the hedge wants.

    Hours and days are of market time and are counted across restarts.
    """

    order_max_usd: Annotated[float, Field(ge=10, le=1e9)] = 100_000.0
    """Largest single order; a larger hedge goes out in several."""
    orders_per_minute_max: Annotated[int, Field(ge=1, le=1_000)] = 20
    """Most orders in any minute of market time."""
    hedge_max_usd: Annotated[float, Field(ge=10, le=1e12)] = 10_000_000.0
    """Largest hedge position, all hedge instruments together, without sign."""
    hedge_over_options_max_percent: Annotated[float, Field(ge=0, le=100)] = 10.0
    """How much larger than the books' own delta asks for their hedge may ever become."""
    hedge_unbacked_max_usd: Annotated[float, Field(ge=0, le=1e9)] = 10_000.0
    """And how much beyond that, for books whose own delta is next to nothing."""
    turnover_per_hour_max_usd: Annotated[float, Field(ge=10, le=1e12)] = 5_000_000.0
    """Most that may be traded in any hour; then trading stops until the sum falls."""
    fees_per_day_max_usd: Annotated[float, Field(gt=0, le=1e9)] = 2_500.0
    """Most fees in any day; then trading stops until the sum falls."""
    reversals_per_hour_max: Annotated[int, Field(ge=1, le=10_000)] = 60
    """Most changes between buying and selling one instrument in any hour; then trading stops."""
    repeats_max: Annotated[int, Field(ge=2, le=TRIES_KEPT)] = 10
    """So many orders one way, within `repeats_within_seconds`, that did not bring delta nearer to
    its target stop trading until a person has looked."""
    repeats_within_seconds: Annotated[float, Field(ge=1, le=86_400)] = 120.0
    """See `repeats_max`. Market time."""
    executed_over_wished_max_percent: Annotated[float, Field(ge=100, le=10_000)] = 300.0
    """So much traded one way, of the largest hedge that was wished for since delta left its band,
    stops trading until a person has looked."""
    divergence_max_percent: DivergencePercent = 2.0
    """Nothing is sent while the perpetual's mark is further than this from the index."""
    book_divergence_max_percent: DivergencePercent = 1.0
    """Nothing is sent while the middle of its order book is further than this from its mark."""
    forward_divergence_max_percent: DivergencePercent = 10.0
    """Nothing is sent while the forward of the next expiry held is further than this from the
    index."""
    collar_max_percent: DivergencePercent = 2.0
    """No order's limit price is further than this beyond mark and index."""
    account_age_max_seconds: Annotated[float, Field(gt=0, le=120)] = 120.0
    """Nothing is sent on figures of the account that are older. Real seconds."""
    index_still_max_seconds: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    """Nothing is sent on an index that has not moved for longer. Real seconds."""
    expiry_index_still_max_seconds: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    """The same in the half-hour before an option held expires, whose mean it settles at."""
    expiry_unsettled_max_seconds: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    """An option still held so long after its expiry degrades: no delivery was heard of. Real
    seconds."""
    delta_gap_max_usd: Annotated[float, Field(gt=0, le=1e9)] = 50_000.0
    """Largest difference between our delta and each of the venue's own figures for the account,
    valued at the index."""
    delta_gap_grace_seconds: Annotated[float, Field(ge=0, le=3600)] = 15.0
    """How long that difference may last before hedging stops. Real seconds."""
    delta_gap_skew_max_seconds: Annotated[float, Field(gt=0, le=600)] = 2.0
    """Only quotes that arrived within this of the venue's figure are compared with it. Real
    seconds."""
    loop_lag_max_seconds: Annotated[float, Field(ge=0.1, le=60)] = 2.0
    """An event loop that comes later than this degrades: smaller orders, only nearer to neutral."""
    journal_max_seconds: Annotated[float, Field(ge=0.1, le=60)] = 2.0
    """A ledger that takes longer than this to be durable degrades."""
    clock_skew_max_seconds: Annotated[float, Field(ge=0.1, le=60)] = 1.0
    """A host's clock further than this from the venue's stops trading. An order's deadline is past
    for the venue only so much later than here."""
    strain_rest_seconds: Annotated[float, Field(ge=1, le=3600)] = 10.0
    """How long loop, ledger and clock must be well before that is over. Real seconds."""
    loss_per_day_max_percent: Annotated[float, Field(gt=0, le=100)] = 10.0
    """Most that the account may lose from 08:00 UTC on, of its equity then, counted in the money
    that the books protect."""
    drawdown_max_percent: Annotated[float, Field(gt=0, le=100)] = 25.0
    """Most that the equity may be below its highest since a person last looked."""
    loss_stop: Annotated[Stop, Field(strict=False)] = Stop.HOLD
    """What these two do: `hold` until the equity recovers or a person resumes, or `halt`."""
    rejects_max: Annotated[int, Field(ge=1, le=100)] = 5
    """After this many rejections of orders in a row trading stops until a person has looked."""
    position_jump_max_usd: Annotated[float, Field(gt=0, le=1e12)] = 1_000_000.0
    """A hedge position that moved by more than this at the venue, not by us, is adopted, and
    trading stops until a person has looked."""
    unknown_delta_max_usd: Annotated[float, Field(gt=0, le=1e12)] = 1_000_000.0
    """Trading halts when orders of unknown fate may have left a book further than this from its
    target, valued at the index."""
