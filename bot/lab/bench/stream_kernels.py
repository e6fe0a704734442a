"""The loop that a kernel's time is compared with: it moves the same memory and computes nothing."""

import numpy as np
from numpy.typing import NDArray

from bot.quant.elementary import use_widest_vectors

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def stream_rows(out: FloatArray, columns: FloatArray, flags: BoolArray) -> None:
    """Read five columns and the flags, fill six rows."""
    use_widest_vectors()
    for i in range(out.shape[1]):
        out[0, i] = columns[0, i]
        out[1, i] = columns[1, i]
        out[2, i] = columns[2, i]
        out[3, i] = columns[3, i]
        out[4, i] = columns[4, i]
        out[5, i] = 1.0 if flags[i] else 0.0
