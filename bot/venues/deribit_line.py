"""One logged-in Deribit connection: dialled, signed for, kept awake, renewed in time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bot.core import units
from bot.core.events import BadMessage, Fact
from bot.venues import deribit_errors, deribit_network, deribit_requests
from bot.venues import deribit_translate as raw
from bot.venues.ccxt_alone import exchange_class
from bot.venues.ccxt_socket import RpcError, RpcSocket
from bot.venues.ccxt_tap import Tap
from bot.venues.ccxt_venue import LINK_ERRORS, Clocks, LinkError
from bot.venues.deribit_limits import VenueLimits
from bot.venues.deribit_network import Network
from bot.venues.deribit_requests import Credentials
from bot.venues.deribit_translate import MessageError
from bot.venues.pacing import Sleep
from bot.venues.port import Post, VenueRefusedError

TOKEN_SHARE = 0.8  # of a token's life, after which it is renewed
TOKEN_LONGEST_S = 86_400.0  # however long it is said to live
RETRY_SHARE = 0.25  # of what is left of a token's life, before a renewal that failed is tried again


class TappedDeribit(Tap, exchange_class("deribit")):  # type: ignore[misc]  # ccxt is untyped
    """ccxt.pro's Deribit with tapped sockets, signing with the clock that it is handed."""

    epoch_ms: Callable[[], int]
    last_nonce = 0

    def milliseconds(self) -> int:
        """Return the host's time for a signature."""
        return self.epoch_ms()

    def nonce(self) -> int:
        """Return a number that no request before had, even within one millisecond."""
        self.last_nonce = max(self.last_nonce + 1, self.epoch_ms())
        return self.last_nonce


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who logs in where. Whoever `looks_only` needs no right to trade."""

    ws_url: str
    network: Network
    credentials: Credentials
    looks_only: bool = False


class Line:
    """One connection and its session.

    Args:
        exchange: the tapped instance whose socket is used, this line's own.
        access: address, network and key.
        clocks: host time for signatures, wire clock for everything else.
        limits: bounds.
        sleep: waits on the wire clock.
        on_push: takes channel, data and arrival of each subscription frame.
        post: takes `BadMessage` and facts from answers that nobody waited for any more.
    """

    def __init__(
        self,
        *,
        exchange: TappedDeribit,
        access: Access,
        clocks: Clocks,
        limits: VenueLimits,
        sleep: Sleep,
        on_push: Callable[[str, Any, int], None],
        post: Post,
    ) -> None:
        self.limits = limits
        self.sleep = sleep
        self.post = post
        self.monotonic_ns = clocks.monotonic_ns
        self._access = access
        self._epoch_ms = clocks.epoch_ms
        self._exchange = exchange
        self._logins = 0
        self.renewals = 0  # of the login, over all connections
        self._renew_at_ns = 0
        self._ends_at_ns = 0
        self._is_logged_in = False
        self._is_disowned = False
        self.socket = RpcSocket(
            exchange=exchange,
            url=access.ws_url,
            limits=limits.sockets,
            monotonic_ns=clocks.monotonic_ns,
            on_push=on_push,
            on_bad=self.report,
            on_stray=self._stray,
        )

    @property
    def is_ready(self) -> bool:
        """Whether the connection is open and logged in."""
        return self._is_logged_in and self.socket.is_up

    async def open(self) -> None:
        """Dial and log in, unless that is already so.

        Raises:
            DialError: nobody answers.
            RpcError: the key is not accepted.
            VenueRefusedError: the key's rights, or the venue's network, are not acceptable.
            AnswerLostError, NotSentError: the connection broke.
        """
        if self.is_ready:
            return
        self._is_logged_in = self._is_disowned = False
        await self.socket.dial()
        await self._login()
        await self.socket.call("public/set_heartbeat", {"interval": self.limits.heartbeat_s})
        self._is_logged_in = True

    def _scope_refusal(self, scope: str) -> str | None:
        if self._access.looks_only:
            return deribit_requests.looking_refusal(scope)
        return deribit_requests.scope_refusal(scope)

    async def _login(self) -> None:
        self._logins += 1
        epoch_ms = self._epoch_ms()
        nonce = f"{epoch_ms:x}{self._logins:x}"
        method, params = deribit_requests.login(self._access.credentials, epoch_ms, nonce)
        answer = await self.socket.call(method, params)
        result = answer.result if isinstance(answer.result, dict) else {}
        refusal = deribit_network.answer_refusal(
            self.socket.testnet, self._access.network
        ) or self._scope_refusal(str(result.get("scope", "")))
        if refusal is not None:
            raise VenueRefusedError(refusal)
        try:
            life_s = min(raw.figure(result, "expires_in"), TOKEN_LONGEST_S)
        except MessageError as error:
            raise LinkError(f"login: {error}") from error
        if life_s <= 0.0:  # it would be renewed without end
            raise LinkError(f"login: expires_in is {life_s:g}")
        now_ns = self.monotonic_ns()
        self._ends_at_ns = now_ns + int(life_s * units.NS_PER_SECOND)
        self._renew_at_ns = now_ns + int(life_s * TOKEN_SHARE * units.NS_PER_SECOND)

    async def live(self, mind: Callable[[], Any]) -> str:
        """Stay until the connection has to be given up.

        Args:
            mind: awaited at every check; returns a reason to give the connection up, or None.

        Returns:
            The reason.
        """
        reason: str | None = None
        while reason is None:
            reason = await self.socket.ended(within_s=self.limits.check_every_s)
            reason = reason or self._deaf()
            reason = reason or await self._renewed()
            reason = reason or await mind()
        return reason

    def _deaf(self) -> str | None:
        silent_ns = self.monotonic_ns() - self.socket.last_frame_ns
        if self.socket.is_mute:
            return f"no frame for {silent_ns / units.NS_PER_SECOND:.0f} s, not even an answer"
        if silent_ns <= self.limits.silence_max_s * units.NS_PER_SECOND:
            return None
        return f"no frame for {silent_ns / units.NS_PER_SECOND:.0f} s"

    async def _renewed(self) -> str | None:
        """Log in again over the same connection, before the token ends."""
        if self._is_disowned:
            return "the venue no longer knows the login"
        if self.monotonic_ns() < self._renew_at_ns:
            return None
        try:
            await self._login()
            self.renewals += 1
        except LINK_ERRORS as error:
            left_ns = self._ends_at_ns - self.monotonic_ns()
            if _is_final(error) or left_ns <= 0:
                return f"the login could not be renewed: {error}"
            pause_ns = int(max(left_ns * RETRY_SHARE, self.limits.check_every_s * 1e9))
            self._renew_at_ns = self.monotonic_ns() + pause_ns
            self.report(f"the login was not renewed yet: {error}")
        return None

    def doubt(self, error: RpcError) -> None:
        """Give the line up if a private request was refused for want of a login."""
        if self._is_logged_in and error.code in deribit_errors.CREDENTIALS:
            self._is_logged_in = False
            self._is_disowned = True

    async def subscribe(self, method: str, channels: list[str]) -> list[str]:
        """Send one (un)subscription and return the channels that the venue confirms.

        Raises:
            LinkError: the answer is not a list, so that nobody knows what is subscribed.
        """
        answer = await self.socket.call(method, {"channels": channels})
        if not isinstance(answer.result, list):
            raise LinkError(f"{method} was answered with {answer.result!r:.100}")
        return [channel for channel in answer.result if isinstance(channel, str)]

    async def close(self, reason: str) -> None:
        """Close the connection; the session, which belongs to the connection, ends with it."""
        self._is_logged_in = False
        await self.socket.drop(reason)

    async def retire(self, reason: str) -> None:
        """Close the connection for good, and everything that belonged to it."""
        await self.close(reason)
        await self._exchange.close()

    def report(self, reason: str) -> None:
        """Post what could not be understood."""
        self.post(BadMessage(source="deribit", reason=reason))

    def _stray(self, result: Any, arrived_ns: int) -> None:
        # An order's answer that came after its time is still true: the venue says what it did.
        if isinstance(result, dict) and "order" in result:
            facts: tuple[Fact, ...]
            try:
                facts = raw.placed(result, arrived_ns)
            except MessageError as error:
                facts = (BadMessage(source="late answer", reason=f"{error}"),)
            for fact in facts:
                self.post(fact)


def _is_final(error: Exception) -> bool:
    """Return whether logging in again would only be refused again."""
    if isinstance(error, RpcError):
        return error.code in deribit_errors.CREDENTIALS
    return isinstance(error, VenueRefusedError)


def explain_login(error: RpcError, access: Access) -> str:
    """Return what a person should know about a login that the venue refused."""
    where = access.network.value
    if error.code in deribit_errors.CREDENTIALS:
        return (
            f"the venue does not accept API key {access.credentials.key!r} "
            f"({error.reason}, {error.code}); is it a key of the {where} network, "
            f"with the right secret, on a host with the right time?"
        )
    return f"the venue refused the login: {error.reason} ({error.code})"
