"""Compile every kernel before the tests: two at a time, and in no test's time limit."""

import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

from bot.quant.kernels import WARMERS


def _warm(warmer: Callable[[], None]) -> str:
    warmer()
    return warmer.__module__


def main() -> None:
    """Say what is ready, in the order of the list."""
    # Spawned, not forked: compiled kernels and their threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(2, os.cpu_count() or 1), context) as pool:
        for name in pool.map(_warm, WARMERS):
            sys.stdout.write(f"ready: {name}\n")


if __name__ == "__main__":
    main()
