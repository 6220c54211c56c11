"""Sounds: read, made, judged, drawn and written."""
