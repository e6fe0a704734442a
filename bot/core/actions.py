"""Actions: everything the core can ask the shell to do, in the imperative."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bot.core.instruments import Supposed


class TimeInForce(StrEnum):
    """How long an order may rest."""

    IOC = "immediate_or_cancel"
    GTC = "good_til_cancelled"


class Severity(StrEnum):
    """How loudly to call a person."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Topic(StrEnum):
    """What a person is called about; whoever words the call knows what to advise on each."""

    HALT = "halt"
    HOLD = "hold"
    DEGRADED = "degraded"
    RECONCILING = "reconciling"
    RUN = "run"
    LIQUIDATED = "liquidated"
    UNHEDGED = "unhedged"
    ORDER_UNKNOWN = "order-unknown"
    EXTERNAL = "external"
    MARGIN = "margin"
    ENDED = "ended"
    WATCHDOG = "watchdog"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitOrder:
    """Send one order, once. `size_native` is signed, in whole lots; `limit` is on the tick.

    The venue must not start processing it after `valid_until_ms` (market clock).
    """

    order_id: str
    instrument: str
    size_native: Decimal
    limit: Decimal
    time_in_force: TimeInForce
    valid_until_ms: int
    post_only: bool = False
    reduce_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelOrder:
    """Cancel one order of ours, by our id."""

    order_id: str
    instrument: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryOrder:
    """Ask the venue, from two independent sources, what became of an order."""

    order_id: str
    instrument: str
    requested_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadAccount:
    """Read open orders, trades since `trades_since_ms`, positions and balances afresh."""

    reason: str
    trades_since_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCash:
    """Read what came from outside or went there since a moment, in the venue's own log.

    A venue that cannot tell answers that it could not be read, never that nothing moved.
    """

    since_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AskMargin:
    """Ask the venue what it would hold the account to after trades that nobody has made.

    They settle in `currency`, and come on top of what the account holds; none asks of it as it is.
    """

    currency: str
    trades: tuple[Supposed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Quotes of exactly these instruments are wanted from now on."""

    instruments: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadInstruments:
    """Ask the venue for its list of instruments again."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Tell a person."""

    severity: Severity
    text: str
    topic: Topic = Topic.OTHER


Action = (
    SubmitOrder
    | CancelOrder
    | QueryOrder
    | ReadAccount
    | ReadCash
    | AskMargin
    | Watch
    | ReloadInstruments
    | Alert
)
