"""The shipping shell in virtual time: faults, backtests, replays and sweeps."""
