"""Hooks, and the catalogue of the parts that plugins offer."""
