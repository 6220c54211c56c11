"""Sounds and clips: signals in time, and what turns their fields back into files."""
