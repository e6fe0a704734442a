"""Public market data: instruments, tickers, books, the index, the time."""

from collections.abc import Iterable
from typing import Final

from bot.exchange import views
from bot.exchange.contracts import Contract, Kind, parse_name
from bot.exchange.floor import checked
from bot.exchange.methods.call import INSTRUMENT_NOT_FOUND, Call
from bot.exchange.protocol import Encoded, Json, RpcError, invalid_param
from bot.exchange.reports import BookState, TickerView
from bot.exchange.summaries import CURRENCIES

VERSION: Final = "1.2.26"  # the venue's, as its API states it
BOOK_DEPTHS: Final = frozenset({1, 5, 10, 20, 50, 100, 1000, 10000})
BOOK_DEPTH_DEFAULT: Final = 5
GROUPED: Final = "grouped"
INDEX_TYPES: Final = ("all", "spot", "derivative")

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


def status(call: Call) -> Json:
    """Whether trading is locked, and on which indices."""
    return call.floor.platform.status(
        frozenset(pair.index_name for pair in call.floor.engine.pairs)
    )


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


def get_instruments(call: Call) -> Encoded:
    """Listed contracts, or with `expired` those that expired while the exchange ran."""
    kinds, currency = call.kinds(), call.currency(required=False)
    engine, state = call.floor.engine, BookState.OPEN
    contracts: Iterable[Contract] = engine.contracts()
    if call.params.flag("expired"):
        contracts, state = map(parse_name, engine.expired_contracts()), BookState.DELIVERED
    lines = [
        call.floor.instrument_lines.line(each, state)
        for each in contracts
        if each.kind in kinds and currency in (None, each.settlement_currency)
    ]
    return Encoded(f"[{','.join(lines)}]")


def get_instrument(call: Call) -> Json:
    """One contract, listed or expired while the exchange ran."""
    name = call.params.text("instrument_name")
    contract = call.floor.engine.contract(name)
    if contract is not None:
        return views.instrument(contract, BookState.OPEN)
    if name in call.floor.engine.expired_contracts():
        return views.instrument(parse_name(name), BookState.DELIVERED)
    raise RpcError(INSTRUMENT_NOT_FOUND, "not_found")


def get_contract_size(call: Call) -> Json:
    """How much one contract is, native units."""
    return {"contract_size": views.number(call.contract().contract_size)}


def get_expirations(call: Call) -> Json:
    """Expiry codes by kind; by currency as well where they are asked for `grouped`."""
    kinds = call.kinds()
    word = call.params.text("currency")
    if word != GROUPED:
        currency = call.currency()
        return _expirations(call, kinds, currency)
    return {currency.lower(): _expirations(call, kinds, currency) for currency in CURRENCIES}


def _expirations(call: Call, kinds: frozenset[Kind], currency: str | None) -> Json:
    codes: dict[str, dict[str, None]] = {"future": {}, "option": {}}
    for contract in call.floor.engine.contracts():
        if contract.kind in kinds and currency in (None, contract.settlement_currency):
            code = contract.name.split("-")[1]
            codes[views.KIND_WORD[contract.kind]][code] = None
    return {kind: list(found) for kind, found in codes.items() if found}


def _ticker(call: Call) -> TickerView:
    view = call.floor.engine.ticker(call.contract().name)
    assert view is not None, "a listed contract has a ticker"
    return view


def ticker(call: Call) -> Json:
    """Prices, volatilities and Greeks of one contract."""
    return views.ticker(_ticker(call))


def get_order_book(call: Call) -> Json:
    """The ticker and at most `depth` levels a side."""
    return _book(call, call.contract().name)


def _book(call: Call, name: str) -> Json:
    depth = call.params.integer("depth", BOOK_DEPTH_DEFAULT)
    if depth not in BOOK_DEPTHS:
        # Any positive depth is served: ccxt passes its caller's limit through as it is.
        depth = max(1, min(depth, max(BOOK_DEPTHS)))
    view = call.floor.engine.ticker(name)
    book = call.floor.engine.book(name, depth)
    assert view is not None, "a listed contract has a ticker"
    assert book is not None, "a listed contract has a book"
    return views.order_book(view, book)


def get_book_summary_by_currency(call: Call) -> Json:
    """One line for each contract of a currency."""
    kinds, currency = call.kinds(), call.currency()
    lines: list[Json] = []
    for contract in call.floor.engine.contracts():
        is_asked = contract.kind in kinds and currency in (None, contract.settlement_currency)
        view = call.floor.engine.ticker(contract.name) if is_asked else None
        if view is not None:
            lines.append(views.book_summary(view, contract))
    return lines


def get_order_book_by_instrument_id(call: Call) -> Json:
    """The same, of the contract with a number."""
    number = call.params.integer("instrument_id")
    for contract in call.floor.engine.contracts():
        if views.instrument_id(contract.name) == number:
            return _book(call, contract.name)
    raise RpcError(INSTRUMENT_NOT_FOUND, "not_found")


def get_book_summary_by_instrument(call: Call) -> Json:
    """The line of one contract, in a list."""
    return [views.book_summary(_ticker(call), call.contract())]


def get_index_price_names(call: Call) -> Json:
    """Names of the indices; with `extended` as objects."""
    names = list(call.floor.chronicle.indices)
    if not call.params.flag("extended"):
        return names
    closed = {"future_combo_creation_enabled": False, "option_combo_creation_enabled": False}
    return [{"name": name, **closed} for name in names]


def get_supported_index_names(call: Call) -> Json:
    """Names of the indices that derivatives settle on; no spot is traded here."""
    word = call.params.text("type", "all")
    if word not in INDEX_TYPES:
        raise invalid_param("type", f"must be one of {', '.join(INDEX_TYPES)}; got {word!r}")
    return [] if word == "spot" else get_index_price_names(call)


def get_announcements(call: Call) -> Json:
    """What the exchange has to say: that it is a rehearsal."""
    at_ms = call.floor.market_clock.start_ms
    before_ms = call.params.optional_integer("start_timestamp")
    if before_ms is not None and at_ms > before_ms:
        return []
    return [
        {
            "id": 1,
            "title": "This is a rehearsal",
            "body": "Prices, money and the passing of time are simulated.",
            "publication_timestamp": at_ms,
            "important": False,
            "confirmation": False,
        }
    ]


def no_combos(call: Call) -> Json:
    """Combinations are not traded here; the currency has to be one of the venue's all the same."""
    call.currency()
    return []


def get_index_price(call: Call) -> Json:
    """The index; estimated delivery is the index as long as nothing settles."""
    name = call.params.text("index_name")
    engine = call.floor.engine
    served = [pair.index_name for pair in engine.pairs]
    if name not in served:
        raise invalid_param("index_name", f"must be one of {', '.join(served)}; got {name!r}")
    price = round(engine.index_usd(name), views.USD_DIGITS)
    return {"index_price": price, "estimated_delivery_price": price}


def get_margins(call: Call) -> Json:
    """What an order would need by itself, and the price band of the moment."""
    amount, price = call.params.decimal("amount"), call.params.decimal("price")
    contract = call.contract()
    if amount <= 0 or (contract.is_option and price < 0):
        raise invalid_param("amount", f"must be positive, got {amount}")
    found = call.floor.engine.margins(call.account, contract.name, amount, price)
    margins = checked(found)
    return {
        "buy": round(margins.buy, views.COIN_DIGITS),
        "sell": round(margins.sell, views.COIN_DIGITS),
        "min_price": views.number(margins.min_price),
        "max_price": views.number(margins.max_price),
    }
