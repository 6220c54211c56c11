"""Fitted waves are evaluated against exact ones: the truth has error zero, runs write their results, mistakes are
named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import metasiren as ms
from metasiren import Field, Model, RecipeError, Siren
from metasiren.engine.running import run as run_recipe
from metasiren_basics.fixed import FixedEncoder
from metasiren_basics.free import FreeDecoder
from metasiren_physics.datasets.helmholtz import HelmholtzDataset
from metasiren_physics.datasets.inversion import InversionDataset
from metasiren_physics.datasets.wave import WaveDataset
from metasiren_physics.panels import SIDE, paint
from metasiren_physics.protocols import helmholtz, inversion, wave
from metasiren_physics.protocols.measures import cells, on_grid, sample, truth_at
from metasiren_physics.protocols.pictures import draw, error_panel, size_panel, wave_panel
from metasiren_physics.reference.helmholtz_grid import grid_points

SMALL: dict[str, dict[str, Any]] = {
    "helmholtz": {"data.points": 20, "evaluate.nodes": 32, "evaluate.solvers": [129]},
    "helmholtz_rivals": {"data.points": 20, "evaluate.nodes": 16, "evaluate.solvers": []},
    "wave": {
        "data.points": 20,
        "data.initial": 10,
        "data.variance": 2e-3,
        "evaluate.nodes": 81,
        "evaluate.times": [0.0, 0.1],
    },
    "fwi": {"data.points": 1500, "siren.hidden_features": 300, "evaluate.nodes": 16, "evaluate.admm": 2},
}


def model_for(dataset: ms.Dataset) -> Model:
    torch.manual_seed(0)
    siren = Siren(
        in_features=dataset.domain.d_in, out_features=dataset.domain.d_out, hidden_features=8, hidden_layers=1
    )
    return Model(FixedEncoder(dataset.domain), FreeDecoder(siren, 0))


@pytest.mark.parametrize("single", [False, True])
def test_all_points_are_sampled_of_single_fields_too(single: bool) -> None:
    siren = Siren(in_features=2, out_features=3, hidden_features=8, hidden_layers=1)
    params = siren.init(generator=torch.Generator().manual_seed(0))
    made = sample(Field(siren, params, single=single), cells(1.0, 5))
    expected = siren(params, torch.from_numpy(cells(1.0, 5)).float().reshape(25, 2))[0].detach()
    np.testing.assert_allclose(made, expected.numpy().reshape(5, 5, 3), atol=1e-6)


@pytest.mark.parametrize(("medium", "title"), [("uniform", "speed 1"), ("square", "speed 1 to 2")])
def test_the_picture_of_the_speed_names_one_number_where_it_is_one(medium: str, title: str) -> None:
    problem = HelmholtzDataset(medium=medium).problem
    points = grid_points(9)
    wave = np.zeros(points.shape[:2], complex)
    assert helmholtz.figure(problem, points, wave, wave)[0].title == title


@pytest.mark.parametrize("name", SMALL)
def test_a_quick_run_learns_and_writes_its_results(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("metasiren.engine.bar.EVERY_SECONDS", 0.0)
    overrides = {
        "train.steps": 4,
        "train.log_every": 1,
        "train.pictures_every": 2,
        "siren.hidden_features": 12,
        **SMALL[name],
    }
    made = run_recipe(ms.load_recipe(name, preset="quick", overrides=overrides), tmp_path / "run", device="cpu")
    results = made.path / "results"
    numbers = json.loads((results / "metrics.json").read_text())
    assert numbers
    assert all(np.isfinite(value) and value >= 0 for value in numbers.values())
    rows = json.loads((results / "comparison.json").read_text())["rows"]
    assert rows[0]["kind"] == "model"
    assert rows[0]["metrics"] == numbers
    kinds = {row["kind"] for row in rows[1:]}
    assert kinds == (set() if name == "helmholtz_rivals" else {"baseline"})
    assert ("ADMM: 50%" in capsys.readouterr().err) == (name == "fwi")
    with Image.open(results / "figure.png") as page:
        assert np.asarray(page).std() > 20
        assert page.width > 2 * SIDE
    losses = [line["loss"] for line in map(json.loads, (made.path / "metrics.jsonl").read_text().splitlines())]
    assert len(losses) == 4
    assert losses[-1] < 0.6 * losses[0], "a quick run learns"
    if name != "helmholtz":
        return
    # The grid solver is better than four steps of a network, and close to the closed form.
    grid = {row["name"]: row["metrics"]["relative_l2"] for row in rows[1:]}
    assert grid["9-point grid, 129 x 129"] < 0.1 < numbers["relative_l2"]


@pytest.mark.parametrize(
    ("protocol", "dataset"),
    [
        (helmholtz.HelmholtzProtocol(), HelmholtzDataset()),
        (wave.WaveProtocol(), WaveDataset()),
        (inversion.InversionProtocol(), InversionDataset()),
    ],
)
def test_previews_are_pictures_of_the_field(tmp_path: Path, protocol: ms.Protocol, dataset: ms.Dataset) -> None:
    picture = protocol.preview(model_for(dataset), dataset, tmp_path / "p.png")
    assert picture is not None
    assert picture.dtype == torch.uint8
    with Image.open(tmp_path / "p.png") as page:
        assert tuple(picture.shape) == (3, page.height, page.width)
    assert picture.double().std() > 10


@pytest.mark.parametrize(
    ("protocol", "dataset"),
    [
        (helmholtz.HelmholtzProtocol(nodes=12, solvers=()), HelmholtzDataset()),
        (wave.WaveProtocol(nodes=65, times=(0.0, 0.1), solver=False), WaveDataset(variance=5e-3)),
    ],
)
def test_numbers_are_those_that_are_written(
    tmp_path: Path,
    protocol: helmholtz.HelmholtzProtocol | wave.WaveProtocol,
    dataset: HelmholtzDataset | WaveDataset,
) -> None:
    model = model_for(dataset)
    protocol.evaluate(model, dataset, tmp_path, name="m")
    assert protocol.numbers(model, dataset) == json.loads((tmp_path / "metrics.json").read_text())
    with pytest.raises(RecipeError, match="no such problem"):
        protocol.numbers(model, InversionDataset())


def test_the_truth_has_no_error_and_nothing_has_all_of_it() -> None:
    problem = HelmholtzDataset().problem
    points = cells(0.5, 24)
    truth, origin = truth_at(problem, points, 65)
    judged = helmholtz.outside(problem, points)
    assert origin == "the closed form"
    assert helmholtz.errors(truth, truth, judged) == {"relative_l2": 0.0, "mse": 0.0}
    assert helmholtz.errors(0 * truth, truth, judged)["relative_l2"] == pytest.approx(1)
    # What happens within the source's disc is not evaluated.
    spoilt = np.where(judged, truth, 1e3)
    assert helmholtz.errors(spoilt, truth, judged)["relative_l2"] == 0
    assert 0 < (~judged).sum() < 30


def test_waves_are_judged_time_by_time() -> None:
    truth = np.random.default_rng(0).normal(size=(2, 9, 9))
    made = np.stack([truth[0], 1.1 * truth[1]])
    numbers = wave.by_time(made, truth, np.array([0.0, 0.25]))
    assert numbers["t0_relative_l2"] == 0
    assert numbers["t0.25_relative_l2"] == pytest.approx(0.1)
    assert numbers["worst_relative_l2"] == numbers["t0.25_relative_l2"]


def test_media_without_a_closed_form_have_a_grid_s_truth() -> None:
    problem = HelmholtzDataset(medium="square", variance=1e-3, wavenumber=8.0).problem
    points = cells(0.5, 16)
    fine, origin = truth_at(problem, points, 129)
    coarse = on_grid(problem, points, 97, 9)
    assert origin == "a 9-point grid of 129 x 129"
    judged = helmholtz.outside(problem, points)
    error = helmholtz.errors(coarse, fine, judged)["relative_l2"]
    assert error is not None
    assert error < 0.05
    moving = WaveDataset(medium="square", variance=5e-3).problem
    truth, origin = wave.wave_truth(moving, np.array([0.0, 0.1]), 65)
    assert origin.startswith("leapfrog")
    np.testing.assert_allclose(truth[0], moving.initial(grid_points(65)), atol=1e-12)


def test_a_field_s_last_channel_is_its_medium() -> None:
    dataset = InversionDataset()
    model = model_for(dataset)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
        list(model.parameters())[-1][-1] = -0.75  # m = 1/4
    points = cells(1.0, 16)
    speed, waves = inversion.sampled(model.signal(dataset.domain), dataset.problem, points)
    inside = (np.abs(points) <= 0.75).all(-1)
    np.testing.assert_allclose(speed[inside], 2)
    np.testing.assert_allclose(speed[~inside], 1)
    assert waves.shape == (16, 16, 5)
    assert not waves.any()


def test_a_protocol_judges_its_own_kind_of_data(tmp_path: Path) -> None:
    dataset = WaveDataset()
    with pytest.raises(RecipeError, match=r"protocol: helmholtz.*\n.*data: helmholtz"):
        helmholtz.HelmholtzProtocol().evaluate(model_for(dataset), dataset, tmp_path, name="x")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: helmholtz.HelmholtzProtocol(nodes=4), "evaluate: helmholtz"),
        (lambda: wave.WaveProtocol(times=(0.2, 0.1)), "ascending times"),
        (lambda: wave.WaveProtocol(times=(-0.1,)), "evaluate: wave"),
        (lambda: inversion.InversionProtocol(admm=-1), "evaluate: fwi"),
        (lambda: inversion.InversionProtocol(admm_smoothness=-1.0), "evaluate: fwi"),
    ],
)
def test_options_have_ranges(make: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        make()


def test_maps_show_signs_and_sizes() -> None:
    ramp = np.linspace(-1, 1, 32)[:, None] * np.ones(32)
    signed = np.asarray(paint(wave_panel("u", ramp, ramp))).astype(float)
    assert signed[0, 0, 2] > signed[0, 0, 0]  # negative: blue
    assert signed[-1, -1, 0] > signed[-1, -1, 2]  # positive: red
    sizes = np.asarray(paint(size_panel("e", abs(ramp), 1.0))).sum(-1).astype(float)
    assert sizes[0, 0] > sizes[SIDE // 2, 0]
    page = draw(
        [[wave_panel("u", ramp, ramp, [(0.5, -0.5)]), size_panel("flat", 0 * ramp, 0.0)], [size_panel("", ramp, 1)]]
    )
    assert page.width > 2 * SIDE


def test_an_error_is_drawn_in_colours_up_to_a_tenth_of_the_wave() -> None:
    ramp = np.linspace(-1, 1, 33)[:, None] * np.ones(33)
    panel = error_panel(ramp + 0.1j, ramp, ramp)
    np.testing.assert_allclose(panel.values, 0.1)
    np.testing.assert_allclose(panel.limits, (0, 0.1))
