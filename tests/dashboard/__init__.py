"""Tests of `bot.dashboard`."""
