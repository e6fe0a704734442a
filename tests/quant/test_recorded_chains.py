"""What recorded BTC chains say: the venue's own arithmetic, and which delta hedges coin P&L.

Six-hourly chains of three months with the perpetual's price; skipped where they are absent. The
figures expected are those published for the same data: hedging with the net delta removes 85 % of
the root mean square of marks, with the plain delta 63.5 %; on raw mids 65 % and 53 %.
"""

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bot.quant.black76 import FloatArray, greeks
from bot.quant.implied_vol import implied_vol_inverse

DATA = Path(__file__).parents[3] / "shared" / "data"
CHAINS = DATA / "chains" / "S_deribit_6h_BTC_20251230_20260331.parquet"
PERPETUAL = DATA / "perp" / "S_deribit_perpetual_20251230_20260331.parquet"
YEAR_MS = 365 * 86_400_000
DAY = 1.0 / 365.0

pytestmark = pytest.mark.skipif(not CHAINS.exists(), reason="recorded chains are not here")


@cache
def chains() -> pl.DataFrame:
    """Every quote with its years left, the forward that put-call parity implies, and the perp."""
    perp = pl.read_parquet(PERPETUAL).filter(pl.col("base") == "BTC")
    left_ms = (pl.col("expiry_ts") - pl.col("ts")).dt.total_milliseconds()
    table = (
        pl.read_parquet(CHAINS)
        .join(perp.select("ts", perp="price"), on="ts")
        .with_columns(
            years=left_ms / YEAR_MS,
            mid=(pl.col("bid") + pl.col("ask")) / 2,
            is_call=pl.col("cp") == "C",
        )
    )
    sides = table.select("ts", "expiry_ts", "strike", "cp", "mark", "fwd")
    both = sides.filter(pl.col("cp") == "C").join(
        sides.filter(pl.col("cp") == "P"), on=["ts", "expiry_ts", "strike"], suffix="_put"
    )
    # In coin C - P = 1 - K/F: every strike states the forward, those near the money best.
    parity = (
        both.filter((pl.col("strike") / pl.col("fwd")).is_between(0.8, 1.25))
        .with_columns(
            stated=pl.col("strike") / (1.0 - pl.col("mark") + pl.col("mark_put")),
        )
        .group_by("ts", "expiry_ts")
        .agg(forward=pl.col("stated").median())
    )
    return table.join(parity, on=["ts", "expiry_ts"]).sort("instrument", "ts")


def column(table: pl.DataFrame, name: str) -> FloatArray:
    return table[name].to_numpy()


def test_the_venues_marks_are_black_76_at_zero_rate_on_a_year_of_365_days():
    table = chains().filter(pl.col("years") > DAY)
    forward, strike, years, mark, iv = (
        column(table, name) for name in ("forward", "strike", "years", "mark", "mark_iv")
    )
    is_call = table["is_call"].to_numpy()

    value = greeks(forward, strike, years, iv, is_call)

    error = np.abs(value.price / forward - mark)
    assert np.median(error) < 2e-6
    assert np.quantile(error, 0.9) < 1e-5
    assert np.nanmedian(np.abs(value.delta - column(table, "delta"))) < 2e-4
    implied = implied_vol_inverse(mark, forward, strike, years, is_call)
    assert np.nanmedian(np.abs(implied - iv)) * 100.0 < 0.004


def hedged(price: str, delta: str, table: pl.DataFrame) -> float:
    """Share of the root mean square of six-hour P&L, in coin, that the perpetual takes away."""
    change = column(table, f"{price}_next") - column(table, price)
    perp = 1.0 - column(table, "perp") / column(table, "perp_next")
    left = change - column(table, delta) * perp
    return float(1.0 - np.sqrt(np.nanmean(left**2) / np.nanmean(change**2)))


@cache
def liquid() -> pl.DataFrame:
    """The quotes of the published study, each with what came of it six hours later."""
    table = chains()
    forward, strike, years, iv = (
        column(table, name) for name in ("fwd", "strike", "years", "mark_iv")
    )
    value = greeks(forward, strike, years, iv, table["is_call"].to_numpy())
    later = [
        pl.col(name).shift(-1).over("instrument").alias(f"{name}_next")
        for name in ("ts", "mark", "mid", "perp")
    ]
    spread = (pl.col("ask") - pl.col("bid")) / pl.col("mid")
    return (
        table.with_columns(*later, plain=pl.Series(value.delta))
        .with_columns(net=pl.col("plain") - pl.col("mark"))
        .filter(
            (pl.col("years") >= DAY)
            & (pl.col("bid") > 0)
            & (pl.col("ask") > 0)
            & (pl.col("oi") >= 1)
            & (spread <= 0.5)
            & (pl.col("strike") / pl.col("fwd")).is_between(0.5, 2.0)
        )
    )


def test_the_net_delta_hedges_coin_where_the_plain_one_leaves_a_third():
    table = liquid()

    assert hedged("mark", "net", table) > 0.85
    assert hedged("mark", "plain", table) == pytest.approx(0.635, abs=0.01)
    assert hedged("mid", "net", table) > 0.65
    assert hedged("mid", "plain", table) == pytest.approx(0.53, abs=0.01)


def test_without_gross_outliers_in_its_mids_the_net_delta_takes_three_quarters():
    fair = (pl.col("mid") - pl.col("mark")).abs() <= 0.02
    fair_next = (pl.col("mid_next") - pl.col("mark_next")).abs() <= 0.02

    assert hedged("mid", "net", liquid().filter(fair & fair_next)) > 0.75
