"""The edges: one venue's dialect on one side, core facts and actions on the other."""

# Before anybody imports ccxt, so that it is not run as a whole.
from bot.venues import ccxt_alone as ccxt_alone
