"""The medium of an inversion as a function of the weights that a step changes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from metasiren_physics.inversion_task import Task
from metasiren_physics.two_speeds import step, step_bend, step_slope

SHIFT = 0.15
"""By this share of the contrast, levels are shifted towards the background when the medium is restricted."""


@dataclass(frozen=True)
class Medium:
    """The weights v (medium features + 1,) of its level, and the contrast (1,) of its two speeds, or zero.

    A field without the channel for the contrast has none, (0,).
    """

    weights: Tensor
    contrast: Tensor

    @property
    def two_speeds(self) -> bool:
        """Whether the medium is restricted to two speeds."""
        return bool((self.contrast != 0).any())

    def squared_slowness(self, task: Task) -> Tensor:
        """The squared slowness m (points,), within its limits."""
        level = task.media @ self.weights
        offset = self.contrast * step(level / self.contrast) if self.two_speeds else level
        return (1 + offset).clamp(*task.limits)

    def derivative(self, task: Task, pushed: Tensor) -> Tensor:
        """The derivatives of m (points, weights + contrast).

        Args:
            task: the matrices.
            pushed: the derivative of the misfit by m (points,). Where m is at a bound and is pushed beyond, it is held.
        """
        level = task.media @ self.weights
        if self.two_speeds:
            z = level / self.contrast
            by_contrast = step(z) - z * step_slope(z)
            return torch.cat([step_slope(z).unsqueeze(1) * task.media, by_contrast.unsqueeze(1)], 1)
        low, high = task.limits
        held = ((1 + level <= low) & (pushed > 0)) | ((1 + level >= high) & (pushed < 0))
        rows = task.media * ~held.unsqueeze(1)
        return torch.cat([rows, rows.new_zeros(len(rows), len(self.contrast))], 1)

    def slopes(self, task: Task) -> Tensor:
        """The slopes of m (2, points)."""
        steep = task.media_slopes @ self.weights
        return step_slope(task.media @ self.weights / self.contrast) * steep if self.two_speeds else steep

    def slope_derivatives(self, task: Task) -> Tensor:
        """The derivatives of these (2, points, weights + contrast)."""
        if not self.two_speeds:
            shape = (*task.media_slopes.shape[:2], len(self.contrast))
            return torch.cat([task.media_slopes, task.media_slopes.new_zeros(shape)], 2)
        z = task.media @ self.weights / self.contrast
        steep = task.media_slopes @ self.weights
        bend = (step_bend(z) / self.contrast * steep).unsqueeze(2)
        by_weights = step_slope(z).unsqueeze(1) * task.media_slopes + bend * task.media
        return torch.cat([by_weights, -bend * z.unsqueeze(1)], 2)

    def moved(self, change: Tensor, task: Task) -> Medium:
        """After a change of weights and contrast, which keeps its sign and the limits of m."""
        count = len(self.weights)
        contrast = self.contrast
        if self.two_speeds:
            low, high = (float(limit) - 1 for limit in task.limits)
            bounds = (low, 0.1 * low) if float(contrast) < 0 else (0.1 * high, high)
            contrast = (contrast + change[count:]).clamp(*bounds)
        return Medium(self.weights + change[:count], contrast)

    def restricted(self, task: Task) -> Medium:
        """A medium of two speeds with its greatest contrast, and with levels shifted towards the background."""
        offset = self.squared_slowness(task) - 1
        greatest = offset[offset.abs().argmax()].reshape(1)
        if not float(greatest):
            return self
        weights = self.weights.clone()
        weights[-1] -= SHIFT * greatest[0]
        return Medium(weights, greatest)
