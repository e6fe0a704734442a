"""The project's own benchmark: what it does, how fast, and beside what floor of this machine."""
