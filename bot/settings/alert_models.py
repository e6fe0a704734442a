"""The section `alerts`: who is told of what, and how."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from bot.settings.sections import NAME_PATTERN, SecretReference, Section, Shape

ChannelName = Annotated[
    str, Field(pattern=NAME_PATTERN), Shape("a name of 1 to 32 characters from a-z, 0-9 and -")
]


class ChannelKind(StrEnum):
    """The services that carry a message."""

    TELEGRAM = "telegram"
    SLACK = "slack"
    DISCORD = "discord"
    WEBHOOK = "webhook"


class Threshold(StrEnum):
    """The least that a channel is told of."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"
    FALLBACK = "fallback"


class BeatMethod(StrEnum):
    """How a dead-man service is asked."""

    POST = "post"
    GET = "get"


class AlertChannel(Section):
    """One way to a person."""

    name: ChannelName
    """What the log and the metrics call it."""
    kind: Annotated[ChannelKind, Field(strict=False)]
    """`telegram` needs `token` and `chat`; `slack`, `discord` and `webhook` need `url`."""
    severity: Annotated[Threshold, Field(strict=False)] = Threshold.WARNING
    """The least that is told here; `fallback` is told only what another channel did not take."""
    fallback: ChannelName | None = None
    """The channel that is told instead when this one does not take a message."""
    per_minute_max: Annotated[int, Field(ge=1, le=60)] = 10
    """Most messages in a minute; the loudest go first, the last place is kept for critical ones."""
    token: SecretReference | None = None
    """Telegram: the bot's token. Webhook: sent as a bearer token, if given."""
    chat: Annotated[
        str | None,
        Field(pattern=r"^(-?[0-9]{1,20}|@[A-Za-z0-9_]{3,64})$"),
        Shape('a chat in quotes, such as "-1001234567890" or "@channel"'),
    ] = None
    """Telegram: the chat that the bot writes to."""
    url: SecretReference | None = None
    """Slack, Discord, webhook: the address, which is a secret."""


class Heartbeat(Section):
    """A dead-man service outside, which calls a person when it hears nothing."""

    url: SecretReference
    """The address that takes beats, such as https://hc-ping.com/..., which is a secret."""
    interval_seconds: Annotated[float, Field(ge=5, le=3600)] = 60.0
    """Time between two beats. Let the service wait for at least three of them."""
    method: Annotated[BeatMethod, Field(strict=False)] = BeatMethod.POST
    """`post` sends the mode along; `get` sends nothing."""
    fail_suffix: Annotated[
        str, Field(pattern=r"^(/[A-Za-z0-9_/-]{1,40})?$"), Shape('a path such as /fail, or ""')
    ] = "/fail"
    """What is put behind the address to report a failure; with "" failures are told by silence."""


class Alerts(Section):
    """Who is told of what. Without channels alerts are in the log and on the dashboard only."""

    channels: Annotated[tuple[AlertChannel, ...], Field(max_length=10)] = ()
    """The ways to a person."""
    same_within_seconds: Annotated[float, Field(ge=10, le=86_400)] = 300.0
    """Equal alerts within this time are counted and told as one number at its end."""
    repeat_seconds: Annotated[float, Field(ge=30, le=86_400)] = 600.0
    """A critical alert is repeated this often until somebody says `deltaband ack`, or it is
    over."""
    calm_seconds: Annotated[float, Field(ge=0, le=3600)] = 60.0
    """The all-clear is given once the daemon has hedged for this long."""
    reconciling_max_seconds: Annotated[float, Field(ge=10, le=86_400)] = 120.0
    """Longer without an answer of the venue than this is critical."""
    unhedged_max_seconds: Annotated[float, Field(ge=10, le=86_400)] = 120.0
    """A book outside its band, or without a price, for longer than this is critical."""
    heartbeat: Heartbeat | None = None
    """The dead-man service, if any."""
