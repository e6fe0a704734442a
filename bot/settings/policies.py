"""From settings to the frozen policies that the core obeys: units change here and nowhere else."""

from datetime import timedelta

from bot.core import units
from bot.core.agreement import AgreementPolicy
from bot.core.books import BookPolicy, Selector
from bot.core.dealing import BookPlan
from bot.core.engine import Policy
from bot.core.hedger import HedgePolicy
from bot.core.margin.gating_stages import GatePolicy
from bot.core.orders import OrderPolicy
from bot.core.quotes import QuotePolicy
from bot.core.safety import SafetyPolicy
from bot.settings import margin_choice
from bot.settings.models import Book, Config, Hedge, Select
from bot.settings.selectors import parse_name


def policy(config: Config, *, external_book: str) -> Policy:
    """Return everything the core is told to obey; `external_book` owns changes nobody here made."""
    currencies = [currency_of(book) for book in config.books]
    return Policy(
        books=tuple(
            BookPlan(
                book=book_policy(book, only_book=currencies.count(currency) == 1),
                hedge=hedge_policy(book.hedge),
            )
            for book, currency in zip(config.books, currencies, strict=True)
        ),
        external_book=external_book,
        orders=order_policy(config),
        model=margin_choice.model(config),
        quotes=quote_policy(config),
        gate=gate_policy(config),
        safety=safety_policy(config),
        agreement=agreement_policy(config),
    )


def selector(select: Select) -> Selector:
    """Return what a book holds."""
    return Selector(
        underlying=select.underlying,
        kinds=frozenset(select.kinds),
        expiry_min=_days(select.expiry_days_min),
        expiry_max=_days(select.expiry_days_max),
        include=frozenset(select.include),
        exclude=frozenset(select.exclude),
    )


def book_policy(book: Book, *, only_book: bool) -> BookPolicy:
    """Return a book; the only one in its currency answers for all of the collateral there."""
    share = book.collateral_share
    if share is None:
        share = 1.0 if only_book else 0.0
    return BookPolicy(
        name=book.name,
        selector=selector(book.select),
        convention=book.convention,
        hedge_instrument=book.hedge.instrument,
        currency=currency_of(book),
        collateral_share=share,
        elasticity=book.forward_elasticity,
    )


def currency_of(book: Book) -> str:
    """Return the settlement currency of a checked book: that of its hedge instrument."""
    parsed = parse_name(book.hedge.instrument)
    assert parsed is not None, "a checked configuration names a perpetual or a future"
    return parsed.currency


def hedge_policy(hedge: Hedge) -> HedgePolicy:
    """Return a book's band and how it is kept."""
    return HedgePolicy(
        band_low_coin=hedge.band_low_coin,
        band_high_coin=hedge.band_high_coin,
        target_coin=hedge.target_coin,
        ratio=_share(hedge.ratio_percent),
        hedge_to=hedge.to,
        interval_min_ms=round(hedge.interval_min_seconds * units.MS_PER_SECOND),
        move_min=_share(hedge.move_min_percent),
        price_cap_bps=hedge.price_cap_bps,
    )


def quote_policy(config: Config) -> QuotePolicy:
    """Return which quotes are good enough."""
    quotes = config.quotes
    return QuotePolicy(
        option_age_max_ns=_ns(quotes.option_age_max_seconds),
        hedge_age_max_ns=_ns(quotes.hedge_age_max_seconds),
        spread_max=_share(quotes.spread_max_percent),
        one_sided_mark_max_coin=quotes.one_sided_mark_max_coin,
    )


def order_policy(config: Config) -> OrderPolicy:
    """Return how orders are sent and how long their silence is borne."""
    orders = config.orders
    return OrderPolicy(
        label_prefix=config.account.label_prefix,
        lifetime_ns=_ns(orders.lifetime_seconds),
        silence_max_ns=_ns(orders.silence_max_seconds),
        skew_ns=_ns(config.safety.clock_skew_max_seconds),
        settle_ns=_ns(orders.settle_seconds),
        query_interval_ns=_ns(orders.query_interval_seconds),
        unprovable_ns=_ns(orders.unprovable_seconds),
        unknown_alert_ns=_ns(orders.unknown_alert_seconds),
    )


