"""Every venue's model behind one face: what fills change is what a new report would say."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core import codec
from bot.core.margin.account import Account, OpenOrder
from bot.core.margin.modelling import (
    Model,
    ModelName,
    Unmodelled,
    resized,
    valued,
    valued_each,
)
from bot.core.margin.shocks import Shock, shocked_each
from bot.settings.margin_choice import named
from tests.core.margin.vectors import account, futures, options, pair

PERP = "BTC-PERPETUAL"
MODELS: tuple[Model, ...] = tuple(named(name) for name in ModelName)


def test_every_model_of_the_configuration_can_be_chosen_and_knows_its_name() -> None:
    assert [model.name for model in MODELS] == list(ModelName)


def sold(model: Model) -> Account:
    """Strangles and a hedge; of a venue of perpetuals the hedge alone."""
    perp = futures((PERP, 1.5, 100_050.0, 0.0))
    if model.name is ModelName.HYPERLIQUID_CROSS:
        return account(pair(futures=perp), currency="USDC")
    rows = options(
        (-3.0, 110_000.0, 30.0, True),
        (-2.0, 90_000.0, 30.0, False),
        (4.0, 120_000.0, 60.0, True),
        forward=100_100.0,
    )
    knows_futures = model.name not in {ModelName.OKX_OPTIONS, ModelName.BYBIT_OPTIONS}
    return account(pair(options=rows, futures=perp) if knows_futures else pair(options=rows))


def by_name(model: Model) -> str:
    return model.name.value


def test_there_is_a_model_for_every_name() -> None:
    assert [model.name for model in MODELS] == list(ModelName)


@pytest.mark.parametrize("model", MODELS, ids=by_name)
def test_what_a_fill_needs_is_what_a_report_with_it_needs(model: Model) -> None:
    held = sold(model)
    names = [name for one in held.pairs for name in one.names]

    @settings(max_examples=15)
    @given(st.dictionaries(st.sampled_from(names), st.floats(-9.0, 9.0), max_size=3))
    def law(fills: dict[str, float]) -> None:
        made = valued(model, held)
        assert not isinstance(made, Unmodelled), made

        asked, done = made.after(fills), model.report(resized(held, fills))

        whole = model.report(held)
        assert made.needed == (whole.initial, whole.maintenance), "to the bit"
        assert made.report.initial == whole.initial
        assert asked == pytest.approx((done.initial, done.maintenance), rel=1e-9, abs=3e-9)

    law()


@pytest.mark.parametrize("model", MODELS, ids=by_name)
def test_several_markets_are_valued_as_each_by_itself(model: Model) -> None:
    held = sold(model)
    shocks = (Shock(spot=-0.2), Shock(vol_points=0.3), Shock(spot=0.1, basis=-0.1))
    markets = [held, *(there.account for there in shocked_each(held, shocks))]

    found = valued_each(model, markets)

    for there, market in zip(found, markets, strict=True):
        alone = valued(model, market)
        assert not isinstance(there, Unmodelled), there
        assert not isinstance(alone, Unmodelled), alone
        assert there.needed == alone.needed, "to the bit"


@pytest.mark.parametrize("wrong", ["mark", "order", "nothing"])
def test_figures_without_a_report_know_what_is_missing_as_the_report_does(wrong: str) -> None:
    model = named(ModelName.DERIBIT_STANDARD)
    held = sold(model)
    pair = held.pairs[0]
    if wrong == "mark":
        marks = np.full(len(pair.options.names), np.nan)
        held = replace(held, pairs=(replace(pair, options=replace(pair.options, mark=marks)),))
    if wrong == "order":
        order = OpenOrder(instrument="BTC-1JAN30", size_coin=1.0, price=0.1)
        held = replace(held, orders=(order,))

    made = model.valued(held)

    assert made.is_whole == made.report.is_whole == model.report(held).is_whole
    assert made.is_whole == (wrong == "nothing")


@pytest.mark.parametrize("model", MODELS, ids=by_name)
def test_a_fill_of_what_has_no_row_is_an_error_and_no_guess(model: Model) -> None:
    made = valued(model, sold(model))
    assert not isinstance(made, Unmodelled), made

    with pytest.raises(KeyError, match="no row for BTC-1JAN30"):
        made.after({"BTC-1JAN30": 1.0})


@pytest.mark.parametrize("model", MODELS, ids=by_name)
def test_a_model_is_recorded_with_its_parameters_and_read_back_the_same(model: Model) -> None:
    again = codec.loads(codec.dumps(model, in_order=True))

    assert again == model
    assert type(again) is type(model)
    assert again.report(sold(model)).initial == model.report(sold(model)).initial


def test_what_a_model_cannot_value_it_says_in_words() -> None:
    standard, portfolio = MODELS[0], MODELS[1]
    held = sold(portfolio)
    rows = held.pairs[0].options
    dark = replace(rows, iv=np.where(rows.strike == 110_000.0, np.nan, rows.iv))
    strange = replace(held, pairs=(replace(held.pairs[0], index_name="xyz_usd"),))

    assert valued(portfolio, strange) == Unmodelled(
        reason="deribit_portfolio has no parameters for xyz_usd"
    )
    blind = replace(held, pairs=(replace(held.pairs[0], options=dark),))
    assert valued(portfolio, blind) == Unmodelled(
        reason="deribit_portfolio has no number for BTC: 110000C30 has no price"
    )
    assert not isinstance(valued(standard, strange), Unmodelled)
    assert valued(MODELS[6], held) == Unmodelled(
        reason="bybit_options has no number for BTC: it does not know all that is held"
    )


def test_derive_knows_one_perpetual_of_each_underlying() -> None:
    two = futures((PERP, 1.0, 1e5, 0.0), ("BTC-27MAR26", 1.0, 1e5, 0.2))

    found = valued(MODELS[2], account(pair(futures=two)))

    assert found == Unmodelled(reason="derive_standard: btc_usd has more than one perpetual")


def test_only_deribits_standard_margin_leaves_the_options_out_of_its_balance() -> None:
    assert [model.name for model in MODELS if not model.counts_options] == ["deribit_standard"]
    assert {name.venue for name in ModelName} >= {"deribit", "okx", "hyperliquid"}
