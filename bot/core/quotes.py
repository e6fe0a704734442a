"""Which quotes may reach the mathematics. After a bad one the last good one stays, and ages."""

import math
from dataclasses import dataclass, replace

from bot.core import units
from bot.core.events import QuoteSeen
from bot.core.instruments import Instrument, Kind, Settlement


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotePolicy:
    """Which quotes may be used.

    Ages are on the wire clock. `spread_max` is a share of the middle (hedge instruments). An option
    worth at most `one_sided_mark_max_coin` (coins, at the index for linear ones) may lack its bid:
    nobody bids for what is worth next to nothing.
    """

    option_age_max_ns: int = 30 * units.NS_PER_SECOND
    hedge_age_max_ns: int = 3 * units.NS_PER_SECOND
    spread_max: float = 0.005
    one_sided_mark_max_coin: float = 0.001


def aged(
    quote: QuoteSeen, known: QuoteSeen | None, policy: QuotePolicy, rate: float
) -> QuoteSeen | str:
    """Return a quote as old as the venue's time makes it, or say why it is no news.

    What comes again under the venue time of the quote before is as old as that: a feed that
    repeats itself must not look alive. What is older by up to `hedge_age_max_ns` came out of turn;
    by more, the venue's time went back, and begins anew. `rate` is the market clock's.
    """
    if known is None:
        return quote
    late_ms = known.venue_ms - quote.venue_ms
    if late_ms == 0:
        if quote.arrived_ns - known.arrived_ns > policy.hedge_age_max_ns:
            return "its venue time stands still"
        return replace(quote, arrived_ns=min(quote.arrived_ns, known.arrived_ns))
    if 0 < late_ms <= units.wire_to_market_ms(policy.hedge_age_max_ns, rate):
        return f"{late_ms} ms older than the quote before it"
    return quote


def bad_quote(quote: QuoteSeen, instrument: Instrument, policy: QuotePolicy) -> str | None:
    """Say why a quote may not be used, or None if it may."""
    numbers = {"mark": quote.mark, "index": quote.index_usd}
    if instrument.kind is Kind.OPTION:
        numbers |= {"forward": quote.forward_usd, "volatility": quote.iv}
        if quote.mark == 0.0 and quote.bid is None:
            del numbers["mark"]  # worth less than a tick: nobody bids, and nothing is its price
    for what, number in numbers.items():
        if number is None or not 0.0 < number < math.inf:
            return f"no usable {what} ({number})"
    for side, price in (("bid", quote.bid), ("ask", quote.ask)):
        if price is not None and not 0.0 < price < math.inf:
            return f"no usable {side} ({price})"
    return _bad_sides(quote, instrument, policy)


def _bad_sides(quote: QuoteSeen, instrument: Instrument, policy: QuotePolicy) -> str | None:
    if quote.ask is None:
        return "one-sided: no ask"
    if quote.bid is None:
        worthless = (
            instrument.kind is Kind.OPTION
            and _mark_coin(quote, instrument) <= policy.one_sided_mark_max_coin
        )
        return None if worthless else "one-sided: no bid"
    if quote.bid > quote.ask:
        return f"crossed: bid {quote.bid} above ask {quote.ask}"
    return None


def _mark_coin(quote: QuoteSeen, instrument: Instrument) -> float:
    mark = quote.mark or 0.0
    linear = instrument.settlement is Settlement.LINEAR
    return mark / (quote.index_usd or math.inf) if linear else mark
