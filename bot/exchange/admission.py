"""Which orders are let in: the venue's checks in the venue's order, each with its code and words.

Codes are Deribit's: 10002 qty_too_low, 10003 order_overlap, 10009 not_enough_funds, 10043
price_wrong_tick, 11030 other_reject, 11054 post_only_reject, 13020 not_found, 13888 timed_out,
-32602 for bad arguments.
"""

from decimal import Decimal
from typing import Final

from bot.exchange.board import Board
from bot.exchange.commands import PlaceOrder, Refused, invalid_params
from bot.exchange.contracts import Contract, Kind
from bot.exchange.liquidity import to_price
from bot.exchange.margins import order_reserve
from bot.exchange.orders import Order
from bot.exchange.portfolio import Situation
from bot.exchange.reports import Direction, MarginsView, OrderType
from bot.exchange.rules import PriceBandRules, Rules

NOT_FOUND: Final = Refused(code=13020, message="not_found")
POST_ONLY_REJECT: Final = Refused(code=11054, message="post_only_reject")
NOTHING_TO_REDUCE: Final = Refused(code=11030, message="other_reject invalid_reduce_only_order")


def check_time(command: PlaceOrder, now_ms: int) -> Refused | None:
    """Refuse what would start after its `valid_until`."""
    if command.valid_until_ms is None or now_ms <= command.valid_until_ms:
        return None
    late_ms = now_ms - command.valid_until_ms
    return Refused(
        code=13888,
        message="timed_out",
        data={"reason": f"valid_until {command.valid_until_ms} passed {late_ms} ms ago"},
    )


def check_shape(command: PlaceOrder, contract: Contract, rules: Rules) -> Refused | None:
    """Refuse a bad label, amount or price."""
    if len(command.label) > rules.label_length_max:
        return invalid_params("label", f"longer than {rules.label_length_max} characters")
    if not command.amount.is_finite() or command.amount <= 0:
        return invalid_params("amount", "must be positive")
    if command.amount < contract.lot:
        reason = f"amount {command.amount} is below the minimum {contract.lot}"
        return Refused(code=10002, message="qty_too_low", data={"reason": reason})
    if command.amount % contract.lot != 0:
        return invalid_params("amount", "must be a multiple of contract size")
    return _check_price(command, contract)


def _check_price(command: PlaceOrder, contract: Contract) -> Refused | None:
    if command.order_type is OrderType.MARKET:
        return invalid_params("post_only", "market orders take") if command.post_only else None
    if command.price is None:
        return invalid_params("price", "limit orders need a price")
    if not command.price.is_finite() or command.price <= 0:
        return invalid_params("price", "must be positive")
    if not contract.is_on_tick(command.price):
        reason = f"price {command.price} is not a multiple of {contract.tick_at(command.price)}"
        return Refused(code=10043, message="price_wrong_tick", data={"reason": reason})
    return None


def price_band(rules: PriceBandRules, board: Board, contract: Contract) -> tuple[Decimal, Decimal]:
    """Lowest price of a sell and highest of a buy at this moment; beyond, orders are clamped."""
    mark = board.mark(contract)
    if contract.kind is Kind.PERPETUAL:
        width = mark * rules.perp_fraction
    else:
        width = max(rules.option_coin, rules.option_fraction * mark)
    # Rounded inward: the lowest price up, the highest down.
    lowest = to_price(contract, max(mark - width, 0.0), Direction.SELL)
    highest = to_price(contract, mark + width, Direction.BUY)
    return max(lowest, contract.tick_size), max(highest, contract.tick_size)


def limit_price(command: PlaceOrder, band: tuple[Decimal, Decimal]) -> Decimal:
    """The order's limit: its price clamped to the band, or the band itself for a market order."""
    lowest, highest = band
    if command.direction is Direction.BUY:
        return highest if command.price is None else min(command.price, highest)
    return lowest if command.price is None else max(command.price, lowest)


def check_funds(at: Situation, order: Order) -> Refused | None:
    """Refuse what, filled at its worst, needs more margin than there is, unless it reduces."""
    if at.is_reducing(order):
        return None
    needed, have = at.margins(order).initial, at.value().margin_balance
    if needed <= have:
        return None
    short = f"initial margin after the order {needed:.8f} exceeds margin balance {have:.8f}"
    return Refused(
        code=10009,
        message="not_enough_funds",
        data={"reason": f"{short} {at.account.currency}"},
    )


def hypothetical_margins(
    at: Situation, contract: Contract, amount: Decimal, price: Decimal
) -> MarginsView:
    """What buying and selling `amount` at `price` would need, each by itself, fees left out."""
    exposure = at.exposure_on(contract)
    size = float(amount)
    premium, _ = order_reserve(at.rules.fees, contract, size, float(price), is_buy=True)
    lowest, highest = price_band(at.rules.price_band, at.board, contract)
    return MarginsView(
        buy=exposure.position_margin(at.rules, size)[0] + premium,
        sell=exposure.position_margin(at.rules, -size)[0],
        min_price=lowest,
        max_price=highest,
    )
