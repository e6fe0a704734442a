"""A book's situation in sentences."""

from bot.core.units import MS_PER_SECOND
from bot.dashboard.models import BookShown, DecisionShown, TriggerShown


def sentences(
    book: BookShown, last_hedge: DecisionShown | None, *, now_ms: int, mode: str
) -> list[str]:
    """Say where a book's delta is, what was decided, and what would come next."""
    said = [_where(book)]
    if book.decision is not None:
        said.append(decided("Now", book.decision, now_ms))
    if last_hedge is None:
        said.append("No hedge was sent since the daemon started.")
    elif last_hedge != book.decision:
        said.append(decided("Last hedge", last_hedge, now_ms))
    said += [_next(book, trigger, mode) for trigger in book.triggers]
    if not book.triggers and _is_inside(book):
        said.append("Gamma alone brings it to no edge of the band within 15 % of today's price.")
    return said


def decided(when: str, decision: DecisionShown, now_ms: int) -> str:
    """Say what was decided, when and why."""
    ago_seconds = (now_ms - decision.at_ms) / MS_PER_SECOND
    ago = f", {ago_seconds:,.0f} s of market time ago" if ago_seconds >= 1.0 else ""
    order = f" (order {decision.order_id})" if decision.order_id else ""
    return f"{when}{ago}: {decision.verdict.upper()}{order}: {decision.reason}."


def _where(book: BookShown) -> str:
    low, high = book.band_coin
    band = f"the band of {low:+.4f} to {high:+.4f} coin around {book.target_coin:+.4f}"
    if book.greeks is None or book.deviation_coin is None:
        return f"{book.name}: no delta now ({book.unpriced}); {band} waits."
    delta = f"{book.name}: {book.convention} delta {book.greeks.delta_coin:+.4f} coin"
    parts = (
        f"options {book.greeks.options_delta_coin:+.4f}, hedge {book.greeks.hedge_delta_coin:+.4f}"
    )
    if book.greeks.equity_delta_coin:
        parts += f", collateral {book.greeks.equity_delta_coin:+.4f}"
    ratio = "" if book.ratio_percent == 100.0 else f" at a hedge ratio of {book.ratio_percent:g} %"
    off = f"{book.deviation_coin:+.4f} from the target{ratio}"
    return f"{delta} ({parts}), {off}: {_room(book)} {band}."


def _is_inside(book: BookShown) -> bool:
    low, high = book.band_coin
    return book.deviation_coin is not None and low <= book.deviation_coin <= high


def _room(book: BookShown) -> str:
    """Say how far the delta is from the edges of the band."""
    low, high = book.band_coin
    x = book.deviation_coin or 0.0
    if x < low:
        return f"outside, by {low - x:.4f} below the low edge of"
    if x > high:
        return f"outside, by {x - high:.4f} above the high edge of"
    return f"inside, {x - low:.4f} above the low and {high - x:.4f} below the high edge of"


def _next(book: BookShown, trigger: TriggerShown, mode: str) -> str:
    verb = "sell" if trigger.hedge_coin < 0 else "buy"
    amount = f"{abs(trigger.hedge_coin):.4f} coin" if abs(trigger.hedge_coin) > 0 else "the excess"
    would = "would" if mode in {"run", "degraded"} else f"would, if it were not in {mode},"
    return (
        f"Near {trigger.index_usd:,.0f} USD ({trigger.move_percent:+.2f} %) delta reaches the "
        f"{trigger.edge} edge: it {would} {verb} {amount} of {book.hedge_instrument}."
    )
