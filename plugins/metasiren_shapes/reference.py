"""The surface that a mesh is compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree

from metasiren import DataError, Dataset
from metasiren_shapes.dataset import Shape
from metasiren_shapes.mesh import Floats, Mesh, frame_of
from metasiren_shapes.metrics import SurfaceDistances, surface_distances


@dataclass(frozen=True)
class Reference:
    """Oriented points of the true surface, in a person's units.

    Attributes:
        points: (points, 3).
        normals: (points, 3) of length one, outwards; None where they are not known.
    """

    points: Floats
    normals: Floats | None

    @property
    def diagonal(self) -> float:
        """Of the points' bounding box."""
        return float(np.linalg.norm(np.ptp(self.points, axis=0)))


def reference_of(dataset: Dataset, count: int, device: torch.device | str) -> Reference:
    """At most `count` points of a data set's surface.

    Raises:
        DataError: the data has no surface.
    """
    if isinstance(dataset, Shape):
        return Reference(*dataset.reference(count))
    split = "test" if dataset.splits.get("test") else "train"
    generator = torch.Generator(device).manual_seed(0)
    sets = dataset.batch(split, torch.zeros(1, dtype=torch.long, device=device), generator=generator).points
    if "surface" not in sets or dataset.domain.d_in != 3:
        found = f"{dataset.title} has no surface in space; its point sets are {', '.join(sorted(sets))}."
        raise DataError("evaluate: shape", found, "Name another protocol.")
    points = sets["surface"].coords[0, :count].double().cpu().numpy()
    normals = sets["surface"].targets.get("normals")
    kept = None if normals is None else normals[0, :count].double().cpu().numpy()
    return Reference(frame_of(dataset.metadata).to_input(points), kept)


def compare(mesh: Mesh, truth: Reference, samples: int) -> dict[str, float | None]:
    """How far a mesh is from the truth, in the units of both.

    Args:
        mesh: in a person's units.
        truth: in the same.
        samples: points drawn on the mesh.

    Returns:
        `chamfer`, the mean of both directions' mean distances, and `hausdorff`, the greatest of all distances, with
        both directions and as a share of the truth's bounding-box diagonal; `mesh_normal_consistency`, the mean
        cosine between each point's normal and its nearest neighbour's on the other surface, over both directions
        (1 is best, -1 inside out; null without true normals); `area`, `volume` (null for an open mesh) and
        `watertight`, 0 or 1.
    """
    points, normals = mesh.sample(samples, np.random.default_rng(0))
    return {
        **_distances(surface_distances(points, truth.points), truth.diagonal),
        "mesh_normal_consistency": _agreement(points, normals, truth),
        "area": mesh.area,
        "volume": mesh.volume,
        "watertight": float(mesh.watertight),
    }


def floor(truth: Reference) -> dict[str, float | None]:
    """The same distances between two halves of the truth: the least that points as sparse as these can resolve.

    Their spacing is that of half as many points: a perfect mesh comes out a little better than this.
    """
    order = np.random.default_rng(0).permutation(len(truth.points))
    half = len(order) // 2
    apart = surface_distances(truth.points[order[:half]], truth.points[order[half:]])
    return _distances(apart, truth.diagonal)


def unknown() -> dict[str, float | None]:
    """The names that `compare` gives, without numbers."""
    names = [
        "chamfer", "chamfer_share", "chamfer_to_truth", "chamfer_from_truth",
        "hausdorff", "hausdorff_share", "hausdorff_to_truth", "hausdorff_from_truth",
        "mesh_normal_consistency", "area", "volume", "watertight",
    ]  # fmt: skip
    return dict.fromkeys(names)


def _distances(apart: SurfaceDistances, diagonal: float) -> dict[str, float | None]:
    return {
        "chamfer": apart.chamfer,
        "chamfer_share": apart.chamfer / diagonal,
        "chamfer_to_truth": apart.mean_a_to_b,
        "chamfer_from_truth": apart.mean_b_to_a,
        "hausdorff": apart.hausdorff,
        "hausdorff_share": apart.hausdorff / diagonal,
        "hausdorff_to_truth": apart.max_a_to_b,
        "hausdorff_from_truth": apart.max_b_to_a,
    }


def _agreement(points: Floats, normals: Floats, truth: Reference) -> float | None:
    if truth.normals is None:
        return None
    nearest_true = cKDTree(truth.points).query(points)[1]
    nearest_made = cKDTree(points).query(truth.points)[1]
    there = (normals * truth.normals[nearest_true]).sum(axis=1).mean()
    back = (truth.normals * normals[nearest_made]).sum(axis=1).mean()
    return float(there + back) / 2
