"""Who has an account here: main accounts and their subaccounts, by number and by name.

What an account holds is the engine's business; this is its cover sheet. Limit: Deribit's
"Connection management".
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from bot.exchange.protocol import RpcError, invalid_param

SUBACCOUNTS_MAX: Final = 20
TOO_MANY_SUBACCOUNTS: Final = 12001
WRONG_SUBACCOUNT_NAME: Final = 12002
USERNAME_PATTERN: Final = re.compile(r"[A-Za-z0-9_]{2,32}")


@dataclass(slots=True, kw_only=True)
class Member:
    """One account. `name` is the engine's and never changes; `main` is None for a main account."""

    number: int
    name: str
    main: str | None
    username: str
    email: str
    is_login_enabled: bool = False
    receives_notifications: bool = False

    @property
    def is_main(self) -> bool:
        """Whether it is nobody's subaccount."""
        return self.main is None

    @property
    def word(self) -> str:
        """The venue's word for its type."""
        return "main" if self.is_main else "subaccount"


class Register:
    """All accounts of the exchange. Numbers are given out once, so a removed one never returns."""

    def __init__(self, names: Iterable[str], mains: Mapping[str, str]) -> None:
        """Enter `names` in order; `mains` names the main account of those that are subaccounts."""
        self._by_name: dict[str, Member] = {}
        self._given_out = 0
        self._children: dict[str, int] = {}
        for name in names:
            self._enter(name, mains.get(name))

    def member(self, name: str) -> Member:
        """The account of that name, which exists."""
        return self._by_name[name]

    def numbered(self, number: int) -> Member | None:
        """The account of that number."""
        return next((each for each in self._by_name.values() if each.number == number), None)

    def family(self, name: str) -> list[Member]:
        """The main account that `name` belongs to, then its subaccounts, oldest first."""
        member = self._by_name[name]
        main = member.main or member.name
        return [each for each in self._by_name.values() if main in (each.name, each.main)]

    def subaccount(self, main: str, number: int, param: str) -> Member:
        """A subaccount of `main`; RpcError -32602, about `param`, if it has none so numbered."""
        member = self.numbered(number)
        if member is None or member.main != main:
            raise invalid_param(param, f"there is no subaccount {number}")
        return member

    def open_subaccount(self, main: str) -> Member:
        """A new subaccount of `main`; RpcError 12001 if it has as many as it may."""
        if len(self.family(main)) > SUBACCOUNTS_MAX:
            raise RpcError(TOO_MANY_SUBACCOUNTS, "too_many_subaccounts")
        number = self._children.get(main, 0) + 1
        while f"{main}_{number}" in self._by_name:
            number += 1
        return self._enter(f"{main}_{number}", main)

    def rename(self, member: Member, username: str) -> None:
        """Give a subaccount another display name; RpcError 12002 if it is not a name."""
        taken = {each.username for each in self._by_name.values() if each is not member}
        if not USERNAME_PATTERN.fullmatch(username) or username in taken:
            raise RpcError(WRONG_SUBACCOUNT_NAME, "wrong_subaccount_name")
        member.username = username

    def remove(self, member: Member) -> None:
        """Strike a subaccount off."""
        assert member.main is not None, "a main account is never struck off"
        del self._by_name[member.name]

    def _enter(self, name: str, main: str | None) -> Member:
        self._given_out += 1
        if main is not None:
            self._children[main] = self._children.get(main, 0) + 1
        member = Member(
            number=self._given_out,
            name=name,
            main=main,
            username=name,
            email=f"{name if main is None else main}@localhost",
        )
        self._by_name[name] = member
        return member
