"""Builders for the rules of trading: edits, trigger orders, protections."""

from decimal import Decimal
from typing import Any

from bot.exchange.commands import Answer, PlaceOrder, Refused
from bot.exchange.engine import Engine
from bot.exchange.market import MarketFrame
from bot.exchange.reports import (
    Direction,
    OrderType,
    OrderView,
    PlacedView,
    TimeInForce,
    TriggerSource,
    TriggerTerms,
)
from bot.exchange.rules import OpeningAccount, Rules
from bot.exchange.trading_commands import (
    EditOrder,
    MmpKey,
    MmpLimits,
    OrderChange,
    SelfTradeMode,
    SelfTradeRule,
    SetMmp,
    SetSelfTrading,
)
from tests.exchange.engine_builders import PERP, ScriptedMarket, frame

MMP_KEY = MmpKey(account="demo", index_name="btc_usd")
DAY_ORDER = TimeInForce.GOOD_TIL_DAY


def crowd(*script: MarketFrame, equity: float = 100.0, size: float = 0.0) -> Engine:
    """An engine with three accounts; `demo` may hold some of the perpetual."""
    names = ("demo", "other", "third")
    return Engine(
        market=ScriptedMarket(script or (frame(),)),
        rules=Rules(),
        accounts=[
            OpeningAccount(
                name=name,
                equity={"BTC": equity},
                positions={PERP: size} if size and name == "demo" else {},
            )
            for name in names
        ],
    )


def edit(order_id: str, *, account: str = "demo", **change: Any) -> EditOrder:
    """An edit; numbers may be given as floats."""
    exact: dict[str, Any] = {
        name: value if isinstance(value, bool) else Decimal(str(value))
        for name, value in change.items()
    }
    return EditOrder(account=account, order_id=order_id, change=OrderChange(**exact))


def trigger(
    order_type: OrderType,
    direction: Direction,
    at: float,
    *,
    price: float | None = None,
    source: TriggerSource = TriggerSource.MARK,
    amount: float = 100,
    name: str = PERP,
    **more: Any,
) -> PlaceOrder:
    """A trigger order; `at` is the offset of a trailing stop."""
    trails = order_type is OrderType.TRAILING_STOP
    exact = Decimal(str(at))
    return PlaceOrder(
        account=more.pop("account", "demo"),
        instrument_name=name,
        direction=direction,
        amount=Decimal(str(amount)),
        order_type=order_type,
        price=None if price is None else Decimal(str(price)),
        trigger=TriggerTerms(
            source=source,
            price=Decimal(0) if trails else exact,
            offset=exact if trails else None,
        ),
        **more,
    )


def done(answer: Answer[Any] | Refused) -> Any:
    """The result of a command that must have been carried out."""
    assert isinstance(answer, Answer), answer
    return answer.result


def edited(venue: Engine, order_id: str, **change: Any) -> PlacedView:
    """The answer to an edit that must be accepted."""
    placed: PlacedView = done(venue.handle(edit(order_id, **change)))
    return placed


def order_now(venue: Engine, order_id: str, account: str = "demo") -> OrderView:
    """The order as it stands."""
    view = venue.order(account, order_id)
    assert view is not None, order_id
    return view


def cancel_makers(venue: Engine, account: str = "demo", *, extended: bool = False) -> None:
    """Let resting orders give way to the account's own arriving ones."""
    rule = SelfTradeRule(mode=SelfTradeMode.CANCEL_MAKER, extended_to_subaccounts=extended)
    done(venue.handle(SetSelfTrading(account=account, rule=rule)))


def protect(
    venue: Engine,
    *,
    interval_s: int = 5,
    frozen_s: int = 30,
    most: float = 100.0,
    **limits: float,
) -> None:
    """Give `demo` a protection on btc_usd."""
    exact = {name: Decimal(str(value)) for name, value in limits.items()}
    wanted = MmpLimits(
        interval_s=interval_s,
        frozen_s=frozen_s,
        quote_quantity_max=Decimal(str(most)),
        **exact,
    )
    done(venue.handle(SetMmp(key=MMP_KEY, limits=wanted)))
