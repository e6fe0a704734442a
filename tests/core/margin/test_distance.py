"""How far an account is from liquidation, by the spot and by time."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.margin.account import Account
from bot.core.margin.deribit_standard import FuturesRate, Rates
from bot.core.margin.distance import (
    AlreadyOver,
    Crossing,
    NoneWithin,
    dollars,
    funding_hours,
    funding_per_hour,
    spot_range,
    theta_hours,
)
from bot.core.margin.modelling import (
    DeribitPortfolio,
    DeribitStandard,
    ModelName,
    Valued,
    Whole,
)
from bot.core.margin.nodes import Subject, node_at
from bot.core.margin.report import NO_SCENARIOS, PositionMargins, Report
from bot.core.margin.shocks import Shock
from bot.settings.margin_parameters import Deribit, parameters
from tests.core.margin.test_shocks import desk, marked
from tests.core.margin.vectors import account, futures, options, pair

FLAT = FuturesRate(size_coin_upper=1e9, initial=0.02, maintenance=0.01)
ONE_PERCENT = DeribitStandard(parameters=Rates(futures={"BTC": (FLAT,)}))
PORTFOLIO = DeribitPortfolio(parameters=parameters(Deribit).portfolio)
INDEX = 100_000.0


def perp(coins: float) -> Account:
    return account(pair(futures=futures(("PERP", coins, INDEX, 0.0)), index=INDEX))


def of(held: Account, balance: float, model: DeribitStandard | DeribitPortfolio) -> Subject:
    return Subject(account=held, model=model, balance=balance, equity=balance)


def test_a_long_perpetual_is_liquidated_where_its_loss_meets_its_margin() -> None:
    found = spot_range(of(perp(4.0), 1.0, ONE_PERCENT))

    # 0.01 q / (1 + m) = B + q (1 - 1 / (1 + m))
    assert isinstance(found.down, Crossing)
    assert found.down.at == pytest.approx(1.01 * 4.0 / 5.0 - 1.0, abs=2e-6)
    assert found.down.later == ()
    assert found.up == NoneWithin(reach=0.6)


def test_a_short_perpetual_is_liquidated_on_the_way_up() -> None:
    found = spot_range(of(perp(-4.0), 1.0, ONE_PERCENT))

    # 0.01 |q| / (1 + m) = B - |q| (1 - 1 / (1 + m))
    assert isinstance(found.up, Crossing)
    assert found.up.at == pytest.approx(3.96 / 3.0 - 1.0, abs=2e-6)
    assert found.down == NoneWithin(reach=0.6)


def test_an_account_that_is_over_has_no_way_to_go() -> None:
    found = spot_range(of(perp(4.0), 0.01, ONE_PERCENT))

    assert found.down == found.up == AlreadyOver(usage=4.0)


def test_an_account_without_risk_is_never_liquidated() -> None:
    found = spot_range(of(perp(0.0), 1.0, ONE_PERCENT), reach=0.9)

    assert found.down == found.up == NoneWithin(reach=0.9)


@settings(max_examples=8, deadline=None)
@given(
    balance=st.floats(0.3, 30.0),
    perpetual=st.floats(-5.0, 5.0),
    standard=st.booleans(),
    vol_points=st.sampled_from([0.0, 0.3]),
)
def test_u_is_below_one_until_the_crossing_and_over_it_behind(
    balance: float, perpetual: float, standard: bool, vol_points: float
) -> None:
    held = desk()
    (one,) = held.pairs
    sizes = np.array([perpetual, -0.7])
    held = replace(held, pairs=(replace(one, futures=replace(one.futures, size_coin=sizes)),))
    asked = of(held, balance, ONE_PERCENT if standard else PORTFOLIO)

    found = spot_range(asked, vol_points=vol_points)

    def used(move: float) -> float:
        return node_at(asked, Shock(spot=move, vol_points=vol_points)).usage

    for distance, way in ((found.down, -1.0), (found.up, 1.0)):
        match distance:
            case Crossing(at=at):
                assert at * way >= 0.0
                assert used(at) < 1.0 + 1e-9
                assert not used(at + way * 2e-6) < 1.0
                for share in (0.0, 0.5, 0.9):
                    assert used(at * share) < 1.0
            case NoneWithin(reach=reach):
                assert all(used(way * reach * share) < 1.0 for share in (0.25, 0.5, 0.75, 1.0))
            case AlreadyOver(usage=now):
                assert not now < 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Islands:
    """A model under which an account is over between some prices only."""

    islands: tuple[tuple[float, float], ...]

    @property
    def name(self) -> ModelName:
        return ModelName.DERIBIT_STANDARD

    @property
    def counts_options(self) -> bool:
        return False

    def report(self, held: Account) -> Report:
        price = held.pairs[0].index_usd
        needed = 9.0 if any(low <= price < high for low, high in self.islands) else 0.1
        return Report(
            model="islands",
            currency="BTC",
            currency_usd=1.0,
            initial=needed,
            maintenance=needed,
            positions=PositionMargins(
                names=(),
                size_coin=np.zeros(0),
                initial=np.zeros(0),
                maintenance=np.zeros(0),
            ),
            scenarios=NO_SCENARIOS,
            contingencies=(),
            provenance=(),
        )

    def valued(self, held: Account) -> Valued:
        return Whole(account=held, report=self.report(held), model=self)


def test_of_several_crossings_the_first_is_told_and_the_others_too() -> None:
    model = Islands(islands=((70_500.0, 80_250.0), (40_000.0, 50_000.0), (120_500.0, 130_000.0)))
    asked = Subject(account=perp(0.0), model=model, balance=1.0, equity=1.0)

    found = spot_range(asked)

    assert isinstance(found.down, Crossing)
    assert isinstance(found.up, Crossing)
    assert (found.down.at, *found.down.later) == pytest.approx((-0.1975, -0.295, -0.5), abs=1e-5)
    assert (found.up.at, *found.up.later) == pytest.approx((0.205, 0.3), abs=1e-5)


def test_a_crossing_is_told_in_dollars_of_each_index() -> None:
    assert dollars(perp(1.0), -0.25) == {"btc_usd": 75_000.0}


def test_an_account_of_long_options_is_eaten_by_theta() -> None:
    """Calls far out protect a short perpetual, until they have too little time for it."""
    rows = options((200.0, 130_000.0, 20.0, True), forward=INDEX)
    perpetual = futures(("PERP", -20.0, INDEX, 0.0))
    held = account(pair(options=marked(rows, linear=False), futures=perpetual, index=INDEX))
    asked = of(held, 6.0, PORTFOLIO)

    found = theta_hours(asked, 0.3)

    assert isinstance(found, Crossing)
    before, behind = (
        node_at(asked, Shock(years=hours / 8760.0)).usage for hours in (found.at, found.at + 0.02)
    )
    assert before < 0.3 <= behind


def test_time_is_a_friend_of_short_options() -> None:
    rows = options((-2.0, 130_000.0, 20.0, True), forward=INDEX)

    found = theta_hours(of(account(pair(options=rows)), 2.0, ONE_PERCENT), 0.5, reach=120.0)

    assert found == NoneWithin(reach=120.0)


def test_theta_is_followed_no_further_than_the_next_expiry_held() -> None:
    rows = options(
        (-2.0, 130_000.0, 20.0, True),
        (-2.0, 130_000.0, 3.1, True),
        (0.0, 130_000.0, 1.0, True),
        forward=INDEX,
    )

    found = theta_hours(of(account(pair(options=rows)), 2.0, ONE_PERCENT), 0.5)

    assert found == NoneWithin(reach=pytest.approx(3.1 * 24.0))  # type: ignore[arg-type]


def test_funding_eats_the_balance_of_who_pays_it() -> None:
    asked = of(perp(4.0), 1.0, ONE_PERCENT)

    found = funding_hours(asked, {"PERP": 0.008}, 0.5)

    # 4 coins pay 0.032 in eight hours; 1 - 0.04 / 0.5 may be lost.
    assert isinstance(found, Crossing)
    assert found.at == pytest.approx(0.92 / 0.004)
    assert funding_hours(asked, {"PERP": -0.008}, 0.5) == NoneWithin(reach=720.0)
    assert funding_hours(asked, {}, 0.5) == NoneWithin(reach=720.0)
    assert funding_hours(asked, {"PERP": 0.008}, 0.03) == AlreadyOver(usage=0.04)


def test_linear_funding_is_paid_in_dollars() -> None:
    held = account(
        pair(futures=futures(("PERP", 2.0, INDEX, 0.0)), index=INDEX, linear=True), currency="USDC"
    )

    assert funding_per_hour(held, {"PERP": 0.0008}) == pytest.approx(2.0 * INDEX * 0.0001)
