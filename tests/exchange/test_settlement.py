"""Expiry on the half-hour average, and the daily settlement."""

from dataclasses import replace

import numpy as np
import pytest

from bot.exchange.commands import (
    Event,
    InstrumentExpired,
    MarketMoved,
    OrderChanged,
    PositionChanged,
    SessionSettled,
    Traded,
)
from bot.exchange.contracts import BTC_USD, Contract, option
from bot.exchange.market import MarketFrame, Skipped
from bot.exchange.reports import CancelReason, FillCause
from bot.exchange.rules import FeeRules, Rules
from bot.exchange.settlement import next_session_ms, payoff
from tests.exchange.engine_builders import (
    BUY,
    CALL,
    DAY_MS,
    EXPIRY_MS,
    PERP,
    PUT,
    engine,
    frame,
    order,
    placed,
    refused,
)

MINUTE_MS = 60_000
OPEN_MS = EXPIRY_MS - 60 * MINUTE_MS
NEXT_CALL = option(BTC_USD, EXPIRY_MS + 7 * DAY_MS, 110_000.0, True)


def _minutes(
    start: int, stop: int, index: float, contracts: tuple[Contract, ...]
) -> list[MarketFrame]:
    return [
        frame(EXPIRY_MS + m * MINUTE_MS, index=index + 10.0 * m, contracts=contracts)
        for m in range(start, stop)
    ]


def _last_hour() -> list[MarketFrame]:
    """A frame a minute: the expiring options until their expiry, then a later one alone."""
    before = _minutes(-60, 0, 115_000.0, (CALL, PUT, NEXT_CALL))
    return [*before, *_minutes(0, 3, 115_000.0, (NEXT_CALL,))]


def _kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_an_option_pays_its_intrinsic_value_in_coin() -> None:
    assert payoff(CALL, 137_500.0) == pytest.approx(0.2)
    assert payoff(CALL, 100_000.0) == 0.0
    assert payoff(PUT, 60_000.0) == pytest.approx(0.5)
    assert payoff(PUT, 100_000.0) == 0.0


def test_expired_options_are_delivered_on_the_average_of_the_last_half_hour() -> None:
    venue = engine(*_last_hour(), positions={CALL.name: -2, PUT.name: -1, PERP: 1_000})
    resting = placed(venue.handle(order(BUY, 0.1, 0.0100, name=CALL.name))).order
    venue.advance(EXPIRY_MS - 1)
    before = venue.account("demo", "BTC")
    held = float(venue.frame(BTC_USD).mark_price[0])
    events = venue.advance(EXPIRY_MS)
    # Frames of minutes -30 .. -1 each hold for a minute: the mean of 115,000 + 10 m.
    delivery = 115_000 - 10 * np.mean(np.arange(1, 31))
    assert venue.expired_contracts() == {
        CALL.name: pytest.approx(delivery),
        PUT.name: pytest.approx(delivery),
    }
    payoff = 1 - 110_000 / delivery
    after = venue.account("demo", "BTC")
    assert after.balance - before.balance == pytest.approx(-2 * (payoff + 0.00015), abs=1e-4)
    assert after.equity - before.equity == pytest.approx(-2 * (payoff - held + 0.00015), abs=1e-6)
    assert venue.ledger_positions("demo") == {PERP: 1_000}
    gone = venue.order("demo", resting.order_id)
    assert gone is not None
    assert gone.cancel_reason is CancelReason.SETTLEMENT
    fills = venue.ledger_fills()
    assert {(t.instrument_name, t.cause, float(t.amount)) for t in fills} == {
        (CALL.name, FillCause.SETTLEMENT, 2.0),
        (PUT.name, FillCause.SETTLEMENT, 1.0),
    }
    assert venue.trades("demo") == []
    kinds = _kinds(events)
    assert kinds.index("InstrumentExpired") < kinds.index("MarketMoved")
    for kind in (OrderChanged, Traded, PositionChanged, InstrumentExpired, SessionSettled):
        assert kind.__name__ in kinds


