"""Sounds and clips: signals in time, and renderers of their fields as files."""
