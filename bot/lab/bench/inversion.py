"""Implied volatilities: a chain's prices inverted in one call, beside other libraries."""

from collections.abc import Callable
from typing import Final

import numpy as np

from bot.lab.bench import field
from bot.lab.bench.chain import Chain, chain, inverted
from bot.lab.bench.contest import contest
from bot.lab.bench.measures import Absent, Measured, slack
from bot.quant import implied_vol
from bot.quant.black76 import FloatArray

SIZES: Final = (1_000, 10_000)
TARGET_NS: Final = 60.0  # at the larger size, where the peers are asked too
LEAD_TARGET: Final = 3.0
TURNS: Final = 5  # of each contender in a round
VOL_ERROR_MAX: Final = 1e-12


def inversion(rounds: int, now_ns: Callable[[], int]) -> list[Measured | Absent]:
    """Measure volatilities of out-of-the-money prices at two sizes, with peers at the larger."""
    implied_vol.warm()
    small, large = (chain(count) for count in SIZES)
    return [
        *_figures(small, rounds * TURNS, now_ns, None),
        *_figures(large, rounds * TURNS, now_ns, TARGET_NS),
    ]


def _figures(
    options: Chain, rounds: int, now_ns: Callable[[], int], target: float | None
) -> list[Measured | Absent]:
    name, question = f"implied volatility x {len(options):,}", _question(options)
    entered, absent = field.entrants(question) if target is not None else ([], [])
    contenders = {name: lambda: inverted(options)}
    contenders |= {one.peer.name: one.asked.call for one in entered}
    with field.quiet():
        took_ns = contest(contenders, rounds, now_ns)
    ours = Measured(
        name=name,
        unit="ns an option",
        rounds=tuple(took / len(options) for took in took_ns[name]),
        more_is_better=False,
        target=None if target is None else slack() * target,
        note=f"off by {question.error(inverted(options)):.0e} {question.unit}",
    )
    if target is None:
        return [ours]
    compared = field.compared(question, entered, took_ns, took_ns[name], LEAD_TARGET)
    return [ours, *compared, *absent]


def _question(options: Chain) -> field.Question:
    def error(theirs: FloatArray) -> float:
        return float(np.max(np.abs(theirs - options.vol)))

    return field.Question(
        name="implied volatility",
        adapter=lambda peer: peer.implied,
        options=options,
        error=error,
        exact=VOL_ERROR_MAX,
        unit="of 1.00 of volatility",
    )
