"""The shape of a configuration file: every section and key, with units, ranges and defaults.

The descriptions below are what the JSON Schema shows in an editor. Units are in the keys' names.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from bot.core.hedger import HedgeTo
from bot.core.instruments import Kind
from bot.quant.conventions import Convention
from bot.settings.alert_models import Alerts
from bot.settings.host_models import Process, Watchdog
from bot.settings.margin_models import Margin
from bot.settings.safety_models import Safety
from bot.settings.sections import NAME_PATTERN, FilePath, SecretReference, Section, Shape

INSTRUMENT_PATTERN = r"^[A-Z0-9][A-Za-z0-9_.-]{2,40}$"


class RunMode(StrEnum):
    """Which network the daemon may trade on."""

    REHEARSAL = "rehearsal"
    TESTNET = "testnet"
    LIVE = "live"


class VenueName(StrEnum):
    """The venues that the daemon can speak to."""

    DERIBIT = "deribit"


class ClockSource(StrEnum):
    """Whose clock is the market clock."""

    VENUE = "venue"
    SYSTEM = "system"


class Currency(StrEnum):
    """The settlement currencies that an account may have."""

    BTC = "BTC"
    ETH = "ETH"
    USDC = "USDC"


class LogLevel(StrEnum):
    """The least important message that is still logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class LogFormat(StrEnum):
    """How a log line looks."""

    CONSOLE = "console"
    JSON = "json"


InstrumentName = Annotated[
    str, Field(pattern=INSTRUMENT_PATTERN), Shape("an instrument name such as BTC-PERPETUAL")
]
BookName = Annotated[
    str, Field(pattern=NAME_PATTERN), Shape("a name of 1 to 32 characters from a-z, 0-9 and -")
]


class Venue(Section):
    """The exchange, and how to reach it."""

    name: Annotated[VenueName, Field(strict=False)]
    """The exchange."""
    rest_url: Annotated[str, Field(min_length=1), Shape("a URL such as https://test.deribit.com")]
    """HTTP address without a path. Plain http is for this machine only."""
    ws_url: Annotated[
        str, Field(min_length=1), Shape("a URL such as wss://test.deribit.com/ws/api/v2")
    ]
    """WebSocket address with its path. Plain ws is for this machine only."""
    clock: Annotated[ClockSource, Field(strict=False)] = ClockSource.VENUE
    """Whose time is market time: `venue` learns it from the venue's clock (in a rehearsal it may
    run faster)."""
    key: SecretReference | None = None
    """API key. A rehearsal without key and secret uses the embedded exchange's demo key."""
    secret: SecretReference | None = None
    """API secret."""


class Account(Section):
    """The account that is hedged."""

    currencies: Annotated[
        tuple[Annotated[Currency, Field(strict=False)], ...], Field(min_length=1)
    ] = (Currency.BTC,)
    """Settlement currencies that are read and hedged in: BTC and ETH for coin-settled instruments
    (BTC-PERPETUAL), USDC for dollar-settled ones (BTC_USDC-PERPETUAL)."""
    label_prefix: Annotated[
        str,
        Field(pattern=r"^[a-z0-9]{2,12}$"),
        Shape("2 to 12 characters from a-z and 0-9"),
    ] = "db"
    """Start of every order's label. Two daemons on one account need different prefixes, and may
    not hedge the same currency."""


class Select(Section):
    """Which of the account's positions a book holds; they join and leave by themselves.

    Only those that settle in the currency of the book's hedge are in it.
    """

    underlying: Annotated[str, Field(pattern=r"^[A-Z0-9]{2,10}$"), Shape("a coin such as BTC")]
    """The coin that the positions are written on."""
    kinds: Annotated[tuple[Annotated[Kind, Field(strict=False)], ...], Field(min_length=1)] = (
        Kind.OPTION,
    )
    """Kinds of instrument."""
    expiry_days_min: Annotated[float | None, Field(ge=0, le=3650)] = None
    """Only instruments with at least this many days to expiry."""
    expiry_days_max: Annotated[float | None, Field(gt=0, le=3650)] = None
    """Only instruments with fewer than this many days to expiry."""
    include: tuple[InstrumentName, ...] = ()
    """Instruments that belong to the book whatever the rest says."""
    exclude: tuple[InstrumentName, ...] = ()
    """Instruments that never belong to the book."""


class Hedge(Section):
    """When and how the book's delta is brought back. The band counts from the target."""

    instrument: InstrumentName = "BTC-PERPETUAL"
    """What is bought and sold. A coin-settled one hedges coin-settled positions, a dollar-settled
    one (BTC_USDC-PERPETUAL) dollar-settled ones."""
    band_low_coin: Annotated[float, Field(lt=0, ge=-1_000_000)]
    """How far delta may fall below the target, as a negative number of coins."""
    band_high_coin: Annotated[float, Field(gt=0, le=1_000_000)]
    """How far delta may rise above the target, in coins."""
    target_coin: Annotated[float, Field(ge=-1_000_000, le=1_000_000)] = 0.0
    """The delta that is wanted, in coins; 0 is neutral."""
    ratio_percent: Annotated[float, Field(ge=0, le=150)] = 100.0
    """How much of the delta is hedged: 100 all, 50 half, 0 none."""
    to: Annotated[HedgeTo, Field(strict=False)] = HedgeTo.TARGET
    """Hedge back to the target, or only to the edge of the band that was left."""
    interval_min_seconds: Annotated[float, Field(ge=0, le=86_400)] = 5.0
    """Least market time between two hedges of the book."""
    move_min_percent: Annotated[float, Field(ge=0, le=50)] = 0.0
    """No hedge while the underlying moved less than this since the last one; 0 switches this off.
    No hedge while the underlying moved less than this since the last one; 0 switches this off."""
    price_cap_bps: Annotated[float, Field(gt=0, le=500)] = 20.0
    """Worst acceptable price of a hedge, in basis points beyond the best quote."""


