"""The command line."""

from metasiren.cli.commands import main

__all__ = ["main"]
