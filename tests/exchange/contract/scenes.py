"""Scenes that between them play every method and every channel.

A new method needs a line in one of them: the contract's test says which it misses.
"""

import functools
from collections.abc import Callable
from typing import Final

from bot.exchange.channels import IndexTopic
from bot.exchange.trading_commands import HaltBook
from tests.exchange.contract import session_scenes, trading_scenes
from tests.exchange.contract.stage import (
    BTC,
    Actor,
    Stage,
    far_below,
    liquid_option,
    one_of_everything,
)
from tests.exchange.wire import PERPETUAL

HOUR_MS: Final = 3_600_000
TICKER_CHANGES: Final = "incremental_ticker"
FIRST_EXPIRY_MS: Final = 1_767_686_400_000  # 2026-01-06 08:00 UTC, of the synthetic calendar


def market_data(stage: Stage) -> None:
    """Somebody without a login looks at everything."""
    anybody = stage.stranger()
    option = liquid_option(anybody)
    for method in ("get_time", "test", "status", "get_currencies"):
        anybody.call(f"public/{method}")
    anybody.call("public/hello", client_name="contract", client_version="1")
    anybody.call("public/get_instruments", **BTC)
    anybody.call("public/get_instruments", currency="any", kind="option", expired=True)
    anybody.call("public/get_index_price", index_name="btc_usd")
    for name in (PERPETUAL, option):
        anybody.call("public/get_instrument", instrument_name=name)
        anybody.call("public/ticker", instrument_name=name)
        anybody.call("public/get_order_book", instrument_name=name, depth=10)
    anybody.call("public/get_book_summary_by_currency", **BTC)


def listings(stage: Stage) -> None:
    """What is listed, under every name that it can be asked for."""
    anybody = stage.stranger()
    option = liquid_option(anybody)
    number = anybody.call("public/get_instrument", instrument_name=option)["instrument_id"]
    anybody.call("public/get_order_book_by_instrument_id", instrument_id=number)
    for name in (PERPETUAL, option):
        anybody.call("public/get_book_summary_by_instrument", instrument_name=name)
        anybody.call("public/get_contract_size", instrument_name=name)
    for currency in ("BTC", "any", "grouped"):
        anybody.call("public/get_expirations", currency=currency, kind="any")
    for is_extended in (False, True):
        anybody.call("public/get_index_price_names", extended=is_extended)
    anybody.call("public/get_supported_index_names", type="derivative")
    anybody.call("public/get_announcements")
    anybody.call("public/get_combos", **BTC)
    anybody.call("public/get_combo_ids", **BTC)


def history(stage: Stage) -> None:
    """Some minutes pass over a settlement and an expiry, with some trades: what is left of them."""
    trader = stage.actor()
    option = liquid_option(trader)
    for _ in range(2):
        trader.call("private/buy", instrument_name=PERPETUAL, amount=500, type="market")
        trader.call("private/sell", instrument_name=option, amount=0.1, type="market")
        stage.pass_ms(500, rounds=4)
    now_ms = trader.call("public/get_time")
    past = {"start_timestamp": now_ms - 4 * HOUR_MS, "end_timestamp": now_ms}
    for name in (PERPETUAL, option):
        named = {"instrument_name": name}
        trader.call("public/get_last_trades_by_instrument", **named, count=1)
        trader.call("public/get_last_trades_by_instrument_and_time", **named, **past)
        trader.call("public/get_mark_price_history", **named, **past)
        trader.call("public/get_tradingview_chart_data", **named, **past, resolution="15")
    trader.call("public/get_last_trades_by_currency", **BTC, kind="option")
    trader.call("public/get_last_trades_by_currency_and_time", **BTC, **past)
    trader.call("public/get_trade_volumes", extended=True)
    trader.call("public/get_volatility_index_data", **BTC, **past, resolution="3600")
    trader.call("public/get_historical_volatility", **BTC)
    trader.call("public/get_index_chart_data", index_name="btc_usd", range="1d")
    trader.call("public/get_delivery_prices", index_name="btc_usd")
    perpetual = {"instrument_name": PERPETUAL}
    trader.call("public/get_funding_rate_history", **perpetual, **past)
    trader.call("public/get_funding_rate_value", **perpetual, **past)
    trader.call("public/get_funding_chart_data", **perpetual, length="8h")
    trader.call("public/get_last_settlements_by_currency", **BTC, count=3)
    trader.call("public/get_last_settlements_by_instrument", **perpetual)


