"""What this package offers: commands that compare and check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metasiren import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def metasiren_commands(cli: click.Group) -> None:
    """Compare variants of a recipe; inspect a net before training; check a machine."""
    from metasiren_studies.commands import compare, inspect, selfcheck

    cli.add_command(compare)
    cli.add_command(inspect)
    cli.add_command(selfcheck)
