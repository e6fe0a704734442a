"""What a book of options comes to: every option valued and added up in one pass.

Notation as in `conventions`: size q (coins, signed), price C, delta dC/dF (discount factor in
both), forward F, m = C/F, gamma and vega of `black76`. w is the part of the settlement average that
is still to come, `conventions.expiry_weight`.

| total | inverse (coin-settled)  | linear (USD-settled)  | unit                               |
|-------|-------------------------|-----------------------|------------------------------------|
| value | sum q m                 | sum q C               | settlement currency                |
| delta | sum q w (dC/dF - m)     | sum q w F dC/dF       | the same, per relative move of F   |
| gamma | sum q w**2 gamma F      | sum q w**2 gamma F**2 | delta, per relative move of F      |
| vega  | sum q vega              | the same              | quote currency per 1.00 of vol     |
| theta | sum q theta             | the same              | quote currency per year            |

From these follow the deltas of all conventions: coins are dollars over the index, a forward that
moves e times as much as the spot multiplies delta by e and gamma by e**2, and a mark that is held
as well adds value. An option that cannot be priced makes every total nan.

The same columns give the same totals, bit for bit, whatever was added up before.
"""

from collections.abc import Callable
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bot.quant.compiled import Argument, compile_kernel

FloatArray = NDArray[np.float64]
StampArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

FIGURES: Final = 6


class Totals(NamedTuple):
    """The module's table, and how many of the options' quotes are too old."""

    value: float
    delta: float
    gamma: float
    vega: float
    theta: float
    stale: float


@cache
def _kernel() -> Callable[..., None]:
    from bot.quant import book_totals_kernels

    number, stamps = Argument.INPUT, Argument.STAMPS
    arguments = (
        *(Argument.TOTALS, number, number, stamps, Argument.FLAGS),
        *(number, number, number, stamps),
        *(Argument.STAMP, Argument.STAMP, Argument.FLAG),
    )
    return compile_kernel(book_totals_kernels.totals, arguments)


def warm() -> None:
    """Compile the kernel, or load it from the cache, now: seconds once, off the tick path."""
    _kernel()


def totals(
    *,
    size: FloatArray,
    strike: FloatArray,
    expiry_ms: StampArray,
    is_call: BoolArray,
    forward: FloatArray,
    vol: FloatArray,
    discount: FloatArray,
    quoted_ns: StampArray,
    now_ms: int,
    oldest_ns: int,
    is_linear: bool,
) -> Totals:
    """Add up the options of the columns, each contiguous and of one length.

    `now_ms` is in the time of `expiry_ms`; quotes from before `oldest_ns`, in the time of
    `quoted_ns`, count as stale. ValueError if the lengths differ, TypeError for other types.
    """
    n = len(size)
    if not (
        len(strike) == len(expiry_ms) == len(is_call) == len(forward) == n
        and len(vol) == len(discount) == len(quoted_ns) == n
    ):
        raise ValueError(f"totals: the columns differ from length {n}")
    out = np.empty(FIGURES)
    _kernel()(
        out,
        size,
        strike,
        expiry_ms,
        is_call,
        forward,
        vol,
        discount,
        quoted_ns,
        now_ms,
        oldest_ns,
        is_linear,
    )
    return Totals(*out.tolist())
