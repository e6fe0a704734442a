"""Descriptions of contracts as text, put together once: a client asks for all of them at once."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from bot.exchange import views
from bot.exchange.contracts import Contract
from bot.exchange.protocol import dumps
from bot.exchange.reports import BookState


@dataclass(slots=True)
class InstrumentLines:
    """Entries of `public/get_instruments`, by name and state, as long as the terms are the same."""

    _known: dict[tuple[str, BookState], tuple[Contract, str]] = field(default_factory=dict)

    def line(self, contract: Contract, state: BookState) -> str:
        """One contract's entry."""
        key = (contract.name, state)
        known = self._known.get(key)
        if known is None or known[0] != contract:
            known = contract, dumps(views.instrument(contract, state))
            self._known[key] = known
        return known[1]

    def prepare(self, contracts: Iterable[Contract]) -> None:
        """Have the entries of open contracts ready before anybody asks."""
        for contract in contracts:
            self.line(contract, BookState.OPEN)
