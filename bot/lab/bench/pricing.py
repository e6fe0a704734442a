"""Prices and Greeks: a chain of options in one call, beside its memory and other libraries."""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np

from bot.lab.bench import field, stream_kernels
from bot.lab.bench.chain import Chain, chain
from bot.lab.bench.contest import Call, contest
from bot.lab.bench.measures import Absent, Measured, slack
from bot.quant import black76
from bot.quant.black76 import FloatArray
from bot.quant.compiled import Argument, compile_kernel

Clock = Callable[[], int]

CALL_TARGETS_US: Final = {1: 1.5, 100: 4.0}  # small chains: what a call costs
OPTION_TARGETS_NS: Final = {1_000: 9.0, 10_000: None, 100_000: 7.0}  # large ones: what an option
PUBLIC_TARGET_US: Final = 5.0
PEERS_AT: Final = 1_000
LEAD_TARGET: Final = 10.0
TURNS: Final = 5  # of each contender in a round
PRICE_ERROR_MAX: Final = 1e-13


def pricing(rounds: int, now_ns: Clock) -> list[Measured | Absent]:
    """Measure price, delta, gamma, vega, theta, rho at five sizes, with peers at one of them."""
    black76.warm()
    found: list[Measured | Absent] = []
    for count, target in CALL_TARGETS_US.items():
        found += _calls(count, target, rounds * TURNS, now_ns)
    for count, per_option in OPTION_TARGETS_NS.items():
        found += _options(count, per_option, rounds * TURNS, now_ns)
    return found


def _calls(count: int, target: float, rounds: int, now_ns: Clock) -> list[Measured]:
    options = chain(count)
    contenders: dict[str, Call] = {"into buffers": _into(options), "public call": _public(options)}
    took_ns = contest(contenders, rounds, now_ns)
    targets = {"into buffers": target, "public call": PUBLIC_TARGET_US if count == 1 else None}
    return [
        Measured(
            name=f"price and Greeks x {count:,}, {how}",
            unit="us a call",
            rounds=tuple(took / 1_000 for took in took_ns[how]),
            more_is_better=False,
            target=targets[how],
        )
        for how in contenders
    ]


def _options(
    count: int, target: float | None, rounds: int, now_ns: Clock
) -> list[Measured | Absent]:
    options = chain(count)
    name, stream = f"price and Greeks x {count:,}", f"memory alone x {count:,}"
    entered, absent = field.entrants(_question(options)) if count == PEERS_AT else ([], [])
    contenders = {name: _into(options), stream: _streamed(options)}
    contenders |= {one.peer.name: one.asked.call for one in entered}
    with field.quiet():
        took_ns = contest(contenders, rounds, now_ns)
    found: list[Measured | Absent] = [
        Measured(
            name=told,
            unit="ns an option",
            rounds=tuple(took / count for took in took_ns[told]),
            more_is_better=False,
            target=slack() * target if target is not None and told == name else None,
            floor=stream if told == name else None,
            note="into buffers" if told == name else "",
        )
        for told in (name, stream)
    ]
    if count == PEERS_AT:
        found += field.compared(_question(options), entered, took_ns, took_ns[name], LEAD_TARGET)
    return [*found, *absent]


def _question(options: Chain) -> field.Question:
    ours = _priced(options)
    larger = np.maximum(options.forward, options.strike)

    def error(theirs: FloatArray) -> float:
        return float(np.max(np.abs(theirs - ours) / larger))

    return field.Question(
        name="price and Greeks",
        adapter=lambda peer: peer.greeks,
        options=options,
        error=error,
        exact=PRICE_ERROR_MAX,
        unit="of the larger of forward and strike from our price",
    )


def _priced(options: Chain) -> FloatArray:
    _into(options)()
    price: FloatArray = options.out[0].copy()
    return price


def _market(options: Chain) -> tuple[Any, ...]:
    market = (options.forward, options.strike, options.years, options.vol)
    return (*market, options.is_call, options.discount)


def _into(options: Chain) -> Call:
    arguments = (options.out, *_market(options))
    return lambda: black76.greeks_into(*arguments)


def _public(options: Chain) -> Call:
    """As one calls it who has numbers (one option) or columns."""
    market = _market(options)
    if len(options) == 1:
        market = tuple(column[0].item() for column in market)
    return lambda: black76.greeks(*market)


def _streamed(options: Chain) -> Call:
    numbers = (options.forward, options.strike, options.years, options.vol, options.discount)
    kernel, out, columns = _stream_kernel(), np.empty_like(options.out), np.array(numbers)
    return lambda: kernel(out, columns, options.is_call)


@cache
def _stream_kernel() -> Callable[..., None]:
    arguments = (Argument.ROWS, Argument.TABLE, Argument.FLAGS)
    return compile_kernel(stream_kernels.stream_rows, arguments)
