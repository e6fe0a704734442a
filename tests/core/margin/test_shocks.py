"""An account in a moved market: what it is there, and what it made on the way."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.margin.account import Account, Options, Pair
from bot.core.margin.modelling import resized
from bot.core.margin.shocks import (
    VOL_LEAST,
    Shock,
    Shocked,
    Smile,
    coins_there,
    profit_per_coin,
    shocked,
    shocked_each,
)
from bot.quant import black76
from tests.core.margin.vectors import DAY, account, futures, options, pair

INDEX = 100_000.0
STICKY = Smile.STICKY_STRIKE

shocks = st.builds(
    Shock,
    spot=st.floats(-0.6, 0.6),
    vol_points=st.floats(-0.2, 0.6),
    vol_share=st.floats(-0.3, 0.5),
    years=st.sampled_from([0.0, DAY, 40 * DAY]),
    basis=st.floats(-0.05, 0.05),
    smile=st.sampled_from(Smile),
)


def marked(rows: Options, *, linear: bool) -> Options:
    """Marks as Black-76 has them, so that a revaluation starts from them."""
    worth = black76.greeks(
        rows.forward, rows.strike, rows.years, rows.iv, rows.is_call, rows.discount
    ).price
    return replace(rows, mark=worth if linear else worth / rows.forward)


def desk(*, linear: bool = False, seed: int = 1) -> Account:
    """Strangles of two expiries under a skewed smile, a perpetual and a future."""
    rng = np.random.default_rng(seed)
    rows = options(
        (-3.0, 110_000.0, 30.0, True),
        (-2.0, 90_000.0, 30.0, False),
        (-1.0, 90_000.0, 30.0, True),
        (4.0, 130_000.0, 60.0, True),
        (-1.5, 70_000.0, 60.0, False),
        (0.0, 100_000.0, 60.0, False),
        forward=100_100.0,
    )
    rows = replace(
        rows,
        iv=rng.uniform(0.3, 0.9, 6),
        discount=np.full(6, 0.99 if linear else 1.0),
    )
    held = futures(("PERP", 1.5, 100_050.0, 0.0), ("FUT", -0.7, 101_000.0, 90 * DAY))
    made = pair(options=marked(rows, linear=linear), futures=held, index=INDEX, linear=linear)
    return account(made, currency="USDC" if linear else "BTC")


def figures(there: Shocked) -> list[bytes]:
    """Every figure of a moved account, to the bit."""
    found = [np.array([there.options_profit, there.futures_profit, there.account.currency_usd])]
    for one in there.account.pairs:
        rows, held = one.options, one.futures
        found += [np.array([one.index_usd]), held.size_coin, held.mark_usd, held.years]
        found += [rows.size, rows.forward, rows.iv, rows.years, rows.mark, rows.discount]
    return [column.tobytes() for column in found]


def by_hand(pair: Pair, row: int, vol: float, shock: Shock) -> float:
    """Profit of one coin of an option, from `greeks` and pencil."""
    o = pair.options
    there = o.forward[row] * (1 + shock.spot) + shock.basis * pair.index_usd * (1 + shock.spot)
    left = max(o.years[row] - shock.years, 0.0)
    df = o.discount[row] ** (left / o.years[row])
    now, was = (
        float(black76.greeks(f, o.strike[row], t, v, o.is_call[row], d).price)
        for f, t, v, d in (
            (there, left, vol, df),
            (o.forward[row], o.years[row], o.iv[row], o.discount[row]),
        )
    )
    return now - was if pair.is_linear else now / there - was / o.forward[row]


@pytest.mark.parametrize("linear", [False, True])
@settings(max_examples=60, deadline=None)
@given(shock=shocks)
def test_the_profit_is_that_of_revaluing_each_position_by_hand(linear: bool, shock: Shock) -> None:
    held = desk(linear=linear)
    (before,), found = held.pairs, shocked(held, shock)
    (after,) = found.account.pairs

    by_options = sum(
        size * by_hand(before, row, float(after.options.iv[row]), shock)
        for row, size in enumerate(before.options.size)
    )
    by_futures = 0.0
    for coins, mark in ((1.5, 100_050.0), (-0.7, 101_000.0)):
        there = mark * (1 + shock.spot) + shock.basis * INDEX * (1 + shock.spot)
        dollars = coins * mark
        by_futures += coins * (there - mark) if linear else dollars / mark - dollars / there

    unit = INDEX if linear else 1.0
    assert found.options_profit == pytest.approx(by_options, rel=1e-9, abs=1e-9 * unit)
    assert found.futures_profit == pytest.approx(by_futures, rel=1e-9, abs=1e-9 * unit)
    assert found.profit == found.options_profit + found.futures_profit


@pytest.mark.parametrize("linear", [False, True])
def test_nothing_happens_bit_for_bit_when_nothing_happens(linear: bool) -> None:
    held = desk(linear=linear)

    found = shocked(held, Shock())

    assert found.account is held
    assert found.profit == 0.0


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("smile", Smile)
def test_what_hardly_happens_hardly_changes_anything(linear: bool, smile: Smile) -> None:
    held = desk(linear=linear)

    found = shocked(held, Shock(spot=1e-12, smile=smile))

    (before,), (after,) = held.pairs, found.account.pairs
    assert after.options.iv == pytest.approx(before.options.iv, abs=1e-9)
    assert after.options.mark == pytest.approx(before.options.mark, rel=1e-6)
    assert abs(found.profit) < 1e-9 * (INDEX if linear else 1.0)


@settings(max_examples=40, deadline=None)
@given(shock=shocks, fills=st.lists(st.floats(-5.0, 5.0), min_size=8, max_size=8))
def test_profits_of_positions_add_up(shock: Shock, fills: list[float]) -> None:
    held = desk()
    names = held.pairs[0].names
    more = dict(zip(names, fills, strict=True))
    alone = resized(held, {n: -s for n, s in zip(names, held.pairs[0].sizes, strict=True)})

    whole = shocked(resized(held, more), shock)
    parts = shocked(held, shock).profit + shocked(resized(alone, more), shock).profit

    assert whole.profit == pytest.approx(parts, abs=1e-9)


@pytest.mark.parametrize("linear", [False, True])
@settings(max_examples=20)
@given(st.lists(shocks, min_size=1, max_size=5))
def test_several_markets_at_once_are_each_of_them_alone(linear: bool, each: list[Shock]) -> None:
    held = desk(linear=linear)

    found = shocked_each(held, (*each, Shock()))

    for there, shock in zip(found, (*each, Shock()), strict=True):
        alone = shocked(held, shock)
        assert figures(there) == figures(alone), f"{shock}: to the bit"


def test_a_smile_moves_with_the_spot_and_is_level_beyond_its_ends() -> None:
    rows = options(
        *((1.0, k, 30.0, True) for k in (80_000.0, 100_000.0, 120_000.0)), forward=100_000.0
    )
    skewed = replace(rows, iv=np.array([0.8, 0.6, 0.5]))
    held = account(pair(options=marked(skewed, linear=False)))

    up = shocked(held, Shock(spot=0.25)).account.pairs[0].options
    down = shocked(held, Shock(spot=-0.2)).account.pairs[0].options

    between = (math.log(0.96) - math.log(0.8)) / (math.log(1.0) - math.log(0.8))
    assert up.iv == pytest.approx([0.8, 0.8, 0.8 - 0.2 * between])
    assert down.iv == pytest.approx([0.6, 0.5, 0.5])


def test_a_smile_of_the_strikes_stays_where_it_is() -> None:
    held = desk()

    found = shocked(held, Shock(spot=-0.3, smile=STICKY))

    assert found.account.pairs[0].options.iv.tolist() == held.pairs[0].options.iv.tolist()


def test_an_expiry_of_one_strike_has_no_smile_to_move() -> None:
    rows = options((-1.0, 90_000.0, 7.0, False), (-1.0, 120_000.0, 30.0, True), forward=INDEX)
    held = account(pair(options=replace(rows, iv=np.array([0.9, 0.4]))))

    found = shocked(held, Shock(spot=-0.3))

    assert found.account.pairs[0].options.iv.tolist() == [0.9, 0.4]


def test_smiles_of_two_expiries_do_not_mix() -> None:
    strikes = (80_000.0, 100_000.0, 120_000.0)
    near = options(*((1.0, k, 7.0, True) for k in strikes), forward=INDEX)
    both = options(*((1.0, k, d, True) for d in (7.0, 30.0) for k in strikes), forward=INDEX)
    alone = account(pair(options=replace(near, iv=np.array([0.9, 0.7, 0.8]))))
    beside = account(pair(options=replace(both, iv=np.array([0.9, 0.7, 0.8, 0.5, 0.4, 0.3]))))

    found = [shocked(one, Shock(spot=-0.1)).account.pairs[0].options.iv for one in (alone, beside)]

    assert found[0].tolist() == pytest.approx(found[1][:3].tolist())


def test_volatility_moves_by_shares_and_points_and_keeps_a_floor() -> None:
    rows = replace(options((1.0, INDEX, 30.0, True), forward=INDEX), iv=np.array([0.5]))
    held = account(pair(options=rows))

    def moved(**how: float) -> float:
        return float(shocked(held, Shock(**how)).account.pairs[0].options.iv[0])  # type: ignore[arg-type]

    assert moved(vol_points=0.2) == pytest.approx(0.7)
    assert moved(vol_share=0.4) == pytest.approx(0.7)
    assert moved(vol_share=0.4, vol_points=-0.1) == pytest.approx(0.6)
    assert moved(vol_points=-0.9) == VOL_LEAST


def test_a_volatility_under_the_floor_is_not_lifted_to_it() -> None:
    rows = replace(options((1.0, INDEX, 30.0, True), forward=INDEX), iv=np.array([0.002]))

    found = shocked(account(pair(options=rows)), Shock(spot=0.1)).account.pairs[0]

    assert found.options.iv.tolist() == [0.002]


def test_time_passes_and_options_that_expire_in_it_keep_what_they_are_worth() -> None:
    held = desk()

    found = shocked(held, Shock(years=40 * DAY))

    (after,) = found.account.pairs
    assert after.options.years == pytest.approx([0.0, 0.0, 0.0, 20 * DAY, 20 * DAY, 20 * DAY])
    assert after.futures.years == pytest.approx([0.0, 50 * DAY])
    assert after.options.mark[:3] == pytest.approx([0.0, 0.0, 1 - 90_000 / 100_100])


def test_a_basis_moves_forwards_and_futures_and_not_the_index() -> None:
    found = shocked(desk(), Shock(spot=-0.5, basis=-0.02, smile=STICKY)).account

    (after,) = found.pairs
    assert (after.index_usd, found.currency_usd) == (50_000.0, 50_000.0)
    assert after.futures.mark_usd == pytest.approx([49_025.0, 49_500.0])
    assert after.options.forward == pytest.approx([49_050.0] * 6)


@pytest.mark.parametrize("linear", [False, True])
@settings(max_examples=20, deadline=None)
@given(shock=shocks)
def test_an_inverse_future_keeps_its_dollars_and_a_linear_one_its_coins(
    linear: bool, shock: Shock
) -> None:
    held = desk(linear=linear)
    (before,), (after,) = held.pairs, shocked(held, shock).account.pairs
    was, now = before.futures, after.futures

    kept = (lambda one: one.size_coin) if linear else (lambda one: one.size_coin * one.mark_usd)
    assert kept(now) == pytest.approx(kept(was))
    assert now.size_coin == pytest.approx(was.size_coin * coins_there(before, after))
    worth = profit_per_coin(before, after) @ was.size_coin
    assert shocked(held, shock).futures_profit == pytest.approx(worth)


def test_coins_of_another_kind_are_counted_at_the_moved_prices() -> None:
    eth = pair(futures=futures(("ETH", 10.0, 4_000.0, 0.0)), index=4_000.0, underlying="ETH")
    held = Account(currency="USD", currency_usd=1.0, pairs=(eth,))

    found = shocked(held, Shock(spot=-0.5))

    assert found.profit == pytest.approx(10.0 * (1 - 2.0) * 2_000.0)
    assert found.account.currency_usd == 1.0


def test_what_has_no_price_makes_no_number_unless_it_is_not_held() -> None:
    held = desk()
    (one,) = held.pairs
    iv, marks = one.options.iv.copy(), one.futures.mark_usd.copy()
    iv[5], marks[1] = math.nan, math.nan
    blind = replace(
        one,
        options=replace(one.options, iv=iv),
        futures=replace(one.futures, mark_usd=marks),
    )
    unheld = resized(replace(held, pairs=(blind,)), {"FUT": 0.7})

    assert math.isnan(shocked(replace(held, pairs=(blind,)), Shock(spot=0.1)).profit)
    assert math.isfinite(shocked(unheld, Shock(spot=0.1)).profit)
    assert shocked(unheld, Shock(spot=0.1)).account.pairs[0].futures.size_coin[1] == 0.0


def test_an_option_is_never_worth_less_than_nothing() -> None:
    rows = replace(options((-1.0, 90_000.0, 7.0, False), forward=INDEX), mark=np.array([1e-6]))

    found = shocked(account(pair(options=rows)), Shock(spot=0.5))

    assert found.account.pairs[0].options.mark.tolist() == [0.0]


@pytest.mark.parametrize("wrong", [{"spot": -1.0}, {"years": -0.1}, {"spot": math.nan}])
def test_a_shock_that_leaves_no_market_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="no market is left"):
        Shock(**wrong)  # type: ignore[arg-type]
