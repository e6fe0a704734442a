"""SVI slices on recorded chains: how close to the venue's marks, and free of butterfly arbitrage.

Fitted are out-of-the-money options of at least a day to expiry, struck between half and twice the
forward, that are quoted on both sides, no wider than half their mid; slices of at least eight of
them. One snapshot in `DELTABAND_SNAPSHOTS` is read, 40 by default; 1 reads them all. Run with
`-s` to see the figures. Skipped where the recordings are absent.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bot.quant import parity
from bot.quant.black76 import FloatArray, greeks
from bot.quant.svi import butterfly
from bot.quant.svi_fit import SviFit, fit_slice
from tests.quant.recorded import DATA, DAY, YEAR_MS

CHAINS = DATA / "chains"
EVERY = int(os.environ.get("DELTABAND_SNAPSHOTS", "40"))
STRIKES_MIN = 8
SNAPSHOTS_MIN = 4

pytestmark = [
    pytest.mark.skipif(not CHAINS.exists(), reason="recorded chains are not here"),
    pytest.mark.timeout(600),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Smile:
    """The quotes of one expiry at one moment."""

    years: float
    k: FloatArray
    vol: FloatArray
    half_spread: FloatArray


def forward_of(part: pl.DataFrame) -> tuple[float, float]:
    """Forward and discount factor: by parity of marks where there are marks, else as reported."""
    inverse = part["settle"][0] == "inverse"
    if "mark" in part.columns:
        columns = (
            part["strike"].to_numpy(),
            (part["cp"] == "C").to_numpy(),
            part["mark"].to_numpy(),
        )
        known = 1.0 if inverse else None
        implied = parity.imply(*parity.pairs(*columns), in_coin=inverse, discount=known)
        if isinstance(implied, parity.Parity):
            return implied.forward, implied.discount
    return float(np.median(part["fwd"].to_numpy())), 1.0


def smile_of(part: pl.DataFrame, years: float) -> Smile:
    """What of one expiry is fitted."""
    forward, discount = forward_of(part)
    strike, bid, ask, vol = (
        part[name].cast(pl.Float64).fill_null(0.0).to_numpy()
        for name in ("strike", "bid", "ask", "mark_iv")
    )
    is_call, moneyness = (part["cp"] == "C").to_numpy(), strike / forward
    good = (bid > 0.0) & (ask > bid) & (ask - bid <= 0.25 * (ask + bid)) & (vol > 0.0)
    good &= (is_call == (moneyness >= 1.0)) & (moneyness >= 0.5) & (moneyness <= 2.0)
    strike, bid, ask, vol, is_call = (x[good] for x in (strike, bid, ask, vol, is_call))
    unit = forward if part["settle"][0] == "inverse" else 1.0
    vega = greeks(forward, strike, years, vol, is_call, discount).vega
    return Smile(
        years=years,
        k=np.log(strike / forward),
        vol=vol,
        half_spread=0.5 * (ask - bid) * unit / vega,
    )


def smiles(path: Path, every: int) -> Iterator[Smile]:
    table = pl.read_parquet(path)
    stamps = table["ts"].unique().sort()
    stamps = stamps[:: min(every, max(1, len(stamps) // SNAPSHOTS_MIN))]
    rows = table.filter(pl.col("ts").is_in(stamps.implode())).sort("ts", "expiry_ts", "strike")
    for (at, expiry), part in rows.group_by(["ts", "expiry_ts"], maintain_order=True):
        years = (expiry - at).total_seconds() * 1_000 / YEAR_MS
        if years >= DAY:
            smile = smile_of(part, years)
            if len(smile.k) >= STRIKES_MIN:
                yield smile


@cache
def fits(name: str, every: int, free: bool = True) -> tuple[SviFit, ...]:
    made = [
        fit_slice(one.k, one.vol, one.years, half_spread=one.half_spread, free=free)
        for one in smiles(CHAINS / f"{name}.parquet", every)
    ]
    found = tuple(one for one in made if isinstance(one, SviFit))
    assert len(found) == len(made), "eight strikes are enough"
    return found


def report(name: str, found: tuple[SviFit, ...]) -> tuple[float, float, float]:
    """Median and ninth decile of the slices' errors, and the share of quotes passed inside."""
    middle, most = np.quantile([one.rmse_vol_points for one in found], [0.5, 0.9])
    quotes = np.array([one.quotes for one in found])
    inside = float(np.array([one.inside_share for one in found]) @ quotes / quotes.sum())
    free, bent = sum(one.butterfly.is_free for one in found), sum(one.bent for one in found)
    print(  # noqa: T201 (the figures, for whoever asks with -s)
        f"\n{name}: {len(found)} slices of {quotes.sum()} quotes, error p50 {middle:.3f} "
        f"p90 {most:.3f} vol points, {inside:.2%} inside; {free} free, {bent} of them bent"
    )
    return float(middle), float(most), inside


S_BTC, S_ETH = (f"S_deribit_6h_{coin}_20251230_20260331" for coin in ("BTC", "ETH"))
OTHERS = [
    "A_deribit_5min_BTC_20251207_20251211",
    "A_deribit_5min_ETH_20251207_20251211",
    "A_deribit_5min_BTC_USDC_20251207_20251211",
    "A_deribit_5min_ETH_USDC_20251207_20251211",
    "D_optionsdx_eod_BTC_202106",
]


def test_three_months_of_slices_pass_the_venues_marks_inside_the_spread():
    for name in (S_BTC, S_ETH):
        report(name, fits(name, EVERY))

    middle, most, inside = report("both", fits(S_BTC, EVERY) + fits(S_ETH, EVERY))

    assert middle <= 0.20
    assert most <= 0.40
    assert inside >= 0.97


@pytest.mark.parametrize("name", [S_BTC, S_ETH, *OTHERS])
def test_no_recorded_slice_holds_a_butterfly_arbitrage_on_demand(name):
    found = fits(name, EVERY)

    assert len(found) > 10
    assert all(one.butterfly.is_free and butterfly(one.svi).is_free for one in found)


@pytest.mark.parametrize("name", OTHERS)
def test_other_days_and_linear_chains_are_fitted_as_closely(name):
    middle, most, inside = report(name, fits(name, EVERY))

    assert middle <= 0.30
    assert most <= (1.3 if name.startswith("D_") else 0.40), (
        "spreads of 2021 were more than twice as wide"
    )
    assert inside >= 0.97


@pytest.mark.parametrize("name", [S_BTC, S_ETH])
def test_a_slice_fitted_as_it_comes_is_no_worse_and_flagged_where_it_is_not_free(name):
    bound, loose = fits(name, EVERY), fits(name, EVERY, free=False)
    report(f"{name} as they come", loose)

    for one, other in zip(bound, loose, strict=True):
        assert other.butterfly.is_free == butterfly(other.svi).is_free
        assert one.bent or one.svi == other.svi
    assert (
        np.median(
            [b.rmse_vol_points - a.rmse_vol_points for a, b in zip(loose, bound, strict=True)]
        )
        < 0.02
    )