def test_an_expired_option_is_no_longer_listed_and_no_longer_trades() -> None:
    venue = engine(*_last_hour())
    venue.advance(EXPIRY_MS)
    assert venue.contract(CALL.name) is None
    assert venue.ticker(CALL.name) is None
    assert CALL.name not in {c.name for c in venue.contracts()}
    assert refused(venue.handle(order(BUY, 0.1, 0.01, name=CALL.name))).code == 13019
    assert venue.ledger_orders()[-1].reject_code == 13019


def test_expiry_does_not_wait_for_the_next_frame() -> None:
    frames = [f for f in _last_hour() if f.at_ms < EXPIRY_MS]
    late = frame(EXPIRY_MS + 90_000, contracts=(NEXT_CALL,))
    venue = engine(*frames, late, positions={CALL.name: 1})
    events = venue.advance(EXPIRY_MS + 30_000)
    assert "InstrumentExpired" in _kinds(events)
    assert venue.contracts()[0].name == PERP
    assert CALL.name not in {c.name for c in venue.contracts()}
    assert venue.account("demo", "BTC").options_value == 0.0
    listed = venue.advance(EXPIRY_MS + 90_000)
    assert _kinds(listed) == ["MarketMoved"]


def test_an_option_that_the_data_loses_keeps_its_last_mark_until_it_is_delivered() -> None:
    frames = _last_hour()
    lost = [replace(f) if f.at_ms < OPEN_MS + 600_000 else f for f in frames]
    lost = [
        f
        if f.at_ms < OPEN_MS + 600_000
        else frame(f.at_ms, index=f.index_usd, contracts=(NEXT_CALL,))
        for f in lost
    ]
    venue = engine(*lost, positions={CALL.name: 1})
    venue.advance(EXPIRY_MS - 1)
    assert venue.contract(CALL.name) is None
    carried = venue.account("demo", "BTC")
    assert carried.options_value == pytest.approx(float(frames[9].mark_price[0]))
    assert carried.options_delta > 0
    assert venue.advance(EXPIRY_MS)
    assert venue.ledger_positions("demo") == {}
    assert CALL.name in venue.expired_contracts()


def test_the_net_delta_of_an_expiring_option_decays_linearly_to_zero() -> None:
    venue = engine(*_last_hour(), positions={CALL.name: 1})
    net = {}
    for left in (31, 30, 15, 3):
        venue.advance(EXPIRY_MS - left * MINUTE_MS)
        view = venue.position("demo", CALL.name)
        assert view is not None
        net[left] = view.delta - view.mark_price
    assert net[31] == pytest.approx(net[30], rel=0.01)
    # Deep in the money D is 1 and the mark 1 - K/F, so that the whole net delta is K/F.
    assert net[15] == pytest.approx(110_000 / (115_000 - 150) / 2, rel=1e-3)
    assert net[3] == pytest.approx(110_000 / (115_000 - 30) / 10, rel=1e-3)


def test_the_estimated_delivery_price_follows_the_average() -> None:
    venue = engine(*_last_hour())
    venue.advance(EXPIRY_MS - 45 * MINUTE_MS)
    early = venue.ticker(CALL.name)
    assert early is not None
    assert early.estimated_delivery_price == early.index_price
    venue.advance(EXPIRY_MS - 1)
    late = venue.ticker(CALL.name)
    assert late is not None
    assert late.estimated_delivery_price == pytest.approx(115_000 - 155.0, abs=0.01)


