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


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """An index, and since when it has stood there: on the wire clock."""

    index_usd: float
    since_ns: int


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


_OPTION = Kind.OPTION  # an enum's member takes longer to look up than to compare with


def bad_quote(quote: QuoteSeen, instrument: Instrument, policy: QuotePolicy) -> str | None:
    """Say why a quote may not be used, or None if it may."""
    is_option = instrument.kind is _OPTION
    # What is worth less than a tick: nobody bids, and nothing is its price.
    worthless = is_option and quote.mark == 0.0 and quote.bid is None
    if not (worthless or _is_price(quote.mark)):
        return f"no usable mark ({quote.mark})"
    if not _is_price(quote.index_usd):
        return f"no usable index ({quote.index_usd})"
    if is_option and not _is_price(quote.forward_usd):
        return f"no usable forward ({quote.forward_usd})"
    if is_option and not _is_price(quote.iv):
        return f"no usable volatility ({quote.iv})"
    if not (quote.bid is None or _is_price(quote.bid)):
        return f"no usable bid ({quote.bid})"
    if not (quote.ask is None or _is_price(quote.ask)):
        return f"no usable ask ({quote.ask})"
    return _bad_sides(quote, instrument, policy)


def _is_price(number: float | None) -> bool:
    """Whether it is a number above 0: nan is above nothing."""
    return number is not None and 0.0 < number < math.inf


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
