"""Masks of a photograph in files: white or transparent is the hole, as in other inpainting tools."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from metasiren import DataError, RunWarning, demand_black_and_white, same_proportions
from metasiren_priors.photograph import Box, centre_square, open_picture

Polarity = Literal["white_hidden", "white_seen"]


class MaskWarning(RunWarning):
    """A mask is read or placed in a way that may be unexpected."""


class TurnedMaskWarning(RunWarning):
    """A mask hides most of its picture: its black and white may be exchanged."""


def read_mask(path: Path, photo: Image.Image, box: Box | None, polarity: Polarity | None = None) -> Tensor:
    """Which pixels of a box are known, by a mask: (height, width) bool.

    Args:
        path: a picture: of the photograph's size or of the box's. Without a box it may have any size in the
            photograph's proportions, or be a square, for its centre square. Transparent parts are the hole, if there
            are any; its colours then mean nothing.
        photo: that the mask belongs to.
        box: in the photograph; None for its centre square.
        polarity: `white_hidden` (also None) or `white_seen`. None warns of a mask that hides more than half. If given,
            black and white count in a mask with transparent parts, too; these count as black.

    Raises:
        DataError: as `open_picture`, a mask of another size, one that is not black and white, or one that hides
            everything or nothing.
    """
    mask, frame = open_picture(path, 4), box or centre_square(photo.size)
    if box is None:
        if mask.width != mask.height and not same_proportions(mask.size, photo.size):
            raise _of_another_size(path, mask, photo, "its proportions, or a square for its centre square")
        place = centre_square(mask.size)
    elif mask.size == photo.size:
        place = box
    elif mask.size == (box.width, box.height):
        place = Box(0, 0, box.width, box.height)
    else:
        raise _of_another_size(path, mask, photo, f"that size, or of the box's {box.width} x {box.height}")
    square = mask.crop(place.edges).resize((frame.width, frame.height), Image.Resampling.NEAREST)
    erased = polarity is None and int(np.array(mask.getchannel("A")).min()) < 128
    if not erased:
        colours = np.array(mask)
        demand_black_and_white(path, colours[colours[..., 3] >= 128][:, :3])
    known, inside = _known(square, erased, polarity), frame.inside(photo.size)
    if not bool((known & inside).any()):
        raise DataError(str(path), "the mask hides every pixel.", "White hides; --mask-polarity white_seen turns it.")
    if bool((known & inside).all()):
        found = f"the mask hides nothing of {'the centre square' if box is None else 'the box'}: all pixels are known."
        turn = "black hides; --mask-polarity white_hidden turns it." if polarity == "white_seen" else "white hides."
        raise DataError(str(path), found, f"Paint the hole into it, or make it transparent: {turn}")
    _warn_of_place(path, mask, photo, box, hidden=~_known(mask, erased, polarity))
    hidden = 100 * (1 - float(known[inside].float().mean()))
    if erased:
        words = f"{path}: its transparent parts are the hole, {hidden:.2g} % of the picture; --mask-polarity goes by "
        warnings.warn(MaskWarning(words + "black and white instead."), stacklevel=2)
    elif polarity is None and hidden > 50:
        words = f"{path}: white hides, so that this mask hides {hidden:.0f} % of the picture. If white marks "
        words += "what is seen, give --mask-polarity white_seen; white_hidden confirms the mask."
        warnings.warn(TurnedMaskWarning(words), stacklevel=2)
    return known


def _of_another_size(path: Path, mask: Image.Image, photo: Image.Image, wanted: str) -> DataError:
    found = f"the mask has {mask.width} x {mask.height} pixels, the photograph {photo.width} x {photo.height}."
    return DataError(str(path), found, f"Give a mask of {wanted}.")


def _known(mask: Image.Image, erased: bool, polarity: Polarity | None) -> Tensor:
    """Which pixels of a mask mark what is seen, (height, width) bool."""
    opaque = torch.from_numpy(np.array(mask.getchannel("A"))) >= 128
    white = torch.from_numpy(np.array(mask.convert("L"))) >= 128
    return opaque if erased else (white & opaque) == (polarity == "white_seen")


def _warn_of_place(path: Path, mask: Image.Image, photo: Image.Image, box: Box | None, *, hidden: Tensor) -> None:
    """Warnings where a mask is laid over a part of the photograph, or its hole reaches beyond that part."""
    frame, part = box or centre_square(photo.size), "the centre square" if box is None else "the box"
    if not bool(hidden.any()):
        return
    if mask.size == photo.size:
        left, top, right, bottom = frame.edges
        inside = float(hidden[max(0, top) : max(0, bottom), max(0, left) : max(0, right)].sum())
        if outside := round(100 * (1 - inside / float(hidden.sum()))):
            words = f"{path}: {outside} % of the hole lies outside {part} and is left as it is"
            warnings.warn(MaskWarning(words + "; --box left,top,width,height names another part."), stacklevel=3)
    elif box is None and not same_proportions(mask.size, photo.size):
        sizes = f"{mask.width} x {mask.height} pixels, the photograph {photo.width} x {photo.height}"
        words = f"{path}: {sizes} (width x height); the mask's centre square is laid over the photograph's."
        warnings.warn(MaskWarning(words), stacklevel=3)
