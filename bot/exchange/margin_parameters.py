"""The exchange's margin parameters: what its models are run with unless it is told otherwise.

The figures of the shipped file of Deribit's parameters, where their sources are; a test holds the
two equal. They are written here so that the exchange starts without reading a file.
"""

from typing import Final

from bot.core.margin.deribit_charges import CoinParameters
from bot.core.margin.deribit_portfolio import Parameters
from bot.core.margin.deribit_standard import LeverageCurve, Rates
from bot.core.margin.deribit_table import Grid, PairParameters


def _curve(size_coin_max: float) -> LeverageCurve:
    return LeverageCurve(
        leverage=50.0, leverage_min=4.0, flat=0.03, bend=0.35, size_coin_max=size_coin_max
    )


def _pair(price_range: float, delta_per_coin: float) -> PairParameters:
    return PairParameters(
        price_range=price_range,
        vol_up=0.40,
        vol_down=0.25,
        vol_up_min=0.50,
        power_short=0.30,
        power_long=0.13,
        days_min=1.0,
        extended_factor=1.0,
        delta_per_coin=delta_per_coin,
        delta_share_max=0.10,
        delta_threshold_usd=20_000_000.0,
    )


def _coin(offset: float, offset_max_usd: float) -> CoinParameters:
    return CoinParameters(
        move_min=0.005,
        move_yearly=0.05,
        dampener_usd=200_000.0,
        offset=offset,
        offset_max_usd=offset_max_usd,
    )


STANDARD_MARGIN: Final = Rates(futures={"BTC": _curve(885.0), "ETH": _curve(11_062.5)})
_BTC: Final = _pair(price_range=0.14, delta_per_coin=0.00005)
_ETH: Final = _pair(price_range=0.18, delta_per_coin=0.000004)
PORTFOLIO_MARGIN: Final = Parameters(
    pairs={"btc_usd": _BTC, "btc_usdc": _BTC, "eth_usd": _ETH, "eth_usdc": _ETH},
    coins={"BTC": _coin(0.0, 0.0), "ETH": _coin(0.6, 20_000_000.0)},
    maintenance_factor=0.8,
    grid=Grid(),
)
