"""Libraries that price options too, asked for the same chain in the same run.

Each adapter puts the inputs into the library's own form beforehand (flags as letters, a data
frame), so that only the library itself is measured, on one thread where it lets itself be told.
None of them is needed to run anything: the extra `bench` installs them.
"""

from typing import Final

from bot.lab.bench.peers import loops, vectors
from bot.lab.bench.peers.asked import Asked, Peer

PEERS: Final = (
    Peer(
        distribution="fast-vollib",
        module="fast_vollib",
        greeks=vectors.fast_vollib_greeks,
        implied=vectors.fast_vollib_implied,
    ),
    Peer(
        distribution="pyvolr",
        module="pyvolr.black76",
        greeks=vectors.pyvolr_greeks,
        implied=vectors.pyvolr_implied,
    ),
    Peer(
        distribution="quantkit-rs",
        module="quantkit",
        greeks=vectors.quantkit_greeks,
        implied=vectors.quantkit_implied,
    ),
    Peer(
        distribution="polars-vol",
        module="polars_vol",
        greeks=vectors.polars_vol_greeks,
        implied=vectors.polars_vol_implied,
    ),
    Peer(
        distribution="iv-engine",
        module="iv_engine",
        greeks=vectors.iv_engine_greeks,
        implied=vectors.iv_engine_implied,
    ),
    Peer(distribution="lbriv", module="lbriv", implied=vectors.lbriv_implied),
    Peer(
        distribution="QuantLib",
        module="QuantLib",
        greeks=loops.quantlib_greeks,
        implied=loops.quantlib_implied,
    ),
    Peer(
        distribution="vollib",
        module="vollib.black",
        greeks=loops.vollib_greeks,
        implied=loops.vollib_implied,
    ),
)

__all__ = ["PEERS", "Asked", "Peer"]
