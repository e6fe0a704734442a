"""Machine code for the kernels: compiled once, for one fixed signature, cached on disk if possible.

numba compiles per combination of argument types, and read-only and writable arrays are different
types: a kernel left to guess would compile again in the tick path. Here a kernel gets exactly one
signature, with read-only inputs (writable arrays convert to it for free).
"""

from collections.abc import Callable
from typing import Any, Final

from numba import njit, types

INPUT: Final = types.Array(types.float64, 1, "C", readonly=True)
FLAGS: Final = types.Array(types.boolean, 1, "C", readonly=True)
OUTPUT: Final = types.Array(types.float64, 1, "C")
ROWS: Final = types.Array(types.float64, 2, "C")


def compile_kernel(function: Callable[..., None], signature: Any) -> Callable[..., None]:
    """`function` as machine code that accepts `signature` and nothing else.

    The cache lives where `NUMBA_CACHE_DIR` says, else beside the source, else in the user's cache
    directory. Where none of them can be written (a read-only container) the kernel is compiled
    afresh in each process instead: slower to start, otherwise the same.
    """
    options = {"error_model": "numpy", "nogil": True}
    try:
        kernel: Callable[..., None] = njit(signature, cache=True, **options)(function)
    except (RuntimeError, OSError):
        # numba says RuntimeError when no directory is writable, OSError when the disk is full.
        kernel = njit(signature, **options)(function)
    return kernel
