"""A field observed through a downsampling kernel, by random points about each pixel: supplement, Eq. 23 and 24."""

from __future__ import annotations

import torch
from torch import Tensor

from metasiren import Constraint, Points, Prediction, RecipeError


def jittered(points: Points, samples: int, pixel: tuple[float, float], generator: torch.Generator | None) -> Points:
    """Each point `samples` times, one after the other, moved by offsets of the kernel's density.

    The density max(0, 1 - |x|) max(0, 1 - |y|) integrates to one (the half before it in the paper's text is a slip).
    Points that leave [-1, 1] are mirrored back: nothing trains the field out there.

    Args:
        points: a batch of one, with known tensors.
        samples: copies of each point.
        pixel: the kernel's half-width along rows and columns, in units of the coordinates.
        generator: on the points' device.
    """
    centres = points.coords.repeat_interleave(samples, dim=1)
    uniform = torch.rand(2, *centres.shape, generator=generator, device=centres.device, dtype=centres.dtype)
    # The sum of two uniform numbers has the density of a triangle.
    moved = centres + (uniform.sum(0) - 1) * centres.new_tensor(pixel)
    mirrored = 2 * moved.clamp(-1, 1) - moved
    return Points(mirrored, {name: each.repeat_interleave(samples, dim=1) for name, each in points.targets.items()})


class BlurredMse(Constraint):
    """Mean squared error of the field's average over each pixel's copies, X (h * Phi) - b in Eq. 23.

    With one sample it is `mse`, as in the paper, and the field itself is fitted to the pixel everywhere under the
    kernel. With more samples, only the average is.

    Args:
        at: the point set, in which a pixel's copies follow one another.
        samples: copies of each pixel: the data's `kernel_samples`.

    Raises:
        RecipeError: fewer than one sample, or a number of points that is no multiple of it.
    """

    at: str

    def __init__(self, *, at: str = "observed", samples: int = 1) -> None:
        if samples < 1:
            raise RecipeError("constraints: blurred_mse: samples", f"{samples} is below one.", "Give one or more.")
        self.at, self.samples = at, samples
        # Copies of a pixel are averaged before their error is squared.
        self.pointwise = samples == 1

    def __call__(self, prediction: Prediction) -> Tensor:
        """A scalar."""
        points = prediction.batch.points[self.at]
        if "values" not in points.targets or points.coords.shape[1] % self.samples:
            found = f"{points.coords.shape[1]} points with known {sorted(points.targets)}, {self.samples} samples."
            advice = "Give data: kernel_samples the same number, and name a point set with values."
            raise RecipeError(f"constraints: blurred_mse: at: {self.at}", found, advice)
        error = prediction.jets[self.at].value - points.values
        average = error.reshape(error.shape[0], -1, self.samples, error.shape[2]).mean(2)
        return average.square().mean()
