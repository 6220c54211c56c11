"""Masks of photographs as people make them: painted, erased, empty, or not masks at all."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

import metasiren as ms
from metasiren.cli.commands import _show_warning
from metasiren_images.restoration import mask_files as restoration_masks
from metasiren_priors import mask_files
from metasiren_priors.mask_files import MaskWarning, TurnedMaskWarning, read_mask
from metasiren_priors.photograph import Box

PHOTO = Image.new("RGB", (60, 40), (90, 120, 30))
BOX = Box(10, 5, 30, 30)


def save(folder: Path, pixels: Any) -> Path:
    Image.fromarray(np.asarray(pixels, np.uint8)).save(folder / "mask.png")
    return folder / "mask.png"


def hole() -> torch.Tensor:
    hidden = torch.zeros(40, 60, dtype=torch.bool)
    hidden[10:20, 20:30] = True
    return hidden


def in_box(hidden: torch.Tensor) -> torch.Tensor:
    return hidden[BOX.top : BOX.top + BOX.height, BOX.left : BOX.left + BOX.width]


@pytest.mark.parametrize("box", [None, BOX])
def test_a_mask_that_hides_nothing_is_refused(tmp_path: Path, box: Box | None) -> None:
    outside = np.zeros((40, 60))
    outside[:, :8] = 255  # beside the box, and beside the centre square
    for pixels, polarity in ((np.zeros((40, 60)), None), (outside, None), (255 - outside, "white_seen")):
        with pytest.raises(ms.DataError, match=r"mask\.png: the mask hides nothing of the (box|centre square)"):
            read_mask(save(tmp_path, pixels), PHOTO, box, polarity)  # type: ignore[arg-type]


def test_an_empty_mask_leaves_what_lies_beyond_the_photograph(tmp_path: Path) -> None:
    path = save(tmp_path, np.zeros((40, 60)))
    assert bool(read_mask(path, PHOTO, Box(40, 5, 30, 30)).all())


@pytest.mark.parametrize("shade", [(0, 0, 0), (255, 255, 255), (200, 40, 10)])
def test_erased_parts_are_the_hole(tmp_path: Path, shade: tuple[int, int, int]) -> None:
    pixels = np.zeros((40, 60, 4))
    pixels[..., :3], pixels[..., 3] = shade, 255 * ~hole().numpy()
    with pytest.warns(MaskWarning, match=r"transparent parts are the hole, 11 % of the picture"):
        known = read_mask(save(tmp_path, pixels), PHOTO, BOX)
    assert torch.equal(~known, in_box(hole()))


def test_white_on_a_transparent_layer_hides_where_the_polarity_is_given(tmp_path: Path) -> None:
    pixels = np.full((40, 60, 4), 255)
    pixels[..., 3] = 255 * hole().numpy()
    known = read_mask(save(tmp_path, pixels), PHOTO, BOX, "white_hidden")
    assert torch.equal(~known, in_box(hole()))


def test_an_opaque_alpha_channel_means_nothing(tmp_path: Path) -> None:
    pixels = np.full((40, 60, 4), 255)
    pixels[..., :3] = 255 * hole().numpy()[..., None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(~read_mask(save(tmp_path, pixels), PHOTO, BOX), in_box(hole()))


def test_a_photograph_is_no_mask(tmp_path: Path) -> None:
    red = np.zeros((40, 60, 3))
    red[hole().numpy()] = 255, 0, 0
    grey = np.linspace(0, 255, 40 * 60).reshape(40, 60)
    for pixels, words in ((red, "4.2 % of its pixels have colours"), (grey, "neither near black nor near white")):
        with pytest.raises(ms.DataError, match=rf"not black and white: .*{words}[\s\S]*white in the hole"):
            read_mask(save(tmp_path, pixels), PHOTO, BOX)


def test_soft_edges_are_allowed(tmp_path: Path) -> None:
    soft = Image.fromarray(255 * hole().numpy().astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.7))
    known = read_mask(save(tmp_path, soft), PHOTO, BOX)
    assert int((~known).sum()) == pytest.approx(100, abs=8)


@pytest.mark.parametrize("kind", [MaskWarning, TurnedMaskWarning, restoration_masks.TurnedMaskWarning])
def test_what_is_said_of_a_mask_is_a_message_to_a_person(
    kind: type[Warning], capsys: pytest.CaptureFixture[str]
) -> None:
    _show_warning(kind("mask.png: white hides"), kind, mask_files.__file__, 7)
    assert capsys.readouterr().err == "warning: mask.png: white hides\n"
