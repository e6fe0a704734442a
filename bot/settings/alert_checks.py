"""What must fit together in the section `alerts`, and which addresses are fit to be posted to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from bot.settings.alert_models import AlertChannel, Alerts, ChannelKind
from bot.settings.problems import KeyPath
from bot.settings.sections import SecretReference

CHANNELS: Final[KeyPath] = ("alerts", "channels")
HEARTBEAT_URL: Final[KeyPath] = ("alerts", "heartbeat", "url")
_NEEDS: Final[Mapping[ChannelKind, tuple[str, ...]]] = {
    ChannelKind.TELEGRAM: ("token", "chat"),
    ChannelKind.SLACK: ("url",),
    ChannelKind.DISCORD: ("url",),
    ChannelKind.WEBHOOK: ("url",),
}
_MAY: Final[Mapping[ChannelKind, tuple[str, ...]]] = {ChannelKind.WEBHOOK: ("token",)}
_KEYS: Final = ("token", "chat", "url")

Finding = tuple[KeyPath, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSecrets:
    """The tokens and addresses of the channels by name, and that of the dead-man service."""

    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    urls: Mapping[str, str] = field(default_factory=dict, repr=False)
    heartbeat_url: str = field(default="", repr=False)


def findings(alerts: Alerts) -> Iterator[Finding]:
    """Yield what does not fit together."""
    names = [channel.name for channel in alerts.channels]
    for index, channel in enumerate(alerts.channels):
        here: KeyPath = (*CHANNELS, index)
        if channel.name in names[:index]:
            first = names.index(channel.name)
            yield (*here, "name"), f"the name {channel.name} is already that of channels[{first}]"
        yield from _keys(here, channel)
        yield from _fallback(here, channel, names)
    for path, reference in references(alerts):
        if (reference.env is None) == (reference.file is None):
            yield path, "expected exactly one of {env: NAME} and {file: PATH}"


def references(alerts: Alerts) -> Iterator[tuple[KeyPath, SecretReference]]:
    """Yield every secret that the section names, with its place."""
    for index, channel in enumerate(alerts.channels):
        for key, reference in (("token", channel.token), ("url", channel.url)):
            if reference is not None:
                yield (*CHANNELS, index, key), reference
    if alerts.heartbeat is not None:
        yield HEARTBEAT_URL, alerts.heartbeat.url


def gathered(alerts: Alerts, found: Mapping[KeyPath, str]) -> AlertSecrets:
    """Return the secrets that were found at the places of `references`."""
    by_key: dict[str, dict[str, str]] = {"token": {}, "url": {}}
    for index, channel in enumerate(alerts.channels):
        for key, texts in by_key.items():
            text = found.get((*CHANNELS, index, key))
            if text is not None:
                texts[channel.name] = text
    return AlertSecrets(
        tokens=by_key["token"], urls=by_key["url"], heartbeat_url=found.get(HEARTBEAT_URL, "")
    )


def address_trouble(url: str) -> str | None:
    """Say why nothing may be posted to an address, without repeating it; None if it may."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        _ = parts.port  # parsed when asked for
    except ValueError:
        host, parts = "", None
    if parts is None or parts.scheme not in {"https", "http"} or not host:
        return "holds no URL that begins with https://"
    if parts.scheme == "http" and host not in {"localhost", "127.0.0.1", "::1"}:
        return "holds a URL that begins with http://, which anybody on the way can read"
    return None


def _keys(here: KeyPath, channel: AlertChannel) -> Iterator[Finding]:
    needed = _NEEDS[channel.kind]
    for key in _KEYS:
        is_given = getattr(channel, key) is not None
        if key in needed and not is_given:
            yield (*here, key), f"required, but missing: kind {channel.kind} needs it"
        elif is_given and key not in (*needed, *_MAY.get(channel.kind, ())):
            yield (*here, key), f"kind {channel.kind} has none; it needs {' and '.join(needed)}"


def _fallback(here: KeyPath, channel: AlertChannel, names: Sequence[str]) -> Iterator[Finding]:
    name = channel.fallback
    if name is None:
        return
    if name == channel.name:
        yield (*here, "fallback"), "a channel cannot stand in for itself"
    elif name not in names:
        yield (*here, "fallback"), f'no channel is named "{name}"; one of {", ".join(names)}'
