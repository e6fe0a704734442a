"""Which limits are in force, and what a run changed of those that the last one obeyed."""

from collections.abc import Iterator, Mapping
from dataclasses import fields

from bot.core import units
from bot.core.agreement import AgreementPolicy
from bot.core.margin.gating_stages import GatePolicy
from bot.core.quotes import QuotePolicy
from bot.core.safety import SafetyPolicy

# Limits of which less allows more.
FLOORS = frozenset(
    {
        "margin.funds_buffer_percent",
        "margin.doubt_buffer_percent",
        "margin.stress.spot_percent",
        "margin.stress.vol_points",
        "margin.gap_skew_max_seconds",  # fewer figures are compared
        "margin.second_opinion_near_percent",
        "safety.delta_gap_skew_max_seconds",
        "safety.strain_rest_seconds",
    }
)
PERCENT, SECONDS_NS, SECONDS_MS = 100.0, 1.0 / units.NS_PER_SECOND, 1.0 / units.MS_PER_SECOND

# What a policy's field is called in the configuration, and by how much it is larger there.
KEYS: Mapping[str, tuple[str, float]] = {
    "divergence_max": ("safety.divergence_max_percent", PERCENT),
    "collar_max": ("safety.collar_max_percent", PERCENT),
    "book_divergence_max": ("safety.book_divergence_max_percent", PERCENT),
    "forward_divergence_max": ("safety.forward_divergence_max_percent", PERCENT),
    "hedge_over_options_max": ("safety.hedge_over_options_max_percent", PERCENT),
    "executed_over_wished_max": ("safety.executed_over_wished_max_percent", PERCENT),
    "repeats_within_ms": ("safety.repeats_within_seconds", SECONDS_MS),
    "account_age_max_ns": ("safety.account_age_max_seconds", SECONDS_NS),
    "index_still_max_ns": ("safety.index_still_max_seconds", SECONDS_NS),
    "expiry_index_still_max_ns": ("safety.expiry_index_still_max_seconds", SECONDS_NS),
    "expiry_unsettled_max_ns": ("safety.expiry_unsettled_max_seconds", SECONDS_NS),
    "loop_lag_max_ns": ("safety.loop_lag_max_seconds", SECONDS_NS),
    "journal_max_ns": ("safety.journal_max_seconds", SECONDS_NS),
    "clock_skew_max_ms": ("safety.clock_skew_max_seconds", SECONDS_MS),
    "strain_rest_ns": ("safety.strain_rest_seconds", SECONDS_NS),
    "loss_per_day_max": ("safety.loss_per_day_max_percent", PERCENT),
    "drawdown_max": ("safety.drawdown_max_percent", PERCENT),
    "gap_max_usd": ("safety.delta_gap_max_usd", 1.0),
    "grace_ns": ("safety.delta_gap_grace_seconds", SECONDS_NS),
    "skew_max_ns": ("safety.delta_gap_skew_max_seconds", SECONDS_NS),
    "option_age_max_ns": ("quotes.option_age_max_seconds", SECONDS_NS),
    "hedge_age_max_ns": ("quotes.hedge_age_max_seconds", SECONDS_NS),
    "spread_max": ("quotes.spread_max_percent", PERCENT),
    "one_sided_mark_max_coin": ("quotes.one_sided_mark_max_coin", 1.0),
    "warn": ("margin.warn_percent", PERCENT),
    "reduce_only": ("margin.reduce_only_percent", PERCENT),
    "hold": ("margin.hold_percent", PERCENT),
    "emergency": ("margin.emergency_percent", PERCENT),
    "stressed_warn": ("margin.stressed_warn_percent", PERCENT),
    "stressed_reduce_only": ("margin.stressed_reduce_only_percent", PERCENT),
    "stressed_hold": ("margin.stressed_hold_percent", PERCENT),
    "stressed_emergency": ("margin.stressed_emergency_percent", PERCENT),
    "funds_buffer": ("margin.funds_buffer_percent", PERCENT),
    "doubt_buffer": ("margin.doubt_buffer_percent", PERCENT),
    "stress_spot": ("margin.stress.spot_percent", PERCENT),
    "stress_vol": ("margin.stress.vol_points", PERCENT),
    "emergency_hedges": ("margin.emergency_hedges", 1.0),
    "buy_back_options": ("margin.buy_back_options", 1.0),
    "buy_back_spread_max": ("margin.buy_back_spread_max_percent", PERCENT),
    "gap_max": ("margin.gap_max_percent", PERCENT),
    "gap_grace_ns": ("margin.gap_grace_seconds", SECONDS_NS),
    "gap_skew_max_ns": ("margin.gap_skew_max_seconds", SECONDS_NS),
    "opinion_every_ns": ("margin.second_opinion_seconds", SECONDS_NS),
    "opinion_near_ns": ("margin.second_opinion_near_seconds", SECONDS_NS),
    "opinion_near": ("margin.second_opinion_near_percent", PERCENT),
    "opinion_gap_max": ("margin.second_opinion_gap_max_percent", PERCENT),
}


def in_force(
    safety: SafetyPolicy, quotes: QuotePolicy, gate: GatePolicy, agreement: AgreementPolicy
) -> Mapping[str, float]:
    """Return every limit that is a number, by its key in the configuration and in its unit.

    What may be done or not is 1 or 0.
    """
    found: dict[str, float] = {}
    for policy in (safety, quotes, gate, agreement):
        for field in fields(policy):
            number = getattr(policy, field.name)
            if isinstance(number, int | float):
                key, times = KEYS.get(field.name, (f"safety.{field.name}", 1.0))
                found[key] = float(f"{number * times:.12g}")
    return found


def changed(before: Mapping[str, float], after: Mapping[str, float]) -> Iterator[tuple[str, bool]]:
    """Yield each limit that differs, in words, and whether it now allows more."""
    for key in sorted(before.keys() | after.keys()):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        wider = _is_wider(key, old, new)
        yield f"{key} {_said(old)} -> {_said(new)} ({'wider' if wider else 'narrower'})", wider


def _is_wider(key: str, old: float | None, new: float | None) -> bool:
    """Whether a limit allows more than it did; one that is not set allows everything."""
    if old is None or new is None:
        return new is None
    return (new < old) is (key in FLOORS)


def _said(number: float | None) -> str:
    return "none" if number is None else f"{number:.12g}"
