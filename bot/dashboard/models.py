"""The JSON of the daemon's HTTP interface. Units are in the names; sizes are signed.

`_native` sizes are the venue's own (US dollars for an inverse perpetual, coins for an option);
`_ms` stamps are on the market clock; `_seconds` ages are on the wire clock.
"""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bot.core.events import Command

ID_CHARS_MAX = 64
ACTOR_CHARS_MAX = 64
NOTE_CHARS_MAX = 200
PLAIN = r"^[A-Za-z0-9_.:@ -]*$"


class Shown(BaseModel):
    """One object of an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class About(Shown):
    """What runs here: never changes while it runs."""

    version: str
    libraries: dict[str, str]
    run_mode: str
    venue: str
    account: str
    config: str
    config_digest: str
    journal: str
    pid: int
    rest_url: str = ""
    ws_url: str = ""


class ModeShown(Shown):
    """What the daemon allows itself to do, why, and what would clear it."""

    name: str
    reason: str
    clears: str
    since_ms: int
    paused: str
    halted: str


class DecisionShown(Shown):
    """A decision of a book, in words and numbers."""

    book: str
    at_ms: int
    verdict: str
    code: str
    reason: str
    numbers: dict[str, float]
    order_id: str


class TriggerShown(Shown):
    """Where the next hedge would come: a first-order estimate from gamma, nothing else moving."""

    edge: str
    edge_coin: float
    index_usd: float
    move_percent: float
    hedge_coin: float


class GreeksShown(Shown):
    """A book's sensitivities now. Gamma is the change of delta for a move of +1 %."""

    delta_coin: float
    delta_low_coin: float
    delta_high_coin: float
    options_delta_coin: float
    hedge_delta_coin: float
    equity_delta_coin: float
    gamma_coin_per_percent: float
    vega_usd_per_vol_point: float
    theta_usd_per_day: float
    options_value_coin: float
    options_held: int
    index_usd: float
    hedge_mark_usd: float


class BookShown(Shown):
    """One book: where its delta is, where it should be, what was decided and why.

    The band counts from the target; `deviation_coin` is what it is compared with: the hedge
    ratio's share of the delta without hedge, plus the hedge, less the target.
    """

    name: str
    convention: str
    underlying: str
    currency: str
    hedge_instrument: str
    hedge_native: float
    target_coin: float
    band_coin: tuple[float, float]
    ratio_percent: float
    deviation_coin: float | None
    unpriced: str | None
    greeks: GreeksShown | None
    decision: DecisionShown | None
    triggers: list[TriggerShown]


class PositionShown(Shown):
    """One position of the account: ours by the fills, and as the venue last said."""

    instrument: str
    size_native: float
    venue_size_native: float | None


class OrderShown(Shown):
    """One order that is not closed, or of which a fill is still to come."""

    order_id: str
    instrument: str
    size_native: float
    filled_native: float
    limit: float
    status: str
    reason: str
    age_seconds: float
    valid_until_ms: int
    books: dict[str, float]


class SecondOpinionShown(Shown):
    """What the venue would hold the account to after trades that nobody made, against ours.

    `of` says after which of them the two differ most, by `gap` (a share of the venue's) or `apart`
    (in the balance's currency). The age is that of the last one compared; `doubt` says why there is
    none, or no newer one.
    """

    of: str
    gap: float | None
    apart: float | None
    age_seconds: float | None
    doubt: str


class BalanceShown(Shown):
    """The account's money in a currency; `margin_use` is maintenance margin over margin balance.

    `stressed_use` is the same at the worst corner of the configured stress, which `stressed_at`
    names; `margin_gap` how much more margin our model reckons than the venue, a share of the
    venue's. None before they are known. `margin_doubt` says why there is no newer reckoning.
    """

    currency: str
    equity: float
    margin_balance: float
    available_funds: float
    initial_margin: float
    maintenance_margin: float
    margin_use: float | None
    stressed_use: float | None
    stressed_at: str
    margin_gap: float | None
    margin_doubt: str
    second_opinion: SecondOpinionShown
    venue_delta_coin: float | None
    age_seconds: float


class LinkShown(Shown):
    """One connection to the venue.

    `guard` says what the venue does with our orders when it ends; it was asked, before the link was
    called up.
    """

    link: str
    guard: str
    up: bool
    up_seconds: float | None
    lost: str


class QuoteShown(Shown):
    """The last good quote of a watched instrument; `bad` says what came since and is unusable."""

    instrument: str
    age_seconds: float | None
    bid: float | None
    ask: float | None
    mark: float | None
    bad: str


