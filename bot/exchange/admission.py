"""Which orders are let in: the venue's checks in the venue's order, each with its code and words.

Codes are Deribit's: 10002 qty_too_low, 10003 order_overlap, 10005 price_too_low, 10007
price_too_high, 10009 not_enough_funds, 10012 book_closed, 10036 invalid_max_show_amount, 10043
price_wrong_tick, 11030 other_reject, 11047 unsupported_arg_combination, 11048
wrong_max_show_for_option, 11054 post_only_reject, 11055 post_only_not_allowed, 13019
orderbook_closed, 13020 not_found, 13888 timed_out, -32602 for bad arguments.
"""

from decimal import Decimal
from typing import Final

from bot.exchange.board import Board
from bot.exchange.commands import Refused, invalid_params
from bot.exchange.contracts import Contract
from bot.exchange.liquidity import to_price
from bot.exchange.margin_reports import MarginsView
from bot.exchange.margins import Holding, order_reserve
from bot.exchange.orders import ZERO, Order
from bot.exchange.reports import Direction, OrderType
from bot.exchange.rules import PriceBandRules, Rules
from bot.exchange.situation import Situation

NOT_FOUND: Final = Refused(code=13020, message="not_found")
POST_ONLY_REJECT: Final = Refused(code=11054, message="post_only_reject")
POST_ONLY_NOT_ALLOWED: Final = Refused(code=11055, message="post_only_not_allowed")
BOOK_CLOSED: Final = Refused(code=10012, message="book_closed")
ORDERBOOK_CLOSED: Final = Refused(code=13019, message="orderbook_closed")
ORDER_OVERLAP: Final = Refused(code=10003, message="order_overlap")
NO_LIQUIDITY: Final = Refused(code=11030, message="other_reject no_liquidity")
OTHER_DISPLAY: Final = (10036, "invalid_max_show_amount")
NOTHING_TO_REDUCE: Final = Refused(code=11030, message="other_reject invalid_reduce_only_order")


def check_time(valid_until_ms: int | None, now_ms: int) -> Refused | None:
    """Refuse what would start after its `valid_until`."""
    if valid_until_ms is None or now_ms <= valid_until_ms:
        return None
    late_ms = now_ms - valid_until_ms
    return Refused(
        code=13888,
        message="timed_out",
        data={"reason": f"valid_until {valid_until_ms} passed {late_ms} ms ago"},
    )


def check_shape(order: Order, rules: Rules) -> Refused | None:
    """Refuse a bad label, amount, price, or a combination that makes no sense."""
    if len(order.label) > rules.label_length_max:
        return invalid_params("label", f"longer than {rules.label_length_max} characters")
    return (
        check_amount(order.contract, order.amount)
        or check_price(order)
        or check_flags(order)
        or check_display(order, rules)
    )


def check_amount(contract: Contract, amount: Decimal) -> Refused | None:
    """Refuse an amount that is no positive multiple of the lot."""
    if not amount.is_finite() or amount <= 0:
        return invalid_params("amount", "must be positive")
    if amount < contract.lot:
        reason = f"amount {amount} is below the minimum {contract.lot}"
        return Refused(code=10002, message="qty_too_low", data={"reason": reason})
    if amount % contract.lot != 0:
        return invalid_params("amount", "must be a multiple of contract size")
    return None


def check_price(order: Order) -> Refused | None:
    """Refuse a limit price that is not positive or not on its tick."""
    if not order.order_type.is_priced:
        return None
    contract, price = order.contract, order.price
    if not price.is_finite() or price <= 0:
        return invalid_params("price", "a limit order needs a positive price")
    if not contract.is_on_tick(price):
        reason = f"price {price} is not a multiple of {contract.tick_at(price)}"
        return Refused(code=10043, message="price_wrong_tick", data={"reason": reason})
    return None


