"""Waves: media, sources and absorbing layers; equations as constraints; solvers to compare with."""
