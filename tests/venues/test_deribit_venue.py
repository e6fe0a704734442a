"""The Deribit edge over real sockets: what it posts, what it asks, and how often."""

from bot.core.actions import Watch
from bot.core.events import FillSeen, InstrumentsSeen, OrderSeen, OrderSent, QuoteSeen
from tests.venues import edge as edges
from tests.venues.deribit_server import CALL, PERPETUAL, serving
from tests.venues.edge import running, submit, until, venue


async def test_a_first_hedge_goes_out_over_the_socket_and_comes_back_as_facts():
    async with serving() as server:
        edge = venue(server)
        async with running(edge) as facts:
            assert len(facts.of(InstrumentsSeen)[0].instruments) == 3
            await edge.perform(Watch(instruments=frozenset({PERPETUAL, CALL})))
            await until(lambda: len(facts.of(QuoteSeen)) >= 2)
            result = await edge.perform(submit())
            kinds = [type(fact) for fact in result]
            assert kinds == [OrderSent, FillSeen, OrderSeen]
            assert [request.transport for request in server.placed] == ["ws"]
