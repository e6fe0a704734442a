"""Peers that take whole columns."""

import importlib
from typing import Any

import numpy as np

from bot.lab.bench.chain import Chain
from bot.lab.bench.peers.asked import Asked, as_array, first_of, letters
from bot.quant.black76 import FloatArray


def fast_vollib_greeks(module: Any, chain: Chain) -> Asked:
    """With its numba backend, the quickest of those that it has on a processor."""
    _on_one_thread()
    market = (letters(chain.is_call), chain.forward, chain.strike, chain.years, 0.0, chain.vol)
    how = {"return_as": "numpy", "backend": "numba"}
    return Asked(
        call=lambda: (
            module.fast_black(*market, **how),
            module.get_all_greeks(*market, model="black", **how),
        ),
        read=first_of,
    )


def _on_one_thread() -> None:
    """Else its numba takes all cores, and waits milliseconds for them where others are at work."""
    importlib.import_module("numba").set_num_threads(1)


def fast_vollib_implied(_module: Any, chain: Chain) -> Asked:
    """By its accurate method; the default is right to eight digits only."""
    _on_one_thread()
    solve = importlib.import_module("fast_vollib.jackel").jackel_iv_black
    market = (chain.price, chain.forward, chain.strike, chain.years, chain.is_out)
    return Asked(call=lambda: solve(*market), read=as_array)


def pyvolr_greeks(module: Any, chain: Chain) -> Asked:
    """Price, and all Greeks in one call."""
    market = (letters(chain.is_call), chain.forward, chain.strike, chain.years, 0.0, chain.vol)
    return Asked(call=lambda: (module.price(*market), module.greeks(*market)), read=first_of)


def pyvolr_implied(module: Any, chain: Chain) -> Asked:
    """By its port of Let's Be Rational."""
    flags = letters(chain.is_out)
    market = (chain.price, flags, chain.forward, chain.strike, chain.years, 0.0)
    return Asked(call=lambda: module.implied_vol(*market), read=as_array)


def quantkit_greeks(module: Any, chain: Chain) -> Asked:
    """Calls and then puts, on the spot at no rate."""
    module.set_num_threads(1)
    sides = _sides(chain.is_call, chain.forward, chain.strike, chain.vol, chain.years)

    def one(side: str, forward: FloatArray, strike: FloatArray, *rest: FloatArray) -> Any:
        market = (forward, strike, 0.0, *rest, side == "call")
        return module.bs_price_batch(*market), module.bs_greeks_batch(*market)

    return Asked(
        call=lambda: [one(side, *market) for side, _, market in sides],
        read=lambda answer: _joined(sides, [prices for prices, _ in answer]),
    )


def quantkit_implied(module: Any, chain: Chain) -> Asked:
    """Calls and then puts, on the spot at no rate."""
    sides = _sides(chain.is_out, chain.price, chain.forward, chain.strike, chain.years)
    return Asked(
        call=lambda: [
            module.implied_vol_batch(price, forward, strike, 0.0, years, side == "call")
            for side, _, (price, forward, strike, years) in sides
        ],
        read=lambda answer: _joined(sides, answer),
    )


def polars_vol_greeks(module: Any, chain: Chain) -> Asked:
    """As an expression over a frame, on the spot at no rate."""
    frame = _frame(chain, is_call=chain.is_call)
    wish = module.black_scholes_with_greeks("strike", "spot", "vol", "years", "rate", "is_call")
    return Asked(
        call=lambda: frame.select(wish.alias("all")),
        read=lambda answer: as_array(answer["all"].struct.field("model_price").to_numpy()),
    )


def polars_vol_implied(module: Any, chain: Chain) -> Asked:
    """As an expression over a frame, on the spot at no rate."""
    frame = _frame(chain, is_call=chain.is_out)
    wish = module.implied_vol("price", "strike", "spot", "years", "rate", "is_call")
    return Asked(
        call=lambda: frame.select(wish.alias("vol")),
        read=lambda answer: as_array(answer["vol"].to_numpy()),
    )


def _frame(chain: Chain, *, is_call: Any) -> Any:
    import polars as pl

    return pl.DataFrame(
        {
            "strike": chain.strike,
            "spot": chain.forward,
            "vol": chain.vol,
            "years": chain.years,
            "rate": np.zeros(len(chain)),
            "price": chain.price,
            "is_call": is_call,
        }
    )


def iv_engine_greeks(module: Any, chain: Chain) -> Asked:
    """Calls and then puts, each figure by itself: there is no call for all, and none for rho."""
    sides = _sides(chain.is_call, chain.forward, chain.strike, chain.years, chain.vol)

    def one(side: str, *market: FloatArray) -> Any:
        signed = {"is_call": side == "call", "parallel": False}
        return (
            *(module.black_prices(*market, **signed), module.deltas(*market, **signed)),
            *(module.gammas(*market, parallel=False), module.vegas(*market, parallel=False)),
        )

    return Asked(
        call=lambda: [one(side, *market) for side, _, market in sides],
        read=lambda answer: _joined(sides, [figures[0] for figures in answer]),
        note="neither theta nor rho",
    )


def iv_engine_implied(module: Any, chain: Chain) -> Asked:
    """Calls and then puts."""
    sides = _sides(chain.is_out, chain.price, chain.forward, chain.strike, chain.years)
    return Asked(
        call=lambda: [
            module.implied_volatilities(*market, is_call=side == "call", parallel=False)
            for side, _, market in sides
        ],
        read=lambda answer: _joined(sides, answer),
    )


def lbriv_implied(module: Any, chain: Chain) -> Asked:
    """Calls and then puts, on the one forward of the chain; it answers total volatilities."""
    sides = _sides(chain.is_out, chain.price, chain.strike)
    forward, root = float(chain.forward[0]), np.sqrt(chain.years)
    solve = module.vectorized_implied_vol_strikes
    return Asked(
        call=lambda: [
            solve(price, forward, strike, 1 if side == "call" else -1)
            for side, _, (price, strike) in sides
        ],
        read=lambda answer: _joined(sides, answer) / root,
    )


Sides = list[tuple[str, Any, tuple[FloatArray, ...]]]


def _sides(is_call: Any, *columns: FloatArray) -> Sides:
    """The columns of the calls and of the puts, for libraries that take one kind at a time."""
    chosen = (("call", is_call), ("put", ~is_call))
    return [(side, at, tuple(column[at] for column in columns)) for side, at in chosen]


def _joined(sides: Sides, answers: Any) -> FloatArray:
    whole = np.empty(len(sides[0][1]))
    for (_, at, _), answer in zip(sides, answers, strict=True):
        whole[at] = answer
    return whole
