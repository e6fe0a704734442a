"""Where the next hedge of a book would come: a first-order estimate, for a person to read.

For a move of the spot by h percent, with volatility and time standing still, the options' delta
changes by `gamma_coin_per_percent` h. Inverse: in a convention that takes the premium as coin the
premium itself moves by (D - m), and N dollars of a perpetual become fewer coins as it rises.
Linear: what the collateral is worth in coins falls as the spot rises, and moves with its own delta.
"""

from bot.core.dealing import BookPlan
from bot.core.exposure import Exposure
from bot.core.hedger import HedgeTo, deviation_coin
from bot.dashboard.models import TriggerShown
from bot.quant.conventions import Convention

MOVE_PERCENT_MAX = 15.0
SLOPE_COIN_PER_PERCENT_MIN = 1e-9


def slope_coin_per_percent(exposure: Exposure, plan: BookPlan) -> float:
    """Return how much the deviation changes for a move of the spot by +1 percent, in coins."""
    bare = exposure.gamma_coin_per_percent
    if exposure.is_linear:
        if plan.book.convention is Convention.COIN:
            usd_delta = exposure.options_delta_coin + exposure.hedge_delta_coin
            bare -= 0.01 * plan.book.collateral_share * usd_delta
            bare -= 0.01 * exposure.equity_delta_coin
        return plan.hedge.ratio * bare
    if plan.book.convention is not Convention.BOOK:
        bare -= 0.01 * exposure.options_delta_coin
    if plan.book.convention is Convention.USD:
        coin_delta = exposure.options_delta_coin + exposure.hedge_delta_coin
        bare += 0.01 * plan.book.collateral_share * coin_delta
    return plan.hedge.ratio * bare - 0.01 * exposure.hedge_delta_coin


def triggers(exposure: Exposure, plan: BookPlan) -> list[TriggerShown]:
    """Return the moves at which delta reaches an edge, nearest first; none beyond 15 percent.

    A book that is outside its band already waits for something else than a price: it has none.
    """
    slope = slope_coin_per_percent(exposure, plan)
    now = deviation_coin(exposure, plan.hedge)
    inside = plan.hedge.band_low_coin <= now <= plan.hedge.band_high_coin
    if not inside or abs(slope) < SLOPE_COIN_PER_PERCENT_MIN:
        return []
    edges = {"low": plan.hedge.band_low_coin, "high": plan.hedge.band_high_coin}
    found = []
    for edge, edge_coin in edges.items():
        move_percent = (edge_coin - now) / slope
        if abs(move_percent) > MOVE_PERCENT_MAX:
            continue
        hedge_coin = -edge_coin if plan.hedge.hedge_to is HedgeTo.TARGET else 0.0
        found.append(
            TriggerShown(
                edge=edge,
                edge_coin=edge_coin,
                index_usd=exposure.index_usd * (1.0 + move_percent / 100.0),
                move_percent=move_percent,
                hedge_coin=hedge_coin,
            )
        )
    return sorted(found, key=lambda trigger: abs(trigger.move_percent))
