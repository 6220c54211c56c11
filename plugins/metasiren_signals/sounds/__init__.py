"""Sounds: read, made, evaluated, drawn and written."""
