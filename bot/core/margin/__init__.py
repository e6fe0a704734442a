"""Margin models, one file a model."""