def test_the_daily_settlement_moves_session_profit_into_the_balance_and_keeps_equity() -> None:
    eve = EXPIRY_MS - DAY_MS
    venue = engine(
        frame(eve - 2_000),
        frame(eve - 1_000, index=105_000.0, mark=105_300.0),
        frame(eve + 1_000, index=106_000.0),
        positions={PERP: 50_000, CALL.name: -1},
    )
    venue.advance(eve - 1_000)
    before = venue.account("demo", "BTC")
    assert before.futures_session_upl > 0
    events = venue.advance(eve)
    assert _kinds(events) == ["SessionSettled", "PortfolioChanged", "PortfolioChanged"]
    after = venue.account("demo", "BTC")
    assert after.futures_session_upl == after.futures_session_rpl == 0.0
    assert after.options_session_upl == 0.0
    assert after.equity == pytest.approx(before.equity, abs=1e-7)  # a second of funding
    assert after.balance == pytest.approx(after.margin_balance, abs=1e-15)
    view = venue.position("demo", PERP)
    assert view is not None
    assert view.settlement_price == 105_300.0
    assert view.average_price == 100_000.0
    assert view.total_profit_loss == pytest.approx(50_000 * (1 / 100_000 - 1 / 105_300))
    venue.advance(eve + 1_000)
    later = venue.position("demo", PERP)
    assert later is not None
    assert later.floating_profit_loss == pytest.approx(50_000 * (1 / 105_300 - 1 / 106_000))


def test_an_expiry_inside_a_hole_of_the_data_settles_on_what_was_known_before_it() -> None:
    gap = Skipped(from_ms=EXPIRY_MS - 10 * MINUTE_MS, to_ms=EXPIRY_MS + 20 * MINUTE_MS)
    before = [f for f in _last_hour() if f.at_ms <= gap.from_ms]
    beyond = frame(gap.to_ms, index=90_000.0, contracts=(NEXT_CALL,))
    venue = engine(*before, gap, beyond, positions={CALL.name: 1})
    events = venue.advance(gap.from_ms + 6 * MINUTE_MS)
    assert _kinds(events)[-4:] == ["PortfolioChanged", "PortfolioChanged", "Skipped", "MarketMoved"]
    # Twenty minutes as recorded, then the last of them held for the ten that are missing.
    known = [115_000 - 10.0 * m for m in range(30, 10, -1)] + [115_000 - 100.0] * 10
    assert venue.expired_contracts()[CALL.name] == pytest.approx(np.mean(known))
    assert venue.now_ms == venue.frame(BTC_USD).at_ms == gap.to_ms
    assert venue.ledger_positions("demo") == {}


def test_sessions_end_at_eight_utc() -> None:
    assert next_session_ms(EXPIRY_MS - 1) == EXPIRY_MS
    assert next_session_ms(EXPIRY_MS) == EXPIRY_MS + DAY_MS


def test_equity_moves_at_settlement_by_the_payoff_less_the_mark_and_nothing_else() -> None:
    free = Rules(fees=FeeRules(option_delivery_coin=0.0))
    venue = engine(*_last_hour(), positions={CALL.name: -3, PUT.name: 2}, rules=free)
    venue.advance(EXPIRY_MS - 1)
    before, marks = venue.equity("demo", "BTC"), venue.frame(BTC_USD).mark_price
    venue.advance(EXPIRY_MS)
    delivered = venue.expired_contracts()
    jump = -3 * (payoff(CALL, delivered[CALL.name]) - marks[0])
    jump += 2 * (payoff(PUT, delivered[PUT.name]) - marks[1])
    assert venue.equity("demo", "BTC") == pytest.approx(before + jump, abs=1e-12)
    assert any(isinstance(e, MarketMoved) for e in venue.advance(EXPIRY_MS + MINUTE_MS))


def test_what_is_published_as_delivery_price_is_what_is_paid_on() -> None:
    """Two thirds of a cent in the average must not make a payoff that nobody can work out again."""
    script = [
        replace(each, index_usd=each.index_usd + (0.02 if at % 3 == 0 else 0.0))
        for at, each in enumerate(_last_hour())
    ]
    venue = engine(*script, positions={CALL.name: -2})
    events = venue.advance(EXPIRY_MS)
    published = venue.expired_contracts()[CALL.name]
    fills = [event.trade for event in events if isinstance(event, Traded)]
    assert published == 114_845.01
    assert [float(fill.price) for fill in fills] == [pytest.approx(payoff(CALL, published))]
