"""Cancel-on-disconnect, proven: an order that cannot fill, a line that is cut, and a witness.

The order is the smallest there is, far from the market and post-only, under a label of ours. It is
placed on one connection, seen by another, and must be found cancelled by the venue, for that
reason, after the first connection ended without a goodbye. Whatever happens, the witness cancels
it.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Protocol

from bot.core import instruments, units
from bot.core.instruments import Instrument
from bot.venues import deribit_translate as raw
from bot.venues.ccxt_socket import RpcError
from bot.venues.ccxt_venue import LINK_ERRORS, brief
from bot.venues.deribit_findings import Answered, bad, good, skipped
from bot.venues.deribit_translate import MessageError
from bot.venues.pacing import Sleep

# Shares of the lowest price in sight. The venue may refuse the furthest as too low; none can fill
# unless the market falls as far within the seconds that the proof takes.
DISTANCES: Final = (0.5, 0.7, 0.85)
PRICE_REFUSED: Final = frozenset({10005, 10006, 10007, 10008})  # too low or high, for the index too
LOOK_SECONDS: Final = 0.25
CANCELLED_WITHIN_SECONDS: Final = 15.0
REASON: Final = "cancel_on_disconnect"


class Ask(Protocol):
    """Asks one question on one connection and returns the result."""

    async def __call__(self, method: str, params: dict[str, Any]) -> Any:
        """Return the venue's result; raises one of `LINK_ERRORS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a proof needs: two connections, the hedge's terms, and how to cut the first.

    Attributes:
        place: asks on the connection that places the order and is cut.
        witness: asks on the one that stays.
        cut: ends the first connection as a failing network would, without a goodbye.
        terms: what is to be ordered.
        prices: the hedge's ticker.
        label: a label of ours that no order had.
        patience_s: how long the venue may take to cancel.
        sleep: waits on the wire clock.
        monotonic_ns: the wire clock.
    """

    place: Ask
    witness: Ask
    cut: Callable[[], None]
    terms: Instrument
    prices: dict[str, Any]
    label: str
    patience_s: float
    sleep: Sleep
    monotonic_ns: Callable[[], int]


async def proven(proof: Proof) -> Answered:
    """Return whether the venue cancelled the order of a connection that was cut."""
    try:
        answered = await _proven(proof)
    except (*LINK_ERRORS, MessageError) as error:
        answered = bad(f"the proof broke off: {brief(error)}")
    finally:
        left = await _cleared(proof)
    return answered if left is None else bad(f"{answered.said}; {left}")


async def _proven(proof: Proof) -> Answered:
    order = await _placed(proof)
    if isinstance(order, Answered):
        return order
    order_id, price = raw.identity(order, "order_id"), order.get("price")
    seen = await _state(proof, order_id)
    if seen != ("open", ""):
        return bad(f"the far order was {' '.join(seen)} before the connection was cut")
    since_ns = proof.monotonic_ns()
    proof.cut()
    while True:
        await proof.sleep(LOOK_SECONDS)
        state, why = await _state(proof, order_id)
        waited_s = (proof.monotonic_ns() - since_ns) / units.NS_PER_SECOND
        if state != "open":
            break
        if waited_s > proof.patience_s:
            return bad(f"{waited_s:.1f} s after its connection was cut the order is still open")
    if (state, why) != ("cancelled", REASON):
        return bad(f"after its connection was cut the order was {state} ({why or 'no reason'})")
    return good(
        f"an order of {proof.terms.size_min} at {price} was cancelled by the venue within "
        f"{waited_s:.1f} s of its connection's end"
    )


async def _placed(proof: Proof) -> dict[str, Any] | Answered:
    lowest = lowest_price(proof.prices)
    if lowest is None:
        return skipped(f"{proof.terms.name} has no price to stay away from")
    refusal = ""
    for distance in DISTANCES:
        try:
            answer = await proof.place("private/buy", far_order(proof, lowest * distance))
        except RpcError as error:
            refusal = str(error)
            if error.code in PRICE_REFUSED:
                continue
            break
        order = answer.get("order") if isinstance(answer, dict) else None
        return order if isinstance(order, dict) else bad("the far order's answer holds no order")
    return bad(f"the venue did not take the far order: {refusal}")


def lowest_price(prices: dict[str, Any]) -> float | None:
    """Return the lowest of bid, mark and index, None if one of them is missing.

    Raises:
        MessageError: one of them is no number.
    """
    seen = [raw.price(prices, key) for key in ("best_bid_price", "mark_price", "index_price")]
    known = [price for price in seen if price is not None]
    return min(known) if len(known) == len(seen) else None


def far_order(proof: Proof, price: float) -> dict[str, Any]:
    """Return the smallest order at `price` that may rest and never take."""
    limit: Decimal = instruments.cap_price(proof.terms, price, +1)
    return {
        "instrument_name": proof.terms.name,
        "amount": proof.terms.size_min,
        "type": "limit",
        "price": limit,
        "label": proof.label,
        "time_in_force": "good_til_cancelled",
        "post_only": True,
        "reject_post_only": True,
    }


async def _state(proof: Proof, order_id: str) -> tuple[str, str]:
    """Return an order's state and why it was cancelled, as the witness is told."""
    order = await proof.witness("private/get_order_state", {"order_id": order_id})
    if not isinstance(order, dict):
        raise MessageError(f"not an order: {order!r:.100}")
    if raw.figure(order, "filled_amount") != 0.0:
        return "filled", "somebody traded with it"
    return raw.text(order, "order_state"), raw.optional_text(order, "cancel_reason")


async def _cleared(proof: Proof) -> str | None:
    """Cancel whatever carries the label; return what a person must do if that is not certain."""
    try:
        await proof.witness("private/cancel_by_label", {"label": proof.label})
        left = await proof.witness("private/get_open_orders", {})
    except LINK_ERRORS as error:
        return f"CANCEL ORDER {proof.label} BY HAND, it may still be open ({brief(error)})"
    labels = [row.get("label") for row in left] if isinstance(left, list) else [proof.label]
    if proof.label in labels:
        return f"CANCEL ORDER {proof.label} BY HAND, it is still open"
    return None


def shut(client: Any) -> None:
    """End a ccxt client's connection under its feet: no close frame, no goodbye.

    What is left of the client is for its owner to drop.
    """
    line = client.connection.get_extra_info("socket")
    line.shutdown(socket.SHUT_RDWR)
