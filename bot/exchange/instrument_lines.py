"""Descriptions of contracts as text, put together once: a client asks for all of them at once."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from bot.exchange import views
from bot.exchange.contracts import Contract
from bot.exchange.protocol import dumps
from bot.exchange.reports import BookState


@dataclass(slots=True)
class InstrumentLines:
    """Entries of `public/get_instruments`, by name and state."""

    _known: dict[tuple[str, BookState], str] = field(default_factory=dict)

    def line(self, contract: Contract, state: BookState) -> str:
        """One contract's entry."""
        key = (contract.name, state)
        line = self._known.get(key)
        if line is None:
            line = self._known[key] = dumps(views.instrument(contract, state))
        return line

    def prepare(self, contracts: Iterable[Contract]) -> None:
        """Have the entries of open contracts ready before anybody asks."""
        for contract in contracts:
            self.line(contract, BookState.OPEN)
