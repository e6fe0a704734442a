"""From the pager to what is shown of it: what nobody has heard of, and which channels fail."""

from bot.dashboard.models import AlertShown, AlertsShown, ChannelShown
from bot.runtime.pager import Pager


def alerts(pager: Pager) -> AlertsShown:
    """Show what was told and is not over, loudest and newest first, and how the channels fare."""
    told = sorted(pager.board.incidents.values(), key=lambda one: (one.calls, one.number))
    return AlertsShown(
        unheard=pager.board.unheard,
        undelivered=pager.undelivered,
        incidents=[
            AlertShown(
                number=one.number,
                severity=one.severity.value,
                text=one.text,
                raised_ms=one.raised_ms,
                told=one.told,
                heard=one.heard_by,
                calls=one.calls,
            )
            for one in reversed(told)
        ],
        channels=[
            ChannelShown(
                name=desk.name, delivered=desk.delivered, failed=desk.failed, failing=desk.failing
            )
            for desk in pager.desks.values()
        ],
    )
