"""Line integrals of a gradient: by how much a picture changes from one pixel to another of its row or column.

The error of a gradient weighs each frequency by itself, so that low frequencies are learnt last. The integral along a
line contains the same information and weighs all frequencies alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import torch
from torch import Tensor

from metasiren import Points, RecipeError, grid
from metasiren_images.gradient_domain.schemes import Values, antiderivative
from metasiren_images.single.sampling import check_points

Spans = int | Literal["pixel_pairs"] | None
"""The option `pixel_pairs` under its former name, `spans`; `pixel_pairs` where that name is not used."""


def pairs_asked_for(pixel_pairs: int | None, spans: Spans) -> int | None:
    """The number of pairs in a draw, under its name or its former one, `spans`; None for none.

    Raises:
        RecipeError: a number below one, or both names.
    """
    check_points(pixel_pairs, "pixel_pairs")
    if spans == "pixel_pairs":
        return pixel_pairs
    check_points(spans, "spans")
    if pixel_pairs is not None:
        given = "null" if spans is None else spans
        found = f"{given}; it is the former name of pixel_pairs, which is given too: {pixel_pairs}."
        raise RecipeError("data: spans", found, "Leave spans out, and give pixel_pairs: a number, or null for none.")
    return spans


def names_of(spans: Spans) -> tuple[str, ...]:
    """The names of the point set: both for a recipe with the former option, as it and its stored run may use that."""
    return ("pixel_pairs",) if spans == "pixel_pairs" else ("pixel_pairs", "spans")


@dataclass(frozen=True)
class PixelPairs:
    """Pairs of pixels, half of them in one column each, half in one row.

    Attributes:
        shape: rows and columns of the grid.
        coords: (rows * columns, 2) in [-1, 1].
        integrals: for each axis the gradient's component along it, integrated along it; (rows * columns, channels).
        number: of pairs in a draw.
        names: of the point set.
    """

    shape: tuple[int, int]
    coords: Tensor
    integrals: Sequence[Tensor]
    number: int
    names: tuple[str, ...] = ("pixel_pairs",)

    @classmethod
    def of(cls, gradient: Values, number: int, names: tuple[str, ...] = ("pixel_pairs",)) -> Self:
        """From a gradient (rows, columns, channels, 2), in the units of the field's own."""
        rows, columns, channels = gradient.shape[:3]
        integrals = [antiderivative(gradient[..., axis], axis).reshape(-1, channels) for axis in (0, 1)]
        given = [torch.from_numpy(values).float() for values in integrals]
        return cls((rows, columns), grid((rows, columns)), given, number, names)

    def sets(self, generator: torch.Generator | None) -> dict[str, Points]:
        """One draw, under every name of the point set."""
        return dict.fromkeys(self.names, self.draw(generator))

    def draw(self, generator: torch.Generator | None) -> Points:
        """Pairs, drawn uniformly: all starts, then all ends (1, 2 * number, 2), with the known `integral`.

        For the field f of that gradient, f(end) - f(start) = integral(end) - integral(start).
        """
        device, starts, ends = self.coords.device, [], []
        for axis, count in enumerate((self.number - self.number // 2, self.number // 2)):
            along, across = (
                torch.randint(self.shape[a], size, generator=generator, device=device)
                for a, size in ((axis, (2, count)), (1 - axis, (1, count)))
            )
            at = along * self.shape[1] + across if axis == 0 else across * self.shape[1] + along
            starts.append((at[0], self.integrals[axis]))
            ends.append((at[1], self.integrals[axis]))
        picked = [*starts, *ends]
        coords = torch.cat([self.coords[at] for at, _ in picked])
        integral = torch.cat([values[at] for at, values in picked])
        return Points(coords.unsqueeze(0), {"integral": integral.unsqueeze(0)})

    def to(self, device: torch.device | str) -> Self:
        """A copy on `device`."""
        moved = [values.to(device) for values in self.integrals]
        return replace(self, coords=self.coords.to(device), integrals=moved)
