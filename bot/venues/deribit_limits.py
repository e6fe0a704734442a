"""The bounds that the Deribit edge keeps to."""

from dataclasses import dataclass, field

from bot.core import units
from bot.venues.ccxt_socket import SocketLimits
from bot.venues.credits import CreditPolicy
from bot.venues.deribit_account import ReadLimits

HEARTBEAT_MIN_S = 10  # the venue takes no shorter interval


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueLimits:
    """Bounds of the Deribit edge, in seconds of the wire clock unless the name says otherwise.

    `credits` keep every kind of request under the venue's rates; an order that would wait longer
    than `order_wait_s` for its credit is not sent. A frame may hold 32 kB and, by the venue's
    advice, 500 channels. `silence_max_s` is for a whole connection, which hears a heartbeat every
    `heartbeat_s` at the least; `stall_after_s` is for one channel, and one that the venue refused
    is asked for again after `refused_retry_s`. Lists of instruments are asked for at most every
    `reload_every_s`. A quote whose stamp is older than `late_after_s` on arrival is not believed.
    `recycle_after_ms` is market time after 08:00 UTC.
    """

    sockets: SocketLimits = field(default_factory=SocketLimits)
    reads: ReadLimits = field(default_factory=ReadLimits)
    order_timeout_s: float = 4.0
    read_attempts: int = 3
    read_pause_s: float = 0.25
    credits: CreditPolicy = field(default_factory=CreditPolicy)
    order_wait_s: float = 0.5
    channels_per_frame: int = 400
    frame_bytes_max: int = 30_000
    snapshots_at_once: int = 10
    heartbeat_s: int = HEARTBEAT_MIN_S
    silence_max_s: float = 25.0
    stall_after_s: float = 30.0
    refused_retry_s: float = 60.0
    late_after_s: float = 5.0
    check_every_s: float = 0.5
    reload_every_s: float = 5.0
    recycle_after_ms: int = 2 * units.MS_PER_MINUTE
    backoff_first_s: float = 0.2
    backoff_longest_s: float = 30.0
