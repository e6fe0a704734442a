"""Planted bugs, each with the one test that has to find it: proof that the tests can fail."""
