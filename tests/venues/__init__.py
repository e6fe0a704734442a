"""Tests of `bot.venues`."""
