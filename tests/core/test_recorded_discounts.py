"""Discount factors learned from recorded linear chains, against put-call parity of the same marks.

Skipped where the recorded data is not present.
"""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bot.core import discounts, units
from bot.core.columns import table_of
from bot.core.events import QuoteSeen
from bot.core.instruments import Instrument
from tests.core.pairs import BTC_USDC, ETH_USDC, Market

RECORDINGS = Path(__file__).parents[3] / "shared" / "data" / "chains"
WEEK_MS = 7 * units.MS_PER_DAY


def snapshot(market: Market, at: float) -> tuple[int, list[tuple[Instrument, QuoteSeen]]]:
    """The whole chain at one moment: `at` of the way through the recording."""
    name = f"A_deribit_5min_{market.prefix}_20251207_20251211.parquet"
    if not (RECORDINGS / name).is_file():
        pytest.skip(f"no recording {name} beside the checkout")
    rows = pl.read_parquet(RECORDINGS / name)
    stamps = rows["ts"].unique().sort()
    rows = rows.filter(pl.col("ts") == stamps[int(at * (len(stamps) - 1))])
    now_ms = int(rows["ts"][0].timestamp() * 1000)
    seen = []
    for row in rows.iter_rows(named=True):
        terms = market.terms(row["instrument"], int(row["expiry_ts"].timestamp() * 1000))
        quote = QuoteSeen(
            instrument=terms.name, venue_ms=now_ms, arrived_ns=0, bid=None, ask=None,
            mark=row["mark"], index_usd=row["fwd"], forward_usd=row["fwd"], iv=row["mark_iv"],
        )  # fmt: skip
        seen.append((terms, quote))
    return now_ms, seen


def parity(seen: list[tuple[Instrument, QuoteSeen]], expiry_ms: int) -> float:
    """Slope of call less put over forward less strike."""
    marks = {
        (one.strike, one.is_call): (quote.mark or 0.0, (quote.forward_usd or 0.0))
        for one, quote in seen
        if one.expiry_ms == expiry_ms and one.strike is not None
    }
    pairs = [
        (call - marks[strike, False][0], forward - strike)
        for (strike, is_call), (call, forward) in marks.items()
        if is_call and (strike, False) in marks and strike is not None
    ]
    spread, moneyness = np.array(pairs).T
    return float((spread * moneyness).sum() / (moneyness**2).sum())


@pytest.mark.parametrize("at", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("market", [BTC_USDC, ETH_USDC], ids=["btc_usdc", "eth_usdc"])
def test_a_recorded_chain_tells_the_rate_of_its_own_parity(market, at) -> None:
    now_ms, seen = snapshot(market, at)
    table = table_of([(one, 1.0) for one, _ in seen], {one.name: quote for one, quote in seen})
    learned = discounts.learned(table, now_ms, 0)

    for expiry_ms in sorted(set(table.held.expiry_ms.tolist())):
        (factor,) = set(learned.discount[table.held.expiry_ms == expiry_ms].tolist())
        bound = 5e-5 if expiry_ms - now_ms > WEEK_MS else 3e-4
        assert factor == pytest.approx(parity(seen, expiry_ms), abs=bound)
    longest = table.held.expiry_ms == table.held.expiry_ms.max()
    assert 0.97 < learned.discount[longest][0] < 0.995, "more than a per cent over 109 days"
