"""Equations and conditions of waves as losses."""
