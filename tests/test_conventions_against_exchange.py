"""Each cell of the convention table against the exchange's own account engine.

Central differences of 0.1 bp of the spot (`shifted_markets`). Hedged by the core's own delta, the
equity that the convention names may keep at most a millionth of what it moves unhedged: for inverse
and linear books of both coins, with options, dated futures and a perpetual, alone and two to an
account, with shares of its collateral, on the last minutes of the settlement average too.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from bot.core.books import BookPolicy, Selector
from bot.core.dealing import BookPlan
from bot.core.exposure import Exposure, exposure_of
from bot.core.hedger import HedgePolicy
from bot.core.instruments import Kind
from bot.core.quotes import QuotePolicy
from bot.core.state import State
from bot.exchange.contracts import BTC_USD, BTC_USDC, ETH_USDC, PAIRS, Contract, Pair
from bot.quant.conventions import Convention
from tests.shifted_markets import BUMP, DAYS_MS, MINUTES_MS, NOW_MS, SPOTS, Desk, Shifted, known

EVERYTHING = frozenset({Kind.OPTION, Kind.FUTURE})
WIDE = HedgePolicy(band_low_coin=-1e9, band_high_coin=1e9)
every_pair = pytest.mark.parametrize("pair", PAIRS, ids=[one.index_name for one in PAIRS])
every_convention = pytest.mark.parametrize("convention", list(Convention))
every_moment = pytest.mark.parametrize("left_ms", [DAYS_MS, MINUTES_MS], ids=["days", "window"])


def plan(
    pair: Pair,
    convention: Convention,
    name: str = "main",
    *,
    share: float = 1.0,
    elasticity: float = 1.0,
    **selects: Any,
) -> BookPlan:
    """A book of everything on a pair but its perpetual, which it is hedged with."""
    return BookPlan(
        book=BookPolicy(
            name=name,
            selector=Selector(underlying=pair.base, kinds=EVERYTHING, **selects),
            convention=convention,
            hedge_instrument=f"{pair.prefix}-PERPETUAL",
            currency=pair.settlement_currency,
            collateral_share=share,
            elasticity=elasticity,
        ),
        hedge=WIDE,
    )


def valued(state: State, one: BookPlan) -> Exposure:
    found = exposure_of(state, one.book, QuotePolicy())
    assert isinstance(found, Exposure), found
    return found


def protected(
    desk: Desk,
    pair: Pair,
    convention: Convention,
    hedges: Mapping[Contract, Decimal],
    move: float,
    share: float = 1.0,
) -> float:
    """What the convention holds still when the pair's spot moves, in USD at the spot before.

    `share` of the equity as it is now, with all that is earned or lost from here on.
    """
    wallet, moved = desk.wallet(hedges), 1 + move
    before, now = desk.worth(wallet), desk.worth(wallet, pair, move)
    money = share * before.equity + now.equity - before.equity
    coin_usd = SPOTS[pair.base]
    match convention:
        case Convention.COIN:
            return money / moved if pair.is_linear else money * coin_usd
        case Convention.USD:
            return money if pair.is_linear else money * coin_usd * moved
        case Convention.BOOK:  # collateral is left alone: options, and profit from here on
            own = now.options_value + now.futures_upl - before.futures_upl
            return own if pair.is_linear else own * coin_usd * moved


def residual(
    desk: Desk,
    pair: Pair,
    convention: Convention,
    hedges: Mapping[Contract, Decimal],
    share: float = 1.0,
) -> float:
    """How much of it moves for 0.1 bp."""
    up, down = (protected(desk, pair, convention, hedges, move, share) for move in (BUMP, -BUMP))
    return (up - down) / 2


def hedge(market: Shifted, delta_coin: float, coin_per_native: float) -> dict[Contract, Decimal]:
    """The order that cancels a delta, not rounded to lots."""
    return {market.perpetual: Decimal(repr(-delta_coin / coin_per_native))}


@every_pair
@every_convention
@every_moment
@pytest.mark.parametrize("elasticity", [1.0, 0.8])
def test_hedged_by_our_delta_the_exchanges_own_account_stands_still(
    pair, convention, left_ms, elasticity
) -> None:
    market = Shifted(pair=pair, near_ms=NOW_MS + left_ms, elasticity=elasticity)
    desk, one = Desk(markets=(market,)), plan(pair, convention, elasticity=elasticity)
    seen = valued(known([desk], [one]), one)
    order = hedge(market, seen.delta_coin, seen.hedge_coin_per_native)

    unhedged = residual(desk, pair, convention, {})
    assert seen.options_held == 4
    assert abs(unhedged) > 0.1, "there was something to hedge"
    assert unhedged == pytest.approx(seen.delta_coin * SPOTS[pair.base] * BUMP, rel=1e-6)
    assert abs(residual(desk, pair, convention, order)) < 1e-6 * abs(unhedged)


@every_pair
@every_convention
def test_hedged_by_another_conventions_delta_it_does_not(pair, convention) -> None:
    others = {Convention.COIN: Convention.USD, Convention.USD: Convention.COIN}
    wrong = others.get(convention, Convention.COIN)
    market = Shifted(pair=pair)
    desk, one = Desk(markets=(market,)), plan(pair, wrong)
    seen = valued(known([desk], [one]), one)
    order = hedge(market, seen.delta_coin, seen.hedge_coin_per_native)

    unhedged = residual(desk, pair, convention, {})
    assert abs(residual(desk, pair, convention, order)) > 0.005 * abs(unhedged)


@every_pair
@pytest.mark.parametrize("price", ["index", "forward"])
def test_hedged_at_another_price_than_the_perpetuals_mark_it_does_not(pair, price) -> None:
    market = Shifted(pair=pair)
    desk, one = Desk(markets=(market,)), plan(pair, Convention.COIN)
    seen = valued(known([desk], [one]), one)
    frame = market.frame()
    at = frame.index_usd if price == "index" else frame.forwards[market.near_ms]
    per_native = at / frame.index_usd if pair.is_linear else 1 / at
    order = hedge(market, seen.delta_coin, per_native)

    unhedged = residual(desk, pair, Convention.COIN, {})
    assert abs(residual(desk, pair, Convention.COIN, order)) > 1e-4 * abs(unhedged)


def test_without_the_discount_factor_a_linear_book_moves() -> None:
    market = Shifted(pair=BTC_USDC)
    desk, one = Desk(markets=(market,)), plan(BTC_USDC, Convention.USD)
    state = known([desk], [one])
    bare = replace(state, table=replace(state.table, discount=0.0 * state.table.discount + 1.0))
    seen = valued(bare, one)
    order = hedge(market, seen.delta_coin, seen.hedge_coin_per_native)

    unhedged = residual(desk, BTC_USDC, Convention.USD, {})
    assert abs(residual(desk, BTC_USDC, Convention.USD, order)) > 1e-4 * abs(unhedged)


@every_convention
@pytest.mark.parametrize(("near", "far"), [(0.3, 0.7), (0.25, 0.5)])
def test_two_books_of_one_coin_hedge_its_account_together(convention, near, far) -> None:
    market, days = Shifted(pair=BTC_USD), timedelta(days=30)
    desk = Desk(markets=(market,))
    books = [
        plan(BTC_USD, convention, "near", share=near, expiry_max=days),
        plan(BTC_USD, convention, "far", share=far, expiry_min=days),
    ]
    state = known([desk], books)
    both = [valued(state, one) for one in books]
    delta = sum(seen.delta_coin for seen in both)
    order = hedge(market, delta, both[0].hedge_coin_per_native)

    assert [seen.options_held for seen in both] == [2, 2]
    share = near + far if convention is Convention.USD else 1.0
    unhedged = residual(desk, BTC_USD, convention, {}, share)
    hedged = residual(desk, BTC_USD, convention, order, share)
    assert abs(hedged) < 1e-6 * abs(unhedged)


@every_convention
@every_moment
@pytest.mark.parametrize("pair", [BTC_USDC, ETH_USDC], ids=["btc", "eth"])
def test_two_coins_in_one_dollar_account_are_hedged_each_for_its_share(
    pair, convention, left_ms
) -> None:
    shares = {BTC_USDC: 0.6, ETH_USDC: 0.4}
    markets = {one: Shifted(pair=one, near_ms=NOW_MS + left_ms) for one in shares}
    desk = Desk(markets=tuple(markets.values()))
    books = {
        one: plan(one, convention, one.base.lower(), share=share) for one, share in shares.items()
    }
    state = known([desk], books.values())
    orders: dict[Contract, Decimal] = {}
    for one, book in books.items():
        seen = valued(state, book)
        orders |= hedge(markets[one], seen.delta_coin, seen.hedge_coin_per_native)

    unhedged = residual(desk, pair, convention, {}, shares[pair])
    assert abs(unhedged) > 0.1
    hedged = residual(desk, pair, convention, orders, shares[pair])
    assert abs(hedged) < 1e-6 * abs(unhedged)


@every_pair
@every_moment
def test_our_account_delta_is_the_one_that_the_exchange_publishes(pair, left_ms) -> None:
    desk = Desk(markets=(Shifted(pair=pair, near_ms=NOW_MS + left_ms),))
    state = known([desk], [plan(pair, Convention.COIN)])

    figures = {pair.index_name} | (set() if pair.is_linear else {pair.base})
    assert state.gaps.keys() == figures
    scale = 1 + abs(desk.view().delta_total)
    for gap in state.gaps.values():
        assert abs(gap.gap_coin) < 1e-9 * scale
        assert gap.reading in {"", "discounted"}


def test_on_a_dollar_account_each_coins_delta_is_the_exchanges_and_they_add_up() -> None:
    desk = Desk(markets=(Shifted(pair=BTC_USDC), Shifted(pair=ETH_USDC)))
    books = [plan(one.pair, Convention.USD, one.pair.base.lower()) for one in desk.markets]
    state, view = known([desk], books), desk.view()

    assert state.gaps.keys() == {"btc_usdc", "eth_usdc"}
    assert all(abs(gap.gap_coin) < 1e-9 * 100 for gap in state.gaps.values())
    assert all(gap.reading == "discounted" for gap in state.gaps.values())
    assert view.delta_total == pytest.approx(sum(view.delta_total_map.values()))


@every_moment
def test_a_coin_book_and_a_dollar_book_of_one_coin_do_not_mix(left_ms) -> None:
    markets = {one: Shifted(pair=one, near_ms=NOW_MS + left_ms) for one in (BTC_USD, BTC_USDC)}
    desks = {one: Desk(markets=(market,)) for one, market in markets.items()}
    books = {
        BTC_USD: plan(BTC_USD, Convention.USD, "coins"),
        BTC_USDC: plan(BTC_USDC, Convention.USD, "dollars"),
    }
    state = known(desks.values(), books.values())

    for pair, one in books.items():
        seen = valued(state, one)
        order = hedge(markets[pair], seen.delta_coin, seen.hedge_coin_per_native)
        unhedged = residual(desks[pair], pair, Convention.USD, {})
        hedged = residual(desks[pair], pair, Convention.USD, order)
        assert abs(hedged) < 1e-6 * abs(unhedged)
