"""Options as columns: what a quote changes, and what it leaves alone."""

import numpy as np
import pytest

from bot.core import columns
from bot.core.columns import NEVER_NS, table_of
from tests.builders import CALL, EXPIRY_MS, PERP, PUT, World, option, quote

HELD = [(option(CALL), -10.0), (option(PUT), 2.5)]


def test_a_row_is_an_option_with_its_terms_and_its_last_good_quote() -> None:
    table = table_of(HELD, {CALL: quote(CALL, arrived_ns=7, iv=0.6)})

    assert table.held.names == (CALL, PUT)
    assert table.held.rows == {CALL: 0, PUT: 1}
    assert table.held.size.tolist() == [-10.0, 2.5]
    assert table.held.strike.tolist() == [110_000.0, 110_000.0]
    assert table.held.is_call.tolist() == [True, False]
    assert table.held.expiry_ms.tolist() == [EXPIRY_MS, EXPIRY_MS]
    assert table.iv[0] == 0.6
    assert np.isnan([table.iv[1], table.mark[1], table.forward_usd[1], table.index_usd[1]]).all()
    assert table.quoted_ns.tolist() == [7, NEVER_NS]


def test_a_quote_changes_its_row_of_a_new_table_and_the_old_one_stays_as_it_was() -> None:
    before = table_of(HELD, {CALL: quote(CALL, iv=0.6)})
    after = columns.requoted(before, [quote(PUT, iv=0.7, mark=0.11, arrived_ns=9)])

    assert before.quoted_ns[1] == NEVER_NS
    assert after.iv.tolist() == [0.6, 0.7]
    assert after.mark[1] == 0.11
    assert after.quoted_ns[1] == 9
    assert after.held is before.held


def test_the_last_of_two_quotes_of_one_option_counts() -> None:
    table = columns.requoted(table_of(HELD, {}), [quote(CALL, iv=0.5), quote(CALL, iv=0.6)])

    assert table.iv[0] == 0.6


def test_quotes_of_what_is_not_held_cost_nothing() -> None:
    table = table_of(HELD, {})

    assert columns.requoted(table, [quote(PERP)]) is table
    assert columns.requoted(table, []) is table


def test_what_a_quote_did_not_say_is_no_number() -> None:
    mute = quote(CALL, forward_usd=None, iv=None, mark=None, index_usd=None)
    table = columns.requoted(table_of(HELD, {CALL: quote(CALL)}), [mute])

    assert np.isnan([table.iv[0], table.mark[0], table.forward_usd[0], table.index_usd[0]]).all()


@pytest.mark.parametrize(
    "column",
    ["size", "strike", "expiry_ms", "is_call", "forward_usd", "iv", "mark", "index_usd"],
)
def test_nobody_can_write_into_a_column(column) -> None:
    table = columns.requoted(table_of(HELD, {}), [quote(CALL)])

    with pytest.raises(ValueError, match="read-only"):
        getattr(table if hasattr(table, column) else table.held, column)[0] = 1


def test_the_table_follows_the_positions() -> None:
    world = World()
    world.begin({CALL: "-10", PUT: "-5", PERP: "100"})
    world.quotes()

    assert world.state.table.held.names == (CALL, PUT)
    assert world.state.table.held.size.tolist() == [-10.0, -5.0]
    assert np.isfinite(world.state.table.iv).all()
