"""What this package offers: commands, and a report at the end of every run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metasiren import hookimpl

if TYPE_CHECKING:
    import click

    from metasiren import Run


@hookimpl
def metasiren_commands(cli: click.Group) -> None:
    """Add `report`, `runs`, `diff`, `clean`, `app` and `reproduce`."""
    from metasiren_report.commands import add_commands

    add_commands(cli)


@hookimpl(trylast=True)
def metasiren_run_ended(run: Run) -> None:
    """Write results/report.html, unless METASIREN_NO_REPORT is set."""
    from metasiren_report.at_the_end import write_quietly

    write_quietly(run)
