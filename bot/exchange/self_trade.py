"""Who may not trade with whom: nobody with itself, and if its owner wishes, no account of an owner.

The venue's two ways (`private/set_self_trading_config`): the arriving order is refused with
`order_overlap`, or the resting one gives way. Which of them an account starts with the venue does
not say; here the arriving order is refused, as with its "self-match prevention" switched off.
"""

from dataclasses import dataclass, field

from bot.exchange.orders import Order
from bot.exchange.trading_commands import SelfTradeMode, SelfTradeRule


@dataclass(slots=True)
class SelfTrading:
    """The rule of each owner; an account without a named owner is its own."""

    owners: dict[str, str] = field(default_factory=dict)
    _rules: dict[str, SelfTradeRule] = field(default_factory=dict)

    def rule(self, account: str) -> SelfTradeRule:
        """The rule that holds for the account."""
        return self._rules.get(self._owner(account), SelfTradeRule())

    def choose(self, account: str, rule: SelfTradeRule) -> None:
        """Set the rule of the account's owner."""
        self._rules[self._owner(account)] = rule

    def is_own(self, taker: Order, maker: Order) -> bool:
        """Whether these two orders must not trade with each other."""
        if taker.account == maker.account:
            return True
        same_owner = self._owner(taker.account) == self._owner(maker.account)
        return same_owner and self.rule(taker.account).extended_to_subaccounts

    def rejects_taker(self, account: str) -> bool:
        """Whether the arriving order is the one to go."""
        return self.rule(account).mode is SelfTradeMode.REJECT_TAKER

    def _owner(self, account: str) -> str:
        return self.owners.get(account, account)
