"""YAML -> validated -> frozen policies. The only home of pydantic besides the dashboard."""

from bot.settings.credentials import Credentials
from bot.settings.json_schema import schema, schema_text
from bot.settings.loading import Settings, load
from bot.settings.models import ClockSource, RunMode, VenueName
from bot.settings.problems import ConfigError, Place, Problem
from bot.settings.report import Effective, check_report, effective

__all__ = [
    "ClockSource",
    "ConfigError",
    "Credentials",
    "Effective",
    "Place",
    "Problem",
    "RunMode",
    "Settings",
    "VenueName",
    "check_report",
    "effective",
    "load",
    "schema",
    "schema_text",
]
