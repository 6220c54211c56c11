"""Occupancy: exact log odds, known insides, and the overlap of two solids."""

from __future__ import annotations

from dataclasses import replace
from math import log

import numpy as np
import pytest
import torch
from exact_jets import fit_of
from torch import Tensor

import metasiren as ms
from metasiren_shapes.constraints import Occupancy
from metasiren_shapes.dataset import Shape
from metasiren_shapes.metrics import Iou

ONE = torch.zeros(1, dtype=torch.long)


def sphere(**options: object) -> Shape:
    return Shape(solid="sphere", points=4000, samples=5000, **options)


def radius(data: Shape, coords: Tensor) -> Tensor:
    """Distances from the centre of the unit sphere, (batch, points, 1)."""
    placed = data.frame.to_input(coords[0].double().numpy())
    return torch.from_numpy(placed).norm(dim=-1).reshape(1, -1, 1)


def prediction(batch: ms.Batch, at: str, value: Tensor) -> ms.Prediction:
    return fit_of(ms.Jet(value), batch.points[at], at)


def test_half_of_the_labelled_points_lie_around_the_surface_and_sides_are_true() -> None:
    data = sphere(labelled=20_000, near=0.02)
    points = data.batch("train", ONE, generator=torch.Generator().manual_seed(0)).points["labelled"]
    away = radius(data, points.coords) - 1
    assert float(((away < 0).float() == points.targets["inside"]).float().mean()) > 0.9995  # coordinates are rounded
    assert float((away.abs() < 0.07).float().mean()) > 0.5


def test_sides_are_worked_out_by_the_first_step_of_training_alone() -> None:
    data, calls = sphere(labelled=20_000, test_points=300), []
    exact = data.surface.distance
    assert exact is not None

    def distance(coords: np.ndarray) -> np.ndarray:
        calls.append(len(coords))
        return exact(coords)

    data.surface = replace(data.surface, distance=distance)
    data.batch("test", ONE)
    assert calls == [300]
    first, again = (data.batch("train", ONE, generator=torch.Generator().manual_seed(0)) for _ in range(2))
    assert sum(calls) == 300 + 20_000
    assert torch.equal(first.points["labelled"].coords, again.points["labelled"].coords)
    assert torch.equal(first.points["labelled"].targets["inside"], again.points["labelled"].targets["inside"])


def test_no_labelled_point_is_a_test_point() -> None:
    data = sphere(labelled=400, test_points=400)
    labelled = data.batch("train", ONE, generator=torch.Generator().manual_seed(0)).points["labelled"].coords[0]
    tested = data.batch("test", ONE).points["space"].coords[0]
    assert float(torch.cdist(labelled.unique(dim=0), tested).min()) > 0


def test_cross_entropy_of_sure_and_unsure_fields() -> None:
    batch = sphere(labelled=1000).batch("train", ONE, generator=torch.Generator().manual_seed(0))
    inside = batch.points["labelled"].targets["inside"]
    sure = Occupancy()(prediction(batch, "labelled", 50 * (1 - 2 * inside)))
    assert float(sure) < 1e-12
    assert float(Occupancy()(prediction(batch, "labelled", 0 * inside))) == pytest.approx(log(2))
    wrong = Occupancy()(prediction(batch, "labelled", 50 * (2 * inside - 1)))
    assert float(wrong) == pytest.approx(50)


def test_the_overlap_of_two_balls_is_the_ratio_of_their_volumes() -> None:
    data = sphere(test_points=200_000)
    batch = data.batch("test", ONE)
    length = radius(data, batch.points["space"].coords)
    assert float(Iou()(prediction(batch, "space", length - 1))) > 0.9999
    smaller = float(Iou()(prediction(batch, "space", length - 0.8)))
    assert smaller == pytest.approx(0.8**3, abs=0.01)


def test_what_has_no_inside_is_refused(tmp_path: object) -> None:
    batch = sphere().batch("train", ONE, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ms.RecipeError, match="these points have no target `inside`; they have none"):
        Occupancy(at="space")(prediction(batch, "space", torch.zeros(1, 4000, 1)))
    with pytest.raises(ms.DataError, match="data: labelled"):
        sphere(labelled=-1)
    normals = np.eye(3)[np.arange(1200) % 3]
    rows = np.column_stack([normals + np.random.default_rng(0).normal(0, 0.01, normals.shape), normals])
    np.save(tmp_path / "cloud.npy", rows)  # type: ignore[operator]
    with pytest.raises(ms.DataError, match="the inside of this surface is not known"):
        Shape(path=tmp_path / "cloud.npy", labelled=10)  # type: ignore[operator]
