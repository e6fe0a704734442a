"""Random paths: a law walked step by step."""

from collections.abc import Callable
from typing import Final

from bot.core.units import NS_PER_SECOND
from bot.lab.bench.chain import SEED
from bot.lab.bench.contest import contest
from bot.lab.bench.measures import Measured
from bot.quant.processes import AffineLaw, Brownian, Heston, Paths

PATHS: Final = 4_096
STEPS: Final = 100
STEPS_TARGET: Final = 1e7  # a second, for the cheapest law
HOUR_YEARS: Final = 1.0 / (365 * 24)
TURNS: Final = 5  # in a round
LAWS: Final[dict[str, AffineLaw]] = {
    "Brownian": Brownian(vol=0.6),
    "Heston": Heston(
        speed=5.0, variance_mean=0.25, vol_of_variance=1.14, correlation=-0.5, variance_start=0.25
    ),
}


def processes(rounds: int, now_ns: Callable[[], int]) -> list[Measured]:
    """Measure steps of paths of the cheapest law, and of one whose variance moves."""
    paths = {
        name: Paths(law, step_years=HOUR_YEARS, seed=SEED, paths=PATHS)
        for name, law in LAWS.items()
    }
    walks = {name: _walk(walked) for name, walked in paths.items()}
    took_ns = contest(walks, rounds * TURNS, now_ns)
    return [
        Measured(
            name=f"steps of a path, {name}",
            unit="million a second",
            rounds=tuple(PATHS * STEPS * NS_PER_SECOND / took / 1e6 for took in took_ns[name]),
            more_is_better=True,
            target=STEPS_TARGET / 1e6 if name == "Brownian" else None,
            note=f"{PATHS:,} paths together, {STEPS} steps",
        )
        for name in walks
    ]


def _walk(paths: Paths) -> Callable[[], None]:
    return lambda: paths.step(STEPS)
