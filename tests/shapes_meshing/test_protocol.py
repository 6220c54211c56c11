"""How a fitted shape is evaluated, previewed and rendered."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from shapes_meshing.analytic import Analytic, ball

from metasiren import Batch, Context, DataError, Dataset, Domain, Points, RecipeError
from metasiren.registry.catalogue import load_catalogue
from metasiren_shapes.dataset import Shape
from metasiren_shapes.meshing import EmptyLevelSetError
from metasiren_shapes.protocol import ERROR, ShapeProtocol
from metasiren_shapes.reference import unknown
from metasiren_shapes.renderer import ShapeRenderer

pytest.importorskip("trimesh")


class Fitted:
    """Stands for a model that was fitted to one signal."""

    def __init__(self, field: Analytic) -> None:
        self.field = field

    def signal(self, domain: Domain) -> Analytic:
        return self.field


@pytest.fixture(scope="module")
def sphere() -> Dataset:
    """The unit sphere; in the cube its radius is .9."""
    return Shape(solid="sphere", samples=4000, held_out=0.1, test_points=10, unit="mm")


JUDGE = ShapeProtocol(resolution=32, samples=3000, size=32, views=2, smooth=False)


def judged(field: Analytic, dataset: Dataset, results: Path, judge: ShapeProtocol = JUDGE) -> dict[str, Any]:
    judge.evaluate(Fitted(field), dataset, results, name="model")  # type: ignore[arg-type]
    numbers: dict[str, Any] = json.loads((results / "metrics.json").read_text())
    return numbers


def test_the_true_field_has_the_true_area_and_distances_of_the_points_spacing(sphere: Dataset, tmp_path: Path) -> None:
    numbers = judged(ball(0.9), sphere, tmp_path)
    assert numbers["area"] == pytest.approx(4 * math.pi, rel=1e-2)
    assert numbers["volume"] == pytest.approx(4 / 3 * math.pi, rel=1e-2)
    assert numbers["watertight"] == 1
    assert numbers["mesh_normal_consistency"] > 0.995
    assert numbers["chamfer"] < 0.05
    assert numbers["chamfer_share"] == pytest.approx(numbers["chamfer"] / math.sqrt(12), rel=0.01)
    rows = json.loads((tmp_path / "comparison.json").read_text())["rows"]
    assert [row["kind"] for row in rows] == ["model", "baseline"]
    assert numbers["chamfer"] < rows[1]["metrics"]["chamfer"]
    assert "mm" in (tmp_path / "comparison.md").read_text()
    assert set(unknown()) <= set(numbers)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "comparison.csv", "comparison.json", "comparison.md", "mesh.ply", "metrics.json", "shaded.png", "slice.png",
    ]  # fmt: skip
    with Image.open(tmp_path / "shaded.png") as shaded:
        assert shaded.size == (64, 32)


def test_a_sphere_that_is_too_large_is_off_by_the_difference_in_the_inputs_units(
    sphere: Dataset, tmp_path: Path
) -> None:
    numbers = judged(ball(0.945), sphere, tmp_path)
    assert 0.05 < numbers["chamfer_to_truth"] < 0.07
    assert 0.05 < numbers["chamfer_from_truth"] < 0.07
    assert 0.05 < numbers["hausdorff"] < 0.15
    inside_out = Analytic(lambda x, y, z: -ball(0.9).formula(x, y, z))
    assert judged(inside_out, sphere, tmp_path)["mesh_normal_consistency"] < -0.99


def test_a_field_without_a_surface_has_null_metrics_and_says_why(sphere: Dataset, tmp_path: Path) -> None:
    judged(ball(0.9), sphere, tmp_path)
    numbers = judged(Analytic(lambda x, y, z: 0 * x + 1), sphere, tmp_path)
    assert {name: numbers[name] for name in unknown()} == unknown()
    assert "Train longer" in (tmp_path / ERROR).read_text()
    assert not (tmp_path / "mesh.ply").exists()
    assert not (tmp_path / "shaded.png").exists()
    broken = judged(Analytic(lambda x, y, z: x * torch.nan), sphere, tmp_path)
    assert broken["chamfer"] is None
    assert "not finite" in (tmp_path / ERROR).read_text()
    assert not (tmp_path / "slice.png").exists()
    judged(ball(0.9), sphere, tmp_path)
    assert not (tmp_path / ERROR).exists()


def test_a_preview_is_a_small_picture_or_none(sphere: Dataset, tmp_path: Path) -> None:
    state = torch.get_rng_state()
    path = tmp_path / "preview.png"
    picture = JUDGE.preview(Fitted(ball(0.9)), sphere, path)  # type: ignore[arg-type]
    assert picture is not None
    assert picture.dtype == torch.uint8
    assert picture.shape[0] == 3
    assert np.array_equal(np.asarray(Image.open(path)).transpose(2, 0, 1), picture.numpy())
    assert torch.equal(torch.get_rng_state(), state)
    path.unlink()
    for formula in (lambda x, y, z: 0 * x + 1, lambda x, y, z: x * torch.nan):
        assert JUDGE.preview(Fitted(Analytic(formula)), sphere, path) is None  # type: ignore[arg-type]
    assert not path.exists()


class Strangers(Dataset):
    """A surface from elsewhere, without normals, or no surface at all."""

    title = "strangers"

    def __init__(self, name: str) -> None:
        self.name, self.splits, self.domain = name, {"train": 1, "test": 1}, Domain(3, 1)
        self.metadata = {"scale": 2.0, "centre": [1.0, 0.0, 0.0]}

    def batch(self, split: str, items: torch.Tensor, **options: Any) -> Batch:
        generator = torch.Generator().manual_seed(0)
        points = torch.nn.functional.normalize(torch.randn(1, 500, 3, generator=generator), dim=-1) * 0.5
        return Batch(Context.empty(items, self.domain), {self.name: Points(points)})


def test_any_data_set_with_a_surface_can_be_judged(tmp_path: Path) -> None:
    numbers = judged(ball(0.5), Strangers("surface"), tmp_path)
    assert numbers["mesh_normal_consistency"] is None
    assert numbers["hausdorff"] < 0.4
    assert numbers["area"] == pytest.approx(4 * math.pi, rel=0.02)
    with pytest.raises(DataError, match="has no surface in space"):
        judged(ball(0.5), Strangers("pixels"), tmp_path)


@pytest.mark.parametrize("option", ["resolution", "samples", "size", "views"])
def test_numbers_out_of_range_are_errors(option: str) -> None:
    with pytest.raises(RecipeError, match=f"evaluate: {option}"):
        ShapeProtocol(**{option: 1_000_000_000})


@pytest.mark.parametrize("suffix", [".ply", ".obj", ".glb", ".stl"])
def test_a_mesh_is_rendered_in_a_persons_units(suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import trimesh

    path = tmp_path / f"shape{suffix}"
    metadata = {"scale": 10.0, "centre": [100.0, 0.0, 0.0], "unit": "mm"}
    ShapeRenderer(resolution=24).render(ball(0.5), Domain(3, 1), metadata, path)  # type: ignore[arg-type]
    found = trimesh.load(path, force="mesh")
    assert found.is_watertight
    assert found.center_mass == pytest.approx([100, 0, 0], abs=0.05)
    assert found.area == pytest.approx(4 * math.pi * 25, rel=0.03)
    said = capsys.readouterr().out
    assert "watertight" in said
    assert "area 31" in said


def test_a_picture_is_rendered_at_the_size_asked_for(tmp_path: Path) -> None:
    renderer = load_catalogue().make(
        "renderer", "shape", where="render", options={"size": [24, 40], "azimuths": [0, 90], "up": "z"}
    )
    renderer.render(ball(0.5), Domain(3, 1), {}, tmp_path / "a.png")
    picture = np.asarray(Image.open(tmp_path / "a.png"))
    assert picture.shape == (24, 80, 3)
    assert (picture[0] == 255).all()
    assert (picture[12, 20] < 255).all()


def test_what_cannot_be_rendered_is_an_error_and_leaves_no_file(tmp_path: Path) -> None:
    nothing = Analytic(lambda x, y, z: 0 * x + 1)
    for suffix, advice in ((".png", "no ray meets"), (".stl", "no value of the field")):
        with pytest.raises(EmptyLevelSetError, match=advice):
            ShapeRenderer(resolution=8, size=(16, 16)).render(  # type: ignore[arg-type]
                nothing, Domain(3, 1), {}, tmp_path / f"a{suffix}"
            )
    with pytest.raises(RecipeError, match="size"):
        ShapeRenderer(size=(0, 10))
    with pytest.raises(RecipeError, match="azimuths"):
        ShapeRenderer(azimuths=())
    assert not list(tmp_path.iterdir())
