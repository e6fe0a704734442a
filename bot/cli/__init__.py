"""The verbs: what a person or a script can ask of deltaband."""

from bot.cli.app import main

__all__ = ["main"]
