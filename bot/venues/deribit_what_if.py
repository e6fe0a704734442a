"""The venue's own what-if: what it would hold the account to after trades that nobody has made.

`private/simulate_portfolio` answers for the margin model of the account, whichever it is, with
sizes as orders have them: dollars of inverse perpetuals and futures, coins of all else. (Its
neighbour `private/pme/simulate` takes coins of everything, and answers for portfolio margin alone.)
It may be asked once a second, and who asks more often loses the connection.
"""

from collections.abc import Callable
from typing import Any, Final

from bot.core.actions import AskMargin
from bot.core.events import Fact, NoOpinionHere, OpinionGiven
from bot.venues import deribit_errors
from bot.venues import deribit_translate as raw
from bot.venues.ccxt_socket import NotSentError, RpcError
from bot.venues.credits import Kind
from bot.venues.deribit_line import Line
from bot.venues.deribit_translate import MessageError
from bot.venues.pacing import Pacer

SIMULATE: Final = "private/simulate_portfolio"


async def opinion(
    action: AskMargin, line_of: Callable[[], Line], pacer: Pacer, monotonic_ns: Callable[[], int]
) -> tuple[Fact, ...]:
    """Ask once, over the market-data line; whoever wants to know more asks again later.

    No order shall wait behind a portfolio that is reckoned through, nor lose its line over it. The
    line is logged in with the same key; no refusal ends it, for quotes come over it.

    Raises:
        NotSentError: the line is not ready.
        RpcError, AnswerLostError, MessageError: there is no answer, or none that can be read.
    """
    await pacer.wait(Kind.WHAT_IF)
    await pacer.wait(Kind.QUESTION)
    line = line_of()
    if not line.is_ready:
        raise NotSentError("the market-data connection is down")
    asked_ns = monotonic_ns()
    try:
        answer = await line.socket.call(SIMULATE, _params(action))
    except RpcError as error:
        if error.code == deribit_errors.METHOD_NOT_FOUND:
            return (NoOpinionHere(reason=f"{SIMULATE}: {error}", arrived_ns=error.arrived_ns),)
        if error.code in deribit_errors.TOO_OFTEN:
            pacer.refused(Kind.WHAT_IF, error.data)
        raise
    return (given(action, answer.result, asked_ns, answer.arrived_ns),)


def _params(action: AskMargin) -> dict[str, Any]:
    return {
        "currency": action.currency,
        "add_positions": True,
        "simulated_positions": {one.instrument: one.size_native for one in action.trades},
    }


def given(action: AskMargin, result: Any, asked_ns: int, arrived_ns: int) -> OpinionGiven:
    """Translate the answer to a question.

    Raises:
        MessageError: it is of another currency, or lacks a figure.
    """
    if not isinstance(result, dict):
        raise MessageError(f"not an object: {result!r:.200}")
    currency = raw.text(result, "currency").upper()
    if currency != action.currency:
        raise MessageError(f"asked for {action.currency}, the answer is for {currency}")
    return OpinionGiven(
        currency=currency,
        trades=action.trades,
        initial=raw.figure(result, "initial_margin"),
        maintenance=raw.figure(result, "maintenance_margin"),
        asked_ns=asked_ns,
        arrived_ns=arrived_ns,
    )
