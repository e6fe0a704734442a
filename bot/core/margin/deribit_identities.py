"""Which of Deribit's account figures follow from which, so that each can be checked.

Source: the venue's examples of `private/get_account_summary` and `private/simulate_portfolio`,
recomputed. Money in the settlement currency, deltas in coins. Health is measured on the margin
balance, which under standard margin leaves the value of options out, not on equity.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What the venue's account summary states of one currency.

    `futures_delta_coin` is the sum of the futures' signed coins; `options_delta_coin` Black-Scholes
    deltas; `options_value` at the marks.
    """

    balance: float
    futures_session_unrealised: float
    futures_session_realised: float
    options_value: float
    initial_margin: float
    futures_delta_coin: float
    options_delta_coin: float

    @property
    def margin_balance(self) -> float:
        """What margin is held against under segregated standard margin."""
        return self.balance + self.futures_session_unrealised + self.futures_session_realised

    @property
    def equity(self) -> float:
        """Margin balance and the value of the options."""
        return self.margin_balance + self.options_value

    @property
    def available_funds(self) -> float:
        """What new risk may still be taken against, under segregated standard margin."""
        return self.margin_balance - self.initial_margin

    @property
    def delta_total(self) -> float:
        """Net transaction delta: each option's less its own mark."""
        return self.black_delta_total - self.options_value

    @property
    def black_delta_total(self) -> float:
        """Black-Scholes delta, as in the venue's `delta_total_map`."""
        return self.futures_delta_coin + self.options_delta_coin
