"""The composition root: settings and options become a running system, here and nowhere else.

`bot.wiring.daemon` puts the daemon together, `bot.wiring.exchange` the embedded exchange; each
imports what it needs and nothing of the other.
"""
