"""Volumes: the formula's known values, held-out voxels, and interpolation that is exact where it must be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

import metasiren as ms
from metasiren_images.volumes.volume import Volume, marschner_lobb

ONE = torch.zeros(1, dtype=torch.long)


def test_the_formula_has_its_known_values() -> None:
    points = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
    # rings: cos(12 pi) = 1 at the axis, cos(0) = 1 at radius one
    np.testing.assert_allclose(marschner_lobb(points), [0.6, 0.6, 0.2, 1.0], atol=1e-12)


def test_a_file_s_other_voxels_are_held_out(tmp_path: Path) -> None:
    z, y, x = np.meshgrid(np.arange(9), np.arange(7), np.arange(9), indexing="ij")
    np.save(tmp_path / "linear.npy", z + 2 * y - x)
    data = Volume(path=tmp_path / "linear.npy", every=2)
    batch = data.batch("test", ONE)
    assert batch.points["samples"].coords.shape == (1, 5 * 4 * 5, 3)
    assert batch.points["between"].coords.shape == (1, 9 * 7 * 9 - 5 * 4 * 5, 3)
    for method in ("linear", "cubic"):
        np.testing.assert_allclose(data.interpolated(method), batch.points["between"].values.numpy().ravel(), atol=1e-6)
    seen = {tuple(c.tolist()) for c in batch.points["samples"].coords[0]}
    assert not seen & {tuple(c.tolist()) for c in batch.points["between"].coords[0]}


def test_numbers_and_files_that_are_no_volume_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.zeros((3, 3)))
    np.save(tmp_path / "same.npy", np.zeros((3, 3, 3)))
    (tmp_path / "text.npy").write_text("no")
    with (tmp_path / "giant.npy").open("wb") as file:  # its header declares more than the file holds
        layout = {"descr": "<f8", "fortran_order": False, "shape": (10**12, 3, 3)}
        np.lib.format.write_array_header_1_0(file, layout)
        file.write(bytes(100))
    (tmp_path / "brackets.npy").write_bytes(b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16)
    said_of = {
        "flat": "shape",
        "same": "all the same",
        "text": r"not an \.npy file: it does not begin as one",
        "none": "is not there",
    }
    for name in ("flat", "same", "text", "none", "giant", "brackets"):
        said = said_of.get(name, r"no \.npy file of numbers: \S")
        with pytest.raises(ms.DataError, match=said):
            Volume(path=tmp_path / f"{name}.npy")
    with pytest.raises(ms.RecipeError, match="data: volume"):
        Volume(size=1)
    assert "is not there" in str(Volume.missing(path=tmp_path / "none.npy"))


def test_a_small_run_writes_both_numbers_and_the_slices(tmp_path: Path) -> None:
    overrides = {"data.size": 8, "data.points": None, "siren.hidden_features": 8, "train.steps": 2}
    made = ms.run(ms.load_recipe("volume", preset="quick", overrides=overrides), tmp_path / "run", device="cpu")
    assert set(json.loads((made.results / "metrics.json").read_text())) == {"psnr_db", "between_psnr_db"}
    assert (made.results / "figure.png").is_file()
    rows = json.loads((made.results / "comparison.json").read_text())["rows"]
    assert [row["name"] for row in rows[1:]] == ["trilinear", "cubic spline"]


@pytest.mark.parametrize("shape", [(8, 6, 8), (10, 12, 10)])
def test_interpolation_reaches_the_last_seen_voxel_of_even_sizes(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    z, y, x = np.meshgrid(*map(np.arange, shape), indexing="ij")
    np.save(tmp_path / "linear.npy", z + 2 * y - x)
    data = Volume(path=tmp_path / "linear.npy", every=2)
    known = data.batch("test", ONE).points["between"].values.numpy().ravel()
    np.testing.assert_allclose(data.interpolated("linear"), known, atol=1e-6)
    made = data.interpolated("cubic")
    assert made is None if min(shape) < 8 else np.allclose(made, known, atol=1e-6)


def test_an_axis_with_one_seen_voxel_has_finite_points_and_no_baseline(tmp_path: Path) -> None:
    np.save(tmp_path / "slab.npy", np.random.default_rng(0).uniform(size=(1, 9, 9)))
    data = Volume(path=tmp_path / "slab.npy", every=2)
    between = data.batch("test", ONE).points["between"]
    assert between.coords.shape == (1, 81 - 25, 3)
    assert bool((between.coords[..., 0] == 0).all())
    assert data.interpolated("linear") is None
    assert data.interpolated("cubic") is None
