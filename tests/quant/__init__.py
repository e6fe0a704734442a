"""Tests of `bot.quant`."""
