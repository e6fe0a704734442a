"""Portfolio margin by risk units on OKX and Bybit: what is published of it, in plain arithmetic."""

from dataclasses import replace

import numpy as np
import pytest

from bot.core.margin import bybit_portfolio, okx_portfolio
from bot.core.margin.account import Account, OpenOrder
from bot.settings.margin_parameters import Bybit, Okx, parameters
from tests.core.margin import slowly
from tests.core.margin.vectors import DAY, account, futures, options, pair

OKX, BYBIT = parameters(Okx).portfolio, parameters(Bybit).portfolio
NO_CHARGE = replace(OKX, charge=0.0)
INDEX = 100_000.0


def future(*rows: tuple[float, float], linear: bool = True, index: float = INDEX) -> Account:
    """Rows of coins and years to delivery."""
    held = futures(*((f"F{at}", q, index, t) for at, (q, t) in enumerate(rows)))
    return account(pair(futures=held, linear=linear, index=index), currency="USDC")


def points(days: float) -> float:
    return float(np.interp(days, [0, 30, 60], [0.50, 0.35, 0.25]))


@pytest.mark.parametrize("linear", [True, False])
def test_the_grid_agrees_with_plain_arithmetic(linear: bool) -> None:
    rows = options(
        (-3.0, 110_000.0, 20.0, True), (2.0, 90_000.0, 45.0, False), forward=101_000.0, iv=0.6
    )
    held = account(pair(options=rows, linear=linear, index=INDEX), currency="USD")

    found = okx_portfolio.report(held, NO_CHARGE)

    def profit(move: float, vol: float) -> float:
        total, f = 0.0, 101_000.0
        for q, k, t, c in zip(rows.size, rows.strike, rows.years, rows.is_call, strict=True):
            shocked = max(0.6 + vol * points(t * 365.0), 0.0)
            before = slowly.black(f, k, t, 0.6, c, 1.0)
            after = slowly.black(f * (1 + move), k, t, shocked, c, 1.0)
            coins = after / (f * (1 + move)) - before / f
            total += q * (after - before if linear else coins * INDEX * (1 + move))
        return float(total)

    grid = [profit(move, vol) for move in OKX.moves for vol in (1.0, 0.0, -1.0)]
    assert found.scenarios.profit == pytest.approx(grid, rel=1e-9, abs=1e-6)
    assert found.scenarios.worst_loss == pytest.approx(-min(grid))
    assert found.positions.maintenance.sum() == pytest.approx(-min(grid))
    assert found.initial == pytest.approx(1.3 * found.maintenance)


def test_an_okx_future_needs_its_worst_move_and_its_basis() -> None:
    near = okx_portfolio.report(future((2.0, 0.0)), NO_CHARGE)
    far = okx_portfolio.report(future((2.0, 0.5)), NO_CHARGE)
    spread = okx_portfolio.report(future((2.0, 0.5), (-2.0, 0.25)), NO_CHARGE)

    # Half of the extreme 24 % is no more than the grid's 12 %.
    assert near.maintenance == pytest.approx(0.12 * 200_000)
    assert far.maintenance - near.maintenance == pytest.approx(200_000 * 0.05 * 0.5)
    assert spread.maintenance == pytest.approx(200_000 * 0.05 * (0.5 + 0.25))


def test_half_of_the_extreme_move_counts_where_options_bend() -> None:
    rows = options((-10.0, 130_000.0, 5.0, True), forward=INDEX, iv=0.3)
    given = replace(NO_CHARGE, points=tuple(replace(one, points=0.0) for one in OKX.points))

    found = okx_portfolio.report(account(pair(options=rows, linear=True)), given)

    t = 5.0 * DAY
    moved, now = (slowly.black(f, 130_000.0, t, 0.3, True, 1.0) for f in (124_000.0, INDEX))
    gap = found.maintenance - 0.5 * 10 * (moved - now)
    delta = 10 * INDEX * 0.05 * t
    assert 0.0 <= gap < delta


