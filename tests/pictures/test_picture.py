"""The data set of one picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data
from torch import Tensor

from metasiren import DataError, Points
from metasiren.testing import check_dataset
from metasiren_images.single.picture import Picture

ITEM = torch.zeros(1, dtype=torch.long)


def pixels(picture: Picture, split: str = "test", seed: int = 0) -> Points:
    return picture.batch(split, ITEM, generator=torch.Generator().manual_seed(seed)).points["pixels"]


def cells(points: Points, side: int) -> Tensor:
    """Row-major indices of points on a square grid."""
    rows, columns = ((points.coords[0] + 1) / 2 * (side - 1)).round().long().unbind(-1)
    return rows * side + columns


def test_values_lie_where_their_pixels_do() -> None:
    points = pixels(Picture(photograph="astronaut", size=(5, 9)))
    values = points.values.reshape(5, 9, 3)
    coords = points.coords.reshape(5, 9, 2)
    assert coords[0, 0].tolist() == [-1, -1]
    assert coords[-1, 0].tolist() == [1, -1]
    assert coords[2, 8].tolist() == [0, 1]
    whole = pixels(Picture(photograph="camera")).values.reshape(512, 512)
    np.testing.assert_allclose(whole, data.camera() / 127.5 - 1, atol=1e-6)
    assert -1 <= values.min() <= values.max() <= 1


def test_a_step_sees_all_pixels_or_as_many_as_asked_for() -> None:
    everything = pixels(Picture(size=32), "train")
    assert everything.coords.shape == (1, 1024, 2)
    for replacement in (False, True):
        picture = Picture(size=32, points=1000, replacement=replacement, derivatives=True)
        some = pixels(picture, "train")
        chosen = cells(some, 32)
        assert len(chosen) == 1000
        assert (len(chosen.unique()) == 1000) == (not replacement)
        whole = pixels(picture)
        for name, values in some.targets.items():
            assert torch.equal(values[0], whole.targets[name][0, chosen])
        assert torch.equal(chosen, cells(pixels(picture, "train"), 32))
        assert not torch.equal(chosen, cells(pixels(picture, "train", seed=1), 32))
        assert whole.coords.shape[1] == 1024


def test_points_without_replacement_may_be_all() -> None:
    chosen = cells(pixels(Picture(size=8, points=64, replacement=False), "train"), 8)
    assert torch.equal(chosen.sort().values, torch.arange(64))


def test_known_derivatives_are_per_unit_of_coordinates(tmp_path: Path) -> None:
    """A ramp from black to white along 9 columns and none along 5 rows: values rise by 2 over a length of 2."""
    ramp = np.broadcast_to(np.linspace(0, 1, 9, dtype=np.float32), (5, 9))
    Image.fromarray(ramp).save(tmp_path / "ramp.tif")
    points = pixels(Picture(path=tmp_path / "ramp.tif", derivatives=True))
    torch.testing.assert_close(points.targets["gradient"], torch.tensor([0.0, 1.0]).expand(1, 45, 1, 2))
    torch.testing.assert_close(points.targets["laplacian"], torch.zeros(1, 45, 1), atol=1e-5, rtol=0)


@pytest.mark.parametrize("points", [None, 5])
def test_it_keeps_the_contract_of_data_sets(points: int | None) -> None:
    check_dataset(Picture, options={"size": (6, 7), "points": points, "derivatives": True})


def test_metadata_and_provenance_say_what_it_is(tmp_path: Path) -> None:
    camera = Picture(size=16)
    assert json.loads(json.dumps(camera.metadata)) == {
        "title": "camera", "size": [16, 16], "channels": 1, "range": [-1, 1],
    }  # fmt: skip
    assert "0.18 replaced camera" in camera.provenance["note"]
    assert camera.provenance["source"].startswith("scikit-image ")
    assert (camera.domain.d_out, camera.domain.grid, camera.renderer) == (1, (16, 16), "picture")
    Image.new("RGB", (4, 3)).save(tmp_path / "mine.png")
    mine = Picture(path=tmp_path / "mine.png")
    assert (mine.title, dict(mine.splits)) == ("mine, 4 x 3 RGB", {"train": 1, "test": 1})
    assert mine.provenance == {"filter": "as stored", "source": str(tmp_path / "mine.png")}


def test_moving_leaves_the_original() -> None:
    picture = Picture(size=4)
    moved = picture.to("meta")
    assert moved.batch("test", ITEM).points["pixels"].values.device.type == "meta"
    assert pixels(picture).values.device.type == "cpu"


def test_what_is_missing_is_said_without_reading() -> None:
    assert Picture.missing(photograph="camera", size=3) is None
    assert "bundled: astronaut" in str(Picture.missing(photograph="skin"))
    assert "nowhere.png is not there" in str(Picture.missing(path="nowhere.png"))


def test_a_picture_without_an_inside(tmp_path: Path) -> None:
    Image.new("L", (9, 2)).save(tmp_path / "line.png")
    with pytest.raises(DataError, match=r"9 x 2 pixels.(.|\n)*at least 3 rows"):
        Picture(path=tmp_path / "line.png")


def test_more_points_than_pixels_are_all_pixels() -> None:
    chosen = cells(pixels(Picture(size=8, points=65), "train"), 8)
    assert torch.equal(chosen, torch.arange(64))


def test_no_points() -> None:
    with pytest.raises(DataError, match="0 of 64 pixels"):
        Picture(size=8, points=0)


def test_real_photographs_are_read(shared_data: Path) -> None:
    paths = sorted((shared_data / "images").glob("*.jpg"))
    if not paths:
        pytest.skip(f"NO REAL PHOTOGRAPHS in {shared_data / 'images'}")
    for path in paths:
        picture = Picture(path=path, size=64, crop="square")
        assert picture.domain.grid == (64, 64)
        assert float(pixels(picture).values.std()) > 0.05
