"""What `deltaband stress` shows, against the same worked out in plain Python (`plainly`)."""

import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from bot.core.instruments import Settlement
from bot.core.margin.account import Account
from bot.core.margin.gating_stages import GatePolicy
from bot.core.margin.nodes import Subject
from bot.core.margin.picture import Picture, Question, picture
from bot.core.margin.relief import Offer
from bot.lab.stress_told import told
from bot.settings.historical_shocks import historical_shocks
from tests.builders import option, perp
from tests.core.margin import plainly
from tests.core.margin.plainly import Move
from tests.core.margin.test_nodes import STANDARD
from tests.core.margin.test_shocks import marked
from tests.core.margin.vectors import DAY, account, futures, options, pair

FEE, OPTION_FEE = 0.0005, 0.0003
EXCESS = 0.02
CORNERS = [Move(spot=s, vol=v) for s in (-0.15, 0.0, 0.15) for v in (0.0, 0.2) if s or v]


def sold(coin: str, index: float, scale: float, *, linear: bool) -> Any:
    """Strangles of two expiries under a skew, in contango, a perpetual and a future beside them."""
    near = options(
        (-6.0, 1.1 * index, 20.0, True),
        (-4.0, 0.9 * index, 20.0, False),
        (2.0, 0.9 * index, 20.0, True),
        forward=1.004 * index,
    )
    far = options(
        (3.0, 1.3 * index, 160.0, True),
        (-2.0, 0.7 * index, 160.0, False),
        forward=1.05 * index,
    )
    columns = {
        name: np.concatenate([getattr(near, name), getattr(far, name)])
        for name in ("size", "strike", "years", "is_call", "forward", "mark", "discount")
    }
    columns["iv"] = np.array([0.55, 0.68, 0.66, 0.61, 0.71])
    columns["size"] *= scale
    if linear:
        columns["discount"] = np.exp(-0.04 * columns["years"])
    names = tuple(f"{coin}-{name}" for name in near.names + far.names)
    rows = replace(near, names=names, **columns)
    held = futures(
        (f"{coin}-PERP", 1.1 * scale, 1.003 * index, 0.0),
        (f"{coin}-FUT", -0.4 * scale, 1.05 * index, 160 * DAY),
    )
    return pair(
        options=marked(rows, linear=linear),
        futures=held,
        index=index,
        linear=linear,
        underlying=coin,
    )


COINS = account(sold("BTC", 95_000.0, 1.0, linear=False))
DOLLARS = account(
    sold("BTC", 95_000.0, 1.0, linear=True),
    sold("ETH", 3_100.0, 1.2, linear=True),
    currency="USDC",
)
BALANCES = {"BTC": 2.6, "USDC": 300_000.0}
every_account = pytest.mark.parametrize("held", [COINS, DOLLARS], ids=["coins", "dollars"])


def offers(held: Account) -> dict[str, Offer]:
    """Perpetuals whose book stands beside their mark, and options with a spread."""
    found: dict[str, Offer] = {}
    for one in held.pairs:
        settlement = Settlement.LINEAR if one.is_linear else Settlement.INVERSE
        lot = Decimal("0.0001") if one.is_linear else Decimal(1)
        name, mark = one.futures.names[0], float(one.futures.mark_usd[0])
        terms = replace(
            perp(settlement=settlement, lot=lot, size_min=lot),
            name=name,
            taker_fee=Decimal(str(FEE)),
        )
        found[name] = Offer(terms=terms, bid=mark * 0.997, ask=mark * 0.999, mark=mark)
        unit = one.index_usd if one.is_linear else 1.0
        for name, mark in zip(one.options.names, one.options.mark.tolist(), strict=True):
            terms = replace(
                option("BTC-27DEC25-90000-C"),
                name=name,
                settlement=settlement,
                taker_fee=Decimal(str(OPTION_FEE)),
            )
            found[name] = Offer(
                terms=terms, bid=mark - 0.001 * unit, ask=mark + 0.001 * unit, mark=mark
            )
    return found


