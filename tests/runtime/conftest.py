"""What the tests of the shell share."""

import pytest

from bot.quant import black76


@pytest.fixture(scope="session")
def compiled_kernels():
    """Compile before the first fold, as the daemon does: seconds, where no cache is warm."""
    black76.greeks(100_000.0, 100_000.0, 0.1, 0.5, True)
