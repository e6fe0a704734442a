"""The loop that a kernel's time is compared with: it moves the same memory and computes nothing."""

import numpy as np
from numpy.typing import NDArray

from bot.quant.elementary import use_widest_vectors

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def stream_rows(  # noqa: PLR0917 (a kernel's arguments are positional)
    out: FloatArray,
    forward: FloatArray,
    strike: FloatArray,
    years: FloatArray,
    vol: FloatArray,
    is_call: BoolArray,
    discount: FloatArray,
) -> None:
    """Read five columns and the flags, fill six rows."""
    use_widest_vectors()
    for i in range(out.shape[1]):
        out[0, i] = forward[i]
        out[1, i] = strike[i]
        out[2, i] = years[i]
        out[3, i] = vol[i]
        out[4, i] = discount[i]
        out[5, i] = 1.0 if is_call[i] else 0.0
