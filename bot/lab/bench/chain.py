"""Options to price: the same for everybody who is measured, from a seed."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from bot.quant.black76 import ROW_COUNT, BoolArray, FloatArray, greeks
from bot.quant.implied_vol import implied_vol

SEED: Final = 20_260_105
FORWARD_USD: Final = 100_000.0
DEVIATIONS_MAX: Final = 2.5  # listed strikes lie about so far out


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chain:
    """Undiscounted options on one forward, a day to a year left, 30 % to 90 %, calls and puts.

    Those who take a spot and a rate are given the forward and 0, which is the same. `out` is
    where rows go, of shape (6, n). `price` is out of the money's: `is_out` says which side.
    """

    forward: FloatArray
    strike: FloatArray
    years: FloatArray
    vol: FloatArray
    is_call: BoolArray
    discount: FloatArray
    is_out: BoolArray
    price: FloatArray
    out: FloatArray

    def __len__(self) -> int:
        return len(self.forward)


def chain(count: int) -> Chain:
    """Make `count` options."""
    rng = np.random.default_rng(SEED)
    years, vol = rng.uniform(1 / 365, 1.0, count), rng.uniform(0.3, 0.9, count)
    deviations = rng.uniform(-DEVIATIONS_MAX, DEVIATIONS_MAX, count)
    forward = np.full(count, FORWARD_USD)
    strike = forward * np.exp(deviations * vol * np.sqrt(years))
    is_out = strike >= forward
    return Chain(
        forward=forward,
        strike=strike,
        years=years,
        vol=vol,
        is_call=rng.random(count) < 0.5,
        discount=np.ones(count),
        is_out=is_out,
        price=greeks(forward, strike, years, vol, is_out).price,
        out=np.empty((ROW_COUNT, count)),
    )


def inverted(options: Chain) -> FloatArray:
    """Our volatilities of the chain's prices."""
    return implied_vol(
        options.price, options.forward, options.strike, options.years, options.is_out
    )
