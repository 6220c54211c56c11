"""The command that checks a machine: selfcheck."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from metasiren.cli.options import catalogue_of
from metasiren.cli.options import device as device_option
from metasiren.errors import RecipeError, demand_new


@click.command()
@device_option
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.json",
    help="Write a report.",
)
@click.option("--overwrite", is_flag=True, help="Replace the report; without it, one that exists is an error.")
@click.option("--recipe", "names", multiple=True, metavar="NAME", help="Only this recipe; may be given again.")
@click.option("--max-time", default="270s", show_default=True, help="Begin no recipe after this long.")
@click.pass_context
def selfcheck(
    ctx: click.Context, device: str, output: Path | None, overwrite: bool, names: tuple[str, ...], max_time: str
) -> None:
    """Compare the first steps of every recipe on this device with the CPU, and time them.

    On a CPU float32 is compared with float64. The report names versions, settings, losses, their differences, times and
    memory. The exit status is 1 where a recipe differs or fails.
    """
    from metasiren.engine.devices import pick_device
    from metasiren.engine.running import seconds_of
    from metasiren.engine.selfcheck import selfcheck as checked
    from metasiren.recipe import shipped_recipes

    if output is not None:
        demand_new(output, where=f"selfcheck -o {output}", overwrite=overwrite)
    known = [path.stem for path in shipped_recipes()]
    if unknown := sorted(set(names) - set(known)):
        raise RecipeError("--recipe", f"no shipped recipe is called {unknown[0]!r}.", f"known: {', '.join(known)}")
    seconds, place = seconds_of(max_time), pick_device(device)
    report = checked(place, catalogue_of(ctx), names=names or None, seconds=seconds, say=click.echo)
    click.echo(", ".join(f"{count} {state}" for state, count in report["counts"].items()) + f" on {place}")
    if output is not None:
        output.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        click.echo(str(output))
    if {"differs", "failed"} & set(report["counts"]):
        sys.exit(1)
