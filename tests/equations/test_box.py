"""Points of a box lie where their set says, with the targets and normals of that place."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from resuming import check_resumed_equals_uninterrupted

import metasiren as ms
from metasiren import Points, RecipeError
from metasiren.assembly.experiment import assemble
from metasiren.engine.estimate import Estimate
from metasiren.registry.catalogue import load_catalogue
from metasiren_physics.datasets.adaptive import Adaptive
from metasiren_physics.datasets.box import BoxDataset
from metasiren_physics.datasets.designs import spread
from metasiren_physics.datasets.kept_points import Settle
from metasiren_physics.expressions import Expression

ONE = torch.arange(1)


def box(**options: Any) -> BoxDataset:
    given: dict[str, Any] = {"axes": {"t": (0, 2), "x": (-1, 1), "y": (0, 3)}, "points": {"interior": 50}}
    return BoxDataset(**{**given, **options})


def draw(data: BoxDataset, split: str = "train", seed: int = 0) -> dict[str, Points]:
    return dict(data.batch(split, ONE, generator=torch.Generator().manual_seed(seed)).points)


@pytest.mark.parametrize("design", ["even", "uniform", "latin", "sobol"])
def test_points_lie_where_their_set_says(design: Any) -> None:
    data = box(
        points={"interior": 64, "boundary": 32, "initial": 16, "wall": 8},
        planes={"wall": {"x": 1.0, "y": 0.5}},
        targets={"initial": "x + y", "wall": {"flux": "t", "values": ["1", 2]}},
        channels=2,
        design=design,
    )
    sets = draw(data)
    low, high = torch.tensor([0.0, -1, 0]), torch.tensor([2.0, 1, 3])
    for points in sets.values():
        assert points.coords.dtype == torch.float64
        assert ((points.coords >= low) & (points.coords <= high)).all()
    inner = sets["interior"].coords[0]
    assert abs(inner.mean(0) - (low + high) / 2).max() < 0.4
    side = sets["boundary"]
    outward = (side.coords == high).double() - (side.coords == low).double()
    assert torch.equal(side.targets["normals"], outward * torch.tensor([0.0, 1, 1]))
    assert (side.targets["normals"].abs().sum(-1) == 1).all()
    assert side.coords.shape == (1, 32, 3)
    start = sets["initial"]
    assert (start.coords[..., 0] == 0).all()
    torch.testing.assert_close(start.values[..., 0], start.coords[..., 1] + start.coords[..., 2])
    wall = sets["wall"]
    assert (wall.coords[..., 1] == 1).all()
    assert (wall.coords[..., 2] == 0.5).all()
    torch.testing.assert_close(wall.targets["flux"], wall.coords[..., :1])
    torch.testing.assert_close(wall.values, torch.tensor([1.0, 2.0], dtype=torch.float64).expand(1, 8, 2))


def test_periodic_axes_have_no_boundary() -> None:
    normals = draw(box(points={"boundary": 40}, periodic=["x"]))["boundary"].targets["normals"]
    assert (normals[..., 2].abs() == 1).all()
    with pytest.raises(RecipeError, match="no point set 'boundary'"):
        box(points={"boundary": 40}, periodic=["x", "y"])


def test_a_set_of_few_points_spreads_over_the_sides() -> None:
    assert draw(box(points={"boundary": 1}))["boundary"].coords.shape == (1, 1, 3)


def test_latin_and_sobol_points_are_stratified() -> None:
    generator = torch.Generator().manual_seed(0)
    for design in ("latin", "sobol"):
        points = spread(design, 64, 3, generator)  # type: ignore[arg-type]
        assert points.dtype == torch.float64
        assert all(sorted((column * 64).long().tolist()) == list(range(64)) for column in points.unbind(-1))


def test_points_are_drawn_anew_or_stay() -> None:
    for split, redraw, same in (("train", True, False), ("train", False, True), ("test", True, True)):
        data = box(redraw=redraw)
        generator = torch.Generator().manual_seed(0)
        one, two = (data.batch(split, ONE, generator=generator).points["interior"].coords for _ in range(2))
        assert torch.equal(one, two) is same
    assert torch.equal(draw(box())["interior"].coords, draw(box())["interior"].coords)


def test_points_stay_for_some_steps_of_training_and_are_kept_meanwhile() -> None:
    data = box(points={"interior": 50, "boundary": 12}, redraw=3, targets={"boundary": "x"})
    training = data.at_errors(lambda at, points: points.coords[..., 0])
    generator = torch.Generator().manual_seed(0)

    def step() -> dict[str, Points]:
        return dict(training.batch("train", ONE, generator=generator).points)

    drawn = [step() for _ in range(4)]
    state, seed = data.state(), generator.get_state()
    drawn += [step() for _ in range(5)]
    coords = [sets["interior"].coords for sets in drawn]
    assert [torch.equal(a, b) for a, b in pairwise(coords)] == [True, True, False] * 2 + [True, True]
    # Elsewhere, an evaluation or a check, every draw is new and the training's points stay.
    one, two = (data.batch("train", ONE, generator=generator).points["interior"].coords for _ in range(2))
    assert not torch.equal(one, two)
    other = box(points={"interior": 50, "boundary": 12}, redraw=3, targets={"boundary": "x"})
    other.restore(state)
    training = other.at_errors(lambda at, points: points.coords[..., 0])
    generator.set_state(seed)
    for expected in drawn[4:]:
        found = step()
        assert found.keys() == expected.keys()
        for at, points in found.items():
            assert torch.equal(points.coords, expected[at].coords)
            assert points.targets.keys() == expected[at].targets.keys()
            assert all(torch.equal(points.targets[n], expected[at].targets[n]) for n in points.targets)


def test_late_in_training_more_points_stay_longer() -> None:
    data = box(points={"interior": 50, "boundary": 12}, settle=Settle(after=0.5, redraw=2, factor=3))
    generator = torch.Generator().manual_seed(0)

    def step(progress: float) -> torch.Tensor:
        training = data.at_progress(progress).at_errors(lambda at, points: points.coords[..., 0])
        return training.batch("train", ONE, generator=generator).points["interior"].coords

    coords = [step(k / 10) for k in range(10)]
    assert [c.shape[1] for c in coords] == [50] * 5 + [150] * 5
    assert [torch.equal(a, b) for a, b in pairwise(coords)] == [False] * 5 + [True, False, True, False]
    assert draw(data)["interior"].coords.shape == (1, 50, 3)
    assert data.has_curriculum
    assert not box().has_curriculum


def test_readings_stay_as_many_as_they_are_late_in_training() -> None:
    readings = {"planes": {"wall": {"x": 1.0}}, "targets": {"wall": "t"}, "noise": {"wall": 0.1}}
    data = box(points={"interior": 8, "wall": 4}, settle=Settle(), **readings)
    early, late = (draw(data.at_progress(progress)) for progress in (0.0, 0.9))
    assert torch.equal(late["wall"].values, early["wall"].values)
    assert late["interior"].coords.shape[1] == 2 * early["interior"].coords.shape[1]


def test_memory_is_estimated_for_the_most_points_of_the_training() -> None:
    catalogue = load_catalogue()

    def points(**options: Any) -> int:
        small = {"data.points.interior": 40, **{f"data.{k}": v for k, v in options.items()}}
        recipe = ms.load_recipe("burgers", preset="quick", overrides=small)
        experiment = assemble(recipe, catalogue)
        estimate = Estimate.of(experiment, catalogue, torch.device("cpu"))
        return estimate.batch.points["interior"].coords.shape[1]

    assert points(settle=None) == 40
    assert points(settle={"factor": 3}) == 120


def test_state_of_other_parts_is_left_to_them() -> None:
    data = box(redraw=2)
    data.restore({"mine.x": torch.ones(1)})
    assert data.state() == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"redraw": 0}, "redraw: 0 is below one"),
        ({"redraw": False, "settle": Settle()}, "settle: redraw is off"),
    ],
)
def test_options_of_redrawing_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        box(**options)


@pytest.mark.parametrize("options", [{"after": 1.0}, {"after": -0.1}, {"redraw": 0}, {"factor": 0}])
def test_options_of_settling_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match=r"settle: after .* redraw .* factor"):
        Settle(**options)


def test_readings_are_drawn_once_with_their_noise() -> None:
    data = box(points={"readings": 4000}, planes={"readings": {}}, targets={"readings": "x*y"}, noise={"readings": 0.1})
    one, two = (draw(data, split, seed)["readings"] for split, seed in (("train", 0), ("test", 1)))
    assert torch.equal(one.coords, two.coords)
    assert torch.equal(one.values, two.values)
    error = one.values[..., 0] - one.coords[..., 1] * one.coords[..., 2]
    assert float(error.std()) == pytest.approx(0.1, rel=0.05)
    assert abs(float(error.mean())) < 0.01


def test_adaptive_points_follow_the_error() -> None:
    """With |r| = 9 for x > 0 and 1 elsewhere and no offset, nine of ten points have x > 0."""

    def errors(at: str, points: Points) -> torch.Tensor:
        assert at == "interior"
        return torch.where(points.coords[..., 1] > 0, 9.0, 1.0)

    data = box(points={"interior": 2000, "boundary": 10}, adaptive=Adaptive(offset=0.0, candidates=20))
    chosen = draw(data.at_errors(errors))["interior"].coords
    assert chosen.shape == (1, 2000, 3)
    assert float((chosen[..., 1] > 0).double().mean()) == pytest.approx(0.9, abs=0.03)
    assert len(chosen[0].unique(dim=0)) == 2000
    plain = draw(data)["interior"].coords
    assert float((plain[..., 1] > 0).double().mean()) == pytest.approx(0.5, abs=0.02)
    broken = draw(data.at_errors(lambda at, points: torch.full(points.coords.shape[:2], float("nan"))))
    assert broken["interior"].coords.shape == (1, 2000, 3)


@pytest.mark.parametrize("settle", [None, {"after": 0.3, "redraw": 2}, {"after": 0.6, "redraw": 4, "factor": 3}])
@pytest.mark.parametrize("redraw", [True, 2, 4])
def test_a_run_with_adaptive_points_resumes_as_if_it_had_never_stopped(
    tmp_path: Path, redraw: bool | int, settle: dict[str, Any] | None
) -> None:
    options = {
        "data.redraw": redraw, "data.settle": settle,
        "siren.hidden_features": 6, "siren.hidden_layers": 0, "data.points.interior": 40, "evaluate.nodes": 9,
        "train.checkpoint_every": 3, "train.steps": 6, "train.log_every": 1,
    }  # fmt: skip
    recipe = ms.load_recipe("burgers", preset="quick", overrides=options)
    assert recipe.data.options["adaptive"] is not None
    check_resumed_equals_uninterrupted(recipe, tmp_path)


def test_without_adaptive_points_errors_are_never_asked_for() -> None:
    data = box()
    assert data.at_errors(lambda at, points: pytest.fail("asked")) is data


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axes": {}}, "there are none"),
        ({"axes": {"x": (1, 1)}}, "no interval"),
        ({"axes": {"x y": (0, 1)}}, "no name"),
        ({"periodic": ["z"]}, "no axis 'z'"),
        ({"planes": {"wall": {"z": 0}}}, "no axis 'z'"),
        ({"points": {"inside": 3}}, "no point set 'inside'"),
        ({"points": {"interior": 0}}, "Give one or more"),
        ({"targets": {"initial": 0}}, "no point set 'initial'"),
        ({"targets": {"interior": "z"}}, "targets: interior: values"),
        ({"time": "x", "points": {"boundary": 3}, "planes": {"wall": {"t": 5}}}, None),
        ({"noise": {"interior": 0.1}}, "has no readings"),
        ({"targets": {"interior": 0}, "noise": {"interior": -1}}, "below 0"),
        ({"adaptive": Adaptive(sets=("boundary",))}, "no point set 'boundary'"),
        ({"adaptive": Adaptive(), "redraw": False}, "redraw is off"),
    ],
)
def test_mistakes_are_named(options: dict[str, Any], message: str | None) -> None:
    if message is None:
        box(**options)
        return
    with pytest.raises(RecipeError, match=message):
        box(**options)


def test_adaptive_options_have_ranges() -> None:
    for options in ({"power": 0.0}, {"offset": -1.0}, {"candidates": 1}):
        with pytest.raises(RecipeError, match="adaptive"):
            Adaptive(**options)  # type: ignore[arg-type]


def test_expressions_know_the_axes_in_order() -> None:
    assert float(Expression("t - y", box().names, "x")(torch.tensor([5.0, 1, 2]))) == 3
