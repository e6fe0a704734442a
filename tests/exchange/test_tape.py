"""What traded in a day is kept as it comes, and is what adding it up anew would give."""

import random
from decimal import Decimal

from bot.exchange.tape import WINDOW_MS, Tape


def test_volume_and_range_of_a_day_are_those_of_its_trades_whenever_they_are_asked_for() -> None:
    rng = random.Random(5)
    tape, trades, now_ms = Tape(), [], 0
    for _ in range(400):
        now_ms += rng.randrange(WINDOW_MS // 40)
        price, amount = Decimal(rng.randrange(90, 110)), Decimal(rng.randrange(1, 9))
        tape.record(now_ms, price, amount)
        trades.append((now_ms, price, amount))
        asked_ms = now_ms + rng.choice((0, WINDOW_MS // 3))
        recent = [one for one in trades if one[0] >= asked_ms - WINDOW_MS]
        if rng.random() < 0.5:
            continue
        assert tape.volume(asked_ms) == sum(amount for _, _, amount in recent)
        prices = [price for _, price, _ in recent]
        assert tape.range(asked_ms) == ((min(prices), max(prices)) if prices else None)
        now_ms = asked_ms


def test_a_day_without_a_trade_has_no_range_and_the_next_trade_begins_another() -> None:
    tape = Tape()
    tape.record(0, Decimal(5), Decimal(1))
    assert tape.range(WINDOW_MS + 1) is None
    assert tape.volume(WINDOW_MS + 1) == 0
    tape.record(WINDOW_MS + 2, Decimal(7), Decimal(2))
    assert tape.range(WINDOW_MS + 2) == (Decimal(7), Decimal(7))