class Percentiles(Shown):
    """A latency over the whole run, in microseconds."""

    count: int
    p50_us: float
    p99_us: float


class GapShown(Shown):
    """How far our delta is from one of the venue's own figures, by currency or price index.

    `reading` says which reading of a linear figure fits: `discounted` if the venue's delta holds
    the discount factor, `undiscounted` if not, empty while both do.
    """

    figure: str
    gap_coin: float
    too_far_seconds: float | None
    age_seconds: float
    reading: str


class PnlShown(Shown):
    """Profit since the ledger began, in `currency`; fees are negative when paid.

    `moved` is what came from outside less what went there, and no part of the total.
    """

    currency: str
    options: float
    hedge: float
    fees: float
    funding: float
    total: float
    moved: float


class CountsShown(Shown):
    """Counters since the process started; `orders_in_ledger` counts those of earlier runs too."""

    folds: int
    quotes: int
    bad_quotes: int
    bad_messages: int
    fills: int
    rejects: int
    refusals: dict[str, int]
    orders_in_ledger: int


class AlertShown(Shown):
    """Something that was told and is not over. `heard` says who has heard, empty if nobody has.

    `raised_ms` is the host's time; one that `calls` is repeated until somebody has heard.
    """

    number: int
    severity: str
    text: str
    raised_ms: int
    told: int
    heard: str
    calls: bool


class ChannelShown(Shown):
    """One way to a person; `failing` says why it did not take the last message, empty if it did."""

    name: str
    delivered: int
    failed: int
    failing: str


class AlertsShown(Shown):
    """Who was called about what. `undelivered` is what no channel took, empty if there is none."""

    unheard: int = 0
    undelivered: str = ""
    incidents: list[AlertShown] = []
    channels: list[ChannelShown] = []


class Status(Shown):
    """Everything a person asks first. `pnl_coin` is that of the first book's currency."""

    now_ms: int
    uptime_seconds: float
    loop_age_seconds: float
    about: About
    mode: ModeShown
    books: list[BookShown]
    positions: list[PositionShown]
    open_orders: list[OrderShown]
    unknown_orders: int
    balances: list[BalanceShown]
    links: list[LinkShown]
    quotes: list[QuoteShown]
    pnl_coin: PnlShown | None
    pnls: list[PnlShown]
    delta_gaps: list[GapShown]
    latencies: dict[str, Percentiles]
    counts: CountsShown
    alerts: AlertsShown


class BookExplained(Shown):
    """A book's latest decision, the last that sent an order, and both in sentences."""

    book: str
    decision: DecisionShown | None
    last_hedge: DecisionShown | None
    words: list[str]
    triggers: list[TriggerShown]


class Explanation(Shown):
    """Why the daemon is, or is not, hedging; `source` says who told: it, or its ledger.

    `pending` is what waits for the next start of a daemon that does not run.
    """

    source: str
    at_ms: int
    mode: str
    mode_reason: str
    mode_clears: str
    pending: str
    books: list[BookExplained]


class Decisions(Shown):
    """The latest decisions that acted or changed their reason, newest first."""

    decisions: list[DecisionShown]


class CommandAsked(BaseModel):
    """A command. The same `command_id` twice is one command.

    A resume needs a reason (`note`), a flatten to be `confirmed`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: Command
    command_id: Annotated[str, Field(min_length=8, max_length=ID_CHARS_MAX, pattern=PLAIN)]
    actor: Annotated[str, Field(min_length=1, max_length=ACTOR_CHARS_MAX, pattern=PLAIN)]
    note: Annotated[str, Field(max_length=NOTE_CHARS_MAX)] = ""
    confirmed: bool = False

    @model_validator(mode="after")
    def _is_meant(self) -> Self:
        if self.command is Command.RESUME and not self.note.strip():
            raise ValueError("a resume needs a reason in `note`")
        if self.command is Command.FLATTEN and not self.confirmed:
            raise ValueError("a flatten needs `confirmed`: it closes every hedge position")
        return self


class CommandAnswered(Shown):
    """The command is in the daemon's inbox; `mode` is the mode after it if it was seen to act."""

    accepted: bool
    command: str
    command_id: str
    mode: str
    next: str


class Health(StrEnum):
    """Whether the daemon is alive (`/healthz`) or may trade (`/readyz`)."""

    OK = "ok"
    FAILING = "failing"


class Vital(Shown):
    """The answer to a health question."""

    health: Health
    reason: str
