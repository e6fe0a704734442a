"""One exchange of ccxt's, without the hundred others that its packages bring.

`import ccxt.pro` runs four hundred modules to give one class: a third of a second of every start,
and fifty megabytes for as long as it runs. Here ccxt's packages are entered without being run. Who
asks one of them for more gets it whole, so that nobody else can tell the difference.
"""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any, Final

PACKAGES: Final = ("ccxt", "ccxt.async_support", "ccxt.pro")
# What ccxt's own base asks its top for is there without the rest: errors, and one class.
ERRORS: Final = "ccxt.base.errors"
BASE: Final = {("ccxt", "Exchange"): "ccxt.base.exchange"}
TOLD: Final = frozenset({"__all__", "__version__"})  # other such names are Python's own questions


class _Rest:
    """Runs a package as soon as somebody asks for what only that gives."""

    def __init__(self, package: ModuleType, spec: ModuleSpec) -> None:
        self._package = package
        self._spec = spec

    def __call__(self, name: str) -> Any:
        inside = self._package.__dict__
        base = import_module(BASE.get((self._package.__name__, name), ERRORS))
        if name in base.__all__:
            return getattr(base, name)
        if (name.startswith("__") and name not in TOLD) or "__getattr__" not in inside:
            raise AttributeError(f"module {self._package.__name__!r} has no attribute {name!r}")
        del inside["__getattr__"]
        assert self._spec.loader is not None, "a package has files"
        self._spec.loader.exec_module(self._package)
        return getattr(self._package, name)


def _enter(name: str) -> None:
    """Have a package in place that runs when it is asked for what it does not have yet."""
    if name in sys.modules:
        return
    spec = find_spec(name)
    assert spec is not None, "ccxt is installed with us"
    package = module_from_spec(spec)
    package.__dict__["__getattr__"] = _Rest(package, spec)
    sys.modules[name] = package
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, package)


def exchange_class(name: str) -> Any:
    """Return ccxt.pro's class of an exchange, such as `deribit`."""
    # Each package has the class where Python puts the module, and ccxt.pro's asks for the other.
    for package in ("ccxt.async_support", "ccxt.pro"):
        setattr(sys.modules[package], name, getattr(import_module(f"{package}.{name}"), name))
    return getattr(sys.modules["ccxt.pro"], name)


for _name in PACKAGES:
    _enter(_name)
