"""What a method is, and what it is given."""

from collections.abc import Callable
from dataclasses import dataclass

from bot.exchange.contracts import Contract, Kind
from bot.exchange.floor import TradingFloor
from bot.exchange.protocol import (
    Params,
    Result,
    RpcError,
    Transport,
    invalid_param,
    unauthorized,
)
from bot.exchange.scopes import Scope
from bot.exchange.session import Session
from bot.exchange.summaries import CURRENCIES
from bot.exchange.tokens import Grant, Visit

INSTRUMENT_NOT_FOUND = 13020
ANY = "any"
# The venue's kinds; those without a counterpart here have no instruments.
KINDS: dict[str, frozenset[Kind]] = {
    "future": frozenset({Kind.PERPETUAL, Kind.FUTURE}),
    "option": frozenset({Kind.OPTION}),
    "spot": frozenset(),
    "future_combo": frozenset(),
    "option_combo": frozenset(),
    "combo": frozenset(),
    ANY: frozenset(Kind),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a method. `session` is the WebSocket it came over, None over HTTP."""

    floor: TradingFloor
    params: Params
    transport: Transport
    session: Session | None
    grant: Grant | None
    ip: str = "127.0.0.1"

    def visit(self) -> Visit:
        """Where and when the caller stands at the door."""
        return self.floor.visit(self.session, self.ip)

    @property
    def account(self) -> str:
        """The caller's account; RpcError 13009 without a login."""
        if self.grant is None:
            raise unauthorized("a login is required")
        return self.grant.account

    def subject(self) -> str:
        """The account that is asked about: the caller's own, or the subaccount that is named."""
        number = self.params.optional_integer("subaccount_id")
        if number is None:
            return self.account
        return self.floor.register.subaccount(self.account, number, "subaccount_id").name

    def socket(self) -> Session:
        """The caller's WebSocket; the table says which methods may ask for it."""
        assert self.session is not None, "the method is for WebSockets only"
        return self.session

    def contract(self) -> Contract:
        """The listed contract named by `instrument_name`; RpcError 13020 if there is none."""
        contract = self.floor.engine.contract(self.params.text("instrument_name"))
        if contract is None:
            raise RpcError(INSTRUMENT_NOT_FOUND, "not_found")
        return contract

    def kinds(self) -> frozenset[Kind]:
        """The kinds that the optional parameter `kind` asks for."""
        word = self.params.text("kind", ANY)
        if word not in KINDS:
            raise invalid_param("kind", f"must be one of {', '.join(KINDS)}; got {word!r}")
        return KINDS[word]

    def currency(self, *, required: bool = True) -> str | None:
        """The parameter `currency`; None for `any`, and where it may be and is left out."""
        if not required and not self.params.has("currency"):
            return None
        word = self.params.text("currency")
        if word == ANY:
            return None
        if word.upper() not in CURRENCIES:
            raise invalid_param("currency", f"must be one of {', '.join(CURRENCIES)}, {ANY}")
        return word.upper()

    def one_currency(self) -> str:
        """The parameter `currency`, which has to be a single one."""
        currency = self.currency()
        if currency is None:
            raise invalid_param("currency", "a single currency is required")
        return currency

    def index_name(self) -> str:
        """The parameter `index_name`; RpcError if no such index is served."""
        name = self.params.text("index_name")
        if name not in self.floor.chronicle.indices:
            served = ", ".join(self.floor.chronicle.indices)
            raise invalid_param("index_name", f"must be one of {served}; got {name!r}")
        return name

    def is_served(self, currency: str | None) -> bool:
        """Whether the exchange has anything in this currency (None = any)."""
        return currency is None or currency in self.floor.engine.currencies


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One row of the table. `scope` None with `login` means that any login will do.

    `counts` marks the trading requests, which the simulator's ledger keeps.
    """

    run: Callable[[Call], Result]
    login: bool = False
    scope: Scope | None = None
    websocket_only: bool = False
    counts: bool = False