def gate_policy(config: Config) -> GatePolicy:
    """Return the stages of margin."""
    margin = config.margin
    return GatePolicy(
        warn=_share(margin.warn_percent),
        reduce_only=_share(margin.reduce_only_percent),
        hold=_share(margin.hold_percent),
        emergency=_share(margin.emergency_percent),
        stressed_warn=_some_share(margin.stressed_warn_percent),
        stressed_reduce_only=_some_share(margin.stressed_reduce_only_percent),
        stressed_hold=_some_share(margin.stressed_hold_percent),
        stressed_emergency=_some_share(margin.stressed_emergency_percent),
        funds_buffer=_share(margin.funds_buffer_percent),
        doubt_buffer=_share(margin.doubt_buffer_percent),
        stress_spot=_share(margin.stress.spot_percent),
        stress_vol=_share(margin.stress.vol_points),
        gap_max=_share(margin.gap_max_percent),
        gap_grace_ns=_ns(margin.gap_grace_seconds),
        gap_skew_max_ns=_ns(margin.gap_skew_max_seconds),
        opinion_every_ns=_some_ns(margin.second_opinion_seconds),
        opinion_near_ns=_ns(margin.second_opinion_near_seconds),
        opinion_near=_share(margin.second_opinion_near_percent),
        opinion_gap_max=_share(margin.second_opinion_gap_max_percent),
        emergency_hedges=margin.emergency_hedges,
        buy_back_options=margin.buy_back_options,
        buy_back_spread_max=_share(margin.buy_back_spread_max_percent),
    )


def safety_policy(config: Config) -> SafetyPolicy:
    """Return the limits that hold whatever the hedge wants."""
    safety = config.safety
    return SafetyPolicy(
        order_max_usd=safety.order_max_usd,
        orders_per_minute_max=safety.orders_per_minute_max,
        hedge_max_usd=safety.hedge_max_usd,
        hedge_over_options_max=_share(safety.hedge_over_options_max_percent),
        hedge_unbacked_max_usd=safety.hedge_unbacked_max_usd,
        turnover_per_hour_max_usd=safety.turnover_per_hour_max_usd,
        fees_per_day_max_usd=safety.fees_per_day_max_usd,
        reversals_per_hour_max=safety.reversals_per_hour_max,
        repeats_max=safety.repeats_max,
        repeats_within_ms=round(safety.repeats_within_seconds * units.MS_PER_SECOND),
        executed_over_wished_max=_share(safety.executed_over_wished_max_percent),
        divergence_max=_share(safety.divergence_max_percent),
        book_divergence_max=_share(safety.book_divergence_max_percent),
        forward_divergence_max=_share(safety.forward_divergence_max_percent),
        collar_max=_share(safety.collar_max_percent),
        account_age_max_ns=_ns(safety.account_age_max_seconds),
        index_still_max_ns=_ns(safety.index_still_max_seconds),
        expiry_index_still_max_ns=_ns(safety.expiry_index_still_max_seconds),
        expiry_unsettled_max_ns=_ns(safety.expiry_unsettled_max_seconds),
        loop_lag_max_ns=_ns(safety.loop_lag_max_seconds),
        journal_max_ns=_ns(safety.journal_max_seconds),
        clock_skew_max_ms=safety.clock_skew_max_seconds * units.MS_PER_SECOND,
        strain_rest_ns=_ns(safety.strain_rest_seconds),
        loss_per_day_max=_share(safety.loss_per_day_max_percent),
        drawdown_max=_share(safety.drawdown_max_percent),
        loss_stop=safety.loss_stop,
        rejects_max=safety.rejects_max,
        position_jump_max_usd=safety.position_jump_max_usd,
        unknown_delta_max_usd=safety.unknown_delta_max_usd,
    )


def agreement_policy(config: Config) -> AgreementPolicy:
    """Return how far our delta may be from the venue's."""
    safety = config.safety
    return AgreementPolicy(
        gap_max_usd=safety.delta_gap_max_usd,
        grace_ns=_ns(safety.delta_gap_grace_seconds),
        skew_max_ns=_ns(safety.delta_gap_skew_max_seconds),
    )


def _days(days: float | None) -> timedelta | None:
    return None if days is None else timedelta(days=days)


def _ns(seconds: float) -> int:
    return round(seconds * units.NS_PER_SECOND)


def _some_ns(seconds: float | None) -> int | None:
    return None if seconds is None else _ns(seconds)


def _some_share(percent: float | None) -> float | None:
    return None if percent is None else _share(percent)


def _share(percent: float) -> float:
    """Return a share of one: the one that a person would write, 2.8 as 0.028."""
    return float(units.exact(percent) / 100)
