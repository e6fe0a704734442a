"""Standard margin of a whole account: published vectors, both shapes of futures, open orders."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from bot.core.margin.account import OpenOrder, Stated
from bot.core.margin.deribit_standard import (
    FuturesTable,
    LeverageCurve,
    Rates,
    SlopedRate,
    future_share,
    report,
)
from bot.core.margin.report import Evidence, Provenance
from tests.builders import FLAT, RATES
from tests.core.margin.vectors import PUBLISHED, account, futures, options, pair, published

PUBLISHED_ALONE = pytest.mark.skipif(not PUBLISHED.exists(), reason="no published vectors here")
PERP = "BTC-PERPETUAL"
BEFORE_AUGUST = {
    "BTC": SlopedRate(initial=0.02, maintenance=0.01, per_coin=0.00005),
    "SOL": SlopedRate(initial=0.04, maintenance=0.02, per_coin=0.000005),
}
SINCE_AUGUST = LeverageCurve(
    leverage=25.0, leverage_min=4.0, flat=0.03, bend=0.35, size_coin_max=885.0
)


@PUBLISHED_ALONE
def test_short_options_need_what_was_published() -> None:
    given = published()["DRB-SM-OPT-LEAN"]
    expected, index = given["expected_usd"], given["underlying"]
    rows = options(
        (-1.0, given["strike"], 30.0, True),
        (-1.0, given["strike"], 30.0, False),
        (1.0, given["strike"], 30.0, False),
        forward=index,
        mark=given["option_mark_btc"],
    )

    found = report(account(pair(options=rows, index=index)), RATES)

    initial, maintenance = (
        (index * column).tolist()
        for column in (found.positions.initial, found.positions.maintenance)
    )
    assert initial == [expected["short_call_IM"], expected["short_put_IM"], 0.0]
    assert maintenance == [expected["short_call_MM"], expected["short_put_MM"], 0.0]
    assert found.initial_usd == expected["short_call_IM"] + expected["short_put_IM"]


@PUBLISHED_ALONE
def test_linear_perpetuals_needed_what_was_published_before_august() -> None:
    for case in published()["DRB-SM-LINPERP-PRE-AUG-2026"]["cases"]:
        held = pair(
            futures=futures(("PERP", -case["size"], case["price"], 0.0)),
            index=case["price"],
            linear=True,
            underlying=case["asset"],
        )

        found = report(account(held, currency="USDC"), Rates(futures=BEFORE_AUGUST))

        share = future_share(Rates(futures=BEFORE_AUGUST), case["asset"], case["size"])
        assert round(share.initial, 9) == case["im_rate"]
        assert round(found.initial, 6) == case["im_usdc"]
        assert round(found.maintenance, 6) == case.get("mm_usdc", round(found.maintenance, 6))
        assert any("linear" in doubt for doubt in found.doubts) is False


@PUBLISHED_ALONE
def test_a_dated_future_needs_what_was_published_since_august() -> None:
    case = published()["DRB-SM-NEW-2026-09"]["case"]
    curve = LeverageCurve(
        leverage=case["C1"],
        leverage_min=case["C2"],
        flat=case["C3"],
        bend=case["C4"],
        size_coin_max=case["Nmax_btc"],
    )

    for coins in (0.1, case["flat_until_btc"]):
        share = future_share(Rates(futures={"BTC": curve}), "BTC", coins)

        assert share.initial == case["im_rate"]
        assert round(share.maintenance, 10) == case["mm_rate"]


def test_a_real_position_needed_two_and_one_percent() -> None:
    """One dollar of the inverse ETH perpetual, as the venue showed it in February 2026."""
    held = pair(
        futures=futures(("ETH-PERPETUAL", 0.000509344, 1963.31, 0.0)),
        underlying="ETH",
        index=1963.0,
    )
    rates = Rates(futures={"ETH": SlopedRate(initial=0.02, maintenance=0.01, per_coin=4e-6)})

    found = report(account(held, currency="ETH"), rates)

    assert round(found.initial, 9) == 0.000010187
    assert round(found.maintenance, 9) == 0.000005093


def test_leverage_falls_with_size_and_stays_between_its_ends() -> None:
    rates = Rates(futures={"BTC": SINCE_AUGUST})
    shares = [
        future_share(rates, "BTC", coins) for coins in (0.0, 26.55, 30.0, 100.0, 500.0, 885.0, 1e6)
    ]

    initial = [share.initial for share in shares]
    assert initial == sorted(initial)
    assert (initial[0], initial[1]) == (0.04, 0.04)
    # 3.45 of the 858.45 coins between the ends, to the power of 0.35, of 21 times leverage.
    assert initial[2] == pytest.approx(1 / (25 - 21 * (3.45 / 858.45) ** 0.35))
    assert initial[-2:] == [0.25, 0.25]
    assert all(
        share.maintenance == pytest.approx(share.initial * 2 / 3, rel=1e-15) for share in shares
    )


def needed(table: FuturesTable, size: float, *orders: tuple[float, float]) -> tuple[float, float]:
    held = pair(futures=futures((PERP, size, 1e5, 0.0)))
    resting = tuple(OpenOrder(instrument=PERP, size_coin=o, price=p) for o, p in orders)
    found = report(account(held, orders=resting), Rates(futures={"BTC": table}))
    assert sum(part.initial for part in found.contingencies) == found.initial
    assert sum(part.maintenance for part in found.contingencies) == found.maintenance
    return found.initial, found.maintenance


def test_a_linear_future_needs_its_shares_of_its_value_in_dollars() -> None:
    held = pair(futures=futures((PERP, -3.0, 90_000.0, 0.0)), linear=True)

    found = report(account(held, currency="USDC"), Rates(futures=BEFORE_AUGUST))

    assert found.initial == pytest.approx(270_000 * (0.02 + 0.00005 * 3))
    assert found.maintenance == pytest.approx(270_000 * (0.01 + 0.00005 * 3))


def test_open_orders_count_on_their_worse_side_and_only_once_over() -> None:
    assert needed(FLAT, 5.0) == pytest.approx((0.1, 0.067))
    assert needed(FLAT, 5.0, (3.0, 1e5)) == pytest.approx((0.16, 0.067))
    assert needed(FLAT, 5.0, (-3.0, 1e5)) == pytest.approx((0.1, 0.067))
    assert needed(FLAT, 5.0, (-20.0, 1e5)) == pytest.approx((0.3, 0.067))
    assert needed(FLAT, 5.0, (-20.0, 1e5), (4.0, 1e5), (7.0, 1e5)) == pytest.approx((0.32, 0.067))


def test_an_option_to_be_bought_holds_its_premium_and_one_to_be_sold_its_margin() -> None:
    rows = options((0.0, 1e5, 30.0, True), forward=1e5, mark=0.05)
    name = rows.names[0]

    def initial(size: float) -> float:
        order = OpenOrder(instrument=name, size_coin=size, price=0.03)
        return report(account(pair(options=rows), orders=(order,)), RATES).initial

    assert initial(2.0) == pytest.approx(0.06)
    assert initial(-2.0) == pytest.approx(2 * (0.15 + 0.05))
    assert report(account(pair(options=rows), stated=Stated(open_orders=7.0)), RATES).initial == 7.0


def test_linear_options_need_the_same_shares_of_the_price() -> None:
    rows = options((-2.0, 1e5, 30.0, True), (-1.0, 9e4, 30.0, False), forward=1e5, mark=3_000.0)

    found = report(account(pair(options=rows, linear=True), currency="USDC"), RATES)

    assert found.positions.initial == pytest.approx([2 * (15_000 + 3_000), 10_000 + 3_000])
    assert found.maintenance == pytest.approx(2 * 10_500 + 10_500)
    assert any("linear options" in doubt for doubt in found.doubts)


def test_a_missing_mark_or_an_unknown_instrument_is_no_number() -> None:
    short = options((-1.0, 1e5, 30.0, True), forward=1e5, mark=float("nan"))
    order = OpenOrder(instrument="BTC-1JAN30", size_coin=1.0, price=1.0)

    assert not report(account(pair(options=short)), RATES).is_whole
    assert not report(account(pair(), orders=(order,)), RATES).is_whole
    assert report(account(pair(options=replace(short, size=np.ones(1)))), RATES).is_whole


def test_what_nobody_published_is_said_to_be_so() -> None:
    told = Provenance(as_of=date(2026, 9, 1), source="a note", evidence=Evidence.THIRD_PARTY)
    rates = Rates(futures={"BTC": SINCE_AUGUST}, provenance=(told,))
    small, large = (
        report(account(pair(futures=futures((PERP, size, 1e5, 0.0)))), rates).doubts
        for size in (1.0, 100.0)
    )

    assert small == ("parameters of 2026-09-01 are third party: a note",)
    assert large == (*small, "BTC futures: leverage beyond the flat part is not known")
    other = pair(futures=futures(("X", 1.0, 2.0, 0.0)), underlying="XRP", linear=True)
    assert "XRP futures: no rates" in report(account(other, currency="USDC"), RATES).doubts[0]
