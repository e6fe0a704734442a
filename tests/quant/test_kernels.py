"""The list of kernels is complete: one that is missing would compile in the middle of something."""

import ast
import inspect
from pathlib import Path

from bot.quant import compiled, kernels

QUANT = Path(inspect.getfile(compiled)).parent


def _asks_for_a_kernel(path: Path) -> bool:
    calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call))
    return any(
        isinstance(call.func, ast.Name) and call.func.id == "compile_kernel" for call in calls
    )


def test_every_module_that_asks_for_a_kernel_is_warmed_before_the_tests() -> None:
    asking = {path for path in QUANT.rglob("*.py") if _asks_for_a_kernel(path)}
    warmed = {Path(inspect.getfile(warmer)) for warmer in kernels.WARMERS}
    assert asking == warmed
