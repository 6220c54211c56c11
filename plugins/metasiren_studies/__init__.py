"""Comparisons of variants, studies of initialisation, and a check of the machine."""
