"""Derive's third-party margin cases, evaluated by our models.

`evaluate` takes one portfolio case, `evaluate_standard` one standard case, as its file holds it.
Both answer with net margin as Derive counts it: what is left over the requirement.
"""

from typing import Any

import numpy as np

from bot.core.margin import derive_portfolio, derive_standard
from bot.core.margin.account import Options
from bot.core.margin.derive_account import Collateral, Market, Subaccount
from bot.core.margin.derive_table import Direction, SkewShock, VolShocks
from bot.core.margin.report import Report

Case = dict[str, Any]
SECONDS_A_YEAR = 31_536_000
WAD = 1e18
SETTLEMENT_SECONDS = 1_800

UNIT_TEST_PARAMETERS = derive_standard.Parameters(
    initial=0.15,
    initial_min=0.10,
    maintenance_call=0.075,
    maintenance_put=0.075,
    maintenance_put_mark=0.075,
    unpaired_initial=1.2,
    unpaired_maintenance=1.1,
    put_scale=1.05,
    perp_initial=0.065,
    perp_maintenance=0.05,
    confidence_min=0.4,
    confidence_scale=0.4,
    peg_min_usd=0.98,
    peg_scale=1.2,
    base_share=0.1,
)


def answer(report: Report) -> dict[str, float]:
    return {"im": report.net_initial, "mm": report.net_maintenance}


def evaluate_standard(case: Case) -> dict[str, float]:
    """Initial and maintenance net margin of a standard case."""
    return answer(standard_report(case))


def standard_report(case: Case) -> Report:
    given = case["Scenario"]
    account = Subaccount(
        cash=given["Cash"] / WAD,
        stable_usd=given["USDCValue"] / WAD,
        markets=tuple(_standard_market(given, coin) for coin in ("ETH", "BTC")),
    )
    return derive_standard.report(account, UNIT_TEST_PARAMETERS)


def _standard_market(given: Case, coin: str) -> Market:
    at = ("ETH", "BTC").index(coin)
    rows = [row for row, name in enumerate(given["OptionUnderlying"]) if name == coin]

    def column(name: str, scale: float = WAD) -> Any:
        return np.array([given[name][row] / scale for row in rows])

    forward, seconds = column("Forwards"), column("OptionExpiries", 1)
    settling = seconds < SETTLEMENT_SECONDS
    fixed = np.where(settling, given[f"PercentFixed{coin}"] or 0.0, 0.0)
    average = (given[f"TWAP_{coin}"] or 0) / WAD
    spot, perp = (x / WAD for x in given["SpotPerpConfidences"][at])
    worth = given[f"{coin}SpotPrice"] / WAD
    confidences = [column(f"{of}Confidences") for of in ("OptionVol", "Forward", "Discount")]
    return Market(
        underlying=coin,
        spot_usd=worth,
        spot_confidence=spot,
        options=Options(
            names=tuple(f"{coin}-{row}" for row in rows),
            size=column("OptionAmounts"),
            strike=column("OptionStrikes"),
            years=seconds / SECONDS_A_YEAR,
            is_call=column("OptionIsCall", 1) == 1,
            forward=forward,
            iv=column("OptionVols"),
            mark=np.full(len(rows), np.nan),
            discount=np.ones(len(rows)),
        ),
        still=average * fixed,
        moving=forward * (1.0 - fixed),
        confidence=np.minimum(np.minimum(*confidences[:2]), confidences[2]),
        perp_coin=given[f"Perps_{coin}"] / WAD,
        perp_usd=given["PerpPrice"][at] / WAD,
        perp_confidence=perp,
        perp_owed=_owed(given, coin, at),
        collaterals=(
            Collateral(
                name=coin, size_coin=given[f"w{coin}"] / WAD, price_usd=worth, confidence=spot
            ),
        ),
    )


def _owed(given: Case, coin: str, at: int) -> float:
    """Unrealised profit and unsettled funding of a perpetual position."""
    size: float = given[f"Perps_{coin}"] / WAD
    entry = given[f"LastEntry{coin}"]
    if entry is None:
        return 0.0
    gained: float = (given["PerpPrice"][at] - entry) / WAD
    since: float = (given[f"Account{coin}FundingIndex"] - given[f"{coin}GlobalFundingIndex"]) / WAD
    return size * gained + size * since


def evaluate(case: Case) -> dict[str, float]:
    """Initial and maintenance net margin of a portfolio case."""
    return answer(portfolio_report(case))


def portfolio_report(case: Case) -> Report:
    return derive_portfolio.report(*portfolio(case))


def portfolio(case: Case) -> tuple[Subaccount, derive_portfolio.Parameters]:
    """The account and the parameters of a portfolio case."""
    given = case["Scenario"]
    account = Subaccount(
        cash=given["Cash"], stable_usd=given["StablePrice"], markets=(_portfolio_market(given),)
    )
    return account, _parameters(case["Parameters"], given["Collaterals"])


