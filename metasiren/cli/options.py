"""What several commands share: `--without`, `--device`, and the console."""

from __future__ import annotations

from typing import Any

import click
from click.shell_completion import CompletionItem

from metasiren.registry.catalogue import Catalogue, load_catalogue


def seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """The callback of an option such as `--max-time 5m`, checked before anything is read: seconds above zero.

    Raises:
        RecipeError: it is no duration; the option is named.
    """
    from metasiren.engine.durations import seconds_of

    return None if value is None else seconds_of(value, param.opts[0])


def completed_recipes(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of shipped recipes that begin so, for the shell's completion; the shell's own files where none does."""
    from metasiren.recipe import shipped_recipes

    names = [path.stem for path in shipped_recipes() if path.stem.startswith(incomplete)]
    return [CompletionItem(name) for name in names] or [CompletionItem(incomplete, type="file")]


device = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:1.")


def catalogue_of(ctx: click.Context) -> Catalogue:
    """The installed plugins but those that `--without` names."""
    return load_catalogue(without=ctx.find_root().params.get("without", ()))


def console() -> Any:
    """The console of messages: the standard error stream."""
    from rich.console import Console

    return Console(stderr=True)
