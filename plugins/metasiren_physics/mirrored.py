"""Free sides exactly: the network sees cosines of a coordinate in place of the coordinate.

cos(k π (x - a) / (b - a)) has no slope at a and b. Neither has any smooth function of such cosines: it continues beyond
each side as its mirror image. So a free border (∂u/∂n = 0) needs neither points nor a constraint. The cosines are those
of the periodic encoding of Dong and Ni (2021, section 2.2), with twice the interval as period.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, pi

import torch
from torch import Tensor

from metasiren import Domain, Expansion, InputLayer, RecipeError

WHERE = "siren: input_layer: mirrored"


class Mirrored(InputLayer):
    """cos(k π (x_i - a) / (b - a)), k = 1 ... frequencies, for some coordinates; the others stay as they are.

    Args:
        domain: of the signals.
        axes: the coordinates with free sides, counted from 0. (Of (t, x, y), space is [1, 2].)
        sides: a and b, where nothing slopes; [-1, 1] by default.
        frequencies: number of k for each.

    Raises:
        RecipeError: no axis, or one that the domain lacks; sides in the wrong order; a number that is not above 0.
    """

    def __init__(
        self,
        domain: Domain,
        *,
        axes: tuple[int, ...] = (1,),
        sides: tuple[float, float] = (-1.0, 1.0),
        frequencies: int = 1,
    ) -> None:
        super().__init__(domain)
        if not axes or len(set(axes)) < len(axes) or not all(0 <= i < domain.d_in for i in axes):
            found = f"{list(axes)} of {domain.d_in} coordinates."
            raise RecipeError(f"{WHERE}: axes", found, "Name each coordinate with free sides once, counted from 0.")
        if not (sides[0] < sides[1] and isfinite(sides[1] - sides[0])) or frequencies < 1:
            found = f"sides {list(sides)}, frequencies {frequencies}."
            raise RecipeError(WHERE, found, "Give the lower side first, and one frequency or more.")
        self.axes, self.sides, self.frequencies = tuple(axes), sides, frequencies

    @property
    def features(self) -> int:
        """The coordinates that stay, and a feature for each frequency of the others."""
        return self.domain.d_in + len(self.axes) * (self.frequencies - 1)

    def expand(self, x: Tensor, params: Mapping[str, Tensor]) -> Expansion:
        """See `InputLayer.expand`."""
        low, high = self.sides
        rate = pi / (high - low) * torch.arange(1, self.frequencies + 1, dtype=x.dtype, device=x.device)

        def joined(derivative: int, along: int | None = None) -> Tensor:
            """All features, or their first or second derivatives along one coordinate."""
            parts = []
            for i in range(self.domain.d_in):
                here = x[..., i : i + 1]
                if i in self.axes:
                    angle = rate * (here - low)
                    found = (torch.cos(angle), -rate * torch.sin(angle), -(rate**2) * torch.cos(angle))
                else:
                    found = here, torch.ones_like(here), torch.zeros_like(here)
                zero = derivative > 0 and i != along
                parts.append(torch.zeros_like(found[0]) if zero else found[derivative])
            return torch.cat(parts, -1)

        return Expansion(joined(0), lambda j: joined(1, j), lambda j, k: joined(2, j if j == k else None))
