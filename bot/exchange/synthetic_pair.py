"""One pair of the synthetic market: its listing, and its frames.

Smile and term structure are the coin's: factors that move with the spot, a smile that is held in
strike over hours (`bot.quant.processes.surface`). Forwards: a basis curve, on which dated futures
lie. Linear pairs discount at a rate of about 4 % a year and quote an index a hair off the inverse
one. Quotes widen with volatility and in the wings.
"""

import math
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from bot.exchange import quotes
from bot.exchange.coin_path import PERPETUAL, STEP_MS, STEP_YEARS, CoinPath
from bot.exchange.contracts import TERMS, Contract, Pair, perpetual
from bot.exchange.market import FloatArray, FutureQuote, MarketFrame, frozen
from bot.exchange.synthetic_chain import Chain, Listing
from bot.quant.black76 import ROW_COUNT, greeks_into
from bot.quant.conventions import SETTLEMENT_WINDOW_MS, expiry_weight
from bot.quant.processes import YEAR_MS, Reversion, ReversionPath
from bot.quant.processes.surface import DAY_YEARS

HOUR_MS: Final = 3_600_000
CARRY_TENOR_YEARS: Final = 0.25

# What linear pairs have beside their coin's noises.
LINEAR_NOISES: Final = (
    PERPETUAL.premium,
    Reversion(mean=0.0, deviation=3.0e-5, half_life_years=DAY_YEARS / 12.0),  # USDC against USD
    Reversion(mean=0.038, deviation=0.003, half_life_years=10.0 * DAY_YEARS),  # rate, short end
    Reversion(mean=0.042, deviation=0.002, half_life_years=30.0 * DAY_YEARS),  # rate, long end
)

SMILE_YEARS_MIN: Final = 0.25 * DAY_YEARS  # below six hours the smile keeps its shape

HALF_SPREAD_VOL: Final = 0.0054  # the median on recorded BTC chains
HALF_SPREAD_WING: Final = 0.6  # so much wider for each deviation away from the money
HALF_SPREAD_DELTA: Final = 0.0003  # coin, for the delta that a quoter hedges
HALF_SPREAD_COIN_MIN: Final = 0.00005
MARK_DECIMALS: Final = 6
PERP_HALF_SPREAD: Final = 1.5e-5
FUTURE_HALF_SPREAD: Final = 6.0e-5
FUTURE_DEPTH_SHARE: Final = 0.3  # of the perpetual's
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
class _Curves:
    """Forwards, discount factors and years left of one instant, by expiry."""

    forwards: FloatArray
    discounts: FloatArray
    years: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Surface:
    """What each option is priced by at one instant. `deviations` is its distance from the money."""

    forward: FloatArray
    years: FloatArray
    iv: FloatArray
    deviations: FloatArray


