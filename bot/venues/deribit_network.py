"""Which of Deribit's networks an address belongs to, and whether a configuration mixes them."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from urllib.parse import urlsplit


class Network(StrEnum):
    """Where the venue is: an embedded exchange, the venue's testnet, or real money."""

    REHEARSAL = "rehearsal"
    TESTNET = "testnet"
    LIVE = "live"


HOSTS: Mapping[str, Network] = MappingProxyType(
    {
        "www.deribit.com": Network.LIVE,
        "deribit.com": Network.LIVE,
        "streams.deribit.com": Network.LIVE,
        "test.deribit.com": Network.TESTNET,
        "127.0.0.1": Network.REHEARSAL,
        "::1": Network.REHEARSAL,
        "localhost": Network.REHEARSAL,
    }
)


def network_of(url: str) -> Network | None:
    """Return the network of a URL's host, or None if the host is not one of the venue's."""
    return HOSTS.get(urlsplit(url).hostname or "")


def url_refusal(rest_url: str, ws_url: str, expected: Network) -> str | None:
    """Return why these addresses do not suit the mode, or None if they do.

    A host that is nobody's (a proxy, a container's name) is taken at the configuration's word.
    """
    rest, ws = network_of(rest_url), network_of(ws_url)
    if rest is not ws and rest is not None and ws is not None:
        return f"rest_url is {rest.value} ({rest_url}) but ws_url is {ws.value} ({ws_url})"
    for url, found in ((rest_url, rest), (ws_url, ws)):
        if found is not None and found is not expected:
            return f"the mode is {expected.value}, but {url} is {found.value}"
    if expected is Network.LIVE and not (
        rest_url.startswith("https://") and ws_url.startswith("wss://")
    ):
        return f"live trading needs https:// and wss://, not {rest_url} and {ws_url}"
    return None


def answer_refusal(testnet: bool | None, expected: Network) -> str | None:  # noqa: FBT001
    """Return why the network that the venue states is not the expected one, or None if it is.

    Args:
        testnet: the flag that the venue puts into its answers; None if it put none.
        expected: the network of the configuration.
    """
    if expected is Network.LIVE and testnet is True:
        return "the mode is live, but the venue says that it is a testnet"
    if expected is Network.TESTNET and testnet is False:
        return "the mode is testnet, but the venue says that it trades real money"
    return None
