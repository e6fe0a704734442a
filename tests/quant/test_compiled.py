from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bot.quant.compiled import Argument, compile_kernel

SOURCE = """
def doubled(out, values):
    for i in range(out.shape[1]):
        out[0, i] = 2.0 * values[i]
"""


def from_nowhere() -> Callable[..., None]:
    """A kernel whose file no cache can stand beside, as in a container that cannot be written."""
    names: dict[str, Any] = {}
    exec(compile(SOURCE, "<nowhere>", "exec"), names)
    kernel: Callable[..., None] = names["doubled"]
    return kernel


def test_where_no_cache_can_be_written_a_kernel_is_compiled_all_the_same():
    kernel = compile_kernel(from_nowhere(), (Argument.ROWS, Argument.INPUT))
    out, values = np.empty((1, 3)), np.arange(3.0)

    kernel(out, values)

    assert out.tolist() == [[0.0, 2.0, 4.0]]


def test_a_kernel_never_compiles_again_for_other_arguments():
    kernel = compile_kernel(from_nowhere(), (Argument.ROWS, Argument.INPUT))
    out, values = np.empty((1, 3)), np.arange(3.0)
    values.flags.writeable = False

    kernel(out, values)

    assert out[0, 2] == 4.0
    with pytest.raises(TypeError, match="No matching definition"):
        kernel(out, values.astype(np.float32))
