"""The plane in five convex pieces, a square and the four sectors around it, each with coordinates of its own.

Of a point in piece p, the block p of the new coordinates is (1, x), and the other four blocks are zero. A sine of one
block alone, without a bias, is therefore zero outside its piece: one layer of features is five networks, which only
constraints join. Sums of plane waves represent every wave in a convex piece (Moiola, Hiptmair and Perugia 2011, "Plane
wave approximation of homogeneous Helmholtz solutions", ZAMP 62, for waves of one frequency), but badly in the plane
around a square, where waves come out of the square.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

import torch
from torch import Tensor

from metasiren import Domain, Expansion, InputLayer, RecipeError
from metasiren.nn.constants import constant
from metasiren_physics.datasets.wave import WaveDataset
from metasiren_physics.media import Square

WHERE = "siren: input_layer: convex_pieces"

PIECES = 5
"""The square, and the sectors around it: right (coordinate 0 of the plane is positive), left, above and below."""


class ConvexPieces(InputLayer):
    """Five blocks (1, x), of which four are zero: x lies in the square |x_i| < half_width, or in one of four sectors.

    The sectors are those between the diagonals of the plane. A field may jump at the square's sides, and outside it on
    the diagonals.

    Args:
        domain: of the signals.
        half_width: half the side of the square, whose middle is the origin.
        axes: the two coordinates of the plane, counted from 0; by default the last two.

    Raises:
        RecipeError: a width that is not positive, or axes that are not two coordinates.
    """

    def __init__(self, domain: Domain, *, half_width: float = 0.3, axes: tuple[int, int] | None = None) -> None:
        super().__init__(domain)
        if not (half_width > 0 and isfinite(half_width)):
            raise RecipeError(f"{WHERE}: half_width", f"{half_width}.", "Give a positive length.")
        axes = (domain.d_in - 2, domain.d_in - 1) if axes is None else axes
        if len(set(axes)) != 2 or len(axes) != 2 or not all(0 <= a < domain.d_in for a in axes):
            found = f"{list(axes)} of {domain.d_in} coordinates."
            raise RecipeError(f"{WHERE}: axes", found, "Name the two coordinates of the plane, counted from 0.")
        self.half_width, self.axes = half_width, axes

    @property
    def features(self) -> int:
        """See `InputLayer.features`: in each piece, 1 and all coordinates."""
        return PIECES * (1 + self.domain.d_in)

    def expand(self, x: Tensor, params: Mapping[str, Tensor]) -> Expansion:
        """See `InputLayer.expand`; the first derivatives are those on either side of an edge, the second are zero."""
        one_of = self._pieces(x).unsqueeze(-1)

        def blocks(values: Tensor) -> Tensor:
            return (one_of * values.unsqueeze(-2)).flatten(-2)

        def first(i: int) -> Tensor:
            direction = constant([0.0, *(float(a == i) for a in range(self.domain.d_in))], x)
            return blocks(direction.expand(*x.shape[:-1], -1))

        value = blocks(torch.cat([torch.ones_like(x[..., :1]), x], -1))
        return Expansion(value, first, lambda i, j: torch.zeros_like(value))

    def check(self, dataset: object) -> None:
        """See `InputLayer.check`; waves have the square as their medium, and points where the pieces meet.

        Raises:
            RecipeError: another medium, another half-width, or diagonals without points.
        """
        if not isinstance(dataset, WaveDataset):
            return
        medium = dataset.problem.medium
        if not isinstance(medium, Square) or medium.half_width != self.half_width:
            found = f"{self.half_width}, and the medium of the data is {medium}."
            raise RecipeError(f"{WHERE}: half_width", found, "Take the square of data.medium, and its half_width.")
        if not dataset.diagonals:
            found = "no points join its pieces outside the square."
            raise RecipeError(WHERE, found, "Set data.diagonals=true, and data.interface to a number of points.")

    def _pieces(self, x: Tensor) -> Tensor:
        """Which piece each point is in, (..., PIECES): one 1 and zeros."""
        across, up = x[..., self.axes[0]], x[..., self.axes[1]]
        square = torch.maximum(across.abs(), up.abs()) < self.half_width
        beside = across.abs() >= up.abs()
        sides = [beside & (across > 0), beside & (across <= 0), ~beside & (up > 0), ~beside & (up <= 0)]
        return torch.stack([square, *(side & ~square for side in sides)], -1).to(x)
