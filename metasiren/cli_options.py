"""What several commands share: the catalogue that was asked for, `--set`, `--device`."""

from __future__ import annotations

from typing import Any

import click

from metasiren.catalogue import Catalogue, load_catalogue
from metasiren.errors import RecipeError

device = click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:1.")


def catalogue_of(ctx: click.Context) -> Catalogue:
    """The installed plugins but those that `--without` names."""
    return load_catalogue(without=ctx.find_root().params.get("without", ()))


def overrides(pairs: tuple[str, ...]) -> dict[str, Any]:
    """What `--set key=value` gives: dotted keys to YAML values.

    Raises:
        RecipeError: not key=value, or no YAML.
    """
    from metasiren.recipe import parse_yaml

    found = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise RecipeError(f"--set {pair}", "not key=value.", "Write it as train.optimizer.lr=1e-3.")
        found[key.strip()] = parse_yaml(value, f"--set {key}")
    return found
