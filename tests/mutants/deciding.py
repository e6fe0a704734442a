"""Bugs in the number that is hedged: sign, unit, price, convention, and the age of its inputs."""

from tests.mutants.mutant import Mutant

DECIDING = (
    Mutant(
        name="the hedge has the other sign",
        incident="each hedge doubles the delta that it should have closed",
        file="bot/core/hedger.py",
        was="    size = _sized(-wanted_coin / exposure.hedge_coin_per_native, hedge)",
        becomes="    size = _sized(wanted_coin / exposure.hedge_coin_per_native, hedge)",
        killed_by="tests/core/test_engine.py"
        "::test_a_short_call_book_buys_the_perpetual_back_to_flat",
    ),
    Mutant(
        name="dollars taken for coins",
        incident="an order of one coin goes out as one dollar, or the other way round",
        file="bot/core/exposure.py",
        was="            coin_per_native=(mark / index if is_linear else 1.0 / mark)",
        becomes="            coin_per_native=(mark / index if is_linear else 1.0)",
        killed_by="tests/core/test_exposure.py"
        "::test_each_convention_counts_what_its_equity_is_made_of",
    ),
    Mutant(
        name="the perpetual at the index, not at its mark",
        incident="while the basis is wide every hedge misses by its width",
        file="bot/core/exposure.py",
        was="            coin_per_native=(mark / index if is_linear else 1.0 / mark)",
        becomes="            coin_per_native=(mark / index if is_linear else 1.0 / index)",
        killed_by="tests/core/test_linear.py"
        "::test_each_book_trades_what_cancels_its_delta_at_the_perpetuals_mark",
    ),
    Mutant(
        name="the gross delta of coin-settled options",
        incident="the premium's own coins are not taken off: a third of the risk stays open",
        file="bot/core/exposure.py",
        was="    if book.convention is _BOOK and not hedge.is_linear:",
        becomes="    if not hedge.is_linear:",
        killed_by="tests/core/test_exposure.py::test_a_call_has_its_golden_numbers",
    ),
    Mutant(
        name="the dollar convention forgets the collateral",
        incident="the coins of the account stay exposed though the owner counts in dollars",
        file="bot/quant/conventions.py",
        was="            return share * equity_coin",
        becomes="            return 0.0 * share * equity_coin",
        killed_by="tests/core/test_exposure.py"
        "::test_each_convention_counts_what_its_equity_is_made_of",
    ),
    Mutant(
        name="one convention for all",
        incident="whatever the configuration says, the book is hedged in coins",
        file="bot/core/exposure.py",
        was="    if book.convention is _BOOK and not hedge.is_linear:",
        becomes="    if book.convention is None and not hedge.is_linear:",
        killed_by="tests/core/test_exposure.py"
        "::test_each_convention_counts_what_its_equity_is_made_of",
    ),
    Mutant(
        name="hedged on an old quote of the perpetual",
        incident="the feed died a minute ago, and the band is judged on what it said last",
        file="bot/core/exposure.py",
        was="    if state.now_ns - quote.arrived_ns > policy.hedge_age_max_ns:",
        becomes="    if state.now_ns - quote.arrived_ns < 0:",
        killed_by="tests/core/test_exposure.py"
        "::test_a_leg_is_good_up_to_its_age_and_then_there_is_no_number",
    ),
    Mutant(
        name="hedged on old quotes of options",
        incident="half the legs are of an hour ago, and the number looks as good as ever",
        file="bot/core/exposure.py",
        was="    if options.stale or not math.isfinite(options.delta):",
        becomes="    if not math.isfinite(options.delta):",
        killed_by="tests/core/test_exposure.py"
        "::test_a_leg_is_good_up_to_its_age_and_then_there_is_no_number",
    ),
    Mutant(
        name="one silent option among many",
        incident="one quote stands still for minutes, and the book is hedged to where it was",
        file="bot/core/exposure.py",
        was="        oldest_ns=state.now_ns - policy.option_age_max_ns,",
        becomes="        oldest_ns=-(2**62),",
        killed_by="tests/lab/test_strikes.py"
        "::test_while_one_option_is_silent_and_the_price_jumps_its_book_has_no_number",
    ),
    Mutant(
        name="a feed that repeats itself looks alive",
        incident="the venue sends its last price again and again, and each one counts as new",
        file="bot/core/quotes.py",
        was="    if late_ms == 0:",
        becomes="    if late_ms is None:",
        killed_by="tests/core/test_quotes.py"
        "::test_a_feed_that_repeats_its_venue_time_does_not_look_alive",
    ),
    Mutant(
        name="a crossed quote is a quote",
        incident="a book that lost a change prices the hedge",
        file="bot/core/quotes.py",
        was="    if quote.bid > quote.ask:",
        becomes="    if quote.bid > 2.0 * quote.ask:",
        killed_by="tests/core/test_quotes.py::test_a_crossed_quote_is_bad_and_a_locked_one_is_not",
    ),
    Mutant(
        name="lots rounded up",
        incident="every hedge trades more than the model asked for",
        file="bot/core/units.py",
        was='(abs(asked) / lot + Decimal("1e-9")).to_integral_value(rounding=ROUND_FLOOR)',
        becomes="(abs(asked) / lot).to_integral_value(rounding=ROUND_CEILING)",
        killed_by="tests/core/test_units.py"
        "::test_an_exact_size_is_rounded_toward_zero_to_whole_lots_and_less_than_a_lot_is_lost",
    ),
    Mutant(
        name="the band is no band",
        incident="every tick is a hedge, and the fees eat the premium",
        file="bot/core/hedger.py",
        was="    if policy.band_low_coin <= x <= policy.band_high_coin:",
        becomes="    if policy.band_low_coin == x == policy.band_high_coin:",
        killed_by="tests/core/test_hedger.py"
        "::test_inside_the_band_and_on_its_edges_nothing_is_done",
    ),
    Mutant(
        name="the venue's own delta is not listened to",
        incident="a convention was misread, the two deltas part, and hedging goes on",
        file="bot/core/agreement.py",
        was="    if not lasting:",
        becomes="    if lasting or not lasting:",
        killed_by="tests/core/test_agreement.py"
        "::test_a_delta_that_keeps_differing_stops_trading_until_both_agree",
    ),
)
