"""A market made from a seed: nothing recorded, everything alive.

Spot: stochastic variance with jumps. Smile and term structure follow the spot's variance (SSVI),
held in strike over hours, with their own slow noise in level and skew. Forwards: a
basis curve. The perpetual trades around the index. Quotes widen with volatility and in the wings.

The market moves in steps of one second of market time and draws the same numbers in each, so the
seed alone determines the path, however `advance` is portioned. `SyntheticMarket.shock` is the one
thing from outside that can move it.
"""

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from bot.exchange import quotes
from bot.exchange.contracts import Contract, option, perpetual
from bot.exchange.listing import expiries_at, ladder, strike_step_usd
from bot.exchange.market import BoolArray, FloatArray, IntArray, MarketFrame, Skipped, frozen
from bot.quant.black76 import ROW_COUNT, greeks_into
from bot.quant.conventions import SETTLEMENT_WINDOW_MS, expiry_weight
from bot.quant.processes import YEAR_MS, JumpDiffusion, Reversion, ReversionPath, SpotPath

STEP_MS: Final = 1000
START_MS: Final = 1_767_603_600_000  # Monday 2026-01-05T09:00Z
HOUR_MS: Final = 3_600_000
STEP_YEARS: Final = STEP_MS / YEAR_MS

# About 73 % a year in the long run, jumps included. Speed and vol of variance let the 9, 30 and 90
# day volatilities move 0.15, 0.11 and 0.06 points in five minutes, much as on a recorded evening of
# BTC at 67 % (0.16, 0.09, 0.05; correlation with the spot -0.6 to -0.8).
SPOT_LAW: Final = JumpDiffusion(
    speed=15.0,
    variance_mean=0.36,
    vol_of_variance=0.5,
    correlation=-0.3,
    jumps_per_year=1460.0,
    jump_mean=0.003,
    jump_down_share=0.55,
    variance_jump_mean=0.0015,
)
SPOT_START_USD: Final = (80_000.0, 100_000.0)
VARIANCE_START: Final = (0.38, 0.60)

DAY_YEARS: Final = 1.0 / 365.0
NOISES: Final = (
    Reversion(mean=0.0, deviation=2.0e-4, half_life_years=DAY_YEARS / 144.0),  # perpetual's premium
    Reversion(mean=0.04, deviation=0.02, half_life_years=5.0 * DAY_YEARS),  # carry, short end
    Reversion(mean=0.065, deviation=0.01, half_life_years=20.0 * DAY_YEARS),  # carry, long end
    Reversion(mean=0.0, deviation=0.01, half_life_years=3.0 * DAY_YEARS),  # log level of the smile
    Reversion(mean=-0.25, deviation=0.08, half_life_years=2.0 * DAY_YEARS),  # skew
    Reversion(mean=0.0, deviation=0.25, half_life_years=DAY_YEARS / 24.0),  # log displayed size
)
CARRY_TENOR_YEARS: Final = 0.25

# 25-delta butterflies of 2 points and risk reversals of -6; BTC chains have 1.1 to 2.3, -3 to -10.
# SSVI has no butterfly arbitrage while CURVATURE^2 (1 + |skew|) <= 4, which these bounds keep.
CURVATURE: Final = 0.75
SKEW_BOUND: Final = 0.6
# Over hours the smile is held in strike, as recorded chains show: the volatility at the money moves
# along the skew when the spot moves. It drifts back to the money within days.
ANCHOR_DECAY: Final = math.exp(-math.log(2.0) * STEP_YEARS / DAY_YEARS)
ANCHOR_BOUND: Final = 0.05  # log distance that a smile is left behind at most
SMILE_YEARS_MIN: Final = 0.25 * DAY_YEARS  # below six hours the smile keeps its shape

