"""What several commands share: `--without`, `--device`, and the console."""

from __future__ import annotations

from typing import Any

import click

from metasiren.registry.catalogue import Catalogue, load_catalogue

device = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:1.")


def catalogue_of(ctx: click.Context) -> Catalogue:
    """The installed plugins but those that `--without` names."""
    return load_catalogue(without=ctx.find_root().params.get("without", ()))


def console() -> Any:
    """The console of messages: the standard error stream."""
    from rich.console import Console

    return Console(stderr=True)
