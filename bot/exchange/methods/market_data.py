"""Public market data: instruments, tickers, books, the index, the time."""

from typing import Final

from bot.exchange import views
from bot.exchange.contracts import Kind, parse_name
from bot.exchange.floor import checked
from bot.exchange.methods.call import INSTRUMENT_NOT_FOUND, Call
from bot.exchange.protocol import Json, RpcError, invalid_param
from bot.exchange.reports import BookState, TickerView
from bot.exchange.summaries import CURRENCIES

VERSION: Final = "1.2.26"  # the venue's, as its API states it
BOOK_DEPTHS: Final = frozenset({1, 5, 10, 20, 50, 100, 1000, 10000})
BOOK_DEPTH_DEFAULT: Final = 5

CURRENCY_NAMES: Final = {
    "BTC": ("Bitcoin", "BITCOIN", 8),
    "ETH": ("Ethereum", "ETHER", 6),
    "USDC": ("USD Coin", "USDC", 6),
}


def get_time(call: Call) -> Json:
    """Market time, epoch milliseconds: in a fast rehearsal not the host's."""
    return call.floor.market_clock.market_ms()


def hello(call: Call) -> Json:
    """A client that introduces itself."""
    call.params.text("client_name")
    call.params.text("client_version")
    return {"version": VERSION}


def status(_call: Call) -> Json:
    """Whether trading is locked; never here."""
    return {"locked": "false", "locked_indices": []}


def get_currencies(_call: Call) -> Json:
    """Currencies; only the market's own has instruments."""
    return [
        {
            "currency": code,
            "currency_long": CURRENCY_NAMES[code][0],
            "coin_type": CURRENCY_NAMES[code][1],
            "decimals": CURRENCY_NAMES[code][2],
            "min_confirmations": 1,
            "min_withdrawal_fee": 0.0001,
            "withdrawal_fee": 0.0001,
            "withdrawal_priorities": [],
            "in_cross_collateral_pool": False,
            "network_currency": code,
            "network_fee": 0.0001,
        }
        for code in CURRENCIES
    ]


def get_instruments(call: Call) -> Json:
    """Listed contracts, or with `expired` those that expired while the exchange ran."""
    kinds = call.kinds()
    if not call.is_served(call.currency(required=False)):
        return []
    if call.params.flag("expired"):
        gone = [parse_name(name) for name in call.floor.engine.expired_contracts()]
        return [views.instrument(each, BookState.DELIVERED) for each in gone if each.kind in kinds]
    listed = call.floor.engine.contracts()
    return [views.instrument(each, BookState.OPEN) for each in listed if each.kind in kinds]


def get_instrument(call: Call) -> Json:
    """One contract, listed or expired while the exchange ran."""
    name = call.params.text("instrument_name")
    contract = call.floor.engine.contract(name)
    if contract is not None:
        return views.instrument(contract, BookState.OPEN)
    if name in call.floor.engine.expired_contracts():
        return views.instrument(parse_name(name), BookState.DELIVERED)
    raise RpcError(INSTRUMENT_NOT_FOUND, "not_found")


def _ticker(call: Call) -> TickerView:
    view = call.floor.engine.ticker(call.contract().name)
    assert view is not None, "a listed contract has a ticker"
    return view


def ticker(call: Call) -> Json:
    """Prices, volatilities and Greeks of one contract."""
    return views.ticker(_ticker(call))


def get_order_book(call: Call) -> Json:
    """The ticker and at most `depth` levels a side."""
    depth = call.params.integer("depth", BOOK_DEPTH_DEFAULT)
    if depth not in BOOK_DEPTHS:
        # Any positive depth is served: ccxt passes its caller's limit through as it is.
        depth = max(1, min(depth, max(BOOK_DEPTHS)))
    view = _ticker(call)
    book = call.floor.engine.book(view.instrument_name, depth)
    assert book is not None, "a listed contract has a book"
    return views.order_book(view, book)


def get_book_summary_by_currency(call: Call) -> Json:
    """One line for each contract of a currency."""
    kinds = call.kinds()
    if not call.is_served(call.currency()):
        return []
    lines: list[Json] = []
    for contract in call.floor.engine.contracts():
        view = call.floor.engine.ticker(contract.name) if contract.kind in kinds else None
        if view is not None:
            lines.append(views.book_summary(view, contract))
    return lines


def get_index_price(call: Call) -> Json:
    """The index; estimated delivery is the index as long as nothing settles."""
    name = call.params.text("index_name")
    engine = call.floor.engine
    if name != views.index_name(engine.currency):
        raise invalid_param("index_name", f"only {views.index_name(engine.currency)} is served")
    price = round(engine.index_usd(), views.USD_DIGITS)
    return {"index_price": price, "estimated_delivery_price": price}


def get_margins(call: Call) -> Json:
    """What an order would need by itself, coin, and the price band of the moment."""
    amount, price = call.params.decimal("amount"), call.params.decimal("price")
    contract = call.contract()
    if amount <= 0 or (contract.kind is Kind.OPTION and price < 0):
        raise invalid_param("amount", f"must be positive, got {amount}")
    found = call.floor.engine.margins(call.account, contract.name, amount, price)
    margins = checked(found)
    return {
        "buy": round(margins.buy, views.COIN_DIGITS),
        "sell": round(margins.sell, views.COIN_DIGITS),
        "min_price": views.number(margins.min_price),
        "max_price": views.number(margins.max_price),
    }