def test_a_day_of_decay_counts_where_nothing_moves() -> None:
    rows = options((10.0, INDEX, 2.0, True), forward=INDEX)
    given = replace(NO_CHARGE, moves=(0.0,), points=(replace(OKX.points[0], points=0.0),))
    given = replace(given, extreme_share=0.0, basis_yearly=0.0)

    found = okx_portfolio.report(account(pair(options=rows, linear=True)), given)

    today, tomorrow = (slowly.black(INDEX, INDEX, d * DAY, 0.6, True, 1.0) for d in (2.0, 1.0))
    assert found.maintenance == pytest.approx(10 * (today - tomorrow))


@pytest.mark.parametrize(("coins", "factor"), [(2.5, 1), (2.6, 2), (15.0, 6), (500.0, 12)])
def test_the_least_charge_on_okx_grows_with_the_unit(coins: float, factor: float) -> None:
    hedged = future((coins / 2, 0.0), (-coins / 2, 0.0))

    found = okx_portfolio.report(hedged, OKX)

    assert found.maintenance == pytest.approx(coins * INDEX * 0.001 * factor)
    assert found.contingencies[0].maintenance == 0.0


def test_contracts_of_one_underlying_are_one_unit_and_others_are_not() -> None:
    inverse = pair(futures=futures(("A", 1.0, INDEX, 0.0)))
    linear = pair(futures=futures(("B", -1.0, INDEX, 0.0)), linear=True)
    ether = pair(
        futures=futures(("C", -25.0, 4_000.0, 0.0)), linear=True, underlying="ETH", index=4_000.0
    )

    one = okx_portfolio.report(account(inverse, linear, currency="USD"), NO_CHARGE)
    two = okx_portfolio.report(account(inverse, ether, currency="USD"), NO_CHARGE)

    assert one.maintenance == pytest.approx(0.0, abs=1e-9)
    assert two.maintenance == pytest.approx(INDEX * 0.12 + INDEX * 0.12)


def test_bybit_adds_charges_on_futures_and_on_options_sold() -> None:
    rows = options((-3.0, INDEX, 30.0, True), (1.0, INDEX, 60.0, False), forward=INDEX)
    held = pair(options=rows, futures=futures(("P", 2.0, INDEX, 0.0)), linear=True)

    found = bybit_portfolio.report(account(held, currency="USDT"), BYBIT)

    parts = {part.name: part.maintenance for part in found.contingencies}
    assert parts["BTC options sold"] == pytest.approx(2 * 0.01 * INDEX)
    assert parts["BTC futures"] == pytest.approx(2 * 0.005 * INDEX)
    assert parts["BTC worst scenario"] == pytest.approx(found.scenarios.worst_loss)
    assert found.initial == pytest.approx(1.3 * found.maintenance)
    alone = bybit_portfolio.report(future((-1.0, 0.0)), BYBIT)
    assert alone.maintenance == pytest.approx(0.10 * INDEX + 0.005 * INDEX)


@pytest.mark.parametrize("model", [okx_portfolio, bybit_portfolio])
def test_what_is_not_published_is_said_and_what_is_missing_is_no_number(model) -> None:
    given = OKX if model is okx_portfolio else BYBIT
    blind = options((-1.0, INDEX, 30.0, True), forward=INDEX, iv=float("nan"))
    order = OpenOrder(instrument="F0", size_coin=1.0, price=INDEX)

    found = model.report(replace(future((1.0, 0.0)), orders=(order,)), given)

    assert "open orders are not counted" in found.doubts
    assert any("not published" in doubt for doubt in found.doubts)
    assert not model.report(account(pair(options=blind, linear=True)), given).is_whole
    idle = replace(blind, size=np.zeros(1))
    assert model.report(account(pair(options=idle, linear=True)), given).maintenance == 0.0
