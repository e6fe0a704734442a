"""The engine's views as Deribit words them: every field name, unit and rounding is the venue's.

Rounded here and nowhere else: USD prices to 2 decimals, coin money to 8, volatility percent to 2,
Greeks to 5. An option's mark keeps 6 decimals where the venue shows 4, because a rehearsal's
profit is measured second by second and 4 decimals are 9 dollars a coin.
"""

from bot.exchange.views.holdings import gone_position, position, settlement
from bot.exchange.views.market import (
    BLOCK_TRADE_FEE,
    book_summary,
    instrument,
    instrument_id,
    order_book,
    quote,
    ticker,
)
from bot.exchange.views.orders import (
    ledger_fill,
    ledger_order,
    order,
    orders,
    public_trade,
    trade,
    trades,
    trigger_record,
)
from bot.exchange.views.protection import mmp_config, mmp_status
from bot.exchange.views.wording import (
    COIN_DIGITS,
    GAMMA_DIGITS,
    GREEK_DIGITS,
    KIND_WORD,
    OPTION_MARK_DIGITS,
    PERCENT_DIGITS,
    USD_DIGITS,
    number,
    price_digits,
)

__all__ = [
    "BLOCK_TRADE_FEE",
    "COIN_DIGITS",
    "GAMMA_DIGITS",
    "GREEK_DIGITS",
    "KIND_WORD",
    "OPTION_MARK_DIGITS",
    "PERCENT_DIGITS",
    "USD_DIGITS",
    "book_summary",
    "gone_position",
    "instrument",
    "instrument_id",
    "ledger_fill",
    "ledger_order",
    "mmp_config",
    "mmp_status",
    "number",
    "order",
    "order_book",
    "orders",
    "position",
    "price_digits",
    "public_trade",
    "quote",
    "settlement",
    "ticker",
    "trade",
    "trades",
    "trigger_record",
]
