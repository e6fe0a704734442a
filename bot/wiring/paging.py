"""Who is told of alerts: the section `alerts` and its secrets become a pager and a heartbeat."""

import socket
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, assert_never

from prometheus_client import CollectorRegistry

from bot.core.actions import Severity
from bot.core.units import NS_PER_SECOND
from bot.runtime import channels
from bot.runtime.call_metrics import CallMetrics
from bot.runtime.channels import Address
from bot.runtime.clock import WireClock
from bot.runtime.daemon import Exit, ExitCode
from bot.runtime.heard import heard_path
from bot.runtime.heartbeat import Heartbeat, Switch
from bot.runtime.loop import Observer
from bot.runtime.pager import Channel, Pager, PagerPolicy
from bot.runtime.paging import PagingPolicy, Route
from bot.settings import AlertChannel, AlertSecrets, ChannelKind, Settings, Threshold

_LEAST: Final[Mapping[Threshold, Severity | None]] = {
    Threshold.INFO: Severity.INFO,
    Threshold.WARNING: Severity.WARNING,
    Threshold.CRITICAL: Severity.CRITICAL,
    Threshold.FALLBACK: None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """Who calls a person: the pager, and the heartbeat if there is one."""

    pager: Pager
    heartbeat: Heartbeat | None

    @property
    def observers(self) -> tuple[Observer, ...]:
        """What watches the loop for them."""
        beats = () if self.heartbeat is None else (self.heartbeat.on_step,)
        return (self.pager.on_step, *beats)

    @property
    def jobs(self) -> Mapping[str, Callable[[], Coroutine[Any, Any, object]]]:
        """Their tasks by name."""
        beats = {} if self.heartbeat is None else {"heartbeat": self.heartbeat.run}
        return {"pager": self.pager.run, **beats}

    def count_in(self, registry: CollectorRegistry) -> None:
        """Let their numbers be read with the others of a registry."""
        registry.register(CallMetrics(self.pager, self.heartbeat))

    async def on_ended(self, ended: Exit) -> None:
        """Say how the daemon ended: loudly, unless it was told to."""
        is_meant = ended.code is ExitCode.DONE
        severity = Severity.INFO if is_meant else Severity.CRITICAL
        await self.pager.farewell(ended.reason, severity)
        if self.heartbeat is not None and not is_meant:
            await self.heartbeat.farewell(ended.reason)


def callers(settings: Settings, secrets: AlertSecrets, wire: WireClock, *, of: str = "") -> Callers:
    """Return who calls a person when the daemon needs one; `of` says who calls if it is another."""
    alerts = settings.alerts
    pager = Pager(
        daemon=f"{of}{spoken(settings)}",
        channels=ways(settings, secrets),
        policy=PagerPolicy(
            paging=PagingPolicy(
                same_ns=_ns(alerts.same_within_seconds),
                repeat_ns=_ns(alerts.repeat_seconds),
                calm_ns=_ns(alerts.calm_seconds),
            ),
            stuck_ns=_ns(alerts.reconciling_max_seconds),
            open_ns=_ns(alerts.unhedged_max_seconds),
        ),
        wire=wire,
        heard=None if of else heard_path(Path(settings.journal.path)),
        place=place(settings),
    )
    switch = dead_man(settings, secrets)
    if switch is None:
        return Callers(pager=pager, heartbeat=None)
    heartbeat = Heartbeat(switch=switch, wire=wire, trouble=lambda: pager.undelivered)
    return Callers(pager=pager, heartbeat=heartbeat)


def spoken(settings: Settings) -> str:
    """Name the daemon as a person knows it: which money, where, under which label."""
    currencies = "+".join(settings.account.currencies)
    venue, prefix = settings.venue.name, settings.account.label_prefix
    return f"deltaband {settings.mode} {venue} {currencies} {prefix}"


def place(settings: Settings) -> str:
    """Say where a person types who is called: on which machine, with which ledger."""
    ledger = Path(settings.journal.path).absolute()
    return f"On {socket.gethostname()}, --journal {ledger}"


def ways(settings: Settings, secrets: AlertSecrets) -> tuple[Channel, ...]:
    """Return the channels of a configuration."""
    return tuple(
        Channel(
            address=_address(channel, secrets),
            route=Route(
                name=channel.name,
                severity=_LEAST[channel.severity],
                fallback=channel.fallback,
                per_minute_max=channel.per_minute_max,
            ),
        )
        for channel in settings.alerts.channels
    )


def dead_man(settings: Settings, secrets: AlertSecrets) -> Switch | None:
    """Return the dead-man switch of a configuration, if it names one."""
    heartbeat = settings.alerts.heartbeat
    if heartbeat is None:
        return None
    return Switch(
        url=secrets.heartbeat_url,
        interval_ns=_ns(heartbeat.interval_seconds),
        method=heartbeat.method.value.upper(),
        fail_suffix=heartbeat.fail_suffix,
    )


def said_secrets(settings: Settings, secrets: AlertSecrets) -> tuple[str, ...]:
    """Return everything of the channels that no log line may show."""
    switch = dead_man(settings, secrets)
    beats = () if switch is None else channels.secrets_of(channels.Slack(url=switch.url))
    ways_in = [channels.secrets_of(way.address) for way in ways(settings, secrets)]
    return (*beats, *(text for texts in ways_in for text in texts))


def _address(channel: AlertChannel, secrets: AlertSecrets) -> Address:
    name = channel.name
    match channel.kind:
        case ChannelKind.TELEGRAM:
            return channels.Telegram(token=secrets.tokens[name], chat=channel.chat or "")
        case ChannelKind.SLACK:
            return channels.Slack(url=secrets.urls[name])
        case ChannelKind.DISCORD:
            return channels.Discord(url=secrets.urls[name])
        case ChannelKind.WEBHOOK:
            return channels.Webhook(url=secrets.urls[name], token=secrets.tokens.get(name, ""))
    assert_never(channel.kind)


def _ns(seconds: float) -> int:
    return round(seconds * NS_PER_SECOND)
