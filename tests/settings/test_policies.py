"""Settings become the core's policies: each number changes its unit once."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.core.hedger import HedgeTo
from bot.core.instruments import Kind
from bot.core.margin.deribit_standard import FuturesRate, LeverageCurve
from bot.core.margin.gating import Stress
from bot.core.margin.modelling import DeribitPortfolio, DeribitStandard
from bot.core.safety import Stop
from bot.quant.conventions import Convention
from bot.settings.margin_parameters import SHIPPED, Deribit, parameters
from tests.settings.builders import books, changed, loaded, refused

SEVEN_DAYS = "{underlying: BTC, expiry_days_max: 7}"
CALL = "BTC-26DEC25-100000-C"


def test_each_unit_is_converted_once(tmp_path: Path):
    policy = loaded(
        tmp_path,
        ("interval_min_seconds: 10", "interval_min_seconds: 0.25"),
        ("ratio_percent: 100", "ratio_percent: 55"),
        ("move_min_percent: 0", "move_min_percent: 0.3"),
        ("to: target", "to: edge"),
        ("lifetime_seconds: 2", "lifetime_seconds: 1.5"),
        ("warn_percent: 50", "warn_percent: 29"),
        ("label_prefix: db", "label_prefix: x1"),
    ).policy()
    hedge = policy.books[0].hedge

    assert (hedge.interval_min_ms, hedge.ratio, hedge.move_min) == (250, 0.55, 0.003)
    assert hedge.hedge_to is HedgeTo.EDGE
    assert (hedge.band_low_coin, hedge.band_high_coin, hedge.price_cap_bps) == (-0.25, 0.25, 20)
    assert policy.orders.lifetime_ns == 1_500_000_000
    assert policy.orders.label_prefix == "x1"
    assert (policy.gate.warn, policy.gate.funds_buffer) == (0.29, 0.05)
    assert policy.gate.stress == Stress(spot=0.15, vol_points=0.20)
    assert (policy.gate.stressed_reduce_only, policy.gate.stressed_hold) == (1.0, None)
    assert (policy.gate.doubt_buffer, policy.gate.gap_max) == (0.02, 0.05)
    assert policy.model == DeribitStandard(parameters=parameters(Deribit).standard)
    assert policy.quotes.spread_max == 0.005
    assert policy.agreement.grace_ns == 10_000_000_000
    assert (policy.currencies, policy.external_book) == (("BTC",), "main")


def test_the_margin_model_is_chosen_with_its_parameters(tmp_path: Path):
    rows = "futures_rates: {BTC: [[50, 2.8, 1.8667]]}"
    curve = "vol_up: 0.40"
    mine = tmp_path / "mine.yaml"
    text = (SHIPPED / "deribit.yaml").read_text(encoding="utf-8")
    mine.write_text(text.replace(curve, "vol_up: 0.55", 1), encoding="utf-8")

    given = loaded(tmp_path, ("  gap_max_percent: 5", f"  {rows}\n  gap_max_percent: 5")).policy()
    netted = loaded(tmp_path, ("model: deribit_standard", "model: deribit_portfolio")).policy()
    own = loaded(
        tmp_path,
        ("model: deribit_standard", f"model: deribit_portfolio\n  parameters: {mine}"),
    ).policy()

    assert isinstance(given.model, DeribitStandard)
    row = FuturesRate(size_coin_upper=50, initial=0.028, maintenance=0.018667)
    assert given.model.parameters.futures["BTC"] == (row,)
    assert isinstance(given.model.parameters.futures["ETH"], LeverageCurve)
    assert netted.model == DeribitPortfolio(parameters=parameters(Deribit).portfolio)
    assert isinstance(own.model, DeribitPortfolio)
    assert own.model.parameters.pairs["btc_usd"].vol_up == 0.55


def test_a_selection_reaches_the_core_whole(tmp_path: Path):
    first = (
        "{underlying: BTC, kinds: [option, future], expiry_days_min: 0.5, expiry_days_max: 7,"
        f" include: [{CALL}], exclude: [BTC-26DEC25]}}"
    )
    second = f"{{underlying: BTC, expiry_days_min: 7, exclude: [{CALL}]}}"
    policy = loaded(tmp_path, *books(first=first, second=second)).policy()
    selector = policy.books[0].book.selector

    assert selector.kinds == {Kind.OPTION, Kind.FUTURE}
    assert (selector.expiry_min, selector.expiry_max) == (timedelta(hours=12), timedelta(days=7))
    assert selector.include == {CALL}
    assert selector.exclude == {"BTC-26DEC25"}
    assert policy.books[1].book.selector.expiry_max is None
    assert policy.external_book == "near"


def test_the_only_book_answers_for_the_whole_collateral(tmp_path: Path):
    book = loaded(
        tmp_path, ("    collateral_share: 1\n", ""), ("convention: coin", "convention: usd")
    )

    assert book.policy().books[0].book.collateral_share == 1.0
    assert book.policy().books[0].book.convention is Convention.USD
    assert loaded(tmp_path, ("external_changes_to: main", "")).policy().external_book == "main"


def test_several_books_in_dollars_share_the_collateral_explicitly(tmp_path: Path):
    two = books(
        first="{underlying: BTC, expiry_days_max: 7}",
        second="{underlying: BTC, expiry_days_min: 7}",
    )
    usd = ("convention: coin", "convention: usd")
    shared = ("convention: usd", "collateral_share: 0.6\n    convention: usd")

    problems = refused(tmp_path, changed(*two, usd))
    assert [problem.key for problem in problems] == ["books[0].collateral_share"]
    assert loaded(tmp_path, *two, usd, shared).policy().books[0].book.collateral_share == 0.6
    assert loaded(tmp_path, *two, usd, shared).policy().books[1].book.collateral_share == 0.0

    over = ("convention: coin", "collateral_share: 0.5\n    convention: coin")
    problems = refused(tmp_path, changed(*two, usd, shared, over))
    assert "adds up to 1.1" in problems[0].message


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (SEVEN_DAYS, "{underlying: BTC, expiry_days_min: 7}"),
        ("{underlying: BTC, expiry_days_min: 7}", SEVEN_DAYS),
        ("{underlying: BTC, kinds: [option]}", "{underlying: BTC, kinds: [future]}"),
        (SEVEN_DAYS, f"{{underlying: BTC, expiry_days_min: 7, exclude: [{CALL}]}}"),
        (f"{{underlying: BTC, exclude: [{CALL}]}}",
         f"{{underlying: BTC, kinds: [future], include: [{CALL}]}}"),
    ],
)  # fmt: skip
def test_books_that_cannot_meet_are_accepted(first: str, second: str, tmp_path: Path):
    settings = loaded(tmp_path, *books(first=first, second=second))

    assert [book.name for book in settings.books] == ["near", "far"]


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ("{underlying: BTC}", "{underlying: BTC}", "BTC options"),
        (SEVEN_DAYS, "{underlying: BTC, expiry_days_min: 6.5}", "6.5 to 7 days"),
        (SEVEN_DAYS, f"{{underlying: BTC, kinds: [future], include: [{CALL}]}}", CALL),
        (f"{{underlying: BTC, kinds: [future], include: [{CALL}]}}",
         f"{{underlying: BTC, kinds: [perpetual], expiry_days_max: 1, include: [{CALL}]}}", CALL),
        (SEVEN_DAYS, "{underlying: BTC, kinds: [future], include: [SOME-NAME]}", "SOME-NAME"),
        ("{underlying: BTC, kinds: [option, perpetual], expiry_days_min: 1}",
         "{underlying: BTC, kinds: [perpetual]}", "BTC perpetuals"),
    ],
)  # fmt: skip
def test_books_that_could_ever_share_a_position_are_refused_by_name(
    first: str, second: str, says: str, tmp_path: Path
):
    problems = refused(tmp_path, changed(*books(first=first, second=second)))

    [overlap] = [problem for problem in problems if "overlap" in problem.message]
    assert overlap.key == "books[1].select"
    assert "books near and far overlap" in overlap.message
    assert says in overlap.message


def test_a_hedge_is_not_counted_in_the_book_of_another(tmp_path: Path):
    two = books(
        first="{underlying: BTC, expiry_days_max: 7}", second="{underlying: BTC, kinds: [future]}"
    )
    hedge = (
        "hedge: {band_low_coin: -0.1, band_high_coin: 0.1}",
        "hedge: {instrument: BTC-26DEC25, band_low_coin: -0.1, band_high_coin: 0.1}",
    )

    problems = refused(tmp_path, changed(*two, hedge))

    assert [problem.key for problem in problems] == ["books[1].select"]
    assert "would hold BTC-26DEC25, the hedge of book near" in problems[0].message


def test_what_never_expires_is_outside_every_book_with_a_last_day(tmp_path: Path):
    first = "{underlying: BTC, kinds: [option, perpetual], expiry_days_max: 7}"
    two = books(first=first, second="{underlying: BTC, expiry_days_min: 7}")
    hedge = ("hedge: {band", "hedge: {instrument: BTC-26DEC25, band")

    assert loaded(tmp_path, *two, hedge).books[1].hedge.instrument == "BTC-PERPETUAL"
    unbounded = (", expiry_days_max: 7}", "}")
    problems = refused(tmp_path, changed(*two, hedge, unbounded))
    assert any("would hold BTC-PERPETUAL" in problem.message for problem in problems)


def test_two_books_of_one_name_and_no_owner_are_refused(tmp_path: Path):
    two = books(
        first="{underlying: BTC, expiry_days_max: 7}",
        second="{underlying: BTC, expiry_days_min: 7}",
    )

    problems = refused(tmp_path, changed(*two, ("name: far", "name: near")))
    assert [(problem.key, "already" in problem.message) for problem in problems] == [
        ("books[1].name", True)
    ]
    problems = refused(tmp_path, changed(*two, ("external_changes_to: near", "")))
    assert "required where books share a hedge instrument; one of near, far" in problems[0].message


def test_a_name_in_both_lists_is_refused(tmp_path: Path):
    text = changed(("include: []", f"include: [{CALL}]"), ("exclude: []", f"exclude: [{CALL}]"))

    assert "excluded as well" in refused(tmp_path, text)[0].message


def test_no_hedge_may_be_asked_to_become_larger_than_it_may(tmp_path: Path):
    more = ("ratio_percent: 100", "ratio_percent: 115")
    (problem,) = refused(tmp_path, changed(more))
    assert problem.key == "books[0].hedge.ratio_percent"
    assert "expected at most 100 + safety.hedge_over_options_max_percent = 110" in problem.message

    allowed = ("hedge_over_options_max_percent: 10 ", "hedge_over_options_max_percent: 20 ")
    assert loaded(tmp_path, more, allowed).policy().safety.hedge_over_options_max == 0.2


def test_an_hour_must_hold_at_least_one_order(tmp_path: Path):
    little = ("turnover_per_hour_max_usd: 50000000", "turnover_per_hour_max_usd: 1000")
    (problem,) = refused(tmp_path, changed(little))

    assert problem.key == "safety.turnover_per_hour_max_usd"


def test_limits_reach_the_core_in_its_units_and_are_named_by_their_keys(tmp_path: Path):
    settings = loaded(
        tmp_path,
        ("clock_skew_max_seconds: 1 ", "clock_skew_max_seconds: 0.25 "),
        ("repeats_within_seconds: 120", "repeats_within_seconds: 1.5"),
        ("loss_stop: hold", "loss_stop: halt"),
        ("executed_over_wished_max_percent: 300", "executed_over_wished_max_percent: 250"),
    )
    safety = settings.policy().safety

    assert (safety.clock_skew_max_ms, safety.repeats_within_ms) == (250.0, 1_500)
    assert settings.policy().orders.skew_ns == 250_000_000, "and no order is absent any sooner"
    assert (safety.loss_stop, safety.executed_over_wished_max) == (Stop.HALT, 2.5)
    written = {
        f"{section}.{key}": value
        for section in ("safety", "quotes", "margin")
        for key, value in settings.redacted()[section].items()
        if isinstance(value, int | float)
    }
    stress = settings.margin.stress
    written["margin.stress.spot_percent"] = stress.spot_percent
    written["margin.stress.vol_points"] = stress.vol_points
    assert settings.policy().limits == written, "every limit is named and valued as in the file"
