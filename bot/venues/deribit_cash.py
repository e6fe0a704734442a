"""What came from outside or went there, by the account's transaction log: all of it or nothing."""

from collections.abc import Mapping
from typing import Any, Final

from bot.core import units
from bot.core.actions import ReadCash
from bot.core.cash import CashMoved, CashRead
from bot.core.events import Fact
from bot.venues import deribit_translate as raw
from bot.venues.deribit_account import Reader
from bot.venues.deribit_translate import MessageError

TRANSACTION_LOG: Final = "private/get_transaction_log"
PAGE_SIZE: Final = 250  # the venue gives no more
SHORT_MS: Final = units.MS_PER_HOUR  # of a longer span each kind is asked for: trades are many
# A swap is money that goes over to another currency of the same account. All else that the venue
# books is earned or lost: trades, settlements, deliveries, its own corrections and rewards.
FROM_OUTSIDE: Final = frozenset({"deposit", "withdrawal", "transfer", "swap"})


async def read(action: ReadCash, reader: Reader) -> tuple[Fact, ...]:
    """Read what moved since a moment, in every currency of the account that is read.

    Raises:
        MessageError: an answer could not be read whole; nothing may be concluded.
    """
    asked_ns, asked_ms = reader.monotonic_ns(), reader.market_ms()
    found: dict[str, CashMoved] = {}
    # To later than now: the venue's clock may be ahead of ours.
    until_ms = asked_ms + reader.limits.query_margin_ms
    span = {"start_timestamp": max(0, action.since_ms), "end_timestamp": until_ms}
    is_short = asked_ms - action.since_ms <= SHORT_MS
    kinds = [{}] if is_short else [{"query": kind} for kind in sorted(FROM_OUTSIDE)]
    for currency in reader.currencies:
        for kind in kinds:
            asked = {"currency": currency, **span, **kind, "count": PAGE_SIZE}
            await _pages(asked, reader, found)
    arrived_ns = reader.monotonic_ns()
    moved = sorted(found.values(), key=lambda move: move.venue_ms)
    return (*moved, CashRead(asked_ns=asked_ns, asked_ms=asked_ms, arrived_ns=arrived_ns))


async def _pages(asked: dict[str, Any], reader: Reader, found: dict[str, CashMoved]) -> None:
    """Turn the pages of a currency's log, newest first, to the last."""
    further: dict[str, Any] = {}
    for _ in range(reader.limits.pages_max):
        page = await reader.ask(TRANSACTION_LOG, {**asked, **further})
        is_page = isinstance(page, dict) and isinstance(page.get("logs"), list)
        if not is_page or "continuation" not in page:
            raise MessageError(f"not a page of the transaction log: {page!r:.200}")
        arrived_ns = reader.monotonic_ns()
        moves = (moved(row, arrived_ns) for row in raw.rows(page, "logs"))
        found |= {move.move_id: move for move in moves if move is not None}
        if page["continuation"] is None:
            return
        further = {"continuation": page["continuation"]}
    raise MessageError(f"the transaction log goes on after {reader.limits.pages_max} pages")


def moved(row: Mapping[str, Any], arrived_ns: int) -> CashMoved | None:
    """Translate a row of the log, None if it is of what was earned or lost.

    Raises:
        MessageError: it does not say what kind it is, or how much moved, when and in what.
    """
    kind = raw.text(row, "type")
    if kind not in FROM_OUTSIDE:
        return None
    return CashMoved(
        move_id=raw.identity(row, "id"),
        currency=raw.text(row, "currency").upper(),
        change=raw.exact(row, "change"),
        kind=kind,
        venue_ms=raw.whole(row, "timestamp"),
        arrived_ns=arrived_ns,
    )
