"""Deribit's portfolio margin, against what the venue published and against plain arithmetic."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.margin import deribit_portfolio
from bot.core.margin.account import Account, Pair, Stated
from bot.core.margin.deribit_portfolio import Bucket, Parameters, bucket_of, value
from bot.core.margin.deribit_table import Grid
from bot.core.margin.report import Report
from tests.core.margin import slowly
from tests.core.margin.vectors import (
    COIN,
    DAY,
    PAIR,
    PUBLISHED,
    account,
    futures,
    options,
    pair,
    parameters,
    published,
)

PUBLISHED_ALONE = pytest.mark.skipif(not PUBLISHED.exists(), reason="no published vectors here")
PERP = "BTC-PERPETUAL"
ETH_PAIR = replace(PAIR, price_range=0.18, vol_up=0.4, delta_per_coin=0.000004)
ETH_COIN = replace(COIN, move_min=0.005, move_yearly=0.05, dampener_usd=200_000.0, offset=0.6)


def report(of: Account, under: Parameters | None = None) -> Report:
    return deribit_portfolio.report(of, under or parameters())


def book(seed: int, count: int = 12, *, linear: bool = False, scale: float = 10.0) -> Pair:
    """Options over six expiries, a perpetual and a dated future of one of them."""
    rng = np.random.default_rng(seed)
    days = rng.choice([0.4, 5.0, 29.0, 30.0, 90.0, 300.0], count)
    rows = options(
        *(
            (rng.normal(0.0, scale), k, d, bool(c))
            for k, d, c in zip(
                np.round(100_000.0 * np.exp(rng.normal(0.0, 0.25, count))),
                days,
                rng.random(count) < 0.5,
                strict=True,
            )
        ),
        forward=101_000.0,
    )
    rows = replace(
        rows,
        iv=rng.uniform(0.3, 1.2, count),
        names=tuple(f"O{at}" for at in range(count)),
        discount=np.exp(-0.04 * rows.years) if linear else rows.discount,
    )
    held = futures(
        (PERP, rng.normal(0.0, scale), 100_050.0, 0.0),
        ("BTC-F", rng.normal(0.0, scale), 101_000.0, 90.0 * DAY),
    )
    return pair(options=rows, futures=held, linear=linear)


def published_btc() -> Account:
    """The positions of the venue's own example, 26 days and 9 hours before the future's end."""
    given = published()["DRB-PM-BTC-2024-06"]
    rows = [
        (name, size, given["marks"][name], 0.0 if name == PERP else 0.02987)
        for name, size in given["positions_base"].items()
    ]
    return account(
        pair(futures=futures(*rows), index=given["index"]),
        stated=Stated(mmp=0.06, open_orders=1.8212e-05),
    )


def published_eth() -> Account:
    given = published()["DRB-PM-ETH-2026-02"]
    rows = [(n, s, given["marks"][n], 0.0) for n, s in given["positions_base"].items()]
    held = pair(futures=futures(*rows), index=given["index"], underlying="ETH")
    return account(held, currency="ETH")


ETH = parameters({"eth_usd": ETH_PAIR}, {"ETH": ETH_COIN})


@PUBLISHED_ALONE
def test_the_venues_own_example_is_met_to_the_last_digit() -> None:
    expected = published()["DRB-PM-BTC-2024-06"]
    valued = value(published_btc(), parameters())

    found = deribit_portfolio.report_of(valued)

    for row, vector in enumerate(expected["initial_risk_vectors"].values()):
        one = valued.tables[0].profit[:, row] * valued.sizes[0][row]
        assert one[1:27:3].tolist() == vector
    for row, name in enumerate(expected["positions_base"]):
        far = expected["initial_risk_vectors_extended"][name]
        one = valued.tables[0].profit[27:, row] * valued.sizes[0][row]
        assert one == pytest.approx(far, rel=5e-16, abs=0.0)
    assert (
        found.scenarios.profit[:27].tolist()
        == np.repeat(expected["aggregated_standard"], 3).tolist()
    )
    assert found.scenarios.profit[27:].tolist() == expected["aggregated_extended"]
    _meets(found, expected["expected"])


@PUBLISHED_ALONE
def test_a_real_answer_of_the_venue_is_met_to_the_last_digit() -> None:
    expected = published()["DRB-PM-ETH-2026-02"]
    valued = value(published_eth(), ETH)

    found = deribit_portfolio.report_of(valued)

    assert valued.profits[0][1:27:3].tolist() == expected["pre_aggregated_standard"]
    assert valued.profits[0][27:] == pytest.approx(
        expected["pre_aggregated_extended"]["values"], rel=5e-16, abs=0.0
    )
    assert found.scenarios.profit[1:27:3].tolist() == expected["aggregated_standard"]
    assert found.scenarios.profit[27:].tolist() == expected["aggregated_extended"]
    _meets(found, expected["expected"])


def _meets(found: Report, expected: dict[str, object]) -> None:
    """Each figure that the venue published, as it wrote it."""
    parts = {part.name: part for part in found.contingencies}
    assert found.scenarios.worst is not None
    assert found.scenarios.worst_loss == expected["worst_case"]
    assert bucket_of(found.scenarios.worst, Grid()) == Bucket(**expected["worst_case_bucket"])  # type: ignore[arg-type]
    assert round(parts["roll shock"].initial, 12) == expected["roll_shock"]
    assert parts["delta shock"].initial == expected["delta_shock"]
    matrix = sum(parts[name].initial for name in ("worst scenario", "roll shock", "delta shock"))
    assert round(matrix, 12) == expected["risk_matrix_margin"]
    assert found.initial == expected["initial_margin"]
    assert round(found.maintenance, 13) == expected["maintenance_margin"]
    assert found.doubts == ()


def test_a_long_future_loses_most_at_the_lower_end_of_the_range() -> None:
    held = pair(futures=futures((PERP, 2.0, 100_000.0, 0.0)))

    found = report(account(held))

    # In coins: 2 (1 - 1/0.84) and a roll shock of 1 % of 2.
    assert found.initial == round(2 * (1 / 0.84 - 1) + 0.02, 9)
    assert found.maintenance == pytest.approx(0.8 * found.initial, abs=1e-9)
    assert found.scenarios.worst_name == "btc_usd -0.16 vol up"
    assert found.initial_usd == found.initial * 100_000.0
    assert found.positions.initial[0] == pytest.approx(2 * (1 / 0.84 - 1))


def test_nothing_held_needs_nothing_and_no_quote_of_it() -> None:
    rows = options((0.0, 90_000.0, 10.0, True), forward=float("nan"), iv=float("nan"))

    found = report(account(pair(options=rows, futures=futures((PERP, 0.0, 1e5, 0.0)))))

    assert (found.initial, found.maintenance, found.scenarios.worst) == (0.0, 0.0, None)


def test_an_option_held_without_a_volatility_is_no_number() -> None:
    for size in (1.0, -1.0):
        rows = options((size, 90_000.0, 10.0, True), forward=1e5, iv=float("nan"))

        found = report(account(pair(options=rows)))

        assert not found.is_whole


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_the_table_agrees_with_plain_arithmetic(seed: int, linear: bool) -> None:
    coin = replace(COIN, offset=0.3 * (seed % 3), dampener_usd=10_000.0 * (seed % 2))
    under = parameters(
        {"btc_usd": PAIR, "btc_usdc": PAIR}, {"BTC": replace(coin, offset_max_usd=50_000.0)}
    )
    held = account(
        book(seed, linear=linear, scale=10.0 ** (seed % 4)), currency="USDC" if linear else "BTC"
    )

    found = report(held, under)

    initial, maintenance = slowly.margins(held, under)
    assert found.initial == pytest.approx(initial, rel=1e-8, abs=2e-9)
    assert found.maintenance == pytest.approx(maintenance, rel=1e-8, abs=2e-9)


def test_a_book_of_puts_sold_far_out_is_judged_by_the_extended_scenarios() -> None:
    rows = options((-500.0, 60_000.0, 20.0, False), forward=1e5)
    under = parameters(coins={"BTC": replace(COIN, dampener_usd=0.0)})

    found = report(account(pair(options=rows)), under)

    assert found.scenarios.worst_name == "btc_usd -0.66 extended"
    assert any("extended" in doubt for doubt in found.doubts)
    assert found.initial == pytest.approx(
        slowly.margins(account(pair(options=rows)), under)[0], rel=1e-8
    )


def test_a_delta_that_the_market_cannot_take_costs_more_than_in_proportion() -> None:
    small, large = (
        report(account(pair(futures=futures((PERP, size, 1e5, 0.0))))) for size in (200.0, 1_000.0)
    )

    parts = {part.name: part.initial for part in large.contingencies}
    # 1,000 coins are 100 million: 800 coins over the threshold, 0.005 % each; 4 % of 1,000.
    assert parts["delta shock"] == pytest.approx(1_000 * 0.00005 * 800)
    assert large.initial == pytest.approx(5 * small.initial + 40.0)
    assert any("delta shock" in doubt for doubt in large.doubts)
    huge = report(account(pair(futures=futures((PERP, -5_000.0, 1e5, 0.0)))))
    assert huge.contingencies[2].initial == pytest.approx(0.1 * 5_000)  # no more than that


def test_long_options_lower_the_delta_shock_but_never_make_one() -> None:
    near = options((5_000.0, 1e5, 100.0, True), forward=1e5)
    short = futures((PERP, -1_000.0, 1e5, 0.0))

    def shock(*, with_options: bool, with_future: bool) -> float:
        held = pair(
            options=near if with_options else replace(near, size=np.zeros(1)),
            futures=short if with_future else futures((PERP, 0.0, 1e5, 0.0)),
        )
        return report(account(held)).contingencies[2].initial

    assert shock(with_options=False, with_future=True) > 0.0
    assert shock(with_options=True, with_future=True) == 0.0
    assert shock(with_options=True, with_future=False) == 0.0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 20.0))
def test_the_scenarios_scale_with_the_book(seed: int, factor: float) -> None:
    """Where nothing is forgiven and nothing is too large, twice the book needs twice the margin."""
    under = parameters(
        {"btc_usd": replace(PAIR, delta_threshold_usd=1e15)},
        {"BTC": replace(COIN, dampener_usd=0.0, offset_max_usd=1e15)},
    )
    held = book(seed, count=6)
    larger = replace(
        held,
        options=replace(held.options, size=held.options.size * factor),
        futures=replace(held.futures, size_coin=held.futures.size_coin * factor),
    )

    once, more = report(account(held), under), report(account(larger), under)

    assert more.initial == pytest.approx(factor * once.initial, rel=1e-9, abs=1e-7)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_two_books_in_one_account_never_need_more_than_apart(one: int, other: int) -> None:
    under = parameters(
        {"btc_usd": replace(PAIR, delta_threshold_usd=1e15)}, {"BTC": replace(COIN, dampener_usd=0)}
    )
    a, b = book(one, count=6), book(other, count=6)
    both = replace(
        a,
        options=replace(
            a.options,
            **{
                field: np.concatenate((getattr(a.options, field), getattr(b.options, field)))
                for field in ("size", "strike", "years", "is_call", "forward", "iv", "mark")
            },
            discount=np.ones(12),
            names=a.options.names + tuple(f"P{at}" for at in range(6)),
        ),
        futures=replace(a.futures, size_coin=a.futures.size_coin + b.futures.size_coin),
    )

    together, apart = report(account(both), under), [report(account(x), under) for x in (a, b)]

    assert (
        together.initial <= sum(found.initial for found in apart) + 5e-9
    )  # each is rounded to nine digits
