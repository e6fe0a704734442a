"""What a Deribit account says of itself, judged for an acceptance: answers in, outcomes out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bot.core import instruments, units
from bot.core.instruments import Instrument, Kind
from bot.venues import deribit_translate as raw
from bot.venues.deribit_findings import Answered, bad, good, skipped
from bot.venues.deribit_network import Network
from bot.venues.deribit_translate import MessageError

OFFSET_MS_MAX: Final = 2_000  # the venue takes a signature 60 s off, but the host's clock is wrong
STANDARD: Final = "segregated_sm"
ASKS_PER_SECOND_MIN: Final = 5.0  # an account is read in about ten questions
NAMES_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class BookTerms:
    """What an acceptance has to know of one book."""

    name: str
    underlying: str
    hedge: str
    band_width_coin: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """The venue's clocks, asked once. `before_ms` and `after_ms` are the host's time around it."""

    before_ms: int
    after_ms: int
    venue_us: float
    market_ms: int

    @property
    def offset_ms(self) -> float:
        """How far the venue's host clock is ahead of ours."""
        return self.venue_us / 1_000 - (self.before_ms + self.after_ms) / 2

    @property
    def uncertainty_ms(self) -> float:
        """Half the way there and back: the offset is known no better."""
        return (self.after_ms - self.before_ms) / 2


def clock_reading(answer: Any, before_ms: int, after_ms: int) -> ClockReading:
    """Read the answer to `public/get_time` with its envelope.

    Raises:
        MessageError: it lacks a stamp.
    """
    envelope = answer if isinstance(answer, dict) else {}
    return ClockReading(
        before_ms=before_ms,
        after_ms=after_ms,
        venue_us=(raw.whole(envelope, "usIn") + raw.whole(envelope, "usOut")) / 2,
        market_ms=raw.whole(envelope, "result"),
    )


def clock(reading: ClockReading, network: Network) -> Answered:
    """Judge this machine's clock by the venue's, and the venue's time by its own stamps."""
    measured = f"{reading.offset_ms:+.0f} ms (to {reading.uncertainty_ms:.0f} ms)"
    if abs(reading.offset_ms) > OFFSET_MS_MAX + reading.uncertainty_ms:
        return bad(f"the venue's clock is {measured} from this machine's; set it by NTP")
    apart_ms = reading.market_ms - reading.venue_us / 1_000
    if network is Network.REHEARSAL:
        days = apart_ms / units.MS_PER_DAY
        return good(f"the venue's clock is {measured} ahead; market time is {days:+.1f} days away")
    if abs(apart_ms) > OFFSET_MS_MAX:
        return bad(f"the venue's time is {apart_ms:+.0f} ms from the stamps on its own answers")
    return good(f"the venue's clock is {measured} ahead of this machine's")


def trading_right(scope: str) -> Answered:
    """Judge whether a key may trade and arm cancel-on-disconnect."""
    rights = scope.split()
    missing = {"account:read_write", "trade:read_write"}.difference(rights)
    if missing:
        return bad(f"the key lacks {' and '.join(sorted(missing))}; its scope is {scope!r}")
    return good("the key holds account:read_write and trade:read_write")


def withdrawal_right(scope: str) -> Answered:
    """Judge whether a key may move money out. Only its scope is read: nothing is tried."""
    for right in ("wallet:read_write", "custody:read_write"):
        if right in scope.split():
            return bad(f"the key holds {right}: make one that cannot move money out")
    return good("the key holds no right to move money out")


def network(testnet: bool | None, expected: Network) -> Answered:  # noqa: FBT001
    """Judge the flag that the venue puts into its answers."""
    if testnet is None:
        return skipped("the venue did not say whether it is a testnet")
    if expected is not Network.REHEARSAL and testnet is not (expected is Network.TESTNET):
        kind = "a testnet" if testnet else "real money"
        return bad(f"the mode is {expected.value}, but the venue says that it is {kind}")
    return good(f"the venue is {'a testnet' if testnet else 'no testnet'}; mode {expected.value}")