class SyntheticPair:
    """Steps with its coin, one frame a market second."""

    def __init__(
        self,
        *,
        pair: Pair,
        coin: CoinPath,
        listing_rng: np.random.Generator,
        noise_rng: np.random.Generator | None,
        start_ms: int,
    ) -> None:
        self._pair = pair
        self._coin = coin
        self._now_ms = start_ms
        self._perpetual = perpetual(pair)
        self._lot = float(TERMS[pair].future_lot)
        self._noise_rng = noise_rng
        self._noise = ReversionPath(LINEAR_NOISES, STEP_YEARS)
        if noise_rng is not None:
            self._noise.scatter(noise_rng)
        self._settling_sum_usd = 0.0
        self._settling_count = 0
        self._relists = False
        self._listing = Listing(pair, listing_rng)
        self._chain = self._listed()
        self.frame = self._framed()

    def step(self, now_ms: int) -> MarketFrame:
        """The frame of this market second; the coin must have stepped to it before."""
        self._now_ms = now_ms
        if self._noise_rng is not None:
            self._noise.step(self._noise_rng)
        self._average_index()
        if self._relists or now_ms % HOUR_MS < STEP_MS:
            self._relists = False
            self._chain = self._listed()
        self.frame = self._framed()
        return self.frame

    def relist_next(self) -> None:
        """Look for strikes to list at the next step, not at the next hour."""
        self._relists = True

    @property
    def _index_usd(self) -> float:
        """The coin in the quote currency, unrounded."""
        if not self._pair.is_linear:
            return self._coin.spot_usd
        return self._coin.spot_usd * (1.0 + float(self._noise.values[1]))

    def _average_index(self) -> None:
        """Keep the sum behind the settlement average of the next 08:00."""
        if 0 < _window_left_ms(self._now_ms) < SETTLEMENT_WINDOW_MS:
            self._settling_sum_usd += self._index_usd
            self._settling_count += 1
        else:
            self._settling_sum_usd, self._settling_count = 0.0, 0

    def _curves(self, expiries_ms: FloatArray) -> _Curves:
        """The basis curve; in the settlement window, the settlement price to be expected."""
        _, carry, carry_long, *_ = self._coin.noises.tolist()
        years = (expiries_ms - self._now_ms) / YEAR_MS
        slope = -np.expm1(-years / CARRY_TENOR_YEARS)
        forwards = self._index_usd * np.exp((carry + (carry_long - carry) * slope) * years)
        if self._settling_count:
            known = self._settling_sum_usd / self._settling_count
            weight = expiry_weight(self._now_ms, expiries_ms)
            forwards = weight * forwards + (1.0 - weight) * known
        discounts = np.ones(len(years))
        if self._pair.is_linear:
            _, _, rate, rate_long = self._noise.values.tolist()
            discounts = np.exp(-(rate + (rate_long - rate) * slope) * years)
        return _Curves(forwards=np.round(forwards, 4), discounts=discounts, years=years)

    def _listed(self) -> Chain:
        """The chain at this instant: the calendar's expiries, their ladders grown if need be."""
        expiries_ms = self._listing.expiries_ms(self._now_ms)
        curves = self._curves(expiries_ms)
        deviations = np.sqrt(self._coin.expected_variance(curves.years))
        return self._listing.chain(self._now_ms, curves.forwards, deviations)

    def _surface(self, curves: _Curves) -> _Surface:
        """Each option's volatility: the coin's smile at its strike."""
        chain, left_years = self._chain, curves.years
        smile_years = np.maximum(left_years, SMILE_YEARS_MIN)
        theta = self._coin.expected_variance(smile_years)
        forward = curves.forwards[chain.at]
        log_strike = np.log(chain.strike / forward)
        shape = self._coin.smile(self._coin.phi(theta)[chain.at], log_strike)
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
            forward=forward,
            years=left_years[chain.at],
            iv=np.sqrt(variance[chain.at] * shape),
            deviations=np.abs(log_strike) / np.sqrt(theta)[chain.at],
        )

    def _framed(self) -> MarketFrame:
        chain = self._chain
        curves = self._curves(chain.expiries_ms)
        surface = self._surface(curves)
        liquidity, stress = float(self._coin.noises[-1]), self._coin.stress
        rows = np.empty((ROW_COUNT, len(chain.contracts)))
        discount = curves.discounts[chain.at]
        greeks_into(
            rows,
            surface.forward,
            chain.strike,
            surface.years,
            surface.iv,
            chain.is_call,
            discount,
        )
        coin = np.ones(1) if self._pair.is_linear else surface.forward
        mark = np.round(rows[0] / coin, MARK_DECIMALS)
        half = _half_spread_usd(surface, rows, stress) / coin
        ticks = quotes.option_ticks(self._pair)
        bid, ask = quotes.option_quotes(mark - half, mark + half, ticks)
        shown = chain.size_coin * math.exp(liquidity) / (1.0 + surface.deviations)
        shown = np.maximum(np.round(shown, 1), chain.size_min_coin)
        return MarketFrame(
            pair=self._pair,
            at_ms=self._now_ms,
            index_usd=round(self._index_usd, 2),
            perpetual=self._perpetual_quote(stress, liquidity),
            futures=self._future_quotes(curves.forwards, stress, liquidity),
            forwards=_by_expiry(chain, curves.forwards),
            discounts=_by_expiry(chain, curves.discounts),
            contracts=chain.contracts,
            mark_price=frozen(mark),
            mark_iv=frozen(surface.iv),
            bid_price=frozen(bid),
            ask_price=frozen(ask),
            bid_size_coin=frozen(np.where(np.isnan(bid), 0.0, shown)),
            ask_size_coin=frozen(np.where(np.isnan(ask), 0.0, shown)),
            is_call=chain.is_call,
            strike=chain.strike,
            expiry_ms=chain.expiry_ms,
        )

    def _perpetual_quote(self, stress: float, liquidity: float) -> FutureQuote:
        premium = float(self._coin.noises[0] if self._noise_rng is None else self._noise.values[0])
        mark_usd = round(self._index_usd * (1.0 + premium), 2)
        half_usd = PERP_HALF_SPREAD * mark_usd * stress
        share = math.exp(liquidity) / max(stress, 0.5)
        return self._quote(self._perpetual, mark_usd, half_usd, share)

    def _future_quotes(
        self, forwards: FloatArray, stress: float, liquidity: float
    ) -> tuple[FutureQuote, ...]:
        share = FUTURE_DEPTH_SHARE * math.exp(liquidity) / max(stress, 0.5)
        shown: list[FutureQuote] = []
        for contract, at in self._chain.futures:
            mark_usd = round(float(forwards[at]), 2)
            half_usd = FUTURE_HALF_SPREAD * mark_usd * stress
            shown.append(self._quote(contract, mark_usd, half_usd, share))
        return tuple(shown)

    def _quote(
        self, contract: Contract, mark_usd: float, half_usd: float, share: float
    ) -> FutureQuote:
        bid, ask = quotes.future_quotes(contract, mark_usd, half_usd)
        unit_usd = mark_usd if self._pair.is_linear else 1.0
        lots_a_usd = share / (self._lot * unit_usd)
        return FutureQuote(
            contract=contract,
            mark_usd=mark_usd,
            bid_usd=bid,
            ask_usd=ask,
            depth=tuple(
                [(at, max(round(usd * lots_a_usd), 1) * self._lot) for at, usd in PERP_DEPTH_USD]
            ),
        )


def _by_expiry(chain: Chain, values: FloatArray) -> MappingProxyType[int, float]:
    return MappingProxyType(dict(zip(chain.expiries, values.tolist(), strict=True)))


def _half_spread_usd(surface: _Surface, rows: FloatArray, stress: float) -> FloatArray:
    """Half the width of each quote: in the wings, in a storm, and where there is delta, more."""
    _, delta, _, vega, _, _ = rows
    half_vol = HALF_SPREAD_VOL * stress * (1.0 + HALF_SPREAD_WING * surface.deviations)
    delta_coin = HALF_SPREAD_DELTA * stress * np.abs(delta) + HALF_SPREAD_COIN_MIN
    half_usd: FloatArray = vega * half_vol + delta_coin * surface.forward
    return half_usd


def _window_left_ms(now_ms: int) -> int:
    """Milliseconds from `now_ms` to the next 08:00 UTC, when a settlement window ends."""
    return (8 * HOUR_MS - now_ms) % (24 * HOUR_MS)
