"""Derive's two managers, against all third-party cases at hand and against plain arithmetic."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bot.core.margin import derive_portfolio, derive_standard
from bot.core.margin.derive_account import Collateral, Market, Subaccount
from bot.core.margin.derive_portfolio import (
    Basis,
    Charges,
    Discounting,
    Haircut,
    Parameters,
    Scenario,
)
from bot.core.margin.derive_table import Direction, SkewShock, VolShocks
from tests.core.margin import derive_slowly, slowly
from tests.core.margin.derive_cases import UNIT_TEST_PARAMETERS, evaluate, evaluate_standard
from tests.core.margin.vectors import REFERENCE, options

CASES = REFERENCE / "derive_margin_cases"
STANDARD = CASES / "srm_test-cases.json"
INVALID = "test_67_"  # its own authors disabled it
PORTFOLIO = sorted(path for path in CASES.glob("test_*.json") if not path.name.startswith(INVALID))
CASES_ALONE = pytest.mark.skipif(not PORTFOLIO, reason="no third-party cases here")
TOLERANCE = 1e-10


def met(found: dict[str, float], expected: tuple[float, float]) -> None:
    assert found["im"] == pytest.approx(expected[0], rel=TOLERANCE, abs=1e-12)
    assert found["mm"] == pytest.approx(expected[1], rel=TOLERANCE, abs=1e-12)


@CASES_ALONE
@pytest.mark.parametrize("path", PORTFOLIO, ids=lambda path: path.stem)
def test_a_portfolio_case_is_met(path: Path) -> None:
    case = json.loads(path.read_text())

    met(evaluate(case), (case["Result"]["IM"], case["Result"]["MM"]))


@CASES_ALONE
def test_every_standard_case_is_met() -> None:
    cases = json.loads(STANDARD.read_text())

    for case in cases.values():
        result = case["Result"]
        met(evaluate_standard(case), (int(result["realIM"]) / 1e18, int(result["realMM"]) / 1e18))
    assert len(cases) == 28


def scenarios() -> tuple[Scenario, ...]:
    wide = (0.82, 0.91, 1.0, 1.09, 1.18)
    moves = [Scenario(spot=s, direction=d) for s in wide for d in list(Direction)[:3]]
    tails = [Scenario(spot=s, direction=Direction.UP, damping=0.05 / s) for s in (0.34, 3.0)]
    skews = [Scenario(spot=1.0, direction=d, damping=0.9) for d in list(Direction)[3:]]
    return (*moves, *tails, *skews)


PARAMETERS = Parameters(
    scenarios=scenarios(),
    vols=VolShocks(up=0.5, down=0.275, up_min=0.45, power_short=0.3, power_long=0.13, days_min=1.0),
    skew=SkewShock(
        linear_cap=0.15,
        linear_slope=-0.05,
        absolute_cap=0.2,
        absolute_slope=-0.04,
        distance_min=0.01,
        width=4.0,
        vol=0.6,
        vol_slope=-0.1,
    ),
    discounting=Discounting(
        gain_base=0.95, loss_base=1.04, gain_rate=1.0, loss_rate=0.5, gain_add=0.08, loss_add=0.07
    ),
    basis=Basis(up=1.045, down=0.955, add=0.5, per_year=2.0),
    charges=Charges(
        initial_factor=1.0,
        maintenance_factor=0.8,
        perp_initial=0.005,
        perp_maintenance=0.015,
        option_initial=0.002,
        option_maintenance=0.003,
        confidence_min=0.55,
        confidence_scale=1.5,
        peg_min_usd=0.98,
        peg_scale=2.0,
    ),
    haircuts={
        "WETH": Haircut(initial=0.01, maintenance=0.02, cancels_risk=True),
        "SDAI": Haircut(initial=0.03, maintenance=0.12, cancels_risk=False),
    },
)


def market(seed: int, count: int = 10, **changes: Any) -> Market:
    rng = np.random.default_rng(seed)
    strikes = np.round(3_000.0 * np.exp(rng.normal(0.0, 0.2, count)), -2)
    days = rng.choice([0.01, 3.0, 30.0, 200.0], count)
    rows = options(
        *(
            (float(rng.normal(0.0, 5.0)), k, d, bool(c))
            for k, d, c in zip(strikes, days, rng.random(count) < 0.5, strict=True)
        ),
        forward=3_010.0,
    )
    rows = replace(
        rows,
        names=tuple(f"O{at}" for at in range(count)),
        iv=rng.uniform(0.3, 1.2, count),
        discount=np.exp(-0.1 * rows.years),
    )
    known = np.where(rows.years < 0.0001, 0.4, 0.0)
    given: dict[str, Any] = {
        "underlying": "ETH",
        "spot_usd": 3_000.0,
        "spot_confidence": (1.0, 0.5)[seed % 2],
        "options": rows,
        "still": rows.forward * known,
        "moving": rows.forward * (1.0 - known),
        "confidence": rng.uniform(0.3, 1.0, count),
        "perp_coin": float(rng.normal(0.0, 5.0)),
        "perp_usd": 3_005.0,
        "perp_confidence": (0.4, 0.9)[seed % 2],
        "perp_owed": 12.0,
        "collaterals": (
            Collateral(name="WETH", size_coin=2.0, price_usd=2_990.0, confidence=0.45),
            Collateral(name="SDAI", size_coin=500.0, price_usd=1.1),
        ),
    }
    return Market(**(given | changes))


def account(*markets: Market, stable: float = 1.0, cash: float = 1_000.0) -> Subaccount:
    return Subaccount(cash=cash, stable_usd=stable, markets=markets)


@pytest.mark.parametrize("seed", range(12))
def test_the_portfolio_manager_agrees_with_plain_arithmetic(seed: int) -> None:
    held = account(market(seed), stable=(1.01, 0.9)[seed % 2])

    found = derive_portfolio.report(held, PARAMETERS)

    now = derive_slowly.worth(held.markets[0], 1.0, Direction.NONE, PARAMETERS)
    profits = [
        derive_slowly.scenario_profit(held, PARAMETERS, one, now) for one in PARAMETERS.scenarios
    ]
    profits.append(derive_slowly.basis_profit(held, PARAMETERS))
    assert found.scenarios.profit == pytest.approx(profits, rel=1e-9, abs=1e-9)
    initial, maintenance = derive_slowly.net_margins(held, PARAMETERS)
    assert found.net_initial == pytest.approx(initial, rel=1e-9)
    assert found.net_maintenance == pytest.approx(maintenance, rel=1e-9)
    assert sum(part.initial for part in found.contingencies) == found.initial


def test_a_perpetual_loses_a_full_move_and_its_charges() -> None:
    held = account(Market(underlying="ETH", spot_usd=3e3, perp_coin=2.0, perp_usd=3.1e3), cash=0.0)

    found = derive_portfolio.report(held, PARAMETERS)

    assert found.initial == pytest.approx(2 * (0.18 * 3_100 + 0.02 * 3_000))
    assert found.maintenance == pytest.approx(2 * (0.8 * 0.18 * 3_100 + 0.015 * 3_000))
    assert found.scenarios.worst_name == "-0.18 vol up"


def fly(*rows: tuple[float, float, float, bool], confidence: float = 1.0) -> Market:
    held = options(*rows, forward=3_000.0)
    count = len(rows)
    return Market(
        underlying="ETH",
        spot_usd=3_000.0,
        options=held,
        still=np.zeros(count),
        moving=held.forward,
        confidence=np.full(count, confidence),
    )


def test_a_call_covers_a_put_at_its_strike_only() -> None:
    def naked(*rows: tuple[float, float, float, bool]) -> float:
        found = derive_portfolio.report(account(fly(*rows)), PARAMETERS)
        parts = {part.name: part.maintenance for part in found.contingencies}
        return parts["naked short options"] / (3_000.0 * 0.003)

    call, put, other = (3_000.0, 9.0, True), (3_000.0, 9.0, False), (3_100.0, 9.0, False)
    later = (3_000.0, 19.0, False)

    assert naked((-1.0, *call), (-2.0, *put)) == pytest.approx(3.0)
    assert naked((-1.0, *call), (0.4, *put)) == pytest.approx(0.6)
    assert naked((1.0, *call), (-0.4, *put)) == pytest.approx(0.0)
    assert naked((-1.0, *call), (1.0, *other)) == pytest.approx(1.0)
    assert naked((-1.0, *call), (1.0, *later)) == pytest.approx(1.0)


@pytest.mark.parametrize("seed", range(5))
def test_what_fills_at_the_marks_would_do_is_what_they_do(seed: int) -> None:
    before = account(market(seed))
    fills = {"O1": -3.0, "O4": 2.5, "PERP": -1.5}
    valued = derive_portfolio.value(before, PARAMETERS)

    asked = derive_portfolio.what_if(valued, fills)

    after = before.markets[0].filled(fills)
    paid = -3.0 * valued.table.marks[1] + 2.5 * valued.table.marks[4]
    done = derive_portfolio.report(account(after, cash=1_000.0 - paid), PARAMETERS)
    assert asked.net_initial == pytest.approx(done.net_initial, rel=1e-12)
    assert asked.maintenance == pytest.approx(done.maintenance, rel=1e-12)
    now = derive_portfolio.report_of(valued)
    assert asked.counted == pytest.approx(now.counted, rel=1e-12)
    for fill in ("O77", "ETH"):
        with pytest.raises(KeyError, match=f"no row for {fill}"):
            derive_portfolio.what_if(valued, {fill: 1.0})


def test_the_portfolio_manager_has_one_market() -> None:
    with pytest.raises(ValueError, match="one market, not 2"):
        derive_portfolio.value(account(market(1), market(2)), PARAMETERS)


def test_an_option_that_cannot_be_priced_is_no_number_unless_it_is_not_held() -> None:
    held = market(3)
    blind = held.options.iv.copy()
    blind[2] = np.nan
    lost = replace(held, options=replace(held.options, iv=blind))
    none = replace(lost, options=replace(lost.options, size=np.where(np.isnan(blind), 0.0, 1.0)))

    short = account(replace(lost, options=replace(lost.options, size=-np.ones(10))))
    assert not derive_portfolio.report(short, PARAMETERS).is_whole
    assert not derive_standard.report(short, UNIT_TEST_PARAMETERS).is_whole
    assert derive_portfolio.report(account(none), PARAMETERS).is_whole
    assert derive_standard.report(account(none), UNIT_TEST_PARAMETERS).is_whole


def standard(*markets: Market, stable: float = 1.0) -> Any:
    return derive_standard.report(account(*markets, stable=stable, cash=0.0), UNIT_TEST_PARAMETERS)


def test_a_spread_needs_no_more_than_it_can_lose() -> None:
    found = standard(fly((-1.0, 2_900.0, 9.0, True), (1.0, 3_000.0, 9.0, True)))

    assert (found.initial, found.maintenance) == (100.0, 100.0)
    assert found.positions.initial[0] > 100.0


def test_a_call_without_cover_bounds_nothing_and_a_calendar_covers_nothing() -> None:
    ratio = standard(fly((-2.0, 1_000.0, 9.0, True), (1.0, 3_000.0, 9.0, True)))
    calendar = standard(fly((-1.0, 3_000.0, 9.0, True), (1.0, 3_000.0, 19.0, True)))
    alone = standard(fly((-1.0, 3_000.0, 9.0, True)))

    assert ratio.initial == pytest.approx(min(ratio.positions.initial.sum(), 4_000 + 1.2 * 3_000))
    assert calendar.initial == alone.initial
    assert calendar.maintenance == pytest.approx(0.075 * 3_000 + _mark(3_000.0, 9.0))


def _mark(strike: float, days: float) -> float:
    return slowly.black(3_000.0, strike, days / 365.0, 0.6, True, 1.0)


def test_a_deep_put_is_bounded_by_its_maintenance_margin() -> None:
    rows = options((-1.0, 12_000.0, 9.0, False), forward=3_000.0)
    held = replace(fly((-1.0, 12_000.0, 9.0, False)), options=rows)

    found = standard(held)

    assert found.maintenance == pytest.approx(9_000 * 1.075)
    assert found.initial == pytest.approx(9_000 * 1.075 * 1.05)


def test_doubtful_feeds_and_a_lost_peg_cost_initial_margin_only() -> None:
    rows = ((-2.0, 3_000.0, 9.0, True), (3.0, 3_500.0, 9.0, True))
    sure, unsure = standard(fly(*rows)), standard(fly(*rows, confidence=0.3))
    off_peg = standard(fly(*rows), stable=0.9)

    assert unsure.initial - sure.initial == pytest.approx(0.7 * 0.4 * 2 * 3_000)
    assert off_peg.initial - sure.initial == pytest.approx(0.08 * 1.2 * 2 * 3_000)
    assert unsure.maintenance == off_peg.maintenance == sure.maintenance


def test_a_standard_perpetual_and_collateral_add_up() -> None:
    held = Market(
        underlying="ETH",
        spot_usd=3_000.0,
        spot_confidence=0.2,
        perp_coin=-2.0,
        perp_usd=3_010.0,
        perp_owed=-7.0,
        collaterals=(Collateral(name="ETH", size_coin=1.0, price_usd=3e3, confidence=0.2),),
    )

    found = standard(held)

    unsure = 0.8 * 0.4 * 3_000 * (2 + 1)
    assert found.net_maintenance == pytest.approx(-7 - 0.05 * 6_020 + 300)
    assert found.net_initial == pytest.approx(-7 - 0.065 * 6_020 + 300 - unsure)
    sold = derive_standard.what_if(account(held, cash=0.0), UNIT_TEST_PARAMETERS, {"PERP": 2.0})
    assert sold.net_maintenance == pytest.approx(-7 + 300)
    with pytest.raises(KeyError, match="no row for X"):
        derive_standard.what_if(account(held), UNIT_TEST_PARAMETERS, {"X": 1.0})
