"""Tests of `bot.exchange`."""
