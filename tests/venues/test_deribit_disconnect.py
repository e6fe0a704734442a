"""The proof of cancel-on-disconnect against venues that do something else than promised."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from bot.core import units
from bot.venues.ccxt_socket import AnswerLostError, RpcError
from bot.venues.deribit_disconnect import Proof, proven
from bot.venues.deribit_findings import Outcome
from tests.builders import perp

PRICES = {"best_bid_price": 99_990.0, "mark_price": 100_000.0, "index_price": 100_010.0}


@dataclass
class Ledger:
    """A venue of one order. `after_cut` is what becomes of it; None: nothing."""

    after_cut: tuple[str, str] | None = ("cancelled", "cancel_on_disconnect")
    filled: float = 0.0
    floor_price: float = 0.0
    refusal: RpcError | None = None
    clears: bool = True
    answers_clearing: bool = True
    order: dict[str, Any] = field(default_factory=dict)
    placed: list[dict[str, Any]] = field(default_factory=list)
    now_ns: int = 0
    is_cut: bool = False

    async def place(self, method: str, params: dict[str, Any]) -> Any:
        assert method == "private/buy"
        self.placed.append(params)
        if self.refusal is not None:
            raise self.refusal
        if params["price"] < Decimal(self.floor_price):
            raise RpcError(10006, "price_too_low4idx")
        self.order = params | {
            "order_id": "1", "order_state": "open", "filled_amount": 0.0, "cancel_reason": None,
        }  # fmt: skip
        return {"order": dict(self.order)}

    async def witness(self, method: str, params: dict[str, Any]) -> Any:
        match method:
            case "private/get_order_state":
                if self.is_cut and self.after_cut is not None:
                    state, reason = self.after_cut
                    self.order |= {"order_state": state, "cancel_reason": reason}
                    self.order["filled_amount"] = self.filled
                return dict(self.order)
            case "private/cancel_by_label":
                if not self.answers_clearing:
                    raise AnswerLostError("connection lost")
                if self.clears and self.order.get("order_state") == "open":
                    self.order["order_state"] = "cancelled"
                return 1
            case "private/get_open_orders":
                return [self.order] if self.order.get("order_state") == "open" else []
            case _:
                raise AssertionError(method)

    def cut(self) -> None:
        self.is_cut = True

    async def sleep(self, seconds: float) -> None:
        self.now_ns += int(seconds * units.NS_PER_SECOND)

    def proof(self, prices: dict[str, Any] | None = None) -> Proof:
        return Proof(
            place=self.place,
            witness=self.witness,
            cut=self.cut,
            terms=perp(),
            prices=PRICES if prices is None else prices,
            label="dbcheck1",
            patience_s=3.0,
            sleep=self.sleep,
            monotonic_ns=lambda: self.now_ns,
        )


async def test_an_order_that_the_venue_cancels_for_that_reason_is_the_proof():
    venue = Ledger()

    found = await proven(venue.proof())

    assert found.outcome is Outcome.OK
    (order,) = venue.placed
    assert order["price"] == Decimal(49_995)
    assert order["amount"] == perp().size_min
    assert order["post_only"] is order["reject_post_only"] is True


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda v: setattr(v, "after_cut", None), "still open"),
        (lambda v: setattr(v, "after_cut", ("cancelled", "user_request")), "user_request"),
        (lambda v: setattr(v, "after_cut", ("cancelled", "")), "no reason"),
        (lambda v: setattr(v, "filled", 10.0), "filled"),
        (lambda v: setattr(v, "refusal", RpcError(10009, "not_enough_funds")), "not_enough_funds"),
        (lambda v: setattr(v, "refusal", AnswerLostError("no answer")), "broke off: no answer"),
        (lambda v: setattr(v, "floor_price", 90_000.0), "price_too_low4idx"),
    ],
)
async def test_anything_else_is_told_and_nothing_stays_open(
    change: Callable[[Ledger], None], says: str
):
    venue = Ledger()
    change(venue)

    found = await proven(venue.proof())

    assert found.outcome is Outcome.FAILED
    assert says in found.said
    assert "BY HAND" not in found.said
    assert venue.order.get("order_state") != "open"


async def test_a_venue_that_takes_no_order_so_far_away_is_offered_a_nearer_one():
    venue = Ledger(floor_price=60_000.0)

    found = await proven(venue.proof())

    assert found.outcome is Outcome.OK
    assert [float(order["price"]) for order in venue.placed] == [49_995.0, 69_993.0]


@pytest.mark.parametrize("venue", [Ledger(after_cut=None, clears=False),
                                   Ledger(after_cut=None, answers_clearing=False)])  # fmt: skip
async def test_an_order_that_may_still_be_open_is_left_to_a_person_by_name(venue: Ledger):
    found = await proven(venue.proof())

    assert found.outcome is Outcome.FAILED
    assert "CANCEL ORDER dbcheck1 BY HAND" in found.said


@pytest.mark.parametrize("missing", ["best_bid_price", "mark_price", "index_price"])
async def test_without_a_price_to_stay_away_from_nothing_is_sent(missing: str):
    venue = Ledger()

    found = await proven(venue.proof({**PRICES, missing: None}))

    assert found.outcome is Outcome.NOT_CHECKED
    assert venue.placed == []