def shown(held: Account) -> dict[str, Any]:
    balance = BALANCES[held.currency]
    subject = Subject(
        account=held,
        model=STANDARD,
        balance=balance,
        equity=0.9 * balance,
        excess=EXCESS * balance,
    )
    expiries = {
        name: "perpetual" if name.endswith("PERP") else "far" if "160" in name else "near"
        for one in held.pairs
        for name in one.names
    }
    history = historical_shocks()
    question = Question(
        policy=GatePolicy(),
        expiries=expiries,
        history=[(one.title, one.shock) for one in history],
        rates={one.futures.names[0]: 0.0003 for one in held.pairs},
        offers=offers(held),
        buy_back_options=True,
    )
    found = picture(subject, question)
    assert isinstance(found, Picture), found
    return told(found, history)


def near(value: float | None) -> Any:
    """Null stands for what is no number: margin use without a balance."""
    return None if value is None or math.isinf(value) else pytest.approx(value, rel=1e-9, abs=1e-9)


@every_account
def test_every_cell_of_spot_and_volatility(held: Account) -> None:
    seen, balance = shown(held), BALANCES[held.currency]
    matrix, equity = seen["matrix"], 0.9 * balance
    for row, vol in enumerate(seen["vols"]):
        for column, spot in enumerate(seen["spots"]):
            move = Move(spot=spot, vol=vol)
            made = plainly.profit(held, move)
            worth = 1.0 if held.currency == "USDC" else 95_000.0
            there = worth * (1.0 + spot if held.currency == "BTC" else 1.0)
            cells = {key: matrix[key][row][column] for key in matrix}
            assert cells["profit"] == near(made), move
            assert cells["equity_change_usd"] == near((equity + made) * there - equity * worth)
            assert cells["usage"] == near(plainly.used(held, balance, move, EXCESS * balance))


@every_account
def test_the_delta_is_what_a_move_of_the_spot_makes(held: Account) -> None:
    matrix = shown(held)
    for row, vol in enumerate(matrix["vols"]):
        for column, spot in enumerate(matrix["spots"]):
            plain = plainly.delta_usd(held, Move(spot=spot, vol=vol))
            delta = matrix["matrix"]["delta_usd"][row][column]
            assert delta == pytest.approx(plain, rel=1e-6, abs=1e-3), (spot, vol)


def test_the_delta_says_in_which_coin_it_is_counted() -> None:
    assert shown(COINS)["delta_unit"] == "BTC"
    assert shown(DOLLARS)["delta_unit"] == "BTC and ETH together, counted in BTC"
    told_now = shown(DOLLARS)["now"]
    assert told_now["delta_coin"] == near(told_now["delta_usd"] / 95_000.0)


@every_account
def test_the_crashes_of_the_past(held: Account) -> None:
    for row, shock in zip(shown(held)["history"], historical_shocks(), strict=True):
        moves = [one.move or 0.0 for one in (shock.spot, shock.vol_points, shock.basis)]
        move, balance = Move(*moves), BALANCES[held.currency]
        assert row["profit"] == near(plainly.profit(held, move))
        assert row["usage"] == near(plainly.used(held, balance, move, EXCESS * balance))


@every_account
def test_where_the_venue_would_liquidate(held: Account) -> None:
    far, balance = shown(held)["liquidation"], BALANCES[held.currency]
    for key, way in (("down", -1.0), ("up", 1.0), ("down_stressed", -1.0), ("up_stressed", 1.0)):
        vol = 0.2 if "stressed" in key else 0.0

        def used(out: float, vol: float = vol, way: float = way) -> float:
            return plainly.used(held, balance, Move(spot=way * out, vol=vol), EXCESS * balance)

        at = 0.6 if far[key]["move"] is None else abs(far[key]["move"])
        assert far[key]["move"] is None or used(at - 2e-6) < 1.0 <= used(at + 2e-6), (key, at)
        assert all(used(at * part / 50.0) < 1.0 for part in range(50)), key
    assert None not in {far["down"]["move"], far["up_stressed"]["move"]}, "somewhere it is"


