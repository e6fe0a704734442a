"""Tests of `bot.lab`."""
