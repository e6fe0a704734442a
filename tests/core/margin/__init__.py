"""Margin models, one test file a model."""
