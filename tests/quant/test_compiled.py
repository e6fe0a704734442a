import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from bot.quant import black76_kernels
from bot.quant.compiled import Argument, broadcast, compile_kernel

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


@pytest.mark.timeout(300)
def test_two_vectors_of_options_are_priced_in_one_turn_of_the_loop(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """What makes the kernel quick can be lost without a digit changing: here it is counted."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))  # cached code cannot be read
    floats = (Argument.INPUT,) * 4
    arguments = (Argument.ROWS, *floats, Argument.FLAGS, Argument.INPUT)
    kernel: Any = compile_kernel(black76_kernels.greeks_rows, arguments)

    (code,) = kernel.inspect_llvm().values()

    _, turn, _ = re.split(r"^vector\.body:|^middle\.block:", code, maxsplit=2, flags=re.MULTILINE)
    divisions = re.findall(r"fdiv [^<\n]*<(\d+) x double>", turn)
    assert len(divisions) == 2 * 3, "three divisions an option, and two vectors of options"
    assert min(map(int, divisions)) >= 2
    assert not re.search(r"call [^\n]*@(?!llvm)", turn), "no library in the loop"


def test_whole_columns_are_taken_as_they_are_and_others_are_filled_up():
    strike = np.array([90.0, 100.0, 110.0])

    shape, (forward, taken, *_), flags = broadcast((100.0, strike, 0.1, 0.5, 1.0), [True])

    assert shape == (3,)
    assert np.shares_memory(taken, strike)
    assert forward.tolist() == [100.0] * 3
    assert flags.tolist() == [True] * 3


def test_shapes_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="shape mismatch"):
        broadcast(([1.0, 2.0], [1.0, 2.0, 3.0], 0.1, 0.5, 1.0), True)
