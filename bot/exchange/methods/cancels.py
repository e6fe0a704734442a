"""Cancelling orders: one, or all that pass a filter."""

from bot.exchange import views
from bot.exchange.commands import CancelAll, CancelByLabel, CancelOrder
from bot.exchange.methods.call import ANY, Call
from bot.exchange.methods.order_filters import order_types
from bot.exchange.protocol import Json, invalid_param
from bot.exchange.reports import CancelledView
from bot.exchange.summaries import CURRENCIES


def cancel(call: Call) -> Json:
    """Cancel one order."""
    command = CancelOrder(account=call.account, order_id=call.params.text("order_id"))
    return views.order(call.floor.accept(call.floor.engine.handle(command)))


def cancel_all(call: Call) -> Json:
    """Cancel every open order of the account."""
    return _cancel_all(call, CancelAll(account=call.account))


def cancel_all_by_instrument(call: Call) -> Json:
    """Cancel the open orders of one instrument."""
    name = call.contract().name
    command = CancelAll(account=call.account, instrument_name=name, order_types=order_types(call))
    return _cancel_all(call, command)


def cancel_all_by_currency(call: Call) -> Json:
    """Cancel the open orders of one currency, perhaps of one kind."""
    currency = call.currency()
    command = CancelAll(
        account=call.account,
        kinds=call.kinds(),
        currencies=None if currency is None else frozenset({currency}),
        order_types=order_types(call),
    )
    return _cancel_all(call, command)


def cancel_all_by_currency_pair(call: Call) -> Json:
    """Cancel the open orders on one index, perhaps of one kind."""
    command = CancelAll(
        account=call.account,
        kinds=call.kinds(),
        index_name=call.params.text("currency_pair").lower(),
        order_types=order_types(call),
    )
    return _cancel_all(call, command)


def cancel_all_by_kind_or_type(call: Call) -> Json:
    """Cancel the open orders of several currencies, or of any."""
    asked = call.params.names("currency")
    unknown = [name for name in asked if name != ANY and name.upper() not in CURRENCIES]
    if unknown or not asked:
        raise invalid_param("currency", f"must be of {', '.join(CURRENCIES)}, or {ANY}")
    command = CancelAll(
        account=call.account,
        kinds=call.kinds(),
        currencies=None if ANY in asked else frozenset(name.upper() for name in asked),
        order_types=order_types(call),
    )
    return _cancel_all(call, command)


def cancel_by_label(call: Call) -> Json:
    """Cancel the open orders with one label; there may be several."""
    command = CancelByLabel(
        account=call.account,
        label=call.params.text("label"),
        currency=call.currency(required=False),
    )
    return _cancelled(call, call.floor.accept(call.floor.engine.handle(command)))


def _cancel_all(call: Call, command: CancelAll) -> Json:
    return _cancelled(call, call.floor.accept(call.floor.engine.handle(command)))


def _cancelled(call: Call, view: CancelledView) -> Json:
    call.params.flag("freeze_quotes")  # there are no quotes to freeze, but the word is the venue's
    return _reports(call, view) if call.params.flag("detailed") else len(view.orders)


def _reports(call: Call, view: CancelledView) -> Json:
    """The venue's detailed answer: one report for each book and type that lost orders."""
    by_book: dict[tuple[str, str], list[Json]] = {}
    for order in view.orders:
        word = "limit" if order.trigger is None else "trigger"
        by_book.setdefault((order.instrument_name, word), []).append(views.order(order))
    return [
        {
            "currency": _currency(call, name),
            "type": word,
            "instrument_name": name,
            "result": orders,
        }
        for (name, word), orders in by_book.items()
    ]


def _currency(call: Call, instrument_name: str) -> str:
    contract = call.floor.engine.contract(instrument_name)
    assert contract is not None, "what can be cancelled is listed"
    return contract.settlement_currency