def check_flags(order: Order) -> Refused | None:
    """Refuse post-only where the order would take anyway, and protection of what does not rest."""
    priced, waits = order.order_type.is_priced, order.time_in_force.rests
    if order.post_only and not (priced and waits):
        return POST_ONLY_NOT_ALLOWED
    if order.mmp and order.order_type is not OrderType.LIMIT:
        return Refused(
            code=11047,
            message="unsupported_arg_combination",
            data={"reason": "mmp is only for order_type limit"},
        )
    return None


def check_display(order: Order, rules: Rules) -> Refused | None:
    """Refuse an iceberg that shows too little: of the lot, or of what it hides."""
    shown, least = order.display, order.contract.lot * rules.display_lots_min
    if shown is None:
        return None
    if order.order_type.is_priced and shown >= least and shown % order.contract.lot == 0:
        hidden = max(order.remaining - shown, ZERO)
        if hidden < shown * rules.display_hidden_ratio_max:
            return None
    is_option = order.contract.is_option
    code, name = (11048, "wrong_max_show_for_option") if is_option else OTHER_DISPLAY
    reason = f"display_amount must be a multiple of the lot, at least {least}, of a limit order, "
    reason += f"and what is hidden less than {rules.display_hidden_ratio_max} times it"
    return Refused(code=code, message=name, data={"reason": reason})


def price_band(rules: PriceBandRules, board: Board, contract: Contract) -> tuple[Decimal, Decimal]:
    """Lowest price of a sell and highest of a buy at this moment; beyond, orders are clamped."""
    mark = board.mark(contract)
    if contract.is_option:
        coin = board.underlying(contract) if contract.pair.is_linear else 1.0
        width = max(rules.option_coin * coin, rules.option_fraction * mark)
    else:
        width = mark * rules.perp_fraction
    # Rounded inward: the lowest price up, the highest down.
    lowest = to_price(contract, max(mark - width, 0.0), Direction.SELL)
    highest = to_price(contract, mark + width, Direction.BUY)
    return max(lowest, contract.tick_size), max(highest, contract.tick_size)


def clamped(order: Order, band: tuple[Decimal, Decimal]) -> Decimal | Refused:
    """The order's limit moved into the band, as the venue clamps buys above and sells below it.

    An order that must be "put to the book unmodified or rejected" is refused instead.
    """
    lowest, highest = band
    is_buy = order.direction is Direction.BUY
    price = min(order.price, highest) if is_buy else max(order.price, lowest)
    if price == order.price or not (order.post_only and order.reject_post_only):
        return price
    if is_buy:
        return Refused(code=10007, message=f"price_too_high {highest}")
    return Refused(code=10005, message=f"price_too_low {lowest}")


def check_funds(at: Situation, order: Order) -> Refused | None:
    """Refuse what, filled at its worst, needs more margin than there is, unless it reduces.

    What reduces risk is a smaller position under standard margin, less margin under portfolio
    margin, where a smaller hedge may need more.
    """
    if not at.model.is_portfolio and at.is_reducing(order):
        return None
    needed, have = at.margins(order).initial, at.margin_balance()
    if needed <= have or (at.model.is_portfolio and at.lowers_margin(order)):
        return None
    short = f"initial margin after the order {needed:.8f} exceeds margin balance {have:.8f}"
    return Refused(
        code=10009,
        message="not_enough_funds",
        data={"reason": f"{short} {at.wallet.currency}"},
    )


def hypothetical_margins(
    at: Situation, contract: Contract, amount: Decimal, price: Decimal
) -> MarginsView:
    """What buying and selling `amount` at `price` would need, each by itself, fees left out."""
    size = float(amount)
    index_usd = at.board.index_usd(contract.pair)
    premium, _ = order_reserve(
        at.rules.fees, contract, size, float(price), is_buy=True, index_usd=index_usd
    )
    bought, sold = (at.need(Holding(contract=contract, size=of)).initial for of in (size, -size))
    lowest, highest = price_band(at.rules.price_band, at.board, contract)
    return MarginsView(
        buy=bought + premium,
        sell=sold,
        min_price=lowest,
        max_price=highest,
    )
