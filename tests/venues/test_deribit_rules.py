"""Small rules of the edge: exact numbers, frames, rights, networks, waits, silence."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.events import Link
from bot.venues import deribit_errors, deribit_network, deribit_requests, wire_json
from bot.venues.ccxt_venue import Upkeep, keep_link
from bot.venues.channels import Channels
from bot.venues.deribit_network import Network
from bot.venues.deribit_requests import Credentials
from bot.venues.pacing import Backoff
from tests.venues.edge import HandClock, submit

LIVE = ("https://www.deribit.com", "wss://www.deribit.com/ws/api/v2")
TEST = ("https://test.deribit.com", "wss://test.deribit.com/ws/api/v2")
HERE = ("http://127.0.0.1:8080", "ws://127.0.0.1:8080/ws/api/v2")
SECOND_NS = 1_000_000_000


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=8, min_value=-(10**9), max_value=10**9
    )
)
def test_a_number_is_written_digit_by_digit(number):
    text = wire_json.encode({"amount": number})

    assert json.loads(text, parse_float=Decimal, parse_int=Decimal) == {"amount": number}
    assert "e" not in text.removeprefix('{"amount"').lower()


@pytest.mark.parametrize("value", [0.1, object(), {"a": 1.5}, {1, 2}], ids=str)
def test_a_number_that_is_not_exact_is_not_sent(value):
    with pytest.raises(TypeError):
        wire_json.encode(value)


def test_a_decimal_that_is_no_number_is_not_sent():
    with pytest.raises(ValueError, match="finite"):
        wire_json.encode([Decimal("NaN")])


@given(
    st.lists(st.text("abcXYZ.-0", min_size=1, max_size=40), max_size=60),
    st.integers(1, 10),
    st.integers(60, 200),
)
def test_frames_hold_every_channel_once_within_their_bounds(channels, count_max, bytes_max):
    chunks = list(deribit_requests.chunked(channels, count_max, bytes_max))

    assert [name for chunk in chunks for name in chunk] == channels
    assert all(0 < len(chunk) <= count_max for chunk in chunks)
    assert all(len(wire_json.encode(chunk)) <= bytes_max + 2 for chunk in chunks)


def test_a_side_comes_from_the_sign():
    assert deribit_requests.place(submit(size="50"))[0] == "private/buy"
    method, params = deribit_requests.place(submit(size="-50"))
    assert method == "private/sell"
    assert params["amount"] == 50


def test_a_login_is_signed_as_the_venue_checks_it():
    credentials = Credentials(key="demo", secret="demo-secret")

    method, params = deribit_requests.login(credentials, 1_700_000_000_000, "n1")

    assert method == "public/auth"
    assert params["grant_type"] == "client_signature"
    # printf '1700000000000\nn1\n' | openssl dgst -sha256 -hmac demo-secret
    assert params["signature"] == SIGNATURE
    assert "scope" not in params
    assert "demo-secret" not in repr(credentials)


SIGNATURE = "cfe8d03b0cccfe0cb56ffe5eb9c9acafb258a1d5d8cf31bf135534381bba4627"


@pytest.mark.parametrize(
    ("scope", "refusal"),
    [
        ("account:read_write trade:read_write", None),
        ("connection mainaccount name:x account:read_write trade:read_write wallet:read", None),
        ("account:read_write trade:read_write wallet:none", None),
        ("account:read_write trade:read_write wallet:read_write", "may withdraw"),
        ("account:read_write trade:read", "lacks trade:read_write"),
        ("trade:read_write", "lacks account:read_write"),
        ("account:read trade:read_write", "may not arm cancel-on-disconnect"),
        ("", "empty"),
    ],
)
def test_a_key_is_judged_by_its_rights(scope, refusal):
    said = deribit_requests.scope_refusal(scope)

    assert said is None if refusal is None else said is not None and refusal in said


@pytest.mark.parametrize(
    ("scope", "refusal"),
    [
        ("account:read trade:read wallet:read", None),
        ("account:read_write trade:read_write", None),
        ("account:read trade:read wallet:read_write", "may withdraw"),
        ("account:read", "lacks trade:read (account:read)"),
        ("trade:read", "lacks account:read (trade:read)"),
        ("", "lacks account:read and trade:read (empty)"),
    ],
)
def test_who_only_looks_needs_a_key_that_reads(scope, refusal):
    said = deribit_requests.looking_refusal(scope)

    assert said is None if refusal is None else said is not None and refusal in said


@pytest.mark.parametrize(
    ("urls", "network", "refusal"),
    [
        (LIVE, Network.LIVE, None),
        (TEST, Network.TESTNET, None),
        (HERE, Network.REHEARSAL, None),
        (("http://exchange:8080", "ws://exchange:8080/ws/api/v2"), Network.REHEARSAL, None),
        ((LIVE[0], TEST[1]), Network.LIVE, "rest_url is live"),
        ((TEST[0], LIVE[1]), Network.TESTNET, "ws_url is live"),
        (LIVE, Network.TESTNET, "mode is testnet"),
        (TEST, Network.LIVE, "mode is live"),
        (LIVE, Network.REHEARSAL, "mode is rehearsal"),
        (HERE, Network.LIVE, "mode is live"),
        (("http://www.deribit.com", LIVE[1]), Network.LIVE, "https://"),
    ],
)
def test_addresses_and_mode_must_be_of_one_network(urls, network, refusal):
    rest_url, ws_url = urls
    said = deribit_network.url_refusal(rest_url, ws_url, network)

    assert said is None if refusal is None else said is not None and refusal in said


@pytest.mark.parametrize(
    ("testnet", "network", "is_fine"),
    [
        (True, Network.LIVE, False),
        (False, Network.LIVE, True),
        (None, Network.LIVE, True),
        (False, Network.TESTNET, False),
        (True, Network.TESTNET, True),
        (True, Network.REHEARSAL, True),
        (False, Network.REHEARSAL, True),
    ],
)
def test_the_venue_has_the_last_word_on_its_network(testnet, network, is_fine):
    assert (deribit_network.answer_refusal(testnet, network) is None) is is_fine


@pytest.mark.parametrize("code", [0, 1, -1, 10001, 10004, 11031, 11094, 13028, 13888])
def test_a_code_that_proves_nothing_is_not_on_the_list_of_refusals(code):
    assert not deribit_errors.is_refusal(code)


def test_waits_grow_to_a_bound_and_start_over_after_success():
    backoff = Backoff(first_s=0.2, longest_s=5.0, chance=lambda: 1.0)

    waits = [backoff.next_s() for _ in range(8)]
    assert waits == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0])
    backoff.reset()
    assert backoff.next_s() == pytest.approx(0.2)


def test_chance_cuts_a_wait_by_half_at_most():
    backoff = Backoff(first_s=1.0, longest_s=1.0, chance=lambda: 0.0)

    assert backoff.next_s() == 0.5


class EndedError(Exception):
    """The test has seen enough."""


@pytest.mark.parametrize(
    ("lives_s", "waits_s"),
    [(3.0, [0.2, 0.4, 0.8, 1.6, 3.2, 3.2, 3.2]), (6.0, [0.2] * 5)],
)
async def test_a_venue_that_ends_every_connection_at_once_is_dialled_ever_more_slowly_up_to_a_bound(
    lives_s: float, waits_s: list[float]
):
    clock, waited = HandClock(), list[float]()

    async def nothing(_: str = "") -> None:
        pass

    async def live() -> str:
        clock.pass_s(lives_s)
        return "closed by the venue"

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == len(waits_s):
            raise EndedError

    upkeep = Upkeep(
        link=Link.TRADING,
        connect=nothing,
        live=live,
        drop=nothing,
        backoff=Backoff(first_s=0.2, longest_s=30.0, chance=lambda: 1.0),
    )
    with pytest.raises(EndedError):
        await keep_link(upkeep, lambda _: None, sleep, clock.read)

    assert waited == pytest.approx(waits_s)


def test_a_silent_channel_is_chased_in_three_steps_and_forgiven_when_it_speaks():
    channels = Channels()
    channels.want(["a", "b"])
    channels.added(["a", "b"], 0)

    def stalled(now_ns: int):
        channels.heard("b", now_ns)
        return channels.stalled(now_ns, 10, lambda _: False)

    assert stalled(10).resubscribe == ()
    assert stalled(11).resubscribe == ("a",)
    assert stalled(12).recycle == ()
    assert stalled(22).recycle == ("a",)
    channels.connected()
    channels.added(["a", "b"], 30)
    assert stalled(41).dead == ("a",)
    channels.heard("a", 45)
    assert stalled(56).resubscribe == ("a",)


def test_an_expired_contract_may_be_silent():
    channels = Channels()
    channels.added(["old"], 0)

    stalls = channels.stalled(100, 10, lambda channel: channel == "old")

    assert (stalls.resubscribe, stalls.recycle, stalls.dead) == ((), (), ())


def test_a_refused_channel_is_asked_again_after_a_while_or_when_the_wanted_set_changes():
    channels = Channels()
    channels.want(["a"])
    channels.refused("a", 0)
    channels.want(["a"])
    assert channels.missing(59, 60) == []
    assert channels.missing(60, 60) == ["a"]
    channels.want(["a", "b"])
    assert channels.missing(1, 60) == ["a", "b"]
