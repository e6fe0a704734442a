"""HMAC signatures: of an HTTP request's header, and of a login over WebSocket.

Both carry the host's epoch, never market time. Deribit: "Authentication" of the API v2 description.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

from bot.exchange.protocol import INVALID_CREDENTIALS, Params, RpcError, invalid_param

SIGNATURE_PREFIX: Final = "deri-hmac-sha256 "


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedRequest:
    """What an HTTP signature covers: the method, the path with its query as sent, the body."""

    method: str
    path: str
    body: str

    def text(self) -> str:
        """The signed text after timestamp and nonce."""
        return f"{self.method}\n{self.path}\n{self.body}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A signature as it came: who claims it, when it was made, and over what."""

    client_id: str
    timestamp: str
    text: str
    digest: str

    def is_by(self, secret: str) -> bool:
        """Whether the owner of `secret` made it."""
        wanted = hmac.new(secret.encode(), self.text.encode(), hashlib.sha256).hexdigest()
        return hmac.compare_digest(wanted.encode(), self.digest.lower().encode())

    def check_age(self, epoch_ms: int, age_max_s: float) -> None:
        """RpcError 13004, with the age, for a signature of another time."""
        if not re.fullmatch(r"\d{1,16}", self.timestamp):
            raise invalid_param("timestamp", f"must be epoch milliseconds, got {self.timestamp!r}")
        age_s = abs(epoch_ms - int(self.timestamp)) / 1000
        if age_s > age_max_s:
            raise invalid_credentials(
                f"the signature's timestamp is {age_s:.0f} s away from the "
                f"server's clock; at most {age_max_s:.0f} s are allowed"
            )


def of_header(header: str, request: SignedRequest) -> Signature:
    """The signature in an `Authorization` header; `request` is what it has to cover."""
    fields: dict[str, str] = {}
    for part in header.removeprefix(SIGNATURE_PREFIX).split(","):
        name, _, value = part.strip().partition("=")
        fields[name] = value
    timestamp, nonce = fields.get("ts", ""), fields.get("nonce", "")
    return Signature(
        client_id=fields.get("id", ""),
        timestamp=timestamp,
        text=f"{timestamp}\n{nonce}\n{request.text()}",
        digest=fields.get("sig", ""),
    )


def of_login(params: Params) -> Signature:
    """The signature in a `public/auth` of the grant type `client_signature`."""
    timestamp = params.text("timestamp")
    return Signature(
        client_id=params.text("client_id"),
        timestamp=timestamp,
        text=f"{timestamp}\n{params.text('nonce', '')}\n{params.text('data', '')}",
        digest=params.text("signature"),
    )


def invalid_credentials(reason: str | None = None) -> RpcError:
    """The venue's answer to a wrong secret or signature; a guesser is told nothing."""
    data = None if reason is None else {"reason": reason}
    return RpcError(INVALID_CREDENTIALS, "invalid_credentials", data)
