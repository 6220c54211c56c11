"""The bound by which empty space is skipped, and how it is refuted.

A field whose gradient is nowhere longer than G changes by at most G r over a distance r. A box whose centre value is
larger than G times half its diagonal therefore holds no point of the level set. G is measured, not known: hence the
margin, and the checks.
"""

from __future__ import annotations

import numpy as np

from metasiren_shapes.lattice import Cuts, Lattice, centres
from metasiren_shapes.mesh import Floats
from metasiren_shapes.probe import Probe

MARGIN = 1.1
PROBES = 24
CELLS_PER_CHECK = 512


class BoundRefutedError(Exception):
    """A skipped box holds both signs, so the gradient is somewhere longer than was measured.

    Args:
        gradient: a length that it must have, or 0 where that is not known.
    """

    def __init__(self, gradient: float = 0.0) -> None:
        super().__init__(f"a gradient of at least {gradient:.3g}")
        self.gradient = gradient


def measure_gradient(probe: Probe, low: float = -1.0, high: float = 1.0, seed: int = 0) -> float:
    """The largest gradient norm at one random point in each of 24**3 cells of the cube."""
    cells = np.stack(np.meshgrid(*[np.arange(PROBES)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    spots = (cells + np.random.default_rng(seed).random(cells.shape)) / PROBES
    _, gradients = probe.gradients(low + spots * (high - low))
    # A field that is constant everywhere has nothing to skip by; any positive bound will do.
    return max(float(np.linalg.norm(gradients, axis=1).max()), 1e-12)


def settle(
    signs: np.ndarray,
    cuts: Cuts,
    probe: Probe,
    lattice: Lattice,
    level: float,
    gradient: float,
    random: np.random.Generator,
) -> None:
    """Give undecided boxes that the level set cannot reach their sign, in place.

    Args:
        signs: one for each box: 0 undecided, else the field's sign there, +1 or -1.
        cuts: of the boxes.
        probe: of the field.
        lattice: that the cuts count in.
        level: whose set is sought.
        gradient: the bound G.
        random: draws the points at which decisions are checked.

    Raises:
        BoundRefutedError: a check found the other sign.
    """
    open_boxes = np.flatnonzero(signs.reshape(-1) == 0)
    middles, edges = (of[open_boxes] for of in centres(cuts))
    values = probe.values(lattice.points(middles)) - level
    reach = MARGIN * gradient * lattice.spacing * np.linalg.norm(edges, axis=1) / 2
    far = np.abs(values) > reach
    _check(values[far], middles[far], edges[far], probe, lattice, level, random)
    signs.reshape(-1)[open_boxes[far]] = np.where(values[far] < 0, -1, 1)


def _check(
    values: Floats,
    middles: Floats,
    edges: Floats,
    probe: Probe,
    lattice: Lattice,
    level: float,
    random: np.random.Generator,
) -> None:
    # Rounded at random: small boxes are checked in proportion too. They are many, and hedged in by evaluated points.
    counts = (edges.prod(axis=1) / CELLS_PER_CHECK + random.random(len(edges))).astype(np.int64)
    box = np.repeat(np.arange(len(values)), counts)
    offsets = (random.random((len(box), 3)) - 0.5) * edges[box]
    found = probe.values(lattice.points(middles[box] + offsets)) - level
    wrong = (found < 0) != (values[box] < 0)
    if wrong.any():
        rise = np.abs(found - values[box])[wrong]
        run = np.linalg.norm(offsets[wrong], axis=1) * lattice.spacing
        raise BoundRefutedError(float((rise / np.maximum(run, 1e-12)).max()))
