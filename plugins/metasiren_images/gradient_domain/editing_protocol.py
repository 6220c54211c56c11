"""How a fusion of two pictures is evaluated: by its gradient, and against the exact solution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from PIL import Image

from metasiren import ComparisonRow, DataError, Dataset
from metasiren_images.gradient_domain.editing import Editing
from metasiren_images.gradient_domain.protocol import ComparedProtocol
from metasiren_images.gradient_domain.schemes import Values
from metasiren_images.single.sheet import as_image, sheet
from metasiren_images.single.views import Views, gradient_in_colours, psnr_of

CUTOFF = 0.02
"""Share of the true derivative below which the exact solution leaves waves out (see `Scheme.from_gradient`)."""

Baseline = Literal["dct", "neighbours", "paste"]


@dataclass(frozen=True, kw_only=True)
class EditingProtocol(ComparedProtocol[Editing]):
    """How far the result's gradient is from the mixed one, and its values from the exact solution's.

    `gradient_relative_l2` is the norm of the gradient's error over the norm of the mixed gradient: a mixture of two
    pictures is no picture's gradient in general, and the exact solution's error is the least there can be.
    `psnr_to_exact_db` compares values in [0, 1], clipped, with the exact solution for the same targets, both moved to
    the level of the pasted picture (of its untouched part, where there is one).

    Args:
        baselines: `dct`, the exact solution for the same targets; `neighbours`, the exact solution for differences of
            neighbouring pixels, as Poisson editing is usually done; `paste`, values instead of gradients.
        chunk_points: pixels evaluated at a time, which bounds memory.
    """

    baselines: Sequence[Baseline] = ("dct", "neighbours", "paste")

    captions: ClassVar[dict[str, str]] = {
        "figure.png": (
            "Above: the pasted picture, the exact solution, the field. Below: the gradient of the pasted picture, the "
            "mixed gradient that is sought, the field's gradient."
        ),
        "result.png": "The field.",
        "exact.png": "The exact solution for the mixed gradient.",
        "gradient.png": "The field's gradient. Hue: direction. Colour deepens with length; white is zero.",
        "paste.png": "One picture cut out and pasted over the other.",
    }

    def of(self, dataset: Dataset) -> Editing:
        """The data set, where it is made of two pictures."""
        if not isinstance(dataset, Editing):
            advice = "Name data `editing`, or another protocol."
            raise DataError("evaluate: editing", f"{dataset.title} is not made of two pictures.", advice)
        return dataset

    def measures(self, made: Views, data: Editing) -> dict[str, float | None]:
        """The gradient's error, and the values' closeness to the exact solution."""
        return _numbers(_result(made, data), made.gradient, data, _exact(data))

    def pictures(self, made: Views, data: Editing) -> Mapping[str, Image.Image]:
        """The result beside the exact solution and the pasted picture, and the result's gradient."""
        values = {"result": _result(made, data), "exact": _exact(data), "paste": data.composite}
        drawings = {name: as_image(_colours(each)) for name, each in values.items()}
        return {**drawings, "gradient": as_image(gradient_in_colours(made.gradient, data.gradient))}

    def figure(self, made: Views, data: Editing, numbers: Mapping[str, float | None] | None = None) -> Image.Image:
        """The pasted picture, the exact solution and the result, over the gradients that they should have."""
        gradients = (data.scheme.gradient(data.composite), data.gradient, made.gradient)
        rows = [
            ("values", [_colours(values) for values in (data.composite, _exact(data), _result(made, data))]),
            ("gradients", [gradient_in_colours(each, data.gradient) for each in gradients]),
        ]
        close = (numbers or {}).get("psnr_to_exact_db")
        head = "field" + (f", {close:.1f} dB from exact" if close is not None else "")
        return sheet(rows, ["pasted", "exact solution / mixed gradient", head])

    def others(self, data: Editing) -> list[ComparisonRow]:
        """The exact solutions, and cutting and pasting."""
        exact, rows = _exact(data), []
        for key in self.baselines:
            label, values = _baseline(key, data, exact)
            metrics = _numbers(values, data.scheme.gradient(values), data, exact)
            rows.append(ComparisonRow(name=label, kind="baseline", metrics=metrics))
        return rows


def level(values: Values, data: Editing) -> Values:
    """Move a picture, channel by channel, to the mean of the pasted one where that is the second picture untouched.

    Args:
        values: (rows, columns, channels), known up to a constant.
        data: the two pictures; where the first covers all of the frame, the mean over all of it is taken.
    """
    free = ~data.overlay.region
    where = free if free.any() else ~free
    moved: Values = values + (data.composite[where] - values[where]).mean(0)
    return moved


def _result(made: Views, data: Editing) -> Values:
    return level(made.value / data.contrast, data)


def _exact(data: Editing) -> Values:
    return level(data.scheme.from_gradient(data.gradient, cutoff=CUTOFF), data)


def _baseline(key: Baseline, data: Editing, exact: Values) -> tuple[str, Values]:
    if key == "dct":
        return "exact solution, same targets (DCT)", exact
    if key == "neighbours":
        return "exact solution, neighbours' differences (DCT)", level(data.overlay.joined(), data)
    return "cut and paste", data.composite


def _numbers(values: Values, gradient: Values, data: Editing, exact: Values) -> dict[str, float | None]:
    error = float(np.linalg.norm(gradient - data.gradient)) / max(float(np.linalg.norm(data.gradient)), 1e-12)
    close = psnr_of(values.clip(-1, 1), exact.clip(-1, 1), 2.0)
    return {"gradient_relative_l2": error, "psnr_to_exact_db": close}


def _colours(values: Values) -> Values:
    """(rows, columns, 1 or 3) in [-1, 1] as RGB in [0, 1], clipped."""
    unit = ((values + 1) / 2).clip(0, 1)
    return np.repeat(unit, 3, axis=-1) if unit.shape[-1] == 1 else unit
