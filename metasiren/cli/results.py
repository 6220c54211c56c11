"""The commands evaluate, table and render."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from metasiren.cli.options import catalogue_of, console
from metasiren.cli.options import device as device_option
from metasiren.cli.terminal import show_markdown
from metasiren.errors import RecipeError, RunError


def show_results(results: Path) -> None:
    """Print the table that a folder of results holds, or else its numbers."""
    for name in ("table.md", "comparison.md"):
        if (results / name).is_file():
            show_markdown((results / name).read_text("utf-8"))
            return
    if (results / "metrics.json").is_file():
        click.echo((results / "metrics.json").read_text("utf-8"))


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--data", type=click.Path(path_type=Path), metavar="FILE|FOLDER", help="Your own pictures, in place of the run's."
)
@click.option("--protocol", metavar="NAME", help="In place of the recipe's.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Evaluate only the first N items.")
@click.option("--refine", type=click.IntRange(min=0), default=0, metavar="K", help="K steps of test-time optimisation.")
@device_option
@click.pass_context
def evaluate(
    ctx: click.Context,
    run: Path,
    data: Path | None,
    protocol: str | None,
    limit: int | None,
    refine: int,
    device: str,
) -> None:
    """Write the metric table of RUN anew: results/table.json, .csv, .md and .tex.

    The earlier table moves to results/earlier-1, or to the next free number. With --data the table is about your own
    pictures, and goes to results/on-NAME.
    """
    from metasiren.engine import evaluation
    from metasiren.engine.progress import Shown
    from metasiren.runs.directory import open_run

    evaluation.evaluate(
        run, data=data, protocol=protocol, limit=limit, refine=refine, device=device,
        catalogue=catalogue_of(ctx), progress=Shown(console()),
    )  # fmt: skip
    results = run / "results" if data is None else evaluation.evaluated_on(open_run(run), data)
    show_results(results)
    click.echo(results)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["markdown", "latex", "csv", "json"]), default="markdown")
def table(runs: tuple[Path, ...], form: str) -> None:
    """Put RUNS side by side in one table.

    On a terminal, Markdown is fitted to the width: a wide table becomes several, each with the names of the rows.
    """
    from metasiren.results.comparison import is_single, join_comparisons, read_comparison
    from metasiren.results.table import distinct, join_tables, read_table, render_table

    for path in runs:
        if not path.is_dir():
            raise RunError(str(path), "there is no such folder.", "Give the path that metasiren run printed last.")
    show = show_markdown if form == "markdown" else click.echo
    single = [p for p in runs if is_single(p)]
    if len(single) == len(runs):
        show(join_comparisons([(path.name, read_comparison(path)) for path in runs]).render(form))
        return
    if single:
        names = ", ".join(map(str, single))
        found = f"tables of many signals do not fit beside single signals; single: {names}."
        raise RunError("table", found, "Name runs of one kind.")
    named = [(path.name, read_table(path)) for path in runs]
    show(render_table(join_tables(distinct(named)), form))


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE")
@click.option("--overwrite", is_flag=True, help="Replace FILE; without it, one that exists is an error.")
@click.option("--renderer", metavar="NAME", help="In place of the data's own; see metasiren plugins.")
@click.option(
    "--quantity", type=click.Choice(["value", "gradient", "laplacian"]), help="Exact derivatives of the field, drawn."
)
@click.option("--size", metavar="HxW", help="Samples along each axis, such as 1024x1024.")
@click.option("--resolution", type=click.IntRange(min=2), metavar="N", help="Samples along every axis.")
@click.option(
    "--item", type=click.IntRange(min=0), metavar="N", help="Of a prior: the signal N of its data, seen whole."
)
@click.option("--between", type=click.IntRange(min=0), nargs=2, metavar="A B", help="Of a prior: from signal A to B.")
@click.option("--steps", type=click.IntRange(min=2), default=5, show_default=True, help="Files of --between.")
@click.option("--split", metavar="NAME", help="Of these signals: test, else val, by default.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="An option of the renderer (see describe).")
@device_option
@click.pass_context
def render(
    ctx: click.Context,
    run: Path,
    out: Path,
    overwrite: bool,
    renderer: str | None,
    quantity: str | None,
    size: str | None,
    resolution: int | None,
    item: int | None,
    between: tuple[int, int] | None,
    steps: int,
    split: str | None,
    pairs: tuple[str, ...],
    device: str,
) -> None:
    """Sample the field of RUN at any resolution, and write a picture, sound, clip or mesh by FILE's suffix.

    Pictures and the fields of equations are also drawn as their gradient or Laplacian, with --quantity.
    """
    from metasiren.engine import rendering
    from metasiren.recipe import read_overrides

    options: dict[str, Any] = read_overrides(pairs)
    if size is not None:
        if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*)*", size):
            raise RecipeError(f"--size {size}", "not a size.", "Write it as 512x512.")
        if "x" not in size:
            raise RecipeError(f"--size {size}", "one number.", "--size is HxW, such as 256x256.")
        options["size"] = tuple(map(int, size.split("x")))
    if resolution is not None:
        options["resolution"] = resolution
    if quantity is not None:
        options["quantity"] = quantity
    given: dict[str, Any] = {"renderer": renderer, "options": options, "device": device, "split": split}
    given["overwrite"] = overwrite
    if between is None and ctx.get_parameter_source("steps") is ParameterSource.COMMANDLINE:
        raise RecipeError("--steps", "given without --between, whose files it counts.", "Add --between 3 5.")
    if between is None and item is None and split is not None:
        raise RecipeError("--split", "given without a signal.", "Name one with --item 12, or two with --between 3 5.")
    if between is None:
        click.echo(rendering.render(run, out, item=item, catalogue=catalogue_of(ctx), **given))
        return
    if item is not None:
        raise RecipeError("render", "both --item and --between.", "Give one of them.")
    for path in rendering.render_between(run, out, items=between, steps=steps, catalogue=catalogue_of(ctx), **given):
        click.echo(path)
