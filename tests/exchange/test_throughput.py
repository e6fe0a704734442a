"""How much the exchange says and answers in a second of one core."""

import asyncio
import time

from tests.exchange.ccxt_clients import rest_client
from tests.exchange.wire import PERPETUAL, hall, serving

TICKERS_A_SECOND_MIN = 2_000
LOAD_MARKETS_SECONDS_MAX = 0.3
YARDSTICK_SECONDS = 0.03  # of a core on which the limits above hold


def slowness() -> float:
    """How many times slower than that this core is just now, whoever shares it; at least 1."""
    spent_s = []
    for _ in range(3):
        began = time.process_time()
        sum(number * number for number in range(300_000))
        spent_s.append(time.process_time() - began)
    return max(min(spent_s) / YARDSTICK_SECONDS, 1.0)


def test_two_thousand_tickers_a_second_leave_room_for_orders() -> None:
    world = hall()
    watcher, trader = world.client().login(), world.client().login()
    names = [
        each["instrument_name"] for each in watcher.call("public/get_instruments", currency="any")
    ]
    said: list[int] = []
    watcher.session.send = lambda text: said.append(len(text))
    watcher.call("private/subscribe", channels=[f"ticker.{name}.raw" for name in names])
    said.clear()

    began = time.process_time()
    for _ in range(100):  # two seconds of the market
        world.pass_ms(20)
        trader.call("private/buy", instrument_name=PERPETUAL, amount=10, type="market")
    spent_s = (time.process_time() - began) / slowness()

    assert len(said) > 2 * len(names)
    assert len(said) / spent_s > TICKERS_A_SECOND_MIN


async def test_a_client_knows_the_whole_venue_in_a_third_of_a_second() -> None:
    async with serving() as server, rest_client(server) as exchange:
        spent_s = []
        for _ in range(5):
            await asyncio.sleep(0)
            began = time.process_time()
            await exchange.load_markets(True)
            spent_s.append((time.process_time() - began) / slowness())

    assert len(exchange.markets) > 1_000
    assert min(spent_s) < LOAD_MARKETS_SECONDS_MAX
