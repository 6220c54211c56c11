"""The command line of `packing` and `packed_mixture`: RUN FILE, and --overwrite where the file exists."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click

from metasiren import MetasirenError, Run, demand_new, open_run


def packing_command(pack: Callable[[Run, Path], Path], module: str) -> click.Command:
    """A command that packs a run.

    Args:
        pack: writes a run's prior into a file.
        module: whose command it is, as its errors name it.
    """

    @click.command(help="Write the prior of RUN into FILE, half precision where that is enough.")
    @click.argument("run", type=click.Path(path_type=Path))
    @click.argument("file", type=click.Path(path_type=Path))
    @click.option("--overwrite", is_flag=True, help="Replace FILE; without it, one that exists is an error.")
    def command(run: Path, file: Path, overwrite: bool) -> None:
        try:
            demand_new(file, where=f"{module} {file}", overwrite=overwrite)
            click.echo(pack(open_run(run), file))
        except MetasirenError as error:
            click.echo(str(error), err=True)
            sys.exit(1)

    return command
