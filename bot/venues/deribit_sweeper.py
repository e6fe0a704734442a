"""The watchdog's hand at Deribit: a connection and a key of its own, and nothing but cancels."""

from dataclasses import dataclass, field
from typing import Any, Final

from bot.venues import ccxt_venue, deribit_network, deribit_requests
from bot.venues.ccxt_socket import RpcSocket
from bot.venues.ccxt_venue import LINK_ERRORS, Clocks, brief
from bot.venues.deribit_limits import VenueLimits
from bot.venues.deribit_line import TappedDeribit
from bot.venues.deribit_network import Network
from bot.venues.deribit_requests import Credentials
from bot.venues.port import CannotCancelError

PROOF_LABEL: Final = "deltaband-watchdog-proof"  # of no order, ever
HEARTBEAT_SECONDS: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where orders are cancelled, and with whose key."""

    rest_url: str
    ws_url: str
    network: Network
    credentials: Credentials


def scope_refusal(scope: str) -> str | None:
    """Return why a key with this scope is no key for a watchdog, None if it is one."""
    rights = scope.split()
    if "wallet:read_write" in rights:
        return "its key may withdraw: make one without wallet rights"
    if "trade:read_write" not in rights:
        return f"its key may not cancel: the scope lacks trade:read_write ({scope or 'empty'})"
    return None


@dataclass(slots=True, kw_only=True)
class DeribitSweeper:
    """Cancels orders by the beginning of their label. Dials when it is asked for something."""

    place: Place
    clocks: Clocks
    limits: VenueLimits = field(default_factory=VenueLimits)
    _exchange: TappedDeribit | None = None
    _socket: RpcSocket | None = None
    _logins: int = 0

    async def prove(self) -> None:
        """Show that orders could be cancelled: the right is there, and the venue takes the request.

        Raises:
            CannotCancelError: they could not.
        """
        answer = await self._asked("private/cancel_by_label", {"label": PROOF_LABEL})
        if type(answer) is not int or answer != 0:
            raise CannotCancelError(
                f"cancelling an order that does not exist was answered {answer!r:.60}"
            )

    async def open_labels(self, start: str) -> tuple[str, ...]:
        """Return the label of every open order that begins so, each once.

        Raises:
            CannotCancelError: the venue does not tell.
        """
        rows = await self._asked("private/get_open_orders", {})
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise CannotCancelError("the list of open orders cannot be read")
        labels = (str(row.get("label", "")) for row in rows)
        return tuple(dict.fromkeys(label for label in labels if label.startswith(start)))

    async def cancel(self, label: str) -> None:
        """Cancel what carries a label.

        Raises:
            CannotCancelError: the venue does not take it.
        """
        await self._asked("private/cancel_by_label", {"label": label})

    async def close(self) -> None:
        """Hang up. Safe to call twice."""
        socket, self._socket = self._socket, None
        exchange, self._exchange = self._exchange, None
        if socket is not None:
            await socket.drop("closed by us")
        if exchange is not None:
            await exchange.close()

    async def _asked(self, method: str, params: dict[str, Any]) -> Any:
        """Ask over the connection there is, and over a fresh one if that is of no use.

        It may have outlived its login, or its network, since it was last asked for something; a
        cancel does no harm twice.
        """
        is_old = self._socket is not None and self._socket.is_up
        try:
            try:
                return (await (await self._dialled()).call(method, params)).result
            except LINK_ERRORS:
                if not is_old:
                    raise
                await self.close()
                return (await (await self._dialled()).call(method, params)).result
        except (*LINK_ERRORS, CannotCancelError) as error:
            await self.close()
            raise CannotCancelError(f"{method}: {brief(error)}") from error

    async def _dialled(self) -> RpcSocket:
        if self._socket is not None and self._socket.is_up:
            return self._socket
        await self.close()
        place = self.place
        refusal = deribit_network.url_refusal(place.rest_url, place.ws_url, place.network)
        if refusal is not None:
            raise CannotCancelError(refusal)
        self._exchange = self._client()
        self._socket = self._line(self._exchange)
        await self._socket.dial()
        await self._log_in(self._socket)
        await self._socket.call("public/set_heartbeat", {"interval": HEARTBEAT_SECONDS})
        return self._socket

    async def _log_in(self, socket: RpcSocket) -> None:
        self._logins += 1
        epoch_ms = self.clocks.epoch_ms()
        nonce = f"{epoch_ms:x}{self._logins:x}"
        answer = await socket.call(*deribit_requests.login(self.place.credentials, epoch_ms, nonce))
        result = answer.result if isinstance(answer.result, dict) else {}
        refusal = deribit_network.answer_refusal(
            socket.testnet, self.place.network
        ) or scope_refusal(str(result.get("scope", "")))
        if refusal is not None:
            raise CannotCancelError(refusal)

    def _client(self) -> TappedDeribit:
        exchange = TappedDeribit(
            {
                "apiKey": self.place.credentials.key,
                "secret": self.place.credentials.secret,
                "urls": {"api": {"rest": self.place.rest_url, "ws": self.place.ws_url}},
                "options": ccxt_venue.client_options(self.limits.sockets),
            }
        )
        exchange.epoch_ms = self.clocks.epoch_ms
        if self.place.rest_url.startswith("http://"):
            exchange.timeout_on_exit = 0  # ccxt's pause is for TLS to say goodbye
        return exchange

    def _line(self, exchange: TappedDeribit) -> RpcSocket:
        return RpcSocket(
            exchange=exchange,
            url=self.place.ws_url,
            limits=self.limits.sockets,
            monotonic_ns=self.clocks.monotonic_ns,
            on_push=lambda *_: None,
            on_bad=lambda _: None,
            on_stray=lambda *_: None,
        )
