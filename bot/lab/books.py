"""Do the venue's books and ours agree? Judged by the venue's ledger, not by ours."""

import json
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from bot.core.standing import Standing
from bot.runtime import ledger_volumes

ORDER_METHODS = frozenset({"private/buy", "private/sell"})


def submitted(journal: Path) -> list[str]:
    """Return the id of every order that the ledger says was to be sent, in order.

    Closed volumes of the ledger are part of it.
    """
    found: list[str] = []
    for entry in ledger_volumes.all_entries(journal):
        if entry.kind == "step":
            actions = json.loads(entry.body)["actions"]
            found += [act["order_id"] for act in actions if act["$"] == "SubmitOrder"]
    return found


def differences(seen: Mapping[str, Any], standing: Standing) -> dict[str, tuple[str, str]]:
    """Return, by instrument, the sizes (at the venue, here) that are not the same."""
    there = {name: Decimal(str(size)) for name, size in seen["positions"].items()}
    zero = Decimal(0)
    names = there.keys() | standing.positions.keys()
    pairs = {name: (there.get(name, zero), standing.positions.get(name, zero)) for name in names}
    return {name: (str(far), str(near)) for name, (far, near) in pairs.items() if far != near}


def compared(seen: Mapping[str, Any], standing: Standing, journal: Path) -> dict[str, Any]:
    """Compare positions, and count the orders each side knows of.

    `seen` is the answer of the exchange's `/sim/ledger`.
    """
    requests = [row for row in seen["requests"] if row["method"] in ORDER_METHODS]
    return {
        "position_match": not differences(seen, standing),
        "orders_at_venue": len(requests),
        "orders_in_journal": len(submitted(journal)),
    }
