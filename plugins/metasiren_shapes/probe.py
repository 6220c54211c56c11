"""Evaluation of a field in arrays: chunked, counted, and checked for values that are not finite."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from metasiren import Field, MetasirenError
from metasiren_shapes.mesh import Floats

VALUES_AT_ONCE = 1 << 15
GRADIENTS_AT_ONCE = 1 << 13


class BrokenFieldError(MetasirenError):
    """A field that is no signed distance: not finite somewhere, or of another number of channels or coordinates."""


class Probe:
    """A scalar field over space, evaluated at arrays of points.

    Args:
        field: with three coordinates and one channel; a `Field`, or anything with its call and its `jet`.
        device: where to evaluate; by default where the field's parameters lie, or else the CPU.
        dtype: of the coordinates; by default the parameters', or else float32.
    """

    def __init__(
        self, field: Field, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> None:
        param = next(iter(getattr(field, "params", {}).values()), None)
        self.field = field
        self.device = torch.device(device or (param.device if param is not None else "cpu"))
        self.dtype = dtype or (param.dtype if param is not None else torch.float32)
        self.evaluations = 0
        self.least, self.most = np.inf, -np.inf

    def values(self, points: Floats) -> Floats:
        """(n,) values at points (n, 3).

        Raises:
            BrokenFieldError: a value that is not finite, or not one value per point.
        """
        return self.tensor_values(self._tensor(points)).double().cpu().numpy()

    def gradients(self, points: Floats) -> tuple[Floats, Floats]:
        """(n,) values and (n, 3) gradients at points (n, 3).

        Raises:
            BrokenFieldError: as `values`.
        """
        values, gradients = self.tensor_gradients(self._tensor(points))
        return values.double().cpu().numpy(), gradients.double().cpu().numpy()

    def tensor_values(self, points: Tensor) -> Tensor:
        """(n,) values at points (n, 3), where and as they are."""
        parts = [points.new_zeros(0)]
        with torch.no_grad():
            for chunk in torch.split(points, VALUES_AT_ONCE) if len(points) else ():
                parts.append(self._scalar(self.field(chunk.unsqueeze(0)), chunk))
        return torch.cat(parts)

    def tensor_gradients(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """(n,) values and (n, 3) gradients at points (n, 3), where and as they are."""
        values, gradients = [points.new_zeros(0)], [points.new_zeros(0, 3)]
        with torch.no_grad():
            for chunk in torch.split(points, GRADIENTS_AT_ONCE) if len(points) else ():
                jet = self.field.jet(chunk.unsqueeze(0), "gradient")
                values.append(self._scalar(jet.value, chunk))
                assert jet.gradient is not None
                gradients.append(jet.gradient.reshape(-1, 3))
        return torch.cat(values), torch.cat(gradients)

    def _scalar(self, value: Tensor, points: Tensor) -> Tensor:
        self.evaluations += len(points)
        if value.numel() != len(points):
            found = f"the field has {value.numel() // max(1, len(points))} channels; a shape has one."
            raise BrokenFieldError("shape", found, "Name a field of signed distances.")
        flat = value.reshape(-1)
        if not bool(torch.isfinite(flat).all()):
            bad = ~torch.isfinite(flat)
            spot = ", ".join(f"{x:.3g}" for x in points[bad][0].tolist())
            raise BrokenFieldError(
                "shape",
                f"the field is not finite at {int(bad.sum())} of {len(flat)} points, the first at ({spot}).",
                "Training has diverged: evaluate an earlier checkpoint, or lower train.optimizer.lr.",
            )
        self.least, self.most = min(self.least, float(flat.min())), max(self.most, float(flat.max()))
        return flat

    def _tensor(self, points: Floats) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(points), device=self.device).to(self.dtype)
