"""A library that prices options too, and how it is asked."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from bot.lab.bench.chain import Chain
from bot.quant.black76 import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A call to measure, and how its answer is read: one number an option of the chain.

    `note` says what is unlike the others.
    """

    call: Callable[[], Any]
    read: Callable[[Any], FloatArray]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A library; the adapters get its module and a chain, None where it has no such function.

    `greeks` asks for price, delta, gamma, vega, theta and rho, and reads the price; `implied` asks
    for volatilities.
    """

    distribution: str
    module: str
    greeks: Callable[[Any, Chain], Asked] | None = None
    implied: Callable[[Any, Chain], Asked] | None = None

    @property
    def name(self) -> str:
        """What it is called, with its version where it is installed."""
        try:
            return f"{self.distribution} {version(self.distribution)}"
        except PackageNotFoundError:
            return self.distribution

    def load(self) -> Any:
        """Import it. Raises whatever it raises: the reason why it does not take part."""
        return importlib.import_module(self.module)


def letters(flags: Any) -> Any:
    """Calls and puts as most libraries spell them."""
    return np.where(flags, "c", "p")


def as_array(answer: Any) -> FloatArray:
    """The answer of a library that gives one number an option."""
    return np.asarray(answer, dtype=np.float64)


def first_of(answer: Any) -> FloatArray:
    """The prices, where they come first."""
    return as_array(answer[0])
