"""The commands `compare` (variants of a recipe), `inspect` (a net before training) and `selfcheck` (a machine)."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from click.core import ParameterSource

from metasiren import RecipeError, RunError, demand_new, did_you_mean
from metasiren.cli.options import catalogue_of
from metasiren.cli.options import device as device_option
from metasiren.cli.options import seconds as as_seconds

POSITIVE = click.FloatRange(min=0, min_open=True, max=1e6)


@click.command()
@click.argument("recipe")
@click.option("--over", multiple=True, metavar="KEY=V1,V2", help="What differs; several: the product.")
@click.option("--preset", metavar="NAME", help="A preset of the recipe; the best that can run here if left out.")
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Change a recipe value for all variants.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where the runs go; must not exist.")
@click.option("--seed", type=click.IntRange(min=0), help="In place of the recipe's.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, metavar="N", help="Train every variant with N seeds.")
@device_option
@click.option(
    "--devices",
    metavar="cuda:0,cuda:1",
    help="In place of --device: one training at a time on each, in separate processes; cpu,cpu or all, too.",
)
@click.option(
    "--max-time",
    callback=as_seconds,
    metavar="5m",
    help="Time limit of each training, with as many steps as fit a complete schedule; not for those of --tune.",
)
@click.option("--tune", is_flag=True, help="Search the learning rate and the scale of every variant first.")
@click.option("--tune-steps", type=click.IntRange(min=1), metavar="N", help="Steps to search each; twice the recipe's.")
@click.option("--by", default="loss", show_default=True, metavar="METRIC", help="What the search compares.")
@click.option(
    "--tuned", type=click.Path(path_type=Path), metavar="FILE",
    help="Use what another comparison's tuning.json chose.",
)  # fmt: skip
@click.pass_context
def compare(
    ctx: click.Context,
    recipe: str,
    over: tuple[str, ...],
    preset: str | None,
    pairs: tuple[str, ...],
    out: Path | None,
    seed: int | None,
    seeds: int,
    device: str,
    devices: str | None,
    max_time: float | None,
    tune: bool,
    tune_steps: int | None,
    by: str,
    tuned: Path | None,
) -> None:
    """Train variants of RECIPE side by side: the same seeds, steps and data.

    \b
    metasiren compare image --over nonlinearity=sine,relu,tanh,relu_pe,rbf
    metasiren compare image --over optimizer=adam,muon --over lr=1e-4,1e-3

    KEY is a recipe key such as train.optimizer.lr, or the end of just one. Values are YAML. As nonlinearity, relu_pe
    (ReLU with positional encoding), rbf and rbf_quartic stand for the paper's variants with an input layer.

    --tune searches the learning rate (times 1/4 to 4) and the scale (first_omega, or the omega, scale or sigma of
    another network, times 1/2 to 2) of every variant by successive halving, with equally many steps for each. Without
    --over it takes every nonlinearity that has a scale, and relu_pe.
    """  # noqa: D301 (click's own mark keeps the lines above as they are)
    from rich.console import Console

    from metasiren import read_overrides
    from metasiren.engine.choosing import choose_preset
    from metasiren.engine.devices import pick_devices
    from metasiren.engine.processor import prepare_processor
    from metasiren.engine.progress import Shown, announce
    from metasiren_studies import comparing
    from metasiren_studies.search_space import with_a_scale
    from metasiren_studies.tuning import Search

    if tune and tuned is not None:
        raise RecipeError("--tuned", "given beside --tune.", "Give one of them.")
    for name, option in (("tune_steps", "--tune-steps"), ("by", "--by")):
        if not tune and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise RecipeError(option, "given without --tune.", "Give --tune too, or leave it out.")
    if devices is not None and ctx.get_parameter_source("device") is ParameterSource.COMMANDLINE:
        raise RecipeError("--devices", "given beside --device.", "Give one of them.")
    places = pick_devices(devices) if devices is not None else ()
    search = Search(tune_steps, by, tuned) if tune or tuned is not None else None
    prepare_processor()
    progress, catalogue = Shown(Console(stderr=True)), catalogue_of(ctx)
    if not over and search is not None:
        over = (with_a_scale(catalogue),)
    choice = choose_preset(recipe, catalogue, preset=preset, overrides=read_overrides(pairs))
    announce(progress, recipe, choice)
    folder, comparison = comparing.compare(
        recipe, over, out, preset=choice.preset, overrides=choice.overrides, seed=seed, seeds=seeds, device=device,
        devices=places, max_time=max_time, search=search, without=ctx.find_root().params.get("without", ()),
        catalogue=catalogue, progress=progress,
    )  # fmt: skip
    click.echo(comparison.render())
    click.echo(folder)


@click.group()
def inspect() -> None:
    """Inspect a network before training."""


@inspect.command("init")
@click.option(
    "--layers", type=click.IntRange(min=1), multiple=True, default=(6, 50), show_default=True, metavar="N",
    help="Layers with an activation; may be given again. A linear output layer follows.",
)  # fmt: skip
@click.option("--width", type=click.IntRange(min=1), default=2048, show_default=True, help="Features of each layer.")
@click.option("--omega", type=POSITIVE, default=30.0, show_default=True, help="Frequency of all layers.")
@click.option("--points", type=click.IntRange(min=4), default=256, show_default=True, help="Inputs over [-1, 1].")
@click.option("--bias/--zero-bias", default=True, show_default=True, help="Biases as trained nets have, or none.")
@click.option("--scale", type=POSITIVE, default=1.0, show_default=True, help="siren.init_scale of the net.")
@click.option("--nonlinearity", default="sine", show_default=True, help="As in recipes; only sines have predictions.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the weights.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="DIR|FILE.png", help="Draw a picture per depth.")
@click.option("--overwrite", is_flag=True, help="Replace pictures; without it, one that exists is an error.")
def init(
    layers: tuple[int, ...],
    width: int,
    omega: float,
    points: int,
    bias: bool,
    scale: float,
    nonlinearity: str,
    seed: int,
    as_json: bool,
    out: Path | None,
    overwrite: bool,
) -> None:
    """Show how activations and gradients are distributed before training, beside what theory predicts.

    The SIREN paper's supplement, Theorem 1.8 and Figure 2. Per layer: standard deviations measured (and predicted)
    before and after the activation, their Kolmogorov-Smirnov distances from N(0, 1) and from the arcsine law, and the
    gradient of the output with respect to the activations.
    """
    from metasiren import Siren
    from metasiren_studies import initialisation_report as report

    depths = list(dict.fromkeys(layers))
    paths = report.files(out, depths) if out is not None else []
    _prepare(paths, overwrite)
    found = {}
    for number, depth in enumerate(depths):
        siren = Siren(
            in_features=1, out_features=1, hidden_features=width, hidden_layers=depth - 1, first_omega=omega,
            hidden_omega=omega, nonlinearity=nonlinearity, init_scale=scale,
        )  # fmt: skip
        made = report.initialise(siren, points=points, bias=bias, seed=seed)
        title = f"{nonlinearity}, {depth} layers of {width:,}, {'with' if bias else 'zero'} biases"
        title += f", omega {omega:g}" * (nonlinearity == "sine")
        title += f", weights x{scale:g}" * (scale != 1)
        found[str(depth)] = made.rows()
        if not as_json:
            click.echo(f"{title}\n{report.table(made)}\n")
        if paths:
            report.draw(made, paths[number], title)
    if as_json:
        click.echo(json.dumps(found, indent=2))
    for path in paths:
        click.echo(path, err=as_json)


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
@click.option(
    "--max-time", callback=as_seconds, default="270s", show_default=True, help="Begin no recipe after this long."
)
@click.pass_context
def selfcheck(
    ctx: click.Context, device: str, output: Path | None, overwrite: bool, names: tuple[str, ...], max_time: float
) -> None:
    """Compare the first steps of every recipe on this device with the CPU, and time them.

    On a CPU float32 is compared with float64. The report names versions, settings, losses, their differences, times and
    memory. The exit status is 1 where a recipe differs or fails.
    """
    from metasiren.engine.devices import pick_device
    from metasiren.recipe import shipped_recipes
    from metasiren_studies.selfcheck import selfcheck as checked

    if output is not None:
        demand_new(output, where=f"selfcheck -o {output}", overwrite=overwrite)
    known = [path.stem for path in shipped_recipes()]
    if unknown := sorted(set(names) - set(known)):
        advice = f"{did_you_mean(unknown[0], known)}\nknown: {', '.join(known)}".strip()
        raise RecipeError("--recipe", f"no shipped recipe is called {unknown[0]!r}.", advice)
    place = pick_device(device)
    report = checked(place, catalogue_of(ctx), names=names or None, seconds=max_time, say=click.echo)
    click.echo(", ".join(f"{count} {state}" for state, count in report["counts"].items()) + f" on {place}")
    if output is not None:
        output.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
        click.echo(str(output))
    if {"differs", "failed"} & set(report["counts"]):
        sys.exit(1)


def _prepare(paths: list[Path], overwrite: bool) -> None:
    for path in paths:
        demand_new(path, where=f"inspect init -o {path}", overwrite=overwrite)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(str(path.parent), f"cannot be made: {error}.", "Name another -o.") from None