def _portfolio_market(given: Case) -> Market:
    held = given["Options"]
    feeds = {feed["FeedExpiry"]: feed for feed in given["OptionFeeds"]}
    feed = [feeds[one["Expiry"]] for one in held]
    seconds = np.array([float(one["Expiry"]) for one in held])
    forward = np.array([one["Forward"] for one in feed])
    years = seconds / SECONDS_A_YEAR
    known = np.where(
        seconds < SETTLEMENT_SECONDS, (SETTLEMENT_SECONDS - seconds) / SETTLEMENT_SECONDS, 0.0
    )
    sure = ("ForwardConfidence", "RateConfidence", "OptionVolConfidences")
    return Market(
        underlying="BTC",
        spot_usd=given["SpotPrice"],
        spot_confidence=given["SpotConfidence"],
        options=Options(
            names=tuple(f"O{row}" for row in range(len(held))),
            size=np.array([float(one["Amount"]) for one in held]),
            strike=np.array([one["Strike"] for one in held]),
            years=years,
            is_call=np.array([one["IsCall"] == 1 for one in held], dtype=bool),
            forward=forward,
            iv=np.array([one["MarkVol"] for one in held]),
            mark=np.full(len(held), np.nan),
            discount=np.exp(-np.array([one["Rate"] for one in feed]) * years),
        ),
        still=forward * known,
        moving=forward * (1.0 - known),
        confidence=np.array([min(one[of] for of in sure) for one in feed]),
        perp_coin=given["NumPerps"],
        perp_usd=given["PerpPrice"],
        perp_confidence=given["PerpConfidence"],
        perp_owed=given["UnrealisedPerpPNL"] + given["UnrealisedFunding"],
        collaterals=tuple(
            Collateral(
                name=f"{row} {one['Name']}",
                size_coin=one["Amount"],
                price_usd=one["Price"],
                confidence=one["Confidence"],
            )
            for row, one in enumerate(given["Collaterals"])
        ),
    )


DIRECTIONS = {
    "Up": Direction.UP,
    "None": Direction.NONE,
    "Down": Direction.DOWN,
    "LINEAR": Direction.LINEAR,
    "ABS": Direction.ABSOLUTE,
}


def _parameters(given: Case, collaterals: list[Case]) -> derive_portfolio.Parameters:
    margin, basis = given["Margin"], given["BasisContingency"]
    return derive_portfolio.Parameters(
        scenarios=tuple(
            derive_portfolio.Scenario(
                spot=one["SpotShock"],
                direction=DIRECTIONS[one["VolShockDirection"]],
                damping=one["DampeningFactor"],
            )
            for one in given["Scenarios"]
        ),
        vols=_vols(given["VolShock"]),
        skew=_skew(given["SkewShock"]),
        discounting=derive_portfolio.Discounting(
            gain_base=margin["BASE_STATIC_DISCOUNT"],
            loss_base=margin["BASE_STATIC_DISCOUNT_NEG"],
            gain_rate=margin["LONG_RATE_MULTSCALE"],
            loss_rate=margin["SHORT_RATE_MULTSCALE"],
            gain_add=margin["LONG_RATE_ADDSCALE"],
            loss_add=margin["SHORT_RATE_ADDSCALE"],
        ),
        basis=derive_portfolio.Basis(
            up=basis["SCENARIO_SPOT_UP"],
            down=basis["SCENARIO_SPOT_DOWN"],
            add=basis["BASIS_CONT_ADD_FACTOR"],
            per_year=basis["BASIS_CONT_MULT_FACTOR"],
        ),
        charges=_charges(given["OtherContingency"], margin),
        haircuts={
            f"{row} {one['Name']}": derive_portfolio.Haircut(
                initial=one["IMHaircut"],
                maintenance=one["MMHaircut"],
                cancels_risk=one["IsRiskCancelling"],
            )
            for row, one in enumerate(collaterals)
        },
    )


def _vols(given: Case) -> VolShocks:
    return VolShocks(
        up=given["VOLRANGEUP"],
        down=given["VOLRANGEDOWN"],
        up_min=given["MIN_VOL_EVAL_SHOCKED"],
        power_short=given["SHORTTERMPOWER"],
        power_long=given["LONGTERMPOWER"],
        days_min=given["DTE_FLOOR"],
    )


def _skew(given: Case) -> SkewShock:
    return SkewShock(
        linear_cap=given["LINEAR_SCALE_CAP"],
        linear_slope=given["LINEAR_CBASE"],
        absolute_cap=given["ABS_SCALE_CAP"],
        absolute_slope=given["ABS_CBASE"],
        distance_min=given["MIN_K_STAR"],
        width=given["MIN_WIDTH_SCALE"],
        vol=given["VOL_PARAM_STATIC"],
        vol_slope=given["VOL_PARAM_SCALE"],
    )


def _charges(given: Case, margin: Case) -> derive_portfolio.Charges:
    return derive_portfolio.Charges(
        initial_factor=margin["IM_LOSS_FACTOR"],
        maintenance_factor=margin["MM_LOSS_FACTOR"],
        perp_initial=given["IM_PERP_PERCENT"],
        perp_maintenance=given["MM_PERP_PERCENT"],
        option_initial=given["IM_OPTION_PERCENT"],
        option_maintenance=given["MM_OPTION_PERCENT"],
        confidence_min=given["CONF_THRESHOLD"],
        confidence_scale=given["CONF_MARGIN"],
        peg_min_usd=given["PEG_LOSS_THRESHOLD"],
        peg_scale=given["PEG_LOSS_FACTOR"],
    )