def connection(stage: Stage) -> None:
    """Logins, heartbeats, cancel-on-disconnect, goodbye."""
    actor = stage.stranger()
    secret = {"client_id": "demo", "client_secret": "demo-secret"}
    actor.call("public/auth", grant_type="client_credentials", **secret)
    actor.call("public/set_heartbeat", interval=10)
    actor.call("public/disable_heartbeat")
    actor.call("private/enable_cancel_on_disconnect")
    actor.call("private/get_cancel_on_disconnect")
    actor.call("private/get_cancel_on_disconnect", scope="account")
    actor.call("private/disable_cancel_on_disconnect")
    for family in ("public", "private"):
        actor.call(f"{family}/subscribe", channels=["deribit_price_index.btc_usd"])
        actor.call(f"{family}/unsubscribe", channels=["deribit_price_index.btc_usd"])
        actor.call(f"{family}/unsubscribe_all")
    actor.call("private/logout")


def trading(stage: Stage) -> None:
    """Orders that fill, rest and are cancelled, and every list that shows them."""
    trader = stage.actor()
    option, far = liquid_option(trader), far_below(trader)
    perpetual = {"instrument_name": PERPETUAL}
    taken = trader.call("private/buy", **perpetual, amount=500, type="market", label="a")
    trader.call("private/sell", instrument_name=option, amount=0.1, type="market", label="b")
    for cancel, params in (
        ("cancel_all", {"detailed": True}),
        ("cancel_all_by_instrument", perpetual),
        ("cancel_all_by_currency", BTC),
        ("cancel_by_label", {"label": "c"}),
    ):
        trader.call("private/buy", **perpetual, amount=10, price=far, label="c")
        trader.call(f"private/{cancel}", **params)
    for post_only in (True, False):
        order = {"price": far, "label": "d", "post_only": post_only}
        trader.call("private/buy", **perpetual, amount=10, **order)
    trader.call("private/get_open_orders")
    trader.call("private/get_open_orders_by_currency", **BTC)
    trader.call("private/get_open_orders_by_instrument", **perpetual)
    last = trader.call("private/get_open_orders_by_label", **BTC, label="d")[-1]
    trader.call("private/cancel", order_id=last["order_id"])
    trader.call("private/get_order_state", order_id=last["order_id"])
    trader.call("private/get_order_state_by_label", **BTC, label="d")
    trader.call("private/get_user_trades_by_order", order_id=taken["order"]["order_id"])
    trader.call("private/get_user_trades_by_currency", **BTC)
    trader.call("private/get_user_trades_by_currency_and_time", **BTC, start_timestamp=0)
    trader.call("private/get_user_trades_by_instrument", **perpetual)
    trader.call("private/get_user_trades_by_instrument_and_time", **perpetual, start_timestamp=0)


def holdings(stage: Stage) -> None:
    """What an account with positions reads of itself."""
    holder = stage.actor()
    option = liquid_option(holder)
    holder.call("private/sell", instrument_name=PERPETUAL, amount=500, type="market")
    holder.call("private/buy", instrument_name=option, amount=0.1, type="market")
    holder.call("private/get_positions", **BTC)
    for name in (PERPETUAL, option):
        holder.call("private/get_position", instrument_name=name)
    holder.call("private/get_account_summary", **BTC, extended=True)
    holder.call("private/get_account_summary", currency="ETH")
    holder.call("private/get_account_summaries", extended=True)
    holder.call("private/get_margins", instrument_name=PERPETUAL, amount=10_000, price=90_000)
    holder.call("private/get_margins", instrument_name=option, amount=1, price=0.05)
    for adds in (True, False):
        holder.call(
            "private/simulate_portfolio",
            **BTC,
            simulated_positions={PERPETUAL: -1_000, option: 0.5},
            add_positions=adds,
        )
    for currency, coins in (("BTC", {PERPETUAL: -0.01, option: 0.5}), ("CROSS", {})):
        holder.call("private/pme/simulate", currency=currency, simulated_positions=coins)
    holder.call("private/get_access_log")
    holder.call("private/change_margin_model", margin_model="segregated_sm", dry_run=True)
    holder.call("private/get_user_locks")


