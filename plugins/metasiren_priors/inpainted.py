"""The result of inpainting, and the pictures that are written of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torchvision.utils import make_grid, save_image

from metasiren import DataError, width_by_height
from metasiren_priors.places import files


@dataclass(frozen=True)
class Inpainted:
    """A picture and its reconstruction, each (channels, rows, columns) in [0, 1].

    Attributes:
        seen: what was seen, at the prior's size; hidden pixels are mid-grey.
        made: the reconstruction, at the size that was asked for, or at the box's own.
        composite: the reconstruction with the known pixels in their places, as large as `made`.
        original: the picture, at the prior's size.
        samples: signals drawn from the posterior, (samples, channels, rows, columns), as large as `made`.
        sample_composites: the same with the known pixels in their places.
        deviation: the standard deviation of the reconstruction, (1, rows, columns), root mean square over channels,
            zero where pixels are known; or None.
        photo_shape: rows and columns of the photograph.
        photo: where a box or the whole photograph was asked for, that photograph with the composite in its place.
        photo_samples: the photograph with each sample's composite.
        photo_deviation: the deviation in its place in the photograph, black around it.
    """

    seen: Tensor
    made: Tensor
    composite: Tensor
    original: Tensor
    samples: Tensor
    sample_composites: Tensor
    deviation: Tensor | None = None
    photo_shape: tuple[int, int] = (0, 0)
    photo: Tensor | None = None
    photo_samples: tuple[Tensor, ...] = ()
    photo_deviation: Tensor | None = None


def write(found: Inpainted, out: Path, *, composite: bool = False, side_by_side: bool = False) -> list[Path]:
    """Write the reconstruction (the photograph where it has one), and samples and deviation beside it.

    Args:
        found: what to write.
        out: such as out.png. Samples go to out_sample1.png and so on, the deviation to out_std.png: grey, black for
            zero and white for the largest.
        composite: the composite in place of the reconstruction.
        side_by_side: all panels enlarged beside one another, in place of the reconstruction; beside the photograph, as
            out_panel.png, where there is one.

    Returns:
        the files.

    Raises:
        DataError: the ending is no picture's, or the folder cannot be written.
    """
    picture = found.photo if found.photo is not None else found.composite if composite else found.made
    made = [picture]
    if side_by_side:
        panels = (found.seen, found.made, found.composite, found.original)
        height = max(256, found.made.shape[1])
        shown = [torch.nn.functional.interpolate(p.unsqueeze(0), (height, height), mode="nearest")[0] for p in panels]
        row = make_grid(shown, nrow=len(shown), padding=4, pad_value=1.0)
        made = [row] if found.photo is None else [*made, row]
    drawn = found.photo_samples or (found.sample_composites if composite else found.samples)
    spread = found.deviation if found.photo_deviation is None else found.photo_deviation
    places = files(out, samples=len(drawn), deviation=spread is not None, panel=len(made) > 1)
    made += [*drawn, *([] if spread is None else [spread / spread.max().clamp_min(1e-12)])]
    for path, each in zip(places, made, strict=True):
        _save(each, path)
    return places


def written_words(found: Inpainted, out: Path, *, composite: bool = False, panel: bool = False) -> str:
    """What the first file that `write` writes shows, its size, and how to get the photograph at its own size."""
    larger = "--composite puts it into the photograph at its own size, --size 512x512 draws it larger"
    if found.photo is not None:
        size = width_by_height(found.photo.shape[1:])
        return f"{out}: {size} pixels, the photograph with its hidden pixels reconstructed"
    own = "" if found.made.shape != found.original.shape else larger
    if panel:
        words = f"{out}: what was seen, the reconstruction, the composite and the original"
        return f"{words}; {own}" if own else words
    size, made = width_by_height(found.made.shape[1:]), "composite" if composite else "reconstruction"
    return f"{out}: the {made}, {size} pixels" + (f", the size of the prior; {own}" if own else "")


def _save(picture: Tensor, out: Path) -> None:
    partial = out.with_name(f".{out.stem}.partial{out.suffix}")
    try:
        save_image(picture, partial)
        partial.replace(out)
    except (ValueError, OSError) as error:
        reason = str(error).replace(str(partial), str(out))
        raise DataError(str(out), f"cannot be written: {reason}.", "Use a name ending in .png or .jpg.") from None
    finally:
        partial.unlink(missing_ok=True)
