"""Standard margin: published numbers, and what orders reserve and release."""

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.exchange.commands import Answer, CancelOrder
from bot.exchange.margin_parameters import PORTFOLIO_MARGIN, STANDARD_MARGIN
from bot.settings.margin_parameters import Deribit, parameters
from tests.exchange.engine_builders import (
    BUY,
    CALL,
    PERP,
    PUT,
    SELL,
    engine,
    frame,
    order,
    placed,
    refused,
)


def test_the_exchange_s_parameters_are_those_of_the_shipped_file() -> None:
    shipped = parameters(Deribit)
    assert replace(shipped.standard, provenance=()) == STANDARD_MARGIN
    assert replace(shipped.portfolio, provenance=()) == PORTFOLIO_MARGIN


def test_positions_are_margined_one_by_one_and_nothing_is_netted() -> None:
    venue = engine(positions={PERP: 100_000, CALL.name: -1, PUT.name: 2})
    summary = venue.account("demo", "BTC")
    mark = round(float(frame().mark_price[0]), 6)  # as it is published
    call = max(0.15 - 0.1, 0.1) + mark
    assert summary.initial_margin == pytest.approx(0.02 + call)
    assert summary.maintenance_margin == pytest.approx(0.02 * 2 / 3 + 0.075 + mark)
    parts = venue.positions("demo")
    assert sum(p.initial_margin for p in parts) == pytest.approx(summary.initial_margin)
    assert summary.projected_initial_margin == pytest.approx(0.02)  # the options expire together


def test_an_open_order_reserves_margin_and_its_cancel_releases_it() -> None:
    venue = engine()
    before = venue.account("demo", "BTC")
    buy = placed(venue.handle(order(BUY, 100_000, 99_000.0))).order
    put = placed(venue.handle(order(BUY, 1, 0.01, name=PUT.name))).order
    during = venue.account("demo", "BTC")
    fees = 0.0005 * 100_000 / 99_000 + 0.0003
    assert during.open_orders_margin == pytest.approx(0.02 + 0.01 + fees)
    assert during.available_funds == pytest.approx(before.available_funds - 0.03 - fees)
    for one in (buy, put):
        assert isinstance(venue.handle(CancelOrder(account="demo", order_id=one.order_id)), Answer)
    assert venue.account("demo", "BTC").available_funds == before.available_funds


def test_an_order_that_could_only_reduce_reserves_a_fee_and_no_more() -> None:
    venue = engine(positions={PERP: 100_000})
    placed(venue.handle(order(SELL, 100_000, 101_000.0)))
    assert venue.account("demo", "BTC").open_orders_margin == pytest.approx(
        0.0005 * 100_000 / 101_000
    )


def test_an_order_beyond_the_funds_is_refused_with_its_arithmetic() -> None:
    venue = engine(equity=0.02)
    # 100,000 USD need 0.02 coin and the fee needs more than the nothing that is left.
    no = refused(venue.handle(order(BUY, 100_000, 99_000.0)))
    assert no.code == 10009
    assert "exceeds margin balance 0.02000000 BTC" in str(no.data["reason"])
    assert placed(venue.handle(order(BUY, 90_000, 99_000.0))).order.order_id
    assert refused(venue.handle(order(BUY, 90_000, 99_000.0))).code == 10009  # both could fill


def test_a_short_option_beyond_the_funds_is_refused_and_a_long_one_needs_its_premium() -> None:
    venue = engine(equity=0.1)
    assert refused(venue.handle(order(SELL, 1, 0.0500, name=CALL.name))).code == 10009
    assert refused(venue.handle(order(BUY, 5, 0.0205, name=CALL.name))).code == 10009
    assert placed(venue.handle(order(BUY, 0.5, 0.0205, name=CALL.name))).order.order_id


def test_an_account_without_funds_may_still_reduce_but_not_flip() -> None:
    venue = engine(equity=0.0001, positions={PERP: 100_000})
    assert refused(venue.handle(order(BUY, 10, 99_000.0))).code == 10009
    assert refused(venue.handle(order(SELL, 100_010, 99_000.0))).code == 10009
    done = placed(venue.handle(order(SELL, 1_000, 99_999.0)))
    assert done.order.filled_amount == 1_000


def test_get_margins_answers_for_a_single_hypothetical_order() -> None:
    venue = engine(positions={PERP: 500_000})
    perp = venue.margins("demo", PERP, Decimal(100_000), Decimal(100_000))
    assert perp is not None
    assert getattr(perp, "buy", None) == pytest.approx(0.02)
    assert getattr(perp, "sell", None) == pytest.approx(0.02)
    put = venue.margins("demo", PUT.name, Decimal(2), Decimal("0.01"))
    mark = float(frame().mark_price[1])
    assert getattr(put, "buy", None) == pytest.approx(0.02)
    assert getattr(put, "sell", None) == pytest.approx(2 * (0.1 + mark))


def test_the_liquidation_ratio_is_where_margin_balance_meets_maintenance() -> None:
    venue = engine(equity=1.0, positions={PERP: 1_000_000})
    ratio = venue.account("demo", "BTC").estimated_liquidation_ratio
    assert 0.8 < ratio < 1
    there = 100_000 * ratio
    balance = 1.0 + 1_000_000 * (1 / 100_000 - 1 / there)
    assert balance == pytest.approx(0.02 * 2 / 3 * 1_000_000 / there, rel=1e-9)
