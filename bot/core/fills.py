"""What a change of position does to the standing.

Who holds it, what it cost. One place for ours and others'.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal

from bot.core import orders, standing, units
from bot.core.events import FillSeen
from bot.core.instruments import Instrument
from bot.core.orders import Share
from bot.core.standing import Account, Standing

SHARE_STEP = Decimal("1e-9")
SESSION_START_MS = 8 * units.MS_PER_HOUR


def allocated(size_native: Decimal, shares: tuple[Share, ...]) -> Iterator[Share]:
    """Divide a fill among the books that asked for it, pro rata to their netted intents.

    The parts add up to the fill exactly: the last book takes the rounding. Opposite intents scale
    alike, so that books which cancel each other cross at the fill's price.
    """
    if not shares:
        return
    net = sum((share.size_native for share in shares), units.ZERO)
    left = size_native
    for share in shares[:-1]:
        part = (size_native * share.size_native / net).quantize(SHARE_STEP)
        left -= part
        yield Share(book=share.book, size_native=part)
    yield Share(book=shares[-1].book, size_native=left)


def cost_of(instrument: Instrument, size_native: Decimal, price: float) -> float:
    """Return what a change of position adds to its account's cost; see `standing.Account`."""
    size = float(size_native)
    return size / price if instrument.is_usd_sized else size * price


def _costed(
    account: Account, instrument: Instrument | None, size_native: Decimal, price: float
) -> Account:
    if instrument is not None:
        return replace(account, cost=account.cost + cost_of(instrument, size_native, price))
    size = float(size_native)
    return replace(
        account,
        by_price=account.by_price + size * price,
        over_price=account.over_price + (size / price if price else 0.0),
    )


def listed(known: Standing, instruments: Mapping[str, Instrument]) -> Standing:
    """Cost the fills that came before their instrument's terms did."""
    for name, account in known.accounts.items():
        terms = instruments.get(name)
        if terms is None or not (account.by_price or account.over_price):
            continue
        waiting = account.over_price if terms.is_usd_sized else account.by_price
        costed = replace(account, cost=account.cost + waiting, by_price=0.0, over_price=0.0)
        known = standing.with_account(known, name, costed)
    return known


def filled(
    known: Standing, fact: FillSeen, instrument: Instrument | None, owner: str | None
) -> Standing:
    """Count a fill that was not seen before: order, position, holdings, cost.

    `owner` is the book that holds what was not traded by us, None where books hold nothing
    (options).
    """
    order = known.orders.get(fact.order_id)
    after = standing.with_trade(known, fact.trade_id, fact.venue_ms)
    if order is not None:
        after = standing.with_order(after, orders.filled(order, fact))
    shares = order.shares if order else _owned_by(owner, fact.size_native)
    after = moved(after, fact.instrument, fact.size_native, shares)
    account = after.accounts.get(fact.instrument, Account())
    account = _costed(account, instrument, fact.size_native, fact.price)
    return standing.with_account(
        after, fact.instrument, replace(account, fees=account.fees + fact.fee)
    )


def _owned_by(owner: str | None, size_native: Decimal) -> tuple[Share, ...]:
    return () if owner is None else (Share(book=owner, size_native=size_native),)


def moved(known: Standing, name: str, size_native: Decimal, shares: tuple[Share, ...]) -> Standing:
    """Change a position and the holdings of the books that share the change."""
    before = known.positions.get(name, units.ZERO)
    after = standing.with_position(known, name, before + size_native)
    for part in allocated(size_native, shares):
        after = standing.with_holding(after, part.book, name, part.size_native)
    return after


def adopted(
    known: Standing, instrument: Instrument, size_native: Decimal, mark: float, owner: str | None
) -> Standing:
    """Take over the venue's position as EXTERNAL, at the mark; `owner` as in `filled`."""
    change = size_native - known.positions.get(instrument.name, units.ZERO)
    after = moved(known, instrument.name, change, _owned_by(owner, change))
    account = after.accounts.get(instrument.name, Account())
    cost = account.cost + cost_of(instrument, change, mark)
    return standing.with_account(after, instrument.name, replace(account, cost=cost))


def funded(known: Standing, name: str, realized: float | None, now_ms: int) -> Standing:
    """Count the funding that a position realised since the last report.

    The venue's figure starts again from nothing with each daily session (08:00 UTC), so the first
    report of a session counts whole. None says that the venue lists no such position: what it says
    next may start from nothing or go on, so the next figure is only a beginning.
    """
    account = known.accounts.get(name, Account())
    if realized is None:
        if account.funding_base is None:
            return known
        return standing.with_account(known, name, replace(account, funding_base=None))
    session = (now_ms - SESSION_START_MS) // units.MS_PER_DAY
    went_on = account.funding_base is None or account.funding_session == session
    base = account.funding_base if went_on else 0.0
    gained = 0.0 if base is None else realized - base
    if not gained and account.funding_base == realized and account.funding_session == session:
        return known
    counted = replace(
        account,
        funding=account.funding + gained,
        funding_base=realized,
        funding_session=session,
    )
    return standing.with_account(known, name, counted)
