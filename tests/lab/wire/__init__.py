"""The wire lab's own arithmetic; its processes are in tests/end_to_end."""