def every_market(stage: Stage) -> None:
    """One of everything of each pair is looked at, traded, held and listened to."""
    trader = stage.actor()
    names = one_of_everything(trader)
    indices = trader.call("public/get_index_price_names")
    trader.listen(
        *(f"ticker.{name}.100ms" for name in names),
        *(f"book.{name}.100ms" for name in names),
        *(f"user.changes.{name}.raw" for name in names),
        *(f"deribit_volatility_index.{index}" for index in indices),
        "user.portfolio.usdc",
    )
    for name in names:
        named = {"instrument_name": name}
        ticker = trader.call("public/ticker", **named)
        lot = trader.call("public/get_instrument", **named)["min_trade_amount"]
        trader.call("private/buy", **named, amount=lot, type="market")
        trader.call("private/sell", **named, amount=2 * lot, type="market")
        trader.call("private/get_position", **named)
        trader.call("private/get_margins", **named, amount=lot, price=ticker["mark_price"])
        trader.call("public/get_order_book", **named)
        trader.call("public/get_book_summary_by_instrument", **named)
        trader.call("public/get_contract_size", **named)
    stage.pass_ms(600, rounds=3)
    stage.world.floor.accept(
        stage.world.floor.engine.handle(HaltBook(instrument_name=names[0], is_halted=True))
    )
    stage.pass_ms(600)
    trader.call("public/ticker", instrument_name=names[0])
    for currency in ("BTC", "ETH", "USDC", "any"):
        trader.call("private/get_positions", currency=currency)
    for currency in ("BTC", "ETH", "USDC"):
        trader.call("private/get_account_summary", currency=currency, extended=True)
        trader.call("public/get_book_summary_by_currency", currency=currency, kind="future")
        trader.call("public/get_last_trades_by_currency", currency=currency)
        trader.call("private/get_user_trades_by_currency", currency=currency)


def statements(stage: Stage) -> None:
    """A session is settled, an option delivered, money moved: all of it is logged."""
    owner = stage.actor()
    key = owner.call(
        "private/create_api_key", max_scope="account:read_write trade:read_write wallet:read_write"
    )
    option = dying_option(owner)
    owner.call("private/buy", instrument_name=PERPETUAL, amount=500, type="market")
    owner.call("private/buy", instrument_name=option, amount=0.1, type="market")
    stage.pass_ms(700)
    treasurer = stage.stranger()
    secret = {"client_id": key["client_id"], "client_secret": key["client_secret"]}
    treasurer.call("public/auth", grant_type="client_credentials", **secret)
    child = treasurer.call("private/get_subaccounts")[-1]["id"]
    transfer = {**BTC, "amount": 0.5, "destination": child}
    treasurer.call("private/submit_transfer_to_subaccount", **transfer)
    treasurer.call("private/submit_transfer_between_subaccounts", **transfer)
    treasurer.call("private/get_transfers", **BTC)
    treasurer.call("private/get_deposits", **BTC)
    past = {"start_timestamp": 0, "end_timestamp": FIRST_EXPIRY_MS + HOUR_MS}
    treasurer.call("private/get_transaction_log", **BTC, **past)
    treasurer.call("private/get_transaction_log", **BTC, **past, query="trade", count=1)
    treasurer.call("private/get_settlement_history_by_currency", **BTC)
    treasurer.call("private/get_settlement_history_by_instrument", instrument_name=PERPETUAL)


def dying_option(actor: Actor) -> str:
    """An option of the first expiry that somebody offers."""
    options = actor.call("public/get_instruments", **BTC, kind="option")
    names = {
        each["instrument_name"]
        for each in options
        if each["expiration_timestamp"] == FIRST_EXPIRY_MS
    }
    lines = actor.call("public/get_book_summary_by_currency", **BTC, kind="option")
    return str(
        next(
            line["instrument_name"]
            for line in lines
            if line["instrument_name"] in names and line["ask_price"]
        )
    )


