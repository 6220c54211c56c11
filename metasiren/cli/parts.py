"""The commands that find, explain and write parts: plugins, recipes, describe, new and schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from metasiren.cli.options import catalogue_of
from metasiren.cli.terminal import shorten_line, terminal_width
from metasiren.errors import PluginError, RecipeError, demand_new, did_you_mean
from metasiren.registry.catalogue import SUPPLIED, Catalogue
from metasiren.registry.scaffold import ALIASES, KINDS, part_kind, scaffold

SHORT_WIDTH = 100
"""Columns of `recipes --short` where no terminal says how many it has."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--check", metavar="NAME", help="Fail, with the reason, unless this plugin loads and its parts import.")
@click.pass_context
def plugins(ctx: click.Context, as_json: bool, check: str | None) -> None:
    """List the installed plugins and what they offer."""
    catalogue = catalogue_of(ctx)
    if check is not None:
        _check(catalogue, check)
    offered: dict[str, dict[str, list[str]]] = {p.name: {} for p in catalogue.plugins}
    for kind, named in catalogue.offers.items():
        for name, offers in named.items():
            for offer in offers:
                offered[offer.plugin.name].setdefault(kind, []).append(name)
    if as_json:
        rows = [{**vars(p), "offers": offered[p.name]} for p in catalogue.plugins]
        click.echo(json.dumps(rows, indent=2))
        return
    for plugin in catalogue.plugins:
        state = f"FAILED: {plugin.error}" if plugin.error else ""
        click.echo(f"{plugin.name}  ({plugin.distribution} {plugin.version})  {state}".rstrip())
        for kind, names in offered[plugin.name].items():
            click.echo(f"  {kind + 's':<15} {', '.join(sorted(names))}")


def _check(catalogue: Catalogue, name: str) -> None:
    found = [p for p in catalogue.plugins if name in (p.name, p.distribution)]
    if not found:
        known = ", ".join(p.name for p in catalogue.plugins)
        question = did_you_mean(name, [p.name for p in catalogue.plugins])
        raise PluginError(
            "plugins --check", f"no plugin is called {name!r}. {question}".rstrip(), f"installed: {known}"
        )
    for plugin in found:
        if plugin.error:
            raise PluginError(f"plugin {plugin.name}", plugin.error, f"Repair or reinstall {plugin.distribution}.")
    for named in catalogue.offers.values():
        for offers in named.values():
            for offer in offers:
                if offer.plugin in found:
                    offer.load()


@click.command()
@click.argument("word", required=False)
@click.option("--short", is_flag=True, help="One line a recipe: its name and what it is.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def recipes(word: str | None, short: bool, as_json: bool) -> None:
    """List the shipped recipes with their presets: what each needs, costs and gives.

    With WORD, only those whose names contain it: metasiren recipes celeba.
    """
    from dataclasses import asdict

    from metasiren.registry.recipes import recipes_named

    found = recipes_named(word or "")
    if as_json:
        click.echo(
            json.dumps([asdict(each) | {"path": str(each.path), "title": each.title} for each in found], indent=2)
        )
        return
    if short:
        longest = max(len(each.name) for each in found)
        for each in found:
            line = f"{each.name:<{longest}}  {' '.join(each.title.split())}"
            click.echo(shorten_line(line, terminal_width() or SHORT_WIDTH))
        click.echo("More about one: metasiren describe recipe NAME", err=True)
        return
    for each in found:
        click.echo(f"{each.name}: {each.title}")
        for preset in each.presets:
            click.echo(f"  {preset}")
    if word is None:
        click.echo("Shorter: metasiren recipes --short, or a part of the names: metasiren recipes celeba", err=True)


class _Kind(click.Choice):  # type: ignore[type-arg]  # click before 8.2 takes no type
    """A kind of part; an error names the closest one."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value in self.choices:
            return value
        command = ctx.command.name if ctx is not None else ""
        advice = [
            did_you_mean(value, self.choices),
            *_places_of(ctx, value, command),
            f"kinds: {', '.join(self.choices)}",
        ]
        raise RecipeError(f"{command} {value}", f"{value!r} is no kind of part.", "\n".join(filter(None, advice)))


def _places_of(ctx: click.Context | None, word: str, command: str | None) -> list[str]:
    """`metasiren describe` of the recipe and of the parts that have this name."""
    if ctx is None or command != "describe":
        return []
    from metasiren.recipe import shipped_recipes

    kinds = ["recipe"] if word in {path.stem for path in shipped_recipes()} else []
    kinds += [kind for kind, offers in catalogue_of(ctx).offers.items() if word in offers]
    return [f"To see that {kind}: metasiren describe {kind} {word}" for kind in kinds]


@click.command()
@click.argument("kind", type=_Kind(["recipe", *sorted(SUPPLIED)]), metavar="KIND")
@click.argument("name", required=False)
@click.pass_context
def describe(ctx: click.Context, kind: str, name: str | None) -> None:
    """Show a part's options with types, defaults and help, its source file, and which shipped recipes use it.

    KIND is recipe, activation, constraint, dataset, decoder, encoder, input_encoding, metric, optimizer, protocol or
    renderer. Of a recipe: what it is for, and its presets with what each needs, costs and gives.
    """
    if name is None:
        from metasiren.recipe import shipped_recipes

        known = [path.stem for path in shipped_recipes()] if kind == "recipe" else catalogue_of(ctx).names(kind)
        raise RecipeError(f"describe {kind}", "no name.", f"{kind}s: {', '.join(sorted(known))}")
    if kind == "recipe":
        from metasiren.registry.recipes import recipe_info

        click.echo(str(recipe_info(name)))
        return
    from metasiren.registry.describe import describe as describe_part

    click.echo(str(describe_part(catalogue_of(ctx), kind, name)))


@click.command()
@click.argument("kind", type=_Kind([*KINDS, *ALIASES]), metavar="KIND")
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), default=".", metavar="DIR", help="Where the folder is made.")
@click.pass_context
def new(ctx: click.Context, kind: str, name: str, out: Path) -> None:
    """Write a plugin package: a KIND called NAME with packaging, tests, a recipe and a README.

    KIND is encoder, decoder, activation, input_encoding (or encoding), dataset, constraint, optimizer, metric,
    protocol, renderer or equation.
    """
    folder = scaffold(kind, name, out, taken=catalogue_of(ctx).names(part_kind(kind)))
    click.echo(f"Next: cd {folder} && python -m pip install -e '.[test]' && python -m pytest", err=True)
    click.echo(folder)


@click.command()
@click.option(
    "-o", "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Instead of printing."
)
@click.option("--overwrite", is_flag=True, help="Replace FILE; without it, one that exists is an error.")
@click.pass_context
def schema(ctx: click.Context, out: Path | None, overwrite: bool) -> None:
    """Write a JSON schema of recipes, installed plugins included: editors complete and check with it."""
    from metasiren.registry.schema import recipe_schema

    if out is not None:
        demand_new(out, where=f"schema -o {out}", overwrite=overwrite)
    text = json.dumps(recipe_schema(catalogue_of(ctx)), indent=2)
    if out is None:
        click.echo(text)
        return
    try:
        out.write_text(text + "\n", "utf-8")
    except OSError as error:
        raise RecipeError(f"schema -o {out}", f"cannot be written: {error}.", "Name another file.") from None
    click.echo(f"First line of a recipe beside it: # yaml-language-server: $schema={out.name}", err=True)
    click.echo(out)
