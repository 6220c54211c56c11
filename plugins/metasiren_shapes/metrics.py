"""How far a field is from a signed distance, and a surface from another."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from metasiren import DataError, Metric, Prediction
from metasiren_shapes.constraints import agreement, gradient
from metasiren_shapes.triangles import Array


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances between two surfaces, each given by points, in the points' units.

    Attributes:
        mean_a_to_b: mean distance of a point of a to the nearest of b.
        mean_b_to_a: mean distance of a point of b to the nearest of a.
        max_a_to_b: the greatest of the former.
        max_b_to_a: the greatest of the latter.
    """

    mean_a_to_b: float
    mean_b_to_a: float
    max_a_to_b: float
    max_b_to_a: float

    @property
    def chamfer(self) -> float:
        """The mean of both directions' mean distances (not their sum, and not squared)."""
        return (self.mean_a_to_b + self.mean_b_to_a) / 2

    @property
    def hausdorff(self) -> float:
        """The greatest distance of any point to the other surface."""
        return max(self.max_a_to_b, self.max_b_to_a)


def surface_distances(points_a: Array, points_b: Array) -> SurfaceDistances:
    """Chamfer and Hausdorff distances of two sets of points.

    Points sampled from one and the same surface are some half of their spacing apart: nothing finer can be seen.

    Args:
        points_a: (points, 3).
        points_b: (points, 3), in the same units.

    Raises:
        DataError: a set that is empty or not finite.
    """
    for name, points in (("a", points_a), ("b", points_b)):
        if len(points) == 0 or not np.isfinite(points).all():
            found = f"the points of surface {name} are {'none' if len(points) == 0 else 'not all finite'}."
            raise DataError("surface distances", found, "Compare surfaces that have points; is the level set empty?")
    to_b = np.asarray(cKDTree(points_b).query(points_a)[0])
    to_a = np.asarray(cKDTree(points_a).query(points_b)[0])
    return SurfaceDistances(float(to_b.mean()), float(to_a.mean()), float(to_b.max()), float(to_a.max()))


class _AtPoints(Metric):
    """A metric at one point set.

    Args:
        at: the point set.
    """

    at: str

    def __init__(self, *, at: str = "surface") -> None:
        self.at = at


class MeanAbsSdf(_AtPoints):
    """Mean of |Phi| at points of the surface, in coordinate units (times the metadata's `scale`: the input's units)."""

    def __call__(self, prediction: Prediction) -> Tensor:
        """(batch,) numbers, one for each item."""
        return prediction.jets[self.at].value.abs().flatten(1).mean(dim=1)


class NormalConsistency(_AtPoints):
    """Mean cosine of the angle between the gradient and the known outward normal: 1 is best, -1 inside out."""

    order = "gradient"

    def __call__(self, prediction: Prediction) -> Tensor:
        """(batch,) numbers, one for each item; NaN where no normals are known."""
        targets = prediction.batch.points[self.at].targets
        if "normals" not in targets:
            return _unknown(prediction, self.at)
        return agreement(gradient(prediction, self.at), targets["normals"], cosine=True).mean(dim=1)


class _InSpace(Metric):
    """A metric at one point set, around the surface unless another is named.

    Args:
        at: the point set.
    """

    at: str

    def __init__(self, *, at: str = "space") -> None:
        self.at = at


class EikonalResidual(_InSpace):
    """Mean of | |grad Phi| - 1 |.

    Args:
        at: the point set.
    """

    order = "gradient"

    def __call__(self, prediction: Prediction) -> Tensor:
        """(batch,) numbers, one for each item."""
        residual: Tensor = (torch.linalg.vector_norm(gradient(prediction, self.at), dim=-1) - 1).abs()
        return residual.mean(dim=1)


class _BesideExact(_InSpace):
    """A metric beside the exact signed distance, where that is known: closed meshes and solids.

    Args:
        at: the point set.
    """

    def __call__(self, prediction: Prediction) -> Tensor:
        """(batch,) numbers, one for each item; NaN (null in files) where no exact distance is known."""
        targets = prediction.batch.points[self.at].targets
        if "sdf" not in targets:
            return _unknown(prediction, self.at)
        return self._compared(prediction.jets[self.at].value, targets["sdf"])

    @abstractmethod
    def _compared(self, made: Tensor, exact: Tensor) -> Tensor:
        """(batch,) from values and exact distances (batch, points, 1)."""


class SdfError(_BesideExact):
    """Mean of |Phi - the exact signed distance|, in coordinate units, where that is known: closed meshes and solids.

    Args:
        at: the point set.
    """

    def _compared(self, made: Tensor, exact: Tensor) -> Tensor:
        return (made - exact).abs().flatten(1).mean(dim=1)


class Iou(_BesideExact):
    """Intersection over union of the two insides, by the share of points: 1 is best. The inside is where Phi < 0.

    NaN where both insides are empty.

    Args:
        at: the point set, uniform in space.
    """

    def _compared(self, made: Tensor, exact: Tensor) -> Tensor:
        inside, true = made < 0, exact < 0
        return (inside & true).flatten(1).sum(1) / (inside | true).flatten(1).sum(1)


def _unknown(prediction: Prediction, at: str) -> Tensor:
    value = prediction.jets[at].value
    return value.new_full((value.shape[0],), float("nan"))
