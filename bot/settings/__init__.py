"""YAML -> validated -> frozen policies. The only home of pydantic besides the dashboard."""

from bot.settings.alert_checks import AlertSecrets
from bot.settings.alert_models import AlertChannel, ChannelKind, Threshold
from bot.settings.credentials import Credentials
from bot.settings.json_schema import schema, schema_text
from bot.settings.loading import Settings, ledger_named, load
from bot.settings.models import ClockSource, RunMode, VenueName
from bot.settings.problems import ConfigError, Place, Problem
from bot.settings.report import Effective, check_report, effective

__all__ = [
    "AlertChannel",
    "AlertSecrets",
    "ChannelKind",
    "ClockSource",
    "ConfigError",
    "Credentials",
    "Effective",
    "Place",
    "Problem",
    "RunMode",
    "Settings",
    "Threshold",
    "VenueName",
    "check_report",
    "effective",
    "ledger_named",
    "load",
    "schema",
    "schema_text",
]
