"""Bugs in what holds whatever the hedge wants: limits, margin, modes, the latch."""

from tests.mutants.mutant import Mutant

LIMITS = (
    Mutant(
        name="the margin gate is open",
        incident="a hedge takes the account over the stage where the venue liquidates",
        file="bot/core/gate.py",
        was="    if trouble is None:\n        return Approved(",
        becomes="    if trouble is None or trouble:\n        return Approved(",
        killed_by="tests/core/test_gate.py"
        "::test_an_order_over_the_stage_is_refused_with_its_arithmetic",
    ),
    Mutant(
        name="a stress of nothing",
        incident="orders are let pass that leave the account to a move of fifteen percent",
        file="bot/core/gate.py",
        was="    if worst.usage < limit:\n        return None\n    return (",
        becomes="    if worst.usage < 1e9:\n        return None\n    return (",
        killed_by="tests/core/test_gate_law.py"
        "::test_no_approved_action_leaves_the_stressed_use_over_its_limit_unless_it_lowered_it",
    ),
    Mutant(
        name="a stress without what it loses",
        incident="the account is asked what it must hold after a crash, with the money from before",
        file="bot/core/margin/gating.py",
        was="            balance=balance + self.profit + made,\n",
        becomes="            balance=balance + made,\n",
        killed_by="tests/core/test_gate_law.py"
        "::test_no_approved_action_leaves_the_stressed_use_over_its_limit_unless_it_lowered_it",
    ),
    Mutant(
        name="margin without the venue's word",
        incident="the venue asks for more than our model does, and refuses what we let pass",
        file="bot/core/margin/gating.py",
        was="            initial=max(told.initial - report.initial, 0.0),\n",
        becomes="            initial=0.0,\n",
        killed_by="tests/core/test_gate.py"
        "::test_an_order_that_the_venue_would_refuse_for_funds_is_refused_here",
    ),
    Mutant(
        name="the venue's second opinion does not count",
        incident="the venue needs twice our margin after the next hedge, and that is only shown",
        file="bot/core/margin/second_opinion.py",
        was="    if abs(found.gap) > policy.opinion_gap_max:\n",
        becomes="    if abs(found.gap) > 1e9:\n",
        killed_by="tests/core/margin/test_second_opinion.py"
        "::test_a_gap_that_lasts_allows_careful_orders_only_with_its_arithmetic_and_clears",
    ),
    Mutant(
        name="one question after the other",
        incident="the venue is slow, is asked again and again, and ends the orders' connection",
        file="bot/core/margin/second_opinion.py",
        was="        return consulted.asked_ns + UNHEARD_MAX_NS\n",
        becomes="        return consulted.asked_ns\n",
        killed_by="tests/core/margin/test_second_opinion.py"
        "::test_never_two_questions_at_once_and_a_lost_one_does_not_end_the_asking",
    ),
    Mutant(
        name="an opinion on another account",
        incident="a fill between question and answer looks like a margin model that is wrong",
        file="bot/core/margin/second_opinion.py",
        was="    if _is_moving(state) or state.standing.positions != state.consulted.positions:\n",
        becomes="    if _is_moving(state):\n",
        killed_by="tests/core/margin/test_second_opinion.py"
        "::test_an_answer_about_another_account_or_another_market_is_not_compared",
    ),
    Mutant(
        name="a what-if that pays out",
        incident="whoever asks what closing a hedge would need is paid its profit for asking",
        file="bot/exchange/what_if.py",
        was="    return replace(wallet, positions=held, futures_rpl=dict(wallet.futures_rpl))\n",
        becomes="    return replace(wallet, positions=held)\n",
        killed_by="tests/exchange/test_what_if.py"
        "::test_a_hedge_that_is_only_supposed_to_be_closed_makes_nobody_richer",
    ),
    Mutant(
        name="orders without their fee",
        incident="an account used up to its last satoshi is refused by the venue for a fee",
        file="bot/core/gate.py",
        was="    return worth * float(terms.taker_fee)\n",
        becomes="    return worth * 0.0\n",
        killed_by="tests/core/test_gate.py::test_the_projection_is_the_venues_level_and_our_change",
    ),
    Mutant(
        name="fighting the liquidation",
        incident="what the venue sells to save the account is bought back at once, and sold again",
        file="bot/core/margin/gating_seizure.py",
        was="    if state.seized_ns is None:\n        return None\n",
        becomes="    if state.seized_ns is None or state.seized_ns:\n        return None\n",
        killed_by="tests/core/test_seizure.py"
        "::test_a_hedge_that_the_venue_took_is_not_bought_back_before_the_account_was_read",
    ),
    Mutant(
        name="orders of any size",
        incident="a sizing bug goes out whole, in one order",
        file="bot/core/sizing.py",
        was="        if most < abs(size):\n            size, reason",
        becomes="        if most < 0:\n            size, reason",
        killed_by="tests/core/test_dealing.py"
        "::test_one_order_is_at_most_as_large_as_allowed_and_the_rest_follows",
    ),
    Mutant(
        name="orders without number",
        incident="a loop gone wrong sends orders until the venue bans the account",
        file="bot/core/safety.py",
        was='limit {most}" if sent >= most else None',
        becomes='limit {most}" if sent < 0 else None',
        killed_by="tests/core/test_safety.py::test_orders_of_the_last_market_minute_are_counted",
    ),
    Mutant(
        name="rejected without end",
        incident="the venue refuses every order, and the daemon asks all night",
        file="bot/core/modes.py",
        was="    if not (fresh and is_row):",
        becomes="    if fresh or is_row or known:",
        killed_by="tests/core/test_safety.py"
        "::test_rejections_in_a_row_stop_trading_until_a_person_resumes",
    ),
    Mutant(
        name="a mark far from the index is a price",
        incident="one exchange's flash crash is hedged at",
        file="bot/core/safety.py",
        was="    if abs(divergence) > policy.divergence_max:",
        becomes="    if divergence > policy.divergence_max:",
        killed_by="tests/core/test_safety.py"
        "::test_a_mark_far_from_the_index_refuses_in_both_directions",
    ),
    Mutant(
        name="a halt that a restart forgets",
        incident="a person halts, the supervisor restarts, and the daemon trades",
        file="bot/core/engine.py",
        was="orders=recovered,\n        trades_until_ms=until_ms,",
        becomes='orders=recovered,\n        halt_reason="",\n        trades_until_ms=until_ms,',
        killed_by="tests/core/test_engine.py"
        "::test_a_halt_survives_a_restart_until_a_person_resumes",
    ),
    Mutant(
        name="a halt that leaves orders resting",
        incident="everything is stopped, and what rests goes on filling",
        file="bot/core/reconcile.py",
        was="    is_halted = state.mode is Mode.HALT\n",
        becomes="    is_halted = state.mode is Mode.DEGRADED\n",
        killed_by="tests/core/test_state.py"
        "::test_a_halt_cancels_what_rests_once_a_second_until_none_is_open",
    ),
    Mutant(
        name="hedges beyond what is to be hedged",
        incident="a size that is ten times too large opens a naked perpetual",
        file="bot/core/sizing.py",
        was="    yield _backed(state, asked, policy)\n",
        becomes="",
        killed_by="tests/core/test_limits.py::test_a_sizing_fault_opens_no_naked_position",
    ),
    Mutant(
        name="losses without end",
        incident="hedging itself loses the account, and nothing stops it",
        file="bot/core/losses.py",
        was="    if started > 0.0 and lost >= policy.loss_per_day_max * started:",
        becomes="    if started < 0.0 and lost >= policy.loss_per_day_max * started:",
        killed_by="tests/core/test_losses.py"
        "::test_a_loss_over_the_days_limit_holds_with_its_arithmetic_and_clears",
    ),
    Mutant(
        name="money is counted with each reading of the log",
        incident="a deposit of last night is taken for a loss, again every half minute",
        file="bot/core/cash.py",
        was="        if fact.move_id in self.seen or fact.venue_ms",
        becomes="        if fact.venue_ms",
        killed_by="tests/core/test_cash.py"
        "::test_ids_are_kept_for_as_long_as_they_may_be_told_again_and_no_longer",
    ),
    Mutant(
        name="a peak of money that was not earned",
        incident="a deposit raises the peak, is then told by the log, and looks lost for ever",
        file="bot/core/losses.py",
        was="        if seen is not None and log.covers(seen.arrived_ns):",
        becomes="        if seen is not None:",
        killed_by="tests/core/test_cash.py"
        "::test_a_deposit_raises_no_peak_from_which_it_would_be_lost",
    ),
    Mutant(
        name="turnover is not counted",
        incident="a hedge that goes to and fro trades the account's worth every hour",
        file="bot/core/pace.py",
        was="    _add(tallies, TURNOVER, turnover_usd, HOUR, now_ms)",
        becomes="    _add(tallies, TURNOVER, 0.0 * turnover_usd, HOUR, now_ms)",
        killed_by="tests/core/test_limits.py"
        "::test_turnover_trims_then_holds_survives_a_restart_and_clears_after_the_hour",
    ),
    Mutant(
        name="a restart forgives what was traded",
        incident="the supervisor starts it every minute, and every minute has a fresh limit",
        file="bot/core/engine.py",
        was="        tallies=tally.begun(standing.tallies, now_ms),",
        becomes="        tallies={},",
        killed_by="tests/core/test_limits.py"
        "::test_turnover_trims_then_holds_survives_a_restart_and_clears_after_the_hour",
    ),
    Mutant(
        name="fees are not counted",
        incident="many small hedges cost more in fees than the options brought in",
        file="bot/core/pace.py",
        was="    _add(tallies, FEES, fee_usd, DAY, now_ms)",
        becomes="    _add(tallies, FEES, -fee_usd, DAY, now_ms)",
        killed_by="tests/core/test_limits.py"
        "::test_fees_of_a_day_are_counted_in_dollars_with_those_of_the_order_to_be",
    ),
    Mutant(
        name="flatten opens",
        incident="a person closes the hedges in a fright, and they are doubled",
        file="bot/core/flatten.py",
        was="    asked = _asked(state, name, -held, cap_bps, policy)",
        becomes="    asked = _asked(state, name, held, cap_bps, policy)",
        killed_by="tests/core/test_flatten.py"
        "::test_hedges_are_closed_in_clips_and_then_it_halts_and_says_what_is_left_open",
    ),
    Mutant(
        name="no collar",
        incident="a limit price far beyond the mark is accepted, and somebody takes it",
        file="bot/core/safety.py",
        was="        if beyond > policy.collar_max:",
        becomes="        if beyond > 1e9 * policy.collar_max:",
        killed_by="tests/core/test_inputs.py"
        "::test_a_limit_price_is_held_to_the_collar_on_its_bad_side_only",
    ),
    Mutant(
        name="a silent daemon is not noticed",
        incident="the daemon hangs, and what rests is nobody's",
        file="bot/runtime/watchdog.py",
        was="now_ns - self._changed_ns > self._policy.silent_ns:",
        becomes="now_ns - self._changed_ns > 10 * self._policy.silent_ns:",
        killed_by="tests/runtime/test_watchdog.py"
        "::test_a_silent_daemon_s_own_orders_are_cancelled_and_a_person_is_called_once",
    ),
    Mutant(
        name="the watchdog cancels what is not the daemon's",
        incident="the daemon hangs, and a person's own orders on the account are swept away",
        file="bot/venues/deribit_sweeper.py",
        was="for label in labels if label.startswith(start)))",
        becomes="for label in labels if label))",
        killed_by="tests/venues/test_deribit_sweeper.py"
        "::test_only_what_carries_the_labels_is_found_and_cancelled",
    ),
    Mutant(
        name="the flag file is not looked at",
        incident="HTTP is dead, a person leaves the file that halts, and orders go on",
        file="bot/runtime/stopcock.py",
        was="return self._left or _seen(self.flag) or self.doubt()",
        becomes="return self._left or self.doubt()",
        killed_by="tests/runtime/test_stopcock.py"
        "::test_a_flag_alone_shuts_and_the_words_of_whoever_left_it_stay",
    ),
    Mutant(
        name="a halt waits for the loop",
        incident="the loop is busy, and what it had decided still leaves after the halt",
        file="bot/runtime/stopcock.py",
        was='        self._given[command.command_id] = f"halted by {command.actor}"',
        becomes="        self._given.pop(command.command_id, None)",
        killed_by="tests/runtime/test_stopcock.py"
        "::test_a_halt_shuts_before_the_loop_has_folded_it_and_folds_in_between_open_nothing",
    ),
    Mutant(
        name="the outbox does not ask whether it is halted",
        incident="an order that was decided a moment before the halt goes out after it",
        file="bot/runtime/outbox.py",
        was="        if not isinstance(action, SubmitOrder) or not (why := self.stopcock.reason):",
        becomes="        if isinstance(action, Alert) or not (why := ''):",
        killed_by="tests/runtime/test_outbox.py"
        "::test_an_order_that_a_halt_overtakes_is_dropped_told_as_rejected_and_never_unknown",
    ),
    Mutant(
        name="the edge does not ask whether it is halted",
        incident="an order that waited for the venue's rate goes out into the halt",
        file="bot/venues/deribit_trading.py",
        was="        if why := self._shut():",
        becomes="        if why := '':",
        killed_by="tests/venues/test_deribit_orders.py"
        "::test_an_order_that_meets_a_halt_at_the_socket_is_not_sent",
    ),
    Mutant(
        name="hedging before the account was read",
        incident="after a reconnect the hedge of before the cut is sent once more",
        file="bot/core/modes.py",
        was="    if state.read_done_ns is None or state.read_done_ns < state.links[TRADING]:",
        becomes="    if state.read_done_ns is None:",
        killed_by="tests/core/test_safety.py"
        "::test_the_market_connection_back_needs_no_new_read_but_the_trading_connection_does",
    ),
    Mutant(
        name="the gate forgets options on their way back",
        incident="a hedge is let pass on a premium that is spent as soon as the order fills",
        file="bot/core/gate.py",
        was="        and order.remaining_native\n    )",
        becomes="        and order.remaining_native\n"
        "        and listed[order.instrument].kind is not Kind.OPTION\n    )",
        killed_by="tests/core/test_gate_in_doubt.py"
        "::test_a_hedge_is_judged_by_the_worse_of_an_option_bought_back_and_not",
    ),
    Mutant(
        name="a clock that stays off is forgotten",
        incident="the host's clock is off by as much as it was, and ten seconds later orders go",
        file="bot/core/strain.py",
        was="    return name in dict(_over(state.host, policy))",
        becomes="    return False",
        killed_by="tests/core/test_inputs.py"
        "::test_a_clock_that_stays_off_is_told_once_and_holds_until_it_is_told_to_be_right",
    ),
    Mutant(
        name="bought back by a balance from before the fill",
        incident="the money of the fill does not show yet, and the same is bought once more",
        file="bot/core/derisk.py",
        was="if arrived_ns > told_ns]",
        becomes="if arrived_ns > told_ns and not orders]",
        killed_by="tests/core/test_derisk.py"
        "::test_a_balance_told_while_an_order_was_on_its_way_says_nothing_of_its_fill",
    ),
)
