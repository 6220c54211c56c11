"""One trained field in the formats of other programs."""

from metasiren_fields.export.hub import read_folder

__all__ = ["read_folder"]
