"""The command that this package adds: the reference solution of a recipe, without a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from metasiren_physics.arrays import Complex
    from metasiren_physics.problems import Problem
    from metasiren_physics.reference.solving import Solved

NAMES = ("grid", "closed_form", "fft", "leapfrog", "admm")


def add_commands(cli: click.Group) -> None:
    """Add `solve`."""
    cli.add_command(solve)


@click.command()
@click.argument("recipe")
@click.option(
    "--solver", metavar="NAME",
    help=f"{', '.join(NAMES)}; by default grid (helmholtz), fft or leapfrog (wave), admm (fwi).",
)  # fmt: skip
@click.option(
    "--preset", metavar="NAME", help="A preset of the recipe, or base for none; by default the first that can run here."
)
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="Change a recipe value; may be given again.")
@click.option("--nodes", type=click.IntRange(min=5), help="Grid points along each axis of [-1, 1]².")
@click.option("--scheme", type=click.Choice(["5", "9"]), default="9", show_default=True, help="Points of the stencil.")
@click.option("--frames", type=click.IntRange(min=2), default=5, show_default=True, help="Times, for a wave.")
@click.option("--iterations", type=click.IntRange(min=1), default=40, show_default=True, help="Of the inversion.")
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help="A folder to write; must not exist.")
def solve(
    recipe: str, solver: str | None, preset: str | None, pairs: tuple[str, ...], nodes: int | None, scheme: str,
    frames: int, iterations: int, out: Path,
) -> None:  # fmt: skip
    """Solve the waves of RECIPE (helmholtz, wave or fwi) without a network.

    Writes solution.npz, picture.png and metrics.json into the folder: relative_l2 against the closed form where there
    is one, and the solver's seconds.
    """
    from metasiren import RunError, load_recipe, read_overrides
    from metasiren_physics.reference.solving import Settings
    from metasiren_physics.reference.solving import solve as run_solver

    if out.exists():
        raise RunError(f"solve -o {out}", "exists already.", "Name a new folder; nothing is overwritten.")
    loaded = load_recipe(recipe, preset=preset, overrides=read_overrides(pairs))
    problem = checked_problem(loaded.data.name, loaded.data.options)
    settings = Settings(
        nodes, int(scheme), frames, iterations, data=_noisy(problem, loaded.data.options), watch=_tell,
        say=lambda name: click.echo(f"solving {loaded.data.name} by {name}", err=True),
    )  # fmt: skip
    solved = run_solver(problem, solver, settings)
    write(solved, out)
    for name, value in solved.metrics.items():
        click.echo(f"{name:<26} {value:.4g}")
    click.echo(out)


def write(solved: Solved, out: Path) -> None:
    """Write a solution into a new folder `out`.

    Raises:
        RunError: the folder exists or cannot be made.
    """
    import numpy as np

    from metasiren import RunError
    from metasiren_physics.panels import save

    try:
        out.mkdir(parents=True)
    except OSError as error:
        raise RunError(f"solve -o {out}", f"cannot be made: {error}.", "Name a new folder.") from None
    with (out / "solution.npz").open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **solved.arrays)
    save(solved.panels, out / "picture.png", solved.columns)
    (out / "metrics.json").write_text(json.dumps(solved.metrics, indent=2) + "\n", "utf-8")


def checked_problem(name: str, options: Mapping[str, Any]) -> Problem:
    """The problem of a recipe's data, every option of which the problem or its data set must know.

    Raises:
        RecipeError: an unknown name or option, or a wrong value.
        DataError: an unusable medium.
    """
    import inspect

    from metasiren import RecipeError, did_you_mean, load_catalogue
    from metasiren_physics.problems import MAKERS, problem_of

    if name in MAKERS:
        known = set(inspect.signature(MAKERS[name]).parameters)
        if set(options) - known:
            known |= set(inspect.signature(load_catalogue().factory("dataset", name, "data")).parameters)
        for key in options:
            if key not in known:
                advice = f"{did_you_mean(key, known)} known: {', '.join(sorted(known))}".strip()
                raise RecipeError(f"data.{key}", f"{name} has no such option.", advice)
    return problem_of(name, options)


def _noisy(problem: Problem, options: Mapping[str, Any]) -> Complex | None:
    """The receiver data of the recipe, where it adds noise; else the solver makes its own data."""
    from metasiren_physics.problems import InversionProblem

    if not (isinstance(problem, InversionProblem) and options.get("noise")):
        return None
    from metasiren_physics.datasets.inversion import receiver_data_with_noise

    return receiver_data_with_noise(problem, float(options["noise"])).T


def _tell(iteration: int, error: float) -> None:
    if iteration % 10 == 0:
        click.echo(f"iteration {iteration}: data error {error:.3g}", err=True)
