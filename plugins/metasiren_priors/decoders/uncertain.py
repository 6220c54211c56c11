"""Fields with a standard deviation at every point, as those of conditional neural processes (Garnelo et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from metasiren import Field


@dataclass(frozen=True, kw_only=True)
class UncertainField(Field):
    """A field whose values are means of independent Gaussians; a second output layer gives their standard deviations.

    The deviation is least + softplus(W h(x) + b), where h are the outputs of the field's hidden layers. Copies that
    `to`, `double` or `detach` give are plain fields.

    Attributes:
        output: W (d_out, hidden_features) and b (d_out,), which all instances share.
        least: smallest standard deviation.
    """

    output: tuple[Tensor, Tensor]
    least: float

    def deviation(self, coords: Tensor, *, through: bool = False) -> Tensor:
        """Standard deviations (batch, points, d_out) at coords (batch, points, d_in) or (points, d_in).

        Args:
            coords: the points.
            through: gradients reach the hidden layers and the latent, too; otherwise only W and b.
        """
        last, (weight, bias) = self.siren.layers[-1], self.output
        kept = self.params if through else {name: value.detach() for name, value in self.params.items()}
        some = kept[last.weight]
        own = {
            last.weight: weight.to(some.dtype).expand(some.shape),
            last.bias: bias.to(some.dtype).expand(len(some), -1),
        }
        raw = self.siren({**kept, **own}, coords)
        found: Tensor = self.least + F.softplus(raw)
        return found[0] if self.single and coords.dim() == 2 else found
