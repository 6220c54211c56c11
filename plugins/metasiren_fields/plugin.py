"""What this package offers; modules are imported when a command or a recipe names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metasiren import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def metasiren_commands(cli: click.Group) -> None:
    """Take a field out of the framework."""
    from metasiren_fields.export.command import export

    cli.add_command(export)
