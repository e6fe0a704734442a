"""The benchmark measures what it says, on little."""
