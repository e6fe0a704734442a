"""One class of ccxt's without the others: what a start costs, and that nobody can tell."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MODULES_MAX = 40  # of ccxt's four hundred

FIRST = """
import json, sys
from bot.venues.deribit_line import TappedDeribit
modules = sum(name.partition(".")[0] == "ccxt" for name in sys.modules)
import ccxt, ccxt.async_support, ccxt.pro
told = {
    "modules": modules,
    "version": ccxt.__version__,
    "same": issubclass(TappedDeribit, ccxt.pro.deribit),
    "kin": issubclass(ccxt.pro.deribit, ccxt.async_support.deribit),
    "others": [each.okx.__module__ for each in (ccxt, ccxt.async_support, ccxt.pro)],
    "listed": len(ccxt.exchanges) > 90,
    "unknown": hasattr(ccxt, "no_such_exchange"),
}
print(json.dumps(told))
"""

LAST = """
import json
import ccxt.pro
from bot.venues.deribit_line import TappedDeribit
print(json.dumps({"same": issubclass(TappedDeribit, ccxt.pro.deribit)}))
"""


def told(program: str) -> Any:
    words = [sys.executable, "-c", program]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_a_start_loads_the_one_exchange_and_who_asks_for_more_gets_all() -> None:
    seen = told(FIRST)

    assert seen.pop("modules") <= MODULES_MAX
    assert seen.pop("version")
    assert seen == {
        "same": True,
        "kin": True,
        "others": ["ccxt.okx", "ccxt.async_support.okx", "ccxt.pro.okx"],
        "listed": True,
        "unknown": False,
    }


def test_a_ccxt_that_somebody_loaded_before_is_the_one_that_is_used() -> None:
    assert told(LAST)["same"] is True
