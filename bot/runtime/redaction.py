"""Secrets do not leave: not in a log, not in an exception's text, not in an answer."""

import json
import re
import sys
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Final
from urllib.parse import quote, quote_plus

Redact = Callable[[str], str]

MASK: Final = "[redacted]"
SECRET_LENGTH_MIN: Final = 6  # a shorter "secret" would blacken ordinary words

# What a venue's credentials look like on the wire, whoever printed it. The group before the value
# stays.
_NAMES: Final = (
    "signature", "sign", "apikey", "api_key", "api-key", "secret", "client_secret", "passphrase",
    "password", "access_token", "refresh_token", "token", "privatekey", "private_key",
)  # fmt: skip
_PATTERNS: Final = (
    re.compile(r"(?i)(deri-hmac-sha256\s+)[^\r\n\"'}\]]+"),
    re.compile(r"(?i)(\bauthorization\W{1,4}(?:basic|bearer)?\s*)[^\s\"',}\]]+"),
    re.compile(r"(?i)(\bbearer\s+)[^\s\"',}\]]+"),
    re.compile(r"(?i)(\b(?:OK-ACCESS|X-BAPI|X-MBX)-[A-Z-]+\W{1,4})[^\s\"',}\]]+"),
    re.compile(rf"(?i)(\b(?:{'|'.join(_NAMES)})[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,}}\]]+"),
)


class Redactor:
    """Blackens the known secrets and whatever looks like one. Call it with a text."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """Learn the values that must not appear.

        Args:
            secrets: The actual keys, secrets and tokens. Those shorter than `SECRET_LENGTH_MIN`
                cannot be told from ordinary words and are left to the patterns.
        """
        known = {form for secret in secrets for form in _forms(secret)}
        longest_first = sorted(known, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, longest_first))) if known else None

    def __call__(self, text: str) -> str:
        """Return `text` with every secret masked."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        for pattern in _PATTERNS:
            text = pattern.sub(rf"\g<1>{MASK}", text)
        return text


def _forms(secret: str) -> set[str]:
    """Return a secret as it may stand in a line: plain, or dressed once or twice."""
    if len(secret) < SECRET_LENGTH_MIN:
        return set()
    once = _dressed(secret)
    return once | {twice for form in once for twice in _dressed(form)}


def _dressed(text: str) -> set[str]:
    """Return a text plain, in JSON, in a URL and in a repr."""
    return {
        text,
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        quote(text, safe=""),
        quote_plus(text),
        repr(text)[1:-1],
    }


def guard_last_words(redact: Redact) -> None:
    """Redact the traceback of an exception that ends the process, too."""
    import traceback

    def last_words(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        sys.stderr.write(redact("".join(traceback.format_exception(kind, error, trace))))

    sys.excepthook = last_words