class Book(Section):
    """A set of positions that is hedged together."""

    name: BookName
    """Shown everywhere, and part of what is recorded: rename only an idle book."""
    convention: Annotated[Convention, Field(strict=False)]
    """Which equity must not move: in coin, in US dollars, or the book's own value (see the
    README)."""
    collateral_share: Annotated[float | None, Field(gt=0, le=1)] = None
    """Share of the account's collateral that this book answers for; 1 when it is the only book in
    its settlement currency. Convention `usd` of coin-settled books uses it, and `coin` of
    dollar-settled ones."""
    forward_elasticity: Annotated[float, Field(ge=0, le=2)] = 1.0
    """Relative move of a forward over that of the spot: 1 while the basis keeps its proportion."""
    select: Select
    """The positions of the book."""
    hedge: Hedge
    """The band and the hedge."""


class Quotes(Section):
    """Which quotes are good enough to act on. Ages are real seconds since arrival."""

    option_age_max_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """An option quote older than this leaves its book unpriced, and an unpriced book is not
    hedged."""
    hedge_age_max_seconds: Annotated[float, Field(gt=0, le=600)] = 5.0
    """Nothing is sent while the hedge instrument's quote is older than this."""
    spread_max_percent: Annotated[float, Field(gt=0, le=50)] = 0.5
    """Nothing is sent while ask and bid of the hedge instrument are further apart, in percent of
    the price."""
    one_sided_mark_max_coin: Annotated[float, Field(ge=0, le=0.1)] = 0.001
    """An option worth at most this many coins may lack a bid and still count as quoted (a
    dollar-settled one: at the index)."""


class Orders(Section):
    """How orders are sent and how long silence is borne, in real seconds, not market time."""

    lifetime_seconds: Annotated[float, Field(ge=0.2, le=60)] = 2.0
    """The venue may not start to work an order later than this after it was decided."""
    silence_max_seconds: Annotated[float, Field(gt=0, le=60)] = 3.0
    """An order unanswered for longer counts as unknown, and the venue is asked about it."""
    settle_seconds: Annotated[float, Field(gt=0, le=60)] = 1.0
    """Wait after an order's lifetime and safety.clock_skew_max_seconds before "not found" may prove
    that it never arrived: the venue's lists lag behind."""
    query_interval_seconds: Annotated[float, Field(ge=0.1, le=60)] = 1.0
    """Time between two questions about the same unknown order."""
    unknown_alert_seconds: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """A person is told of an order whose fate is unknown for so long."""
    unprovable_seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """An order whose fate is still unknown after this stops all trading and calls a person."""


class Journal(Section):
    """Where the daemon writes what happened."""

    path: FilePath
    """The ledger (SQLite), one file per account and mode; relative to the directory the daemon
    starts in."""
    volume_mb: Annotated[int, Field(ge=8, le=100_000)] = 256
    """A ledger of this many megabytes is closed as a numbered volume and compressed, and a new file
    goes on under the same name."""
    keep_days: Annotated[int, Field(ge=1, le=10_000)] = 400
    """Closed volumes are deleted after this many days."""
    tape: bool = True
    """Record quotes and fold boundaries, so that `deltaband replay` can run a day again."""
    tape_path: FilePath | None = None
    """Directory of the tape; beside the ledger, under its name and `.tape`, when absent."""
    tape_max_mb: Annotated[int, Field(ge=1, le=1_000_000)] = 2_048
    """The oldest tape is deleted beyond this many megabytes."""


class Dashboard(Section):
    """The daemon's own web page and API."""

    bind: Annotated[str, Field(min_length=1), Shape("an IP address such as 127.0.0.1")] = (
        "127.0.0.1"
    )
    """Address to listen on. Anything but this machine's own address also needs `allow_remote` and
    `token`."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """Port to listen on; 0 takes a free one, which is written beside the journal."""
    allow_remote: bool = False
    """Say that other machines may reach the daemon, as in a container."""
    token: SecretReference | None = None
    """The bearer token that commands need; without it a random one is written beside the journal
    (mode 0600)."""


class Log(Section):
    """What is printed while the daemon runs (on standard error)."""

    level: Annotated[LogLevel, Field(strict=False)] = LogLevel.INFO
    """The least important message that is still printed."""
    format: Annotated[LogFormat, Field(strict=False)] = LogFormat.CONSOLE
    """`console` for people, `json` for machines."""


class Config(Section):
    """A deltaband configuration."""

    mode: Annotated[RunMode, Field(strict=False)]
    """`rehearsal` (embedded exchange on this machine), `testnet` (play money) or `live` (real
    money)."""
    venue: Venue
    account: Account = Account()
    books: Annotated[tuple[Book, ...], Field(min_length=1, max_length=50)]
    """The books of the account; no position may belong to two."""
    external_changes_to: BookName | None = None
    """The book that owns hedge positions nobody here traded; needed only where several books share
    a hedge instrument."""
    quotes: Quotes = Quotes()
    orders: Orders = Orders()
    margin: Margin = Margin()
    safety: Safety = Safety()
    journal: Journal
    dashboard: Dashboard = Dashboard()
    log: Log = Log()
    alerts: Alerts = Alerts()
    process: Process = Process()
    watchdog: Watchdog = Watchdog()
