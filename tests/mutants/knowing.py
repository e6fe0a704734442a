"""Bugs in what is believed: fates of orders, fills, positions, and what survives a restart."""

from tests.mutants.mutant import Mutant

KNOWING = (
    Mutant(
        name="a fill told twice counts twice",
        incident="the push and the answer both tell of one trade, and the book hedges it away",
        file="bot/core/state.py",
        was="    if fact.trade_id in state.standing.trades_seen:",
        becomes="    if not fact.trade_id:",
        killed_by="tests/core/test_state.py"
        "::test_a_fill_told_twice_in_one_fold_and_once_more_later_is_counted_once",
    ),
    Mutant(
        name="trades are forgotten at once",
        incident="after a reconnect the last hour's trades are read, and all of them count again",
        file="bot/core/standing.py",
        was="TRADES_KEPT_MIN = 128",
        becomes="TRADES_KEPT_MIN = 1",
        killed_by="tests/core/test_fills.py"
        "::test_trade_ids_outlive_a_jump_of_the_market_clock_for_answers_on_their_way",
    ),
    Mutant(
        name="an empty report is a flat account",
        incident="a list that was cut short closes the book here and doubles it at the venue",
        file="bot/core/reconcile.py",
        was="        if report.absences == 1 and not _has_expired(terms, state.now_ms):",
        becomes="        if report.absences > 1 and _has_expired(terms, state.now_ms):",
        killed_by="tests/core/test_absence.py"
        "::test_a_list_of_positions_that_was_cut_short_once_is_not_a_flat_account",
    ),
    Mutant(
        name="a report that cannot be read is an empty one",
        incident="a page of HTML says that no order is open and no trade was made",
        file="bot/venues/deribit_account.py",
        was='        raise MessageError(f"not a list: {rows!r:.200}")',
        becomes="        return []",
        killed_by="tests/venues/test_deribit_account.py"
        "::test_a_source_that_fails_or_answers_nonsense_is_never_read_as_not_found",
    ),
    Mutant(
        name="half an account is an account",
        incident="the read fails after the positions, and the margin of yesterday backs orders",
        file="bot/venues/deribit_account.py",
        was='                raise MessageError(f"no summary of the account in {currency}")',
        becomes="                continue",
        killed_by="tests/venues/test_deribit_reach.py"
        "::test_a_currency_without_a_summary_is_no_whole_account",
    ),
    Mutant(
        name="the first page of trades is all there are",
        incident="after a long night away the later fills are missing, and are adopted unexplained",
        file="bot/venues/deribit_account.py",
        was="            if not has_more:",
        becomes="            if has_more or not has_more:",
        killed_by="tests/venues/test_deribit_account.py"
        "::test_trades_are_read_to_the_last_page_and_each_once",
    ),
    Mutant(
        name="absent before it could not come any more",
        incident="the venue says not found, the order arrives after all, and there are two",
        file="bot/core/ladder.py",
        was="    if known.none_ms <= known.dead_ms:",
        becomes="    if known.none_ms <= 0:",
        killed_by="tests/core/test_orders.py::test_anything_less_than_proof_changes_nothing",
    ),
    Mutant(
        name="one source proves absence",
        incident="the label is not indexed yet, the order lives, and it is planned anew",
        file="bot/core/ladder.py",
        was="SOURCES_MIN = 2",
        becomes="SOURCES_MIN = 1",
        killed_by="tests/core/test_orders.py::test_anything_less_than_proof_changes_nothing",
    ),
    Mutant(
        name="absence proved against the position",
        incident="the position shows that the order traded, and it is called absent all the same",
        file="bot/core/ladder.py",
        was="Rung.POSITION if known.position is not Position.AGREES or is_traded else None",
        becomes="Rung.POSITION if is_traded else None",
        killed_by="tests/core/test_proof.py"
        "::test_an_order_is_not_absent_by_a_position_that_moved_or_was_read_too_early",
    ),
    Mutant(
        name="absence proved by the market clock alone",
        incident="the venue's clock steps ahead while an order is on its way, and it goes again",
        file="bot/core/ladder.py",
        was="return order.requested_ns + policy.lifetime_ns + policy.unproved_ns",
        becomes="return order.requested_ns",
        killed_by="tests/core/test_proof.py"
        "::test_a_market_clock_that_steps_ahead_proves_nothing_before_its_wire_time",
    ),
    Mutant(
        name="age of an order by another start of the host's clock",
        incident="the host was switched off and on, the order may still start, and it goes again",
        file="bot/core/engine.py",
        was="goes_on = bool(boot) and boot == standing.boot",
        becomes="goes_on = bool(boot)",
        killed_by="tests/core/test_ladder.py"
        "::test_an_order_in_doubt_keeps_its_age_over_a_restart_but_not_over_one_of_the_host",
    ),
    Mutant(
        name="absence proved by positions from before",
        incident="the position was read while the order could start, it did, and it goes again",
        file="bot/core/reconcile.py",
        was="known, dead_ns = state.standing.positions, ladder.dead_ns(order, policy)",
        becomes="known, dead_ns = state.standing.positions, 0",
        killed_by="tests/core/test_ladder.py"
        "::test_positions_that_differ_or_were_asked_for_too_early_close_nothing",
    ),
    Mutant(
        name="no room for a venue whose clock is behind",
        incident="the order is held absent while the venue may still start it, and goes again",
        file="bot/core/orders.py",
        was="return self.skew_ns + self.settle_ns",
        becomes="return self.settle_ns",
        killed_by="tests/core/test_ladder.py"
        "::test_what_the_clocks_may_be_apart_is_waited_for_beside_what_lists_may_lag",
    ),
    Mutant(
        name="absent without proof",
        incident="label, open orders and trades lag behind the matching; it traded, and goes again",
        file="bot/core/ladder.py",
        was="    if known.none_ms <= known.dead_ms:\n        return Rung.DEADLINE",
        becomes="    if known.none_ms:\n        return None",
        killed_by="tests/lab/test_strikes.py"
        "::test_an_order_that_nobody_at_the_venue_knows_yet_is_not_called_absent",
    ),
    Mutant(
        name="the next order before the last one's fate",
        incident="an order is unknown, the delta still shows, and it is hedged once more",
        file="bot/core/dealing.py",
        was="    if doubt is not None:",
        becomes="    if doubt is not None and not doubt.startswith('order'):",
        killed_by="tests/core/test_engine.py"
        "::test_an_unknown_order_is_never_sent_again_and_blocks_until_the_venue_answers",
    ),
    Mutant(
        name="an unknown order moves no delta",
        incident="the screen shows a delta that an order on its way may have doubled",
        file="bot/core/exposure.py",
        was="        low, high = low + min(moves, 0.0), high + max(moves, 0.0)",
        becomes="        low, high = low + min(moves, 0.0), high + min(moves, 0.0)",
        killed_by="tests/core/test_exposure.py"
        "::test_an_order_in_flight_makes_the_delta_an_interval_from_nothing_to_all_of_it",
    ),
    Mutant(
        name="a memory that ended is evidence",
        incident="the venue has forgotten the label, the order filled, and it is planned anew",
        file="bot/core/ladder.py",
        was="if age_ms <= kept_ms.get(source, age_ms)}",
        becomes="if age_ms >= 0}",
        killed_by="tests/core/test_ladder.py"
        "::test_a_label_that_is_no_longer_kept_proves_nothing_and_trades_and_open_orders_do",
    ),
    Mutant(
        name="more traded than was ordered",
        incident="two orders stand under one label, both fill, and hedging goes on",
        file="bot/core/news.py",
        was="    return standing.halted(known, reason)",
        becomes="    return known if reason else known",
        killed_by="tests/core/test_strange_orders.py"
        "::test_fills_beyond_the_size_or_the_other_way_halt_until_a_person_resumes",
    ),
    Mutant(
        name="unknown for ever",
        incident="nobody is called while an order's fate stays open and the book goes unhedged",
        file="bot/core/ladder.py",
        was="    if since is None or now_ns - since <= policy.unprovable_ns:",
        becomes="    if since is None or now_ns - since >= 0:",
        killed_by="tests/core/test_engine.py"
        "::test_a_fate_that_cannot_be_proved_stops_trading_and_calls_a_person",
    ),
    Mutant(
        name="a cancelled order is done before its fills are here",
        incident="cancelled after a part was filled: the part is hedged again",
        file="bot/core/orders.py",
        was="        all_fills_here = abs(self.filled_native) >= abs(self.reported_native)",
        becomes="        all_fills_here = abs(self.filled_native) >= 0",
        killed_by="tests/core/test_orders.py"
        "::test_an_order_is_loud_until_every_reported_coin_has_arrived_as_a_fill",
    ),
    Mutant(
        name="an ended order is opened again",
        incident="an older message arrives late, and an order that is gone blocks the instrument",
        file="bot/core/orders.py",
        was="        outcome, filled = better(outcome, leg.outcome), max(",
        becomes="        outcome, filled = outcome, max(",
        killed_by="tests/core/test_orders.py"
        "::test_an_order_that_ended_is_not_opened_again_by_an_older_message",
    ),
    Mutant(
        name="a working order forgotten at restart",
        incident="the new process knows nothing of what the old one sent, and sends it again",
        file="bot/core/orders.py",
        was="    if order.status is OrderStatus.CLOSED:\n        return fresh",
        becomes="    if order.status is not OrderStatus.UNKNOWN:\n"
        "        return replace(fresh, status=OrderStatus.CLOSED)",
        killed_by="tests/core/test_engine.py"
        "::test_a_restart_takes_an_unanswered_order_as_unknown_and_asks",
    ),
    Mutant(
        name="an answer outlives what it was made from",
        incident="an instrument is listed anew, and what came of the old list still holds",
        file="bot/core/immutable.py",
        was="        if one is known_one and two is known_two and three is known_three:",
        becomes="        if one is known_one and two is known_two:",
        killed_by="tests/core/test_immutable.py::test_every_argument_counts_for_what_is_remembered",
    ),
    Mutant(
        name="a difference from the venue is not seen as one",
        incident="the venue holds another position than we do, and all is held to be settled",
        file="bot/core/dealing.py",
        was="    unsure = None if is_settled(state) else",
        becomes="    unsure = None if state.has_run else",
        killed_by="tests/core/test_reconcile.py::test_while_any_position_differs_no_book_trades",
    ),
    Mutant(
        name="a late push undoes a fill",
        incident="the position of two seconds ago is believed, and the hedge is sent twice",
        file="bot/core/reconcile.py",
        was="    if report.pushed:\n        return False",
        becomes="    if report.pushed:\n        return True",
        killed_by="tests/core/test_reconcile.py"
        "::test_a_late_push_of_an_earlier_position_never_undoes_a_fill",
    ),
    Mutant(
        name="a position taken over on top of what was held",
        incident="an option settles, and its settlement is counted on top of the position",
        file="bot/core/fills.py",
        was="    change = size_native - known.positions.get(instrument.name, units.ZERO)",
        becomes="    change = size_native + known.positions.get(instrument.name, units.ZERO)",
        killed_by="tests/core/test_expired_while_away.py"
        "::test_what_expired_while_nobody_was_there_is_settled_at_its_worth",
    ),
    Mutant(
        name="a fee that is earned",
        incident="what the hedge cost is booked as a gain, and the report shows a profit",
        file="bot/core/fills.py",
        was="fees=account.fees + fact.fee",
        becomes="fees=account.fees - fact.fee",
        killed_by="tests/core/test_fills.py"
        "::test_a_fill_moves_its_order_the_position_the_holdings_and_the_cost",
    ),
    Mutant(
        name="another daemon goes unnoticed",
        incident="two daemons hedge one book against each other",
        file="bot/core/news.py",
        was="    if not fact.order_id.startswith(ours):\n        return name",
        becomes='    if not fact.order_id.startswith(ours):\n        return ""',
        killed_by="tests/core/test_engine.py::test_another_daemon_on_the_account_halts_this_one",
    ),
)