def book(terms: BookTerms, listed: Mapping[str, Instrument], mark_usd: float | None) -> Answered:
    """Judge whether a book can be hedged with what is listed."""
    hedge = listed.get(terms.hedge)
    if hedge is None:
        return bad(f"hedge instrument {terms.hedge} is not listed, or cannot be read")
    options = [
        found
        for found in listed.values()
        if found.kind is Kind.OPTION
        and found.underlying == terms.underlying
        and found.currency == hedge.currency
    ]
    if not options:
        return bad(f"no {terms.underlying} option is listed that settles in {hedge.currency}")
    odd = [found.name for found in (hedge, *options) if found.size_min % found.lot]
    if odd:
        return bad(f"the minimum is not a whole number of lots: {_some(odd)}")
    if mark_usd is None:
        return bad(f"{terms.hedge} has no mark price")
    lot_coin = instruments.size_coin(hedge, hedge.size_min, mark_usd)
    if lot_coin > terms.band_width_coin:
        return bad(
            f"the smallest order of {terms.hedge} is {lot_coin:.6f} coins, "
            f"more than the band is wide ({terms.band_width_coin:g})"
        )
    expiries = len({found.expiry_ms for found in options})
    return good(
        f"{terms.hedge}: lot {hedge.lot}, minimum {hedge.size_min}, tick {hedge.tick_size}; "
        f"{len(options)} {terms.underlying} options of {expiries} expiries "
        f"settle in {hedge.currency}"
    )


def margin_model(summary: Mapping[str, Any], currency: str, expected: str = STANDARD) -> Answered:
    """Judge whether the account is margined as the configuration says: else every gate is wrong."""
    model = summary.get("margin_model")
    if not isinstance(model, str):
        return skipped(f"the {currency} account does not name its margin model")
    try:
        equity = raw.figure(summary, "equity")
    except MessageError as error:
        return bad(f"the {currency} account cannot be read: {error}")
    if model != expected:
        told = f"the {currency} account's margin model is {model}, the configuration's {expected}"
        return bad(f"{told}: see margin.model")
    return good(f"the {currency} account uses {model}; equity {equity:g} {currency}")


def rate_limits(summary: Mapping[str, Any]) -> Answered:
    """Judge whether what the venue allows this account is enough to reconcile with."""
    limits = _inside(summary, "limits")
    reading, trading = _inside(limits, "non_matching_engine"), _inside(limits, "matching_engine")
    try:
        asks, burst = raw.figure(reading, "rate"), raw.figure(reading, "burst")
    except MessageError:
        return skipped("the account does not state its rate limits")
    if asks < ASKS_PER_SECOND_MIN:
        return bad(f"{asks:g} questions a second are too few; {ASKS_PER_SECOND_MIN:g} are needed")
    # Older answers state one figure for all orders, newer ones one for each kind and the total.
    orders = _inside(_inside(trading, "trading"), "total") or trading
    worded = f"{orders.get('rate', '?')} orders a second (burst {orders.get('burst', '?')})"
    return good(f"{asks:g} questions a second (burst {burst:g}), {worded}")


def _inside(answer: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return an object within an answer, an empty one if there is none."""
    value = answer.get(key)
    return value if isinstance(value, dict) else {}


def positions(rows: Sequence[Any], listed: Mapping[str, Instrument]) -> Answered:
    """Judge that there is one net position an instrument, and that each can be read."""
    read = [raw.position(row) for row in rows]
    held = [row.instrument for row in read if row.size_native]
    twice = [name for name, count in Counter(held).items() if count > 1]
    if twice:
        return bad(f"more than one position in {_some(twice)}: the account is not netted")
    strange = [name for name in held if name not in listed]
    if strange:
        return bad(f"positions in what is not listed: {_some(strange)}")
    return good(f"{len(held)} positions, one net position an instrument")


def open_orders(rows: Any, prefix: str) -> Answered:
    """Judge that nobody is trading under our prefix."""
    if not isinstance(rows, list):
        return bad("the open orders are not a list")
    labels = [str(row.get("label", "")) if isinstance(row, dict) else "" for row in rows]
    ours = [label for label in labels if label.startswith(prefix)]
    if ours:
        return bad(
            f"{len(ours)} open orders carry our prefix {prefix} ({_some(ours)}): "
            "another daemon trades under it, or left them"
        )
    return good(f"no open order carries our prefix {prefix}; {len(labels)} are somebody else's")


def hypothetical_margins(answer: Any, order: str) -> Answered:
    """Judge the answer to `private/get_margins`."""
    try:
        buy, sell = (raw.figure(answer or {}, side) for side in ("buy", "sell"))
    except MessageError as error:
        return bad(f"the margins of an order cannot be read: {error}")
    if buy <= 0 and sell <= 0:
        return bad(f"{order} would need no margin on either side")
    return good(f"{order} would need {buy:.8f} bought and {sell:.8f} sold")


def simulated(answer: Any, currency: str) -> Answered:
    """Judge the answer to `private/simulate_portfolio`."""
    try:
        initial, maintenance = (
            raw.figure(answer or {}, name) for name in ("initial_margin", "maintenance_margin")
        )
    except MessageError as error:
        return bad(f"the simulated portfolio cannot be read: {error}")
    return good(f"with it the account would need {initial:g} {currency}, to stay {maintenance:g}")


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN])
    return shown if len(names) <= NAMES_SHOWN else f"{shown} and {len(names) - NAMES_SHOWN} more"
