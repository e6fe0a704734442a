"""The decision, as one pure function over immutable facts. No I/O, no clock, no randomness."""
