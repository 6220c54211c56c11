"""What this package offers; modules are imported when a command or a recipe names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from metasiren import hookimpl

if TYPE_CHECKING:
    import click


@hookimpl
def metasiren_datasets() -> Mapping[str, str]:
    """Fields that were fitted before."""
    return {"weights": "metasiren_fields.zoo.weights:Weights"}


@hookimpl
def metasiren_protocols() -> Mapping[str, str]:
    """Evaluation of initial weights."""
    return {"start": "metasiren_fields.zoo.starting:StartProtocol"}


@hookimpl
def metasiren_commands(cli: click.Group) -> None:
    """Export of a field to other formats; fitting of many signals at once."""
    from metasiren_fields.export.command import export
    from metasiren_fields.zoo.command import zoo

    cli.add_command(export)
    cli.add_command(zoo)
