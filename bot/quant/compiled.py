"""Machine code for the kernels: compiled once, for one fixed signature, cached on disk if possible.

numba compiles per combination of argument types, and read-only and writable arrays are different
types: a kernel left to guess would compile again in the tick path. Here a kernel gets exactly one
signature, with read-only inputs (writable arrays convert to it for free). numba itself is imported
when the first kernel is wanted, so that a command which prices nothing starts quickly.
"""

from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray


class Argument(Enum):
    """What a kernel takes: C-contiguous arrays, and single numbers."""

    INPUT = auto()  # float64, one dimension, never written
    FLAGS = auto()  # bool, one dimension, never written
    INDICES = auto()  # uint64, one dimension, never written
    STAMPS = auto()  # int64, one dimension, never written
    TABLE = auto()  # float64, two dimensions, never written
    FLAG_TABLE = auto()  # bool, two dimensions, never written
    CUBE = auto()  # float64, three dimensions, never written
    ROWS = auto()  # float64, two dimensions, the caller's, written
    SURFACE = auto()  # float64, five dimensions, the caller's, written
    TOTALS = auto()  # float64, one dimension, the caller's, written
    STAMP = auto()  # int64, a single one
    FLAG = auto()  # bool, a single one
    STREAMS = auto()  # uint64, one dimension, the caller's, written


def compile_kernel(
    function: Callable[..., None], arguments: tuple[Argument, ...]
) -> Callable[..., None]:
    """`function` as machine code that accepts `arguments` and nothing else.

    The cache lives where `NUMBA_CACHE_DIR` says, else beside the source, else in the user's cache
    directory. Where none of them can be written (a read-only container) the kernel is compiled
    afresh in each process instead: slower to start, otherwise the same.
    """
    from numba import njit, types

    from bot.quant.elementary import OPTIONS

    shapes = {
        Argument.INPUT: (types.float64, 1, True),
        Argument.FLAGS: (types.boolean, 1, True),
        Argument.INDICES: (types.uint64, 1, True),
        Argument.STAMPS: (types.int64, 1, True),
        Argument.TABLE: (types.float64, 2, True),
        Argument.FLAG_TABLE: (types.boolean, 2, True),
        Argument.CUBE: (types.float64, 3, True),
        Argument.ROWS: (types.float64, 2, False),
        Argument.SURFACE: (types.float64, 5, False),
        Argument.TOTALS: (types.float64, 1, False),
        Argument.STAMP: (types.int64, 0, True),
        Argument.FLAG: (types.boolean, 0, True),
        Argument.STREAMS: (types.uint64, 1, False),
    }

    def numba_type(argument: Argument) -> Any:
        item, dimensions, readonly = shapes[argument]
        return types.Array(item, dimensions, "C", readonly=readonly) if dimensions else item

    signature = types.void(*(numba_type(argument) for argument in arguments))

    def compiled(*, cache: bool) -> Callable[..., None]:
        decorate = njit(signature, cache=cache, nogil=True, **OPTIONS)
        kernel: Callable[..., None] = decorate(function)
        return kernel

    try:
        return compiled(cache=True)
    except (RuntimeError, OSError):
        # numba says RuntimeError when no directory is writable, OSError when the disk is full.
        return compiled(cache=False)


SCALARS: Final = frozenset({float, int, np.float64})

Column = NDArray[np.float64]
FiveNumbers = tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike, ArrayLike]
# The shape of the result, then columns of one length: five of numbers, and flags.
Columns = tuple[tuple[int, ...], tuple[Column, Column, Column, Column, Column], NDArray[np.bool_]]


def broadcast(numbers: FiveNumbers, flags: ArrayLike) -> Columns:
    """Scalars and arrays as the contiguous columns that kernels take, copied only where they must.

    ValueError if their shapes do not fit together; TypeError if flags are words or objects, as
    "put" is true as well.
    """
    marks = np.asarray(flags)
    if marks.dtype.char != "?":
        marks = truths(marks)
    shape = marks.shape
    if not shape and SCALARS.issuperset(map(type, numbers)):
        # One option. Written out, as are the rows of the results: a loop takes twice the time.
        one = np.array(numbers, np.float64)
        return shape, (one[0:1], one[1:2], one[2:3], one[3:4], one[4:5]), marks.ravel()
    a, b, c, d, e = [np.asarray(number, np.float64) for number in numbers]
    if a.shape == b.shape == c.shape == d.shape == e.shape == shape:
        return shape, (a.ravel(), b.ravel(), c.ravel(), d.ravel(), e.ravel()), marks.ravel()
    shape = np.broadcast(a, b, c, d, e, marks).shape
    columns = (_column(a, shape), _column(b, shape), _column(c, shape))
    return shape, (*columns, _column(d, shape), _column(e, shape)), _column(marks, shape)


def truths(marks: NDArray[Any]) -> NDArray[np.bool_]:
    """Flags, or numbers that stand for them, as flags; TypeError for words and objects."""
    if marks.dtype.kind not in "biuf":
        raise TypeError(f"flags are true or false, not {marks.dtype}")
    return marks.astype(np.bool_)


def _column(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """`array`, as often as `shape` asks for, in one dimension."""
    if array.shape != shape:
        spread = np.empty(shape, array.dtype)
        spread[...] = array
        array = spread
    return array.ravel()
