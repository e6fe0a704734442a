"""What a person reads when nobody answers."""

import pytest
from ccxt.base.errors import NetworkError

from bot.venues import wording
from bot.venues.ccxt_venue import brief

UNREACHED = "Cannot connect to host 127.0.0.1:8171 ssl:default"


@pytest.mark.parametrize(
    ("heard", "said"),
    [
        (
            f"{UNREACHED} [Connect call failed ('127.0.0.1', 8171)]",
            "cannot connect to 127.0.0.1:8171",
        ),
        (
            "Cannot connect to host test.deribit.com:443 ssl:default [Name or service not known]",
            "cannot connect to test.deribit.com:443: Name or service not known",
        ),
    ],
)
def test_a_connection_that_could_not_be_opened_is_said_once(heard: str, said: str) -> None:
    assert wording.plain(heard) == said
    assert wording.named(NetworkError(heard)) == said
    assert brief(NetworkError(f"trading: {heard}")) == f"trading: {said}"


def test_any_other_trouble_of_a_line_keeps_its_words_and_its_kind() -> None:
    assert wording.plain("closed [really]") == "closed [really]"
    assert wording.named(NetworkError("closed")) == "NetworkError: closed"


def test_a_frame_that_breaks_the_protocol_is_told_in_the_words_of_whoever_read_it():
    error = NetworkError(
        "WSMessage(type=<WSMsgType.ERROR: 258>, data=WebSocketError(<WSCloseCode.PROTOCOL_ERROR: "
        "1002>, 'Received frame with non-zero reserved bits'), extra=None)"
    )
    assert wording.named(error) == "not a frame: Received frame with non-zero reserved bits"
