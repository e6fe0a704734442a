"""An account of this machine belongs to one daemon, whatever ledger each of two would write."""

import os
import subprocess
import sys

import pytest

from bot.runtime.account_lock import Account, AccountTakenError, alone

SINCE_MS = 1_790_000_000_000  # 2026-09-21 14:13:20 UTC


def account(*currencies: str, key: str = "abc", venue: str = "127.0.0.1:0") -> Account:
    return Account(venue=f"{venue}/{os.getpid()}", key=key, currencies=currencies)


def test_a_second_daemon_on_the_account_is_told_whose_process_and_since_when():
    with alone(account("BTC"), SINCE_MS):
        with pytest.raises(AccountTakenError) as refused, alone(account("BTC"), 0):
            pass
        said = str(refused.value)
    assert f"process {os.getpid()}, since 2026-09-21 14:13:20 UTC, trades it" in said
    assert "the BTC account of this key" in said
    assert "abc" not in said


def test_one_currency_in_common_is_enough_and_what_was_taken_first_is_given_back():
    with alone(account("ETH", "USDC"), SINCE_MS):
        with pytest.raises(AccountTakenError), alone(account("BTC", "ETH"), SINCE_MS):
            pass
        with alone(account("BTC"), SINCE_MS):
            pass  # not kept by the one that was refused


@pytest.mark.parametrize("other", [account("ETH"), account("BTC", key="abd")])
def test_other_currencies_and_other_keys_are_other_accounts(other):
    with alone(account("BTC"), SINCE_MS), alone(other, SINCE_MS):
        pass


def test_a_daemon_that_was_killed_leaves_no_lock_behind():
    mine = account("BTC", key="killed")
    hold = (
        "from bot.runtime.account_lock import *; import os, signal\n"
        f"with alone(Account(venue={mine.venue!r}, key='killed', currencies=('BTC',)), 0):\n"
        "    print('held', flush=True); signal.pause()"
    )
    with subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(AccountTakenError), alone(mine, 0):
            pass
        other.kill()
        other.wait(60)
    with alone(mine, 0):
        pass