@every_account
def test_how_long_funding_and_theta_take_to_the_warning(held: Account) -> None:
    seen, balance = shown(held), BALANCES[held.currency]
    excess, warn = EXCESS * balance, 0.5
    paid = 0.0
    for one in held.pairs:
        coins = float(one.futures.size_coin[0])
        paid += 0.0003 / 8.0 * coins * (one.index_usd if one.is_linear else 1.0)
    spare = balance - (plainly.needed(held, Move()) + excess) / warn
    hours = seen["funding_to_warn"]["hours"]
    assert hours == (None if spare / paid > 720.0 else near(spare / paid))
    assert seen["theta_to_warn"]["hours"] is None
    for day in range(0, 20, 4):
        assert plainly.used(held, balance, Move(years=day * DAY), excess) < warn


@every_account
def test_what_each_means_of_relief_costs_and_does_and_their_order(held: Account) -> None:
    seen, rates = shown(held), []
    assert {one["means"] for one in seen["reliefs"]} == {"hedge", "buy back", "add collateral"}
    for one in seen["reliefs"]:
        cost, before, after = relieved(held, one)
        assert one["cost_usd"] == pytest.approx(cost, rel=1e-6), one["words"]
        assert one["after"]["usage"] == pytest.approx(after[0], rel=1e-6), one["words"]
        assert one["after"]["stressed_usage"] == pytest.approx(after[1], rel=1e-6), one["words"]
        rates.append((max(before) - max(after)) / cost if cost > 0.0 else math.inf)
    assert rates == sorted(rates, reverse=True)


def relieved(
    held: Account, one: dict[str, Any]
) -> tuple[float, tuple[float, float], tuple[float, float]]:
    """Cost in dollars, and u and stressed u before and after, from the words of a relief."""
    balance, excess = BALANCES[held.currency], EXCESS * BALANCES[held.currency]
    name, size = one["instrument"], one["size_native"]

    def standing(of: Account, more: float) -> tuple[float, float]:
        each = [plainly.used(of, balance + more, move, excess) for move in (Move(), *CORNERS)]
        return each[0], max(each[1:])

    before = standing(held, 0.0)
    if one["means"] == "add collateral":
        worth = 1.0 if held.currency == "USDC" else 95_000.0
        return one["size_coin"] * worth, before, standing(held, one["size_coin"])
    (of,) = (each for each in held.pairs if name in each.names)
    usd = 1.0 if of.is_linear else of.index_usd
    if one["means"] == "hedge":
        row, mark = of.futures.names.index(name), float(of.futures.mark_usd[0])
        price = mark * (0.999 if size > 0 else 0.997)
        coins = size if of.is_linear else size / mark
        made, _ = plainly.future(of, size if of.is_linear else size / price, price, mark)
        fee = FEE * abs(size * price if of.is_linear else size / mark)
        grown = of.futures.size_coin.copy()
        grown[row] += coins
        moved = replace(of, futures=replace(of.futures, size_coin=grown))
        paid, lost = fee - made, fee - made
    else:
        row, unit = of.options.names.index(name), of.index_usd if of.is_linear else 1.0
        mark = float(of.options.mark[row])
        price, grown = mark + 0.001 * unit, of.options.size.copy()
        grown[row] += size
        moved = replace(of, options=replace(of.options, size=grown))
        fee = size * min(OPTION_FEE * unit, 0.125 * price)
        paid, lost = fee + size * price, fee + size * (price - mark)
    pairs = tuple(moved if each is of else each for each in held.pairs)
    return lost * usd, before, standing(replace(held, pairs=pairs), -paid)
