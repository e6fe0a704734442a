"""What the tests of the lab share with those of the shell that it runs."""

from tests.runtime.conftest import compiled_kernels

__all__ = ["compiled_kernels"]
