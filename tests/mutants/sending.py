"""Bugs between a decision and the venue: written first, sent once, believed only with proof."""

from tests.mutants.mutant import Mutant

SENDING = (
    Mutant(
        name="sent before the journal is durable",
        incident="the machine dies, and the venue holds an order that no ledger knows",
        file="bot/runtime/loop.py",
        was="            await self._durable(rows)\n            return self._wire",
        becomes="            self._ledger.post(rows)\n            return self._wire",
        killed_by="tests/runtime/test_loop.py"
        "::test_news_does_not_wait_for_a_slow_disk_and_an_order_does",
    ),
    Mutant(
        name="sent again on a timeout",
        incident="the answer was slow, the order was not: it is executed twice",
        file="bot/runtime/outbox.py",
        was='            outcome = _went_wrong(action, f"no answer within {seconds:.1f} s")',
        becomes="            outcome = await self._perform(action)",
        killed_by="tests/runtime/test_outbox.py"
        "::test_an_order_that_outlives_its_answer_is_unknown_and_not_sent_again",
    ),
    Mutant(
        name="sent again on an error",
        incident="any exception is taken for a refusal, and the order is tried once more",
        file="bot/runtime/outbox.py",
        was='            outcome = _went_wrong(action, f"{type(error).__name__}: {error}")',
        becomes="            await asyncio.gather(self._perform(action), return_exceptions=True)\n"
        '            outcome = _went_wrong(action, f"{type(error).__name__}: {error}")',
        killed_by="tests/runtime/test_outbox.py"
        "::test_an_error_of_any_type_while_sending_an_order_is_unknown_never_rejected",
    ),
    Mutant(
        name="sent again by the venue's edge",
        incident="the line is cut after the order was accepted, and the edge repeats its request",
        file="bot/venues/deribit_trading.py",
        was="        except AnswerLostError as error:\n"
        "            sent = OrderSent(order_id=action.order_id, wire_ns=error.sent_ns)\n"
        '            return (sent, outcomes.unknown(action, f"{error}"))',
        becomes="        except AnswerLostError:\n"
        "            answer = await line.socket.call(method, params)",
        killed_by="tests/venues/test_deribit_orders.py"
        "::test_a_cut_line_makes_its_order_unknown_at_once_and_not_after_a_timeout",
    ),
    Mutant(
        name="an order id is carried out twice",
        incident="a fold that is performed twice sends its order twice",
        file="bot/runtime/outbox.py",
        was="            if action.order_id in self._sent:",
        becomes="            if not action.order_id:",
        killed_by="tests/runtime/test_outbox.py"
        "::test_an_order_id_that_comes_up_twice_is_not_sent_twice",
    ),
    Mutant(
        name="every error is a refusal",
        incident="the venue says that time ran out, the order fills, and a second one is sent",
        file="bot/venues/deribit_errors.py",
        was="    return code in REFUSALS",
        becomes="    return code in REFUSALS or code > 0",
        killed_by="tests/venues/test_deribit_orders.py"
        "::test_an_error_that_proves_nothing_leaves_the_order_unknown",
    ),
    Mutant(
        name="an answer about another order is taken",
        incident="two answers change places, and the fill of one order closes the other",
        file="bot/venues/deribit_outcomes.py",
        was="    if labels != {action.order_id}:",
        becomes="    if not labels:",
        killed_by="tests/venues/test_deribit_orders.py"
        "::test_an_answer_that_does_not_come_or_cannot_be_read_leaves_the_order_unknown",
    ),
    Mutant(
        name="no price cap",
        incident="the book is empty for a moment, and the hedge fills at any price",
        file="bot/core/hedger.py",
        was="ask * (1.0 + cap_bps * 1e-4), +1)",
        becomes="ask * (1.0 + cap_bps), +1)",
        killed_by="tests/core/test_hedger.py"
        "::test_the_worst_price_is_the_far_side_and_the_cap_on_the_tick",
    ),
    Mutant(
        name="an order without a deadline",
        incident="a request that a stalled line held back is executed minutes later",
        file="bot/core/placing.py",
        was="TimeInForce.IOC,\n        valid_until_ms=valid_until_ms,",
        becomes="TimeInForce.IOC,\n        valid_until_ms=2 * valid_until_ms,",
        killed_by="tests/core/test_dealing.py"
        "::test_an_order_is_a_capped_immediate_one_with_a_deadline_and_our_label",
    ),
    Mutant(
        name="orders outlive the connection",
        incident="the daemon dies, and what rested is filled an hour later",
        file="bot/venues/deribit_trading.py",
        was='socket.call("private/enable_cancel_on_disconnect", scope)',
        becomes='socket.call("public/test", {})',
        killed_by="tests/venues/test_deribit_links.py::test_orders_of_the_trading_line_die_with_it",
    ),
    Mutant(
        name="a side lost on the way",
        incident="every sale is sent as a purchase",
        file="bot/venues/deribit_requests.py",
        was='"private/buy" if action.size_native > 0 else "private/sell"',
        becomes='"private/buy" if action.size_native else "private/sell"',
        killed_by="tests/venues/test_deribit_rules.py::test_a_side_comes_from_the_sign",
    ),
)
