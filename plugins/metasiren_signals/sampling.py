"""A field at many points, in bounded memory."""

from __future__ import annotations

import torch
from torch import Tensor

from metasiren import Field

FLOATS_AT_ONCE = 1 << 24
"""Activations of one layer that are held at a time: 64 MB in float32."""


def values_at(field: Field, coords: Tensor) -> Tensor:
    """The field of a single signal at coords (points, d_in), without gradients: (points, d_out).

    Points are evaluated in chunks whose size the width of the net decides.
    """
    size = max(1, FLOATS_AT_ONCE // field.siren.hidden_features)
    like = torch.promote_types(next(iter(field.params.values())).dtype, torch.float32)
    with torch.no_grad():
        return field.jet(coords.to(like), "value", chunk_points=size).value[0]
