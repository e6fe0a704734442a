"""The venue's account summaries re-add, as published."""

import pytest

from bot.core.margin.deribit_identities import Summary
from tests.core.margin.vectors import PUBLISHED, published


def summary(**given: float) -> Summary:
    fields = dict.fromkeys(Summary.__dataclass_fields__, 0.0) | given
    return Summary(**fields)


DIGIT = 1.1e-8  # a unit of the last one


@pytest.mark.skipif(not PUBLISHED.exists(), reason="no published vectors here")
@pytest.mark.parametrize("example", ["DRB-ACCT-IDENT-1", "DRB-ACCT-IDENT-2"])
def test_a_published_account_readds(example):
    vector = published()[example]
    given, expected = vector["given"], vector["expected"]
    found = summary(
        balance=given["balance"],
        futures_session_unrealised=given["futures_session_upl"],
        futures_session_realised=given["futures_session_rpl"],
        options_value=given["options_value"],
        initial_margin=given["initial_margin"],
        futures_delta_coin=given["delta_total_map"]["btc_usd"] - given["options_delta"],
        options_delta_coin=given["options_delta"],
    )

    assert found.equity == pytest.approx(expected["equity"], abs=DIGIT)
    assert found.delta_total == pytest.approx(expected["delta_total"], abs=1e-6)
    if "margin_balance" in expected:
        assert found.margin_balance == pytest.approx(expected["margin_balance"], abs=DIGIT)
        assert found.available_funds == pytest.approx(expected["available_funds"], abs=DIGIT)
    else:  # a cross account: the venue states the balance of all currencies together
        available = given["margin_balance"] - given["initial_margin"]
        assert available == pytest.approx(expected["available_funds"], abs=1e-6)


def test_options_are_worth_something_but_carry_no_margin() -> None:
    found = summary(
        balance=10.0,
        futures_session_unrealised=-1.0,
        futures_session_realised=0.5,
        options_value=2.0,
        initial_margin=3.0,
        futures_delta_coin=-4.0,
        options_delta_coin=5.0,
    )

    assert (found.margin_balance, found.equity, found.available_funds) == (9.5, 11.5, 6.5)
    assert (found.black_delta_total, found.delta_total) == (1.0, -1.0)
