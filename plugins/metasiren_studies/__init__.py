"""Comparisons of variants, and studies of initialisation."""
