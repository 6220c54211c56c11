"""Inpainting a person's own picture, through the command line's own functions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import metasiren as ms
from metasiren_priors import inpaint
from metasiren_priors.inpainted import write
from metasiren_priors.mask_files import MaskWarning
from metasiren_priors.photograph import parse_size


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ms.Run:
    recipe = ms.load_recipe(
        "celeba_pconv",
        preset="quick",
        overrides={
            "data.train": 64, "data.val": 8, "data.test": 0, "train.epochs": None, "train.steps": 2, "train.batch": 8,
            "siren.hidden_features": 16, "encoder.features": 16, "decoder.hidden_features": 16,
            "evaluate": {"protocol": None},
        },
    )  # fmt: skip
    return ms.run(recipe, tmp_path_factory.mktemp("runs") / "run", device="cpu")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    gradient = np.linspace(0, 255, 60 * 90 * 3).reshape(60, 90, 3).astype(np.uint8)
    Image.fromarray(gradient).save(path)
    return path


def test_the_reconstruction_has_any_size(run: ms.Run, picture: Path) -> None:
    found = inpaint.inpaint(run, picture, pixels=100, size=(50, 40))
    shapes = (found.seen.shape, found.made.shape, found.composite.shape, found.original.shape)
    assert shapes == ((3, 32, 32), (3, 50, 40), (3, 50, 40), (3, 32, 32))
    assert bool(torch.isfinite(found.made).all())


def test_exactly_the_asked_pixels_are_seen(run: ms.Run, picture: Path) -> None:
    found = inpaint.inpaint(run, picture, pixels=100)
    seen, truth = found.seen, found.original
    same = (seen == truth).all(0)
    assert 100 <= int(same.sum()) <= 102  # a pixel that is mid-grey itself looks seen
    assert bool((seen[:, ~same] == 0.5).all())


def test_a_mask_hides_where_it_is_white(run: ms.Run, picture: Path, tmp_path: Path) -> None:
    mask = np.zeros((60, 60), np.uint8)
    mask[30:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    with pytest.warns(MaskWarning, match="centre square is laid over the photograph's"):
        found = inpaint.inpaint(run, picture, mask=tmp_path / "mask.png")
    assert torch.equal(found.seen[:, :15], found.original[:, :15])
    assert bool((found.seen[:, 17:] == 0.5).all())
    assert torch.equal(found.composite[:, :15], found.original[:, :15]), "known pixels stay"
    assert torch.equal(found.composite[:, 17:], found.made[:, 17:])
    with pytest.warns(MaskWarning, match="centre square is laid over the photograph's"):
        turned = inpaint.inpaint(run, picture, mask=tmp_path / "mask.png", polarity="white_seen")
    assert torch.equal(turned.seen[:, 17:], turned.original[:, 17:])


def test_what_is_hidden_changes_nothing(run: ms.Run, tmp_path: Path) -> None:
    made = []
    for shade in (0, 200):
        pixels = np.full((32, 32, 3), 90, np.uint8)
        pixels[16:] = shade
        Image.fromarray(pixels).save(tmp_path / f"{shade}.png")
        mask = np.zeros((32, 32), np.uint8)
        mask[16:] = 255
        Image.fromarray(mask).save(tmp_path / "mask.png")
        made.append(inpaint.inpaint(run, tmp_path / f"{shade}.png", mask=tmp_path / "mask.png").made)
    assert torch.equal(made[0], made[1])


def test_files_are_written(run: ms.Run, picture: Path, tmp_path: Path) -> None:
    panels = inpaint.inpaint(run, picture, pixels=50)
    write(panels, tmp_path / "out.png", side_by_side=True)
    assert [p.name for p in tmp_path.iterdir() if "partial" in p.name] == []
    with Image.open(tmp_path / "out.png") as written:
        assert written.width > 1000
    with pytest.raises(ms.DataError, match="ending"):
        write(panels, tmp_path / "out.nonsense", side_by_side=False)


@pytest.mark.parametrize("content", [b"", b"<html>not a picture</html>"])
def test_what_is_no_picture_is_said(run: ms.Run, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(ms.DataError, match=r"photo\.jpg: (not a readable picture|is empty \(0 bytes\))\.\n"):
        inpaint.inpaint(run, path)


def test_missing_files_counts_and_masks(run: ms.Run, picture: Path, tmp_path: Path) -> None:
    with pytest.raises(ms.DataError, match="is not there"):
        inpaint.inpaint(run, tmp_path / "nothing.png")
    with pytest.raises(ms.DataError, match="between 1 and 1024"):
        inpaint.inpaint(run, picture, pixels=5000)
    Image.new("L", (8, 8), 255).save(tmp_path / "white.png")
    with pytest.raises(ms.DataError, match="hides every pixel"):
        inpaint.inpaint(run, picture, mask=tmp_path / "white.png")


@pytest.mark.parametrize("size", ["big", "10", "0x5", "99999x2", "-3x4"])
def test_an_absurd_size_is_refused(size: str) -> None:
    with pytest.raises(ms.DataError, match="256x256"):
        parse_size(size)
