"""Encoders of observed values."""
