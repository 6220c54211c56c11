"""`metasiren solve`: the reference alone, from a recipe to files."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from metasiren import DataError, MetasirenError, RecipeError
from metasiren_physics.commands import add_commands
from metasiren_physics.panels import Panel, draw
from metasiren_physics.problems import fwi_problem, helmholtz_problem, wave_problem
from metasiren_physics.reference.solving import Settings, solve

FRAME = "siren: {hidden_features: 8}\nencoder: fixed\ndecoder: free\nconstraints: {mse: {at: interior}}\n"
FRAME += "train: {stages: [{name: all, steps: 1}]}\nevaluate: {protocol: helmholtz}\n"
SMALL = "wavenumber: 10, variance: 1.0e-3"
DATA = {
    "uniform": f"{{name: helmholtz, {SMALL}}}",
    "square": f"{{name: helmholtz, medium: square, source: [-0.38, 0], {SMALL}}}",
    "wave": "{name: wave, variance: 4.0e-3}",
    "disc": "{name: wave, variance: 4.0e-3, medium: {name: disc, radius: 0.3}, centre: [-0.5, 0]}",
    "fwi": "{name: fwi, wavenumber: 10, variance: 4.0e-4}",
}


def recipe(folder: Path, name: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(f"data: {DATA[name]}\n{FRAME}", "utf-8")
    return path


def command(*arguments: object) -> str:
    group = click.Group()
    add_commands(group)
    result = CliRunner().invoke(group, ["solve", *map(str, arguments)], catch_exceptions=True)
    if isinstance(result.exception, MetasirenError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize(
    ("name", "options", "shape", "least"),
    [("uniform", ["--nodes", 65], (65, 65), 1e-3),
     ("uniform", ["--nodes", 65, "--solver", "grid", "--scheme", "5"], (65, 65), 2e-2),
     ("uniform", ["--nodes", 33, "--solver", "closed_form"], (33, 33), None),
     ("square", ["--nodes", 65], (65, 65), None),
     ("wave", ["--nodes", 65], (5, 65, 65), 1e-7),
     ("wave", ["--nodes", 65, "--solver", "leapfrog", "--frames", 3], (3, 65, 65), 1e-2),
     ("wave", ["--nodes", 33, "--solver", "closed_form", "--frames", 2], (2, 33, 33), None),
     ("disc", ["--nodes", 65], (5, 65, 65), None),
     ("fwi", ["--nodes", 57, "--iterations", 2], (5, 57, 57), 1.0)],
)  # fmt: skip
def test_a_recipe_becomes_files(tmp_path, name, options, shape, least):
    said = command(recipe(tmp_path, name), *options, "-o", tmp_path / "out")
    solvers = {"uniform": "grid", "square": "grid", "wave": "fft", "disc": "leapfrog", "fwi": "admm"}
    named = options[options.index("--solver") + 1] if "--solver" in options else solvers[name]
    assert f" by {named}" in said.splitlines()[0], "the solver is named before it begins"
    assert said.strip().splitlines()[-1] == str(tmp_path / "out")
    numbers = json.loads((tmp_path / "out" / "metrics.json").read_text("utf-8"))
    assert numbers["seconds"] > 0
    if least is not None:
        assert numbers["relative_l2"] < least
    with np.load(tmp_path / "out" / "solution.npz", allow_pickle=False) as arrays:
        assert arrays["u"].shape == shape
        assert np.isfinite(arrays["u"]).all()
        assert arrays["axis"][[0, -1]].tolist() == [-1, 1]
        assert arrays["speed"].shape == shape[-2:]
    with Image.open(tmp_path / "out" / "picture.png") as picture:
        assert np.ptp(np.asarray(picture)) > 200


def test_a_medium_without_a_closed_form_is_compared_with_half_the_grid(tmp_path):
    command(recipe(tmp_path, "square"), "--nodes", 97, "-o", tmp_path / "out")
    numbers = json.loads((tmp_path / "out" / "metrics.json").read_text("utf-8"))
    assert 0 < numbers["relative_l2_to_half_grid"] < 0.05
    assert "relative_l2" not in numbers


def test_overrides_change_the_problem_and_options_of_the_network_are_passed_over(tmp_path):
    path = recipe(tmp_path, "uniform")
    command(path, "--nodes", 65, "--set", "data.medium=1.25", "--set", "data.points=77", "-o", tmp_path / "out")
    with np.load(tmp_path / "out" / "solution.npz") as arrays:
        assert (arrays["speed"] == 1.25).all()
    with pytest.raises(RecipeError, match="Did you mean 'medium'"):
        command(path, "--set", "data.medim=disc", "-o", tmp_path / "other")
    with pytest.raises(RecipeError, match="not key=value"):
        command(path, "--set", "data.medium", "-o", tmp_path / "other")
    with pytest.raises(RecipeError, match="is not a wave problem"):
        command(path, "--set", "data.name=celeba", "-o", tmp_path / "other")
    with pytest.raises(DataError, match="per wavelength"):
        command(path, "--set", "data.wavenumber=300", "-o", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(MetasirenError, match="exists already"):
        command(recipe(tmp_path, "uniform"), "-o", tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(MetasirenError, match="cannot be made"):
        command(recipe(tmp_path, "uniform"), "--nodes", 65, "-o", tmp_path / "file" / "out")


@pytest.mark.parametrize(
    ("problem", "solver", "words"),
    [(helmholtz_problem(), "fft", "fits: grid, closed_form"), (wave_problem(), "grid", "fits: fft, leapfrog"),
     (fwi_problem(), "leapfrog", "fits: admm"), (wave_problem(), "leapfrg", "Did you mean 'leapfrog'"),
     (wave_problem(medium="disc"), "fft", "Use the solver leapfrog"),
     (wave_problem(border="neumann"), "closed_form", "Use fft"),
     (helmholtz_problem(medium="square"), "closed_form", "Use the grid")],
)  # fmt: skip
def test_a_solver_that_does_not_fit_names_those_that_do(problem, solver, words):
    with pytest.raises(RecipeError, match=words):
        solve(problem, solver, Settings(nodes=129))


def test_panels_show_coordinate_0_to_the_right_and_1_upwards():
    values = np.zeros((8, 8))
    values[:, -1] = 1  # coordinate 1 at its end: the top
    page = np.asarray(draw([Panel("top", values)]))[28 : 28 + 256, 6 : 6 + 256].sum(-1)
    assert page[0].mean() > page[-1].mean() + 100
    broken = np.where(np.arange(8) > 3, np.nan, values + np.arange(8)[:, None])
    assert (np.asarray(draw([Panel("grey", broken)]))[30, 14] == 128).all()
    with pytest.raises(DataError, match="no finite value"):
        draw([Panel("nothing", np.full((3, 3), np.nan))])