def wallets(stage: Stage) -> None:
    """Money does not come and go, and cannot be taken away."""
    owner = stage.actor()
    owner.call("private/get_deposits", **BTC)
    owner.call("private/get_withdrawals", **BTC)
    owner.call("private/get_current_deposit_address", **BTC)
    owner.call("private/get_address_book", **BTC, type="withdrawal")
    owner.refused("private/withdraw", **BTC, amount=1, address="somewhere", priority="high")


def public_channels(stage: Stage) -> None:
    """Every channel of market data, over some seconds with a trade."""
    watcher = stage.actor()
    option = liquid_option(watcher)
    watcher.listen(
        *(f"ticker.{name}.{each}" for name in (PERPETUAL, option) for each in ("raw", "100ms")),
        *(f"book.{name}.raw" for name in (PERPETUAL, option)),
        f"book.{PERPETUAL}.none.10.100ms",
        f"book.{PERPETUAL}.5.10.agg2",
        *(f"{each}.{name}" for name in (PERPETUAL, option) for each in ("quote", TICKER_CHANGES)),
        f"trades.{PERPETUAL}.raw",
        "trades.option.BTC.100ms",
        f"perpetual.{PERPETUAL}.agg2",
        f"chart.trades.{PERPETUAL}.1",
        f"chart.trades.{option}.1D",
        *(f"{topic}.btc_usd" for topic in IndexTopic),
    )
    stage.pass_ms(500, rounds=4)
    watcher.call("private/buy", instrument_name=PERPETUAL, amount=500, type="market")
    watcher.call("private/sell", instrument_name=option, amount=0.1, type="market")
    stage.pass_ms(500, rounds=4)


def private_channels(stage: Stage) -> None:
    """Every channel of an account, while it trades."""
    trader = stage.actor()
    option, far = liquid_option(trader), far_below(trader)
    trader.listen(
        *(
            f"user.{topic}.any.any.{each}"
            for topic in ("orders", "trades", "changes")
            for each in ("raw", "100ms")
        ),
        "user.portfolio.btc",
        "user.portfolio.any",
        "user.access_log",
        "user.lock",
    )
    stage.actor()  # comes to the same door, which is told

    trader.call("private/buy", instrument_name=PERPETUAL, amount=500, type="market")
    trader.call("private/buy", instrument_name=option, amount=0.1, type="market")
    trader.call("private/buy", instrument_name=PERPETUAL, amount=10, price=far)
    trader.call("private/cancel_all")
    stage.pass_ms(500, rounds=2)


def expiry(stage: Stage) -> None:
    """An option is held into its expiry."""
    holder = stage.actor()
    options = holder.call("public/get_instruments", **BTC, kind="option")
    dying = [each for each in options if each["expiration_timestamp"] == FIRST_EXPIRY_MS]
    name = dying[0]["instrument_name"]
    holder.listen("instrument.state.any.any", "user.changes.any.any.raw", f"ticker.{name}.raw")
    holder.call("private/buy", instrument_name=name, amount=0.1, type="market")
    stage.pass_ms(700)
    holder.call("public/get_instruments", **BTC, expired=True)
    holder.call("public/get_instrument", instrument_name=name)


Scene = Callable[[Stage], None]
SCENES: Final[tuple[tuple[Scene, dict[str, object]], ...]] = (
    (market_data, {}),
    (listings, {}),
    (history, {"from_ms": FIRST_EXPIRY_MS - 90_000, "speed": 60.0}),
    (connection, {}),
    (session_scenes.tokens, {}),
    (session_scenes.platform, {}),
    (session_scenes.api_keys, {}),
    (session_scenes.subaccounts, {}),
    (trading, {}),
    (trading_scenes.changes, {}),
    (trading_scenes.triggers, {"speed": 10.0}),
    (trading_scenes.protection, {}),
    (holdings, {"book": "demo", "equity_coin": None}),
    (every_market, {}),
    (statements, {"from_ms": FIRST_EXPIRY_MS - 60_000, "speed": 100.0}),
    (wallets, {}),
    (public_channels, {"speed": 10.0}),
    (private_channels, {}),
    (expiry, {"from_ms": FIRST_EXPIRY_MS - 60_000, "speed": 100.0}),
)


@functools.cache
def played() -> tuple[Stage, ...]:
    """All scenes, played once."""
    stages = []
    for scene, options in SCENES:
        stage = Stage.opened(**options)
        scene(stage)
        stages.append(stage)
    return tuple(stages)
