"""The nearest point of a triangle mesh, exactly."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from metasiren_shapes.triangles import Array, Indices, Triangles

POINTS_AT_ONCE = 256


def nearest_on_triangles(triangles: Triangles, points: Array) -> tuple[Indices, Array]:
    """The nearest face to each point, and where on it.

    The nearest corner bounds the distance. A face of radius r around its middle can be closer only if the middle is
    within that bound plus r: such faces are found by trees of middles, one for each octave of radii, so that a few
    large faces do not widen the search for all the small ones.

    Args:
        triangles: faces without area are passed over.
        points: (points, 3).

    Returns:
        faces (points,), and shares (points, 3) of their corners in the nearest point: zero, exactly, where it lies on
        the opposite edge.
    """
    solid = np.flatnonzero(triangles.areas > 0)
    corners = triangles.corners[solid]
    middles = corners.mean(axis=1)
    radii = np.linalg.norm(corners - middles[:, None], axis=2).max(axis=1)
    octaves = np.floor(np.log2(radii))
    groups = [np.flatnonzero(octaves == octave) for octave in np.unique(octaves)]
    trees = [(group, cKDTree(middles[group]), float(radii[group].max())) for group in groups]
    # A little more than the distance to the nearest corner, so that rounding loses no face.
    bounds = np.asarray(cKDTree(corners.reshape(-1, 3)).query(points)[0]) * (1 + 1e-9)
    face, weights = np.empty(len(points), np.int64), np.empty((len(points), 3))
    for start in range(0, len(points), POINTS_AT_ONCE):
        part = slice(start, start + POINTS_AT_ONCE)
        place, bound = points[part], bounds[part]
        rows, found = [], []
        for group, tree, reach in trees:
            lists = tree.query_ball_point(place, bound + reach)
            rows.append(np.repeat(np.arange(len(place)), [len(each) for each in lists]))
            found.append(group[np.concatenate(lists).astype(np.int64)])
        row, candidate = np.concatenate(rows), np.concatenate(found)
        near = np.linalg.norm(middles[candidate] - place[row], axis=1) <= bound[row] + radii[candidate]
        row, candidate = row[near], candidate[near]
        share = closest_weights(corners[candidate], place[row])
        away = np.linalg.norm(np.einsum("nk,nkd->nd", share, corners[candidate]) - place[row], axis=1)
        order = np.lexsort((away, row))
        first = order[np.searchsorted(row[order], np.arange(len(place)))]
        face[part], weights[part] = solid[candidate[first]], share[first]
    return face, weights


def closest_weights(corners: Array, points: Array) -> Array:
    """Shares (pairs, 3) of the corners (pairs, 3, 3) in the point of a triangle that is closest to points (pairs, 3).

    A share is zero, exactly, where the closest point lies on the opposite edge.
    """
    ends = np.roll(corners, -1, axis=1)
    along, to = ends - corners, points[:, None] - corners
    normal = np.cross(along[:, 0], -along[:, 2])
    # Shares of the foot of the perpendicular: each is the part of the area that faces the corner.
    parts = (np.cross(along, to) * normal[:, None]).sum(axis=2)
    inside = (parts > 0).all(axis=1)
    weights = np.zeros((len(points), 3))
    shares = parts[inside] / parts[inside].sum(axis=1, keepdims=True)
    weights[inside] = np.roll(shares, -1, axis=1)
    # Elsewhere the closest point lies on an edge, the nearest of the three.
    rows = np.flatnonzero(~inside)
    along, to = along[rows], to[rows]
    share = np.clip((along * to).sum(2) / np.maximum((along * along).sum(2), 1e-300), 0, 1)
    edge = np.linalg.norm(to - share[..., None] * along, axis=2).argmin(axis=1)
    share = share[np.arange(len(rows)), edge]
    weights[rows, edge] = 1 - share
    weights[rows, (edge + 1) % 3] = share
    return weights
