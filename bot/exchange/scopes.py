"""What a login may do: areas and accesses, and the words in which the venue asks and tells.

Words: "Access scope" of Deribit's API v2 description. An area is followed by `none`, `read` or
`read_write`; the others bind a login to a connection, a named session, a lifetime or an address.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

EXPIRES_DIGITS_MAX: Final = 9
ANY_IP: Final = "*"


class Access(IntEnum):
    """How far a scope reaches; a wider one includes the narrower."""

    NONE = 0
    READ = 1
    READ_WRITE = 2


ACCESS_BY_WORD: Final = {"none": Access.NONE, "read": Access.READ, "read_write": Access.READ_WRITE}
WORD_BY_ACCESS: Final = {access: word for word, access in ACCESS_BY_WORD.items()}


class Area(StrEnum):
    """What a scope speaks about, in the order in which the venue lists them."""

    ACCOUNT = "account"
    BLOCK_RFQ = "block_rfq"
    BLOCK_TRADE = "block_trade"
    CUSTODY = "custody"
    TRADE = "trade"
    WALLET = "wallet"


AREA_BY_WORD: Final = {area.value: area for area in Area}
Accesses = Mapping[Area, Access]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The permission that a method needs. `main_only`: subaccounts never have it."""

    area: Area
    access: Access
    main_only: bool = False

    def __str__(self) -> str:
        return f"{self.area}:{WORD_BY_ACCESS[self.access]}"


ACCOUNT_READ: Final = Scope(area=Area.ACCOUNT, access=Access.READ)
ACCOUNT_WRITE: Final = Scope(area=Area.ACCOUNT, access=Access.READ_WRITE)
ACCOUNT_WRITE_MAIN: Final = Scope(area=Area.ACCOUNT, access=Access.READ_WRITE, main_only=True)
TRADE_READ: Final = Scope(area=Area.TRADE, access=Access.READ)
TRADE_WRITE: Final = Scope(area=Area.TRADE, access=Access.READ_WRITE)
WALLET_READ: Final = Scope(area=Area.WALLET, access=Access.READ)
WALLET_WRITE: Final = Scope(area=Area.WALLET, access=Access.READ_WRITE)
WALLET_WRITE_MAIN: Final = Scope(area=Area.WALLET, access=Access.READ_WRITE, main_only=True)
BLOCK_TRADE_READ: Final = Scope(area=Area.BLOCK_TRADE, access=Access.READ)
BLOCK_TRADE_WRITE: Final = Scope(area=Area.BLOCK_TRADE, access=Access.READ_WRITE)
BLOCK_RFQ_READ: Final = Scope(area=Area.BLOCK_RFQ, access=Access.READ)
BLOCK_RFQ_WRITE: Final = Scope(area=Area.BLOCK_RFQ, access=Access.READ_WRITE)
CUSTODY_READ: Final = Scope(area=Area.CUSTODY, access=Access.READ)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeWords:
    """What a caller asked for. An area that is not in `accesses` was not asked about."""

    accesses: Accesses
    session: str | None = None
    expires_s: int | None = None
    ip: str | None = None

    def narrowed(self, widest: Accesses) -> dict[Area, Access]:
        """The accesses that are given: never more than the widest, no less where not asked."""
        return {area: min(widest[area], self.accesses.get(area, widest[area])) for area in Area}


def read_scope(text: str) -> ScopeWords:
    """The words of a scope; those that mean nothing here are passed over, as the venue does."""
    accesses: dict[Area, Access] = {}
    session = ip = None
    expires_s = None
    for word in text.split():
        name, _, value = word.partition(":")
        if name in AREA_BY_WORD and value in ACCESS_BY_WORD:
            accesses[AREA_BY_WORD[name]] = ACCESS_BY_WORD[value]
        elif name == "session" and value:
            session = value
        elif name == "ip" and value not in ("", ANY_IP):
            ip = value
        elif name == "expires" and value.isdecimal() and len(value) <= EXPIRES_DIGITS_MAX:
            expires_s = int(value)
    return ScopeWords(accesses=accesses, session=session, expires_s=expires_s, ip=ip)


def widest(text: str) -> dict[Area, Access]:
    """The accesses of a key's own scope; an area that it does not name has none."""
    return {**dict.fromkeys(Area, Access.NONE), **read_scope(text).accesses}


def words(accesses: Accesses, areas: Iterable[Area] = Area) -> list[str]:
    """Accesses as the venue words them, every area named."""
    return [f"{area}:{WORD_BY_ACCESS[accesses[area]]}" for area in areas]
