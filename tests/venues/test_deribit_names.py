"""What a name says by itself, so that nothing depends on an instrument that has just expired."""

from datetime import UTC, datetime

import pytest

from bot.core.events import FillSeen, OpenOrdersSeen, OrderSeen, PositionsSeen
from bot.core.instruments import Kind, Settlement
from bot.venues import deribit_names, deribit_scope
from bot.venues import deribit_translate as raw
from bot.venues.deribit_names import Named, named
from tests.venues.payloads import order, position, trade


def at(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, 8, tzinfo=UTC).timestamp() * 1_000)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        (
            "BTC-PERPETUAL",
            Named(
                kind=Kind.PERPETUAL,
                settlement=Settlement.INVERSE,
                underlying="BTC",
                currency="BTC",
            ),
        ),
        (
            "ETH_USDC-PERPETUAL",
            Named(
                kind=Kind.PERPETUAL,
                settlement=Settlement.LINEAR,
                underlying="ETH",
                currency="USDC",
            ),
        ),
        (
            "BTC-7MAR26",
            Named(
                kind=Kind.FUTURE,
                settlement=Settlement.INVERSE,
                underlying="BTC",
                currency="BTC",
                expiry_ms=at(2026, 3, 7),
            ),
        ),
        (
            "ETH-27MAR26-3500-P",
            Named(
                kind=Kind.OPTION,
                settlement=Settlement.INVERSE,
                underlying="ETH",
                currency="ETH",
                expiry_ms=at(2026, 3, 27),
                strike=3_500.0,
                is_call=False,
            ),
        ),
        (
            "XRP_USDC-30JUN26-0d625-C",
            Named(
                kind=Kind.OPTION,
                settlement=Settlement.LINEAR,
                underlying="XRP",
                currency="USDC",
                expiry_ms=at(2026, 6, 30),
                strike=0.625,
                is_call=True,
            ),
        ),
    ],
)
def test_a_name_says_what_it_is_and_what_it_settles_in(name: str, known: Named):
    assert named(name) == known


@pytest.mark.parametrize(
    "name",
    [
        "BTC_USDC",
        "BTC-FS-27MAR26_PERP",
        "BTC-STRD-30SEP22-20000",
        "BTC-CSR12-16SEP22-21000_23000",
        "BTC-31FEB26",
        "BTC-7XXX26",
        "BTC-27MAR26-100000-X",
        "",
        "btc-perpetual",
    ],
)
def test_spot_combos_and_nonsense_are_none_of_these(name: str):
    assert named(name) is None
    assert not deribit_names.has_lapsed(name, 2**60)


def test_an_option_has_lapsed_from_its_expiry_on_listed_or_not():
    expiry_ms = at(2026, 3, 27)

    assert not deribit_names.has_lapsed("BTC-27MAR26-1-C", expiry_ms - 1)
    assert deribit_names.has_lapsed("BTC-27MAR26-1-C", expiry_ms)
    assert not deribit_names.has_lapsed("BTC-PERPETUAL", expiry_ms)


ELSEWHERE = "ETH-27MAR26-3500-P"


def test_what_settles_elsewhere_is_not_spoken_of_in_pushes_or_answers():
    scope = frozenset({"BTC", "USDC"})
    fill, mine = raw.fill(trade(instrument=ELSEWHERE), 1), raw.fill(trade(), 1)
    other = raw.order(order(instrument=ELSEWHERE), 1)
    linear = raw.order(order(instrument="ETH_USDC-PERPETUAL", amount=0.5), 1)

    assert deribit_scope.within(fill, scope) is None
    assert deribit_scope.within(mine, scope) is mine
    assert deribit_scope.within(other, scope) is None
    opened = OpenOrdersSeen(orders=(other, linear), asked_ns=1)
    kept = deribit_scope.within(opened, scope)
    assert isinstance(kept, OpenOrdersSeen)
    assert kept.orders == (linear,)


@pytest.mark.parametrize("complete", [True, False])
def test_a_report_of_positions_elsewhere_is_an_empty_one_only_if_it_is_complete(complete: bool):
    rows = (raw.position(position(ELSEWHERE, -1.0)),)
    seen = PositionsSeen(positions=rows, complete=complete, asked_ns=None, arrived_ns=1)

    kept = deribit_scope.within(seen, frozenset({"BTC"}))

    if complete:
        assert isinstance(kept, PositionsSeen)
        assert kept.positions == ()
    else:
        assert kept is None


def test_fills_orders_and_positions_of_an_expired_option_are_read_as_ever():
    """Nothing in these translations asks for the instrument: it may be gone from every list."""
    gone = "BTC_USDC-1JAN26-90000-C"
    facts = raw.changes(
        {
            "trades": [trade(instrument=gone, amount=0.01)],
            "orders": [order(instrument=gone, amount=0.01, filled=0.01, state="filled")],
            "positions": [position(gone, 0.0)],
        },
        7,
    )

    assert [type(fact) for fact in facts] == [FillSeen, OrderSeen, PositionsSeen]
