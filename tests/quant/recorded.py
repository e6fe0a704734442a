"""Recorded option chains as tables, read where they are present.

Six-hourly chains of three months, BTC and ETH, with the venue's own delta and the perpetual's
price; end-of-day BTC chains of June 2021 with the venue's own Greeks.
"""

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl

from bot.quant.black76 import BoolArray, FloatArray, greeks

DATA = Path(__file__).parents[3] / "shared" / "data"
PERPETUAL = DATA / "perp" / "S_deribit_perpetual_20251230_20260331.parquet"
JUNE_2021 = DATA / "chains" / "D_optionsdx_eod_BTC_202106.parquet"
YEAR_MS = 365 * 86_400_000
DAY = 1.0 / 365.0
FAIR_COIN = 0.02  # a mid further than this from its mark is a gross outlier


def six_hourly(currency: str) -> Path:
    return DATA / "chains" / f"S_deribit_6h_{currency}_20251230_20260331.parquet"


def column(table: pl.DataFrame, name: str) -> FloatArray:
    return table[name].to_numpy()


def calls(table: pl.DataFrame) -> BoolArray:
    return table["is_call"].to_numpy()


def years_left() -> pl.Expr:
    return (pl.col("expiry_ts") - pl.col("ts")).dt.total_milliseconds() / YEAR_MS


@cache
def chains(currency: str) -> pl.DataFrame:
    """Every quote with its years left, the forward that put-call parity implies, and the perp."""
    perp = pl.read_parquet(PERPETUAL).filter(pl.col("base") == currency)
    table = (
        pl.read_parquet(six_hourly(currency))
        .join(perp.select("ts", perp="price"), on="ts")
        .with_columns(
            years=years_left(),
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


@cache
def liquid(currency: str) -> pl.DataFrame:
    """The quotes of the published study, each with what came of it six hours later."""
    table = chains(currency)
    forward, strike, years, iv = (
        column(table, name) for name in ("fwd", "strike", "years", "mark_iv")
    )
    value = greeks(forward, strike, years, iv, calls(table))
    later = [
        pl.col(name).shift(-1).over("instrument").alias(f"{name}_next")
        for name in ("ts", "mark", "mid", "perp")
    ]
    spread = (pl.col("ask") - pl.col("bid")) / pl.col("mid")
    return (
        table.with_columns(
            *later,
            plain=pl.Series(value.delta),
            coin_vega=pl.Series(value.vega) / pl.col("fwd"),
        )
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


def fairly_quoted(table: pl.DataFrame) -> pl.DataFrame:
    """Without gross outliers in mids, before the step and after it."""
    before = (pl.col("mid") - pl.col("mark")).abs() <= FAIR_COIN
    after = (pl.col("mid_next") - pl.col("mark_next")).abs() <= FAIR_COIN
    return table.filter(before & after)


def perp_gain(table: pl.DataFrame) -> FloatArray:
    """Coins that a delta of one coin in the inverse perpetual earned until the next snapshot."""
    return np.asarray(1.0 - column(table, "perp") / column(table, "perp_next"))


def unexplained(table: pl.DataFrame, price: str, delta: str) -> FloatArray:
    """Change of `price` in coin that a hedge of `delta` left."""
    change = column(table, f"{price}_next") - column(table, price)
    return np.asarray(change - column(table, delta) * perp_gain(table))


@cache
def june_2021() -> pl.DataFrame:
    """The end-of-day chains of June 2021 with the venue's Greeks: vega per point, theta a day."""
    return pl.read_parquet(JUNE_2021).with_columns(years=years_left(), is_call=pl.col("cp") == "C")