HALF_SPREAD_VOL: Final = 0.0054  # the median on recorded BTC chains
HALF_SPREAD_WING: Final = 0.6  # so much wider for each deviation away from the money
HALF_SPREAD_DELTA: Final = 0.0003  # coin, for the delta that a quoter hedges
HALF_SPREAD_COIN_MIN: Final = 0.00005
OPTION_SIZE_COIN: Final = 15.0
OPTION_SIZE_SCATTER: Final = 0.6
PERP_HALF_SPREAD: Final = 1.5e-5
PERP_DEPTH_USD: Final = (
    (0, 60_000.0),
    (1, 40_000.0),
    (2, 50_000.0),
    (4, 80_000.0),
    (6, 100_000.0),
    (10, 150_000.0),
    (16, 200_000.0),
    (25, 300_000.0),
    (40, 400_000.0),
    (60, 600_000.0),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Chain:
    """The options listed, by column; `at` points into `expiries`; `size_coin` is the usual size."""

    expiries: tuple[int, ...]
    expiries_ms: FloatArray
    contracts: tuple[Contract, ...]
    strike: FloatArray
    is_call: BoolArray
    expiry_ms: IntArray
    at: IntArray
    size_coin: FloatArray
    discount: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Surface:
    """Forwards and volatilities of one instant: by expiry, then by option."""

    forwards: FloatArray
    forward: FloatArray
    years: FloatArray
    iv: FloatArray
    deviations: FloatArray


class SyntheticMarket:
    """BTC from a seed. See the module; implements `bot.exchange.market.Market`."""

    def __init__(self, seed: int, start_ms: int = START_MS) -> None:
        path_seed, listing_seed = np.random.SeedSequence(seed).spawn(2)
        self._rng = np.random.default_rng(path_seed)
        self._listing_rng = np.random.default_rng(listing_seed)
        self._start_ms = start_ms
        self._now_ms = start_ms
        self._perpetual = perpetual("BTC")
        self._spot = SpotPath(
            law=SPOT_LAW,
            spot=self._rng.uniform(*SPOT_START_USD),
            variance=self._rng.uniform(*VARIANCE_START),
        )
        self._noise = ReversionPath(NOISES, STEP_YEARS)
        self._noise.scatter(self._rng)
        self._anchor_log_usd = math.log(self._spot.spot)
        self._settling_sum_usd = 0.0
        self._settling_count = 0
        self._shocked = False
        self._ladders: dict[int, tuple[float, frozenset[float]]] = {}
        self._sizes: dict[str, float] = {}
        self._chain = self._listed()
        self._frame = self._framed()

    @property
    def base(self) -> str:
        """The underlying coin."""
        return "BTC"

    @property
    def start_ms(self) -> int:
        """Market time of the first frame."""
        return self._start_ms

    @property
    def frame(self) -> MarketFrame:
        """The latest frame."""
        return self._frame

    def advance(self, to_ms: int) -> list[MarketFrame | Skipped]:
        """Every frame after the latest up to and including `to_ms`, one for each market second."""
        frames: list[MarketFrame | Skipped] = []
        while self._now_ms + STEP_MS <= to_ms:
            self._step()
            frames.append(self._frame)
        return frames

    def shock(self, move: float) -> None:
        """Move the spot by the fraction `move`; it shows in the next frame."""
        if not -1.0 < move < math.inf:
            raise ValueError(f"a shock of {move} leaves no price: it must be above -1")
        self._spot.spot *= 1.0 + move
        self._shocked = True

    def _step(self) -> None:
        self._now_ms += STEP_MS
        self._spot.step(self._rng, STEP_YEARS)
        self._noise.step(self._rng)
        log_usd = math.log(self._spot.spot)
        self._anchor_log_usd += (log_usd - self._anchor_log_usd) * (1.0 - ANCHOR_DECAY)
        self._average_index()
        if self._shocked or self._now_ms % HOUR_MS < STEP_MS:
            self._shocked = False
            self._chain = self._listed()
        self._frame = self._framed()

    def _average_index(self) -> None:
        """Keep the sum behind the settlement average of the next 08:00."""
        if 0 < _window_left_ms(self._now_ms) < SETTLEMENT_WINDOW_MS:
            self._settling_sum_usd += self._spot.spot
            self._settling_count += 1
        else:
            self._settling_sum_usd, self._settling_count = 0.0, 0

    def _forwards(self, expiries_ms: FloatArray, years: FloatArray) -> FloatArray:
        """The basis curve; in the settlement window, the settlement price to be expected."""
        _, carry, carry_long, *_ = self._noise.values.tolist()
        slope = -np.expm1(-years / CARRY_TENOR_YEARS)
        forwards = self._spot.spot * np.exp((carry + (carry_long - carry) * slope) * years)
        if self._settling_count:
            known = self._settling_sum_usd / self._settling_count
            weight = expiry_weight(self._now_ms, expiries_ms)
            forwards = weight * forwards + (1.0 - weight) * known
        rounded: FloatArray = np.round(forwards, 4)
        return rounded

    def _listed(self) -> _Chain:
        """The chain at this instant: the calendar's expiries, their ladders grown if need be."""
        living = {expiry for expiry in self._ladders if expiry > self._now_ms}
        expiries = tuple(sorted(living | set(expiries_at(self._now_ms))))
        expiries_ms = np.array(expiries, dtype=np.float64)
        years = (expiries_ms - self._now_ms) / YEAR_MS
        forwards = self._forwards(expiries_ms, years)
        deviations = np.sqrt(SPOT_LAW.expected_variance(self._spot.variance, years))
        ladders: dict[int, tuple[float, frozenset[float]]] = {}
        for expiry, forward, deviation in zip(expiries, forwards, deviations, strict=True):
            new = (strike_step_usd(float(forward), float(deviation)), frozenset[float]())
            step, strikes = self._ladders.get(expiry, new)
            ladders[expiry] = (step, ladder(float(forward), step, strikes))
        if ladders == self._ladders:
            return self._chain
        self._ladders = ladders
        contracts = tuple(
            option("BTC", expiry, strike, is_call, creation_ms=self._now_ms)
            for expiry, (_, strikes) in ladders.items()
            for strike in sorted(strikes)
            for is_call in (True, False)
        )
        return self._columns(expiries, self._with_sizes(contracts))

    def _with_sizes(self, contracts: tuple[Contract, ...]) -> tuple[Contract, ...]:
        """Give each new contract its usual displayed size; keep what is known of the others."""
        known = {} if not self._sizes else {item.name: item for item in self._chain.contracts}
        for contract in contracts:
            if contract.name not in self._sizes:
                scatter = OPTION_SIZE_SCATTER * self._listing_rng.standard_normal()
                self._sizes[contract.name] = OPTION_SIZE_COIN * math.exp(scatter)
        return tuple(known.get(contract.name, contract) for contract in contracts)

    def _columns(self, expiries: tuple[int, ...], contracts: tuple[Contract, ...]) -> _Chain:
        where = {expiry: at for at, expiry in enumerate(expiries)}
        self._sizes = {contract.name: self._sizes[contract.name] for contract in contracts}
        return _Chain(
            expiries=expiries,
            expiries_ms=np.array(expiries, dtype=np.float64),
            contracts=contracts,
            strike=frozen(np.array([contract.strike for contract in contracts], dtype=np.float64)),
            is_call=frozen(np.array([contract.is_call for contract in contracts], dtype=np.bool_)),
            expiry_ms=frozen(np.array([item.expiry_ms for item in contracts], dtype=np.int64)),
            at=np.array([where[contract.expiry_ms] for contract in contracts], dtype=np.int64),
            size_coin=np.array([self._sizes[contract.name] for contract in contracts]),
            discount=np.ones(len(contracts)),
        )

    def _surface(self) -> _Surface:
        """Forwards, and SSVI volatilities in the strike of each option."""
        chain, (*_, level, skew, _) = self._chain, self._noise.values.tolist()
        left_years = (chain.expiries_ms - self._now_ms) / YEAR_MS
        forwards = self._forwards(chain.expiries_ms, left_years)
        smile_years = np.maximum(left_years, SMILE_YEARS_MIN)
        theta = SPOT_LAW.expected_variance(self._spot.variance, smile_years) * math.exp(2.0 * level)
        phi = CURVATURE / np.sqrt(theta * (1.0 + theta))
        rho = min(max(skew, -SKEW_BOUND), SKEW_BOUND)
        forward = forwards[chain.at]
        log_strike = np.log(chain.strike / forward)
        run = math.log(self._spot.spot) - self._anchor_log_usd
        left_behind = ANCHOR_BOUND * math.tanh(run / ANCHOR_BOUND)
        arm = phi[chain.at] * (log_strike + left_behind)
        shape = 0.5 * (1.0 + rho * arm + np.sqrt((arm + rho) ** 2 + 1.0 - rho * rho))
        # An average over the last half hour moves less than its last value: the variance that is
        # left to it fades out, and with it the gamma of an expiring option.
        window_years = SETTLEMENT_WINDOW_MS / YEAR_MS
        averaged = np.where(
            left_years > window_years,
            1.0 - window_years * 2.0 / 3.0 / np.maximum(left_years, window_years),
            (left_years / window_years) ** 2 / 3.0,
        )
        variance = theta / smile_years * averaged
        return _Surface(
            forwards=forwards,
            forward=forward,
            years=left_years[chain.at],
            iv=np.sqrt(variance[chain.at] * shape),
            deviations=np.abs(log_strike) / np.sqrt(theta)[chain.at],
        )

    def _framed(self) -> MarketFrame:
        chain, surface = self._chain, self._surface()
        premium, *_, liquidity = self._noise.values.tolist()
        stress = math.sqrt(self._spot.variance / SPOT_LAW.variance_long_run)
        rows = np.empty((ROW_COUNT, len(chain.contracts)))
        greeks_into(
            rows,
            surface.forward,
            chain.strike,
            surface.years,
            surface.iv,
            chain.is_call,
            chain.discount,
        )
        mark_coin = np.round(rows[0] / surface.forward, 6)
        bid, ask = _option_quotes(surface, rows, mark_coin, stress)
        shown = chain.size_coin * math.exp(liquidity) / (1.0 + surface.deviations)
        shown = np.maximum(np.round(shown, 1), 0.1)
        index_usd = round(self._spot.spot, 2)
        perp_mark_usd = round(self._spot.spot * (1.0 + premium), 2)
        half_spread_usd = PERP_HALF_SPREAD * perp_mark_usd * stress
        tick_usd = float(self._perpetual.tick_size)
        perp_bid, perp_ask = quotes.perpetual_quotes(perp_mark_usd, half_spread_usd, tick_usd)
        depth = math.exp(liquidity) / max(stress, 0.5)
        pairs = zip(chain.expiries, surface.forwards.tolist(), strict=True)
        return MarketFrame(
            at_ms=self._now_ms,
            index_usd=index_usd,
            perp_mark_usd=perp_mark_usd,
            perp_bid_usd=perp_bid,
            perp_ask_usd=perp_ask,
            perp_depth=tuple((at, max(round(usd * depth, -1), 10.0)) for at, usd in PERP_DEPTH_USD),
            forwards=MappingProxyType(dict(pairs)),
            contracts=chain.contracts,
            mark_coin=frozen(mark_coin),
            mark_iv=frozen(surface.iv),
            bid_coin=frozen(bid),
            ask_coin=frozen(ask),
            bid_size_coin=frozen(np.where(np.isnan(bid), 0.0, shown)),
            ask_size_coin=frozen(np.where(np.isnan(ask), 0.0, shown)),
            is_call=chain.is_call,
            strike=chain.strike,
            expiry_ms=chain.expiry_ms,
        )


def _option_quotes(
    surface: _Surface, rows: FloatArray, mark_coin: FloatArray, stress: float
) -> tuple[FloatArray, FloatArray]:
    """Bid and ask around the marks: wider in the wings, in a storm, and where there is delta."""
    _, delta, _, vega, _, _ = rows
    half_vol = HALF_SPREAD_VOL * stress * (1.0 + HALF_SPREAD_WING * surface.deviations)
    half_coin = vega / surface.forward * half_vol + HALF_SPREAD_DELTA * stress * np.abs(delta)
    half_coin = half_coin + HALF_SPREAD_COIN_MIN
    return quotes.option_quotes(mark_coin - half_coin, mark_coin + half_coin)


def _window_left_ms(now_ms: int) -> int:
    """Milliseconds from `now_ms` to the next 08:00 UTC, when a settlement window ends."""
    return (8 * HOUR_MS - now_ms) % (24 * HOUR_MS)
