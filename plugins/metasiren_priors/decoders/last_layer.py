"""A decoder in closed form: instances share a SIREN's hidden layers, and their output layers are least squares.

With h(x) the output of the hidden layers and 1 appended, an instance's values at points x_p are fitted by

    W = argmin  sum_p w_p |W h(x_p) - y_p|^2 + ridge |W|^2,

(ridge regression; a random feature model, Rahimi and Recht 2008, where the trunk is random). W depends linearly on y:
a decoder that maps an encoder's mean and covariance without approximation.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Literal

import torch
from torch import Tensor, nn

from metasiren import Decoder, Field, Params, RecipeError, Siren, grid
from metasiren_priors.decoders.shared_trunk import SharedTrunkField, trunk_features


class LastLayer(Decoder):
    """The values of a signal on the data's grid (batch, points * channels) -> a SIREN that has them.

    Args:
        siren: the architecture; its hidden layers are the trunk.
        latent_dim: number of values on the grid, points times channels, channels last.
        ridge: weight of the squared output weights, beside squared errors of values in [-1, 1] summed over points.
        trunk: `random` keeps the official initialisation, `trained` learns it by gradients through the solution.
        shape: of the grid, such as (178, 218); a square (or cube) where left out.

    Raises:
        RecipeError: `ridge` is not positive, or the latent's size is not that of a grid.
    """

    def __init__(
        self,
        siren: Siren,
        latent_dim: int,
        *,
        ridge: float = 0.1,
        trunk: Literal["random", "trained"] = "random",
        shape: Sequence[int] | None = None,
    ) -> None:
        super().__init__(siren, latent_dim)
        where = "decoder: last_layer"
        if ridge <= 0:
            raise RecipeError(f"{where}: ridge", f"{ridge} is not positive.", "Give a number such as 0.1.")
        self.ridge, self.shape = ridge, grid_shape(siren, latent_dim, shape, where)
        last = siren.layers[-1]
        draw = {name: value for name, value in siren.init().items() if name not in (last.weight, last.bias)}
        self.names = tuple(draw)
        # Parameters in both cases, so that they move, are cast and are saved alike.
        self.hidden = nn.ParameterList(nn.Parameter(v, requires_grad=trunk == "trained") for v in draw.values())
        self._kept: tuple[object, Tensor] | None = None

    @property
    def trunk(self) -> dict[str, Tensor]:
        """The parameters of the hidden layers, of leading size 1."""
        return dict(zip(self.names, self.hidden, strict=True))

    def features(self, coords: Tensor) -> Tensor:
        """H (points, hidden_features + 1) in float64 at coords (points, d_in); the last is 1."""
        with torch.autocast(coords.device.type, enabled=False):
            h = trunk_features(self.siren, self.trunk, coords).double()
        return torch.cat([h, h.new_ones(len(h), 1)], dim=1)

    def forward(self, latent: Tensor) -> Params:
        """Parameters of leading size `batch`; the trunk's are views of one instance."""
        values = latent.view(len(latent), prod(self.shape), self.siren.out_features).double()
        return self._params(torch.einsum("fp,bpc->bcf", self.smoother(), values), latent.dtype)

    def field(self, latent: Tensor) -> Field:
        """The decoded field; the trunk is evaluated once for all instances."""
        return SharedTrunkField(self.siren, self(latent))

    def solve(self, coords: Tensor, values: Tensor, weights: Tensor | None = None) -> Field:
        """The field of values anywhere, on a grid or not.

        Args:
            coords: (points, d_in), shared by all instances.
            values: (batch, points, channels).
            weights: of the points' squared errors, (points,) or (batch, points), not negative; 1 where left out.
                Large ones enforce values, small ones only suggest them.
        """
        h, y = self.features(coords), values.double()
        if weights is None:
            weights = h.new_ones(len(h))
        root = weights.double().sqrt().unsqueeze(-1)
        a = h * root  # (points, features) or (batch, points, features)
        found = ridge_solution(a, y * root, self.ridge)
        return SharedTrunkField(self.siren, self._params(found.mT, values.dtype))

    def smoother(self) -> Tensor:
        """S (features + 1, points) in float64: the output weights of values y on the grid are S y."""
        key = tuple((p._version, p.data_ptr(), p.dtype, p.device) for p in self.hidden)
        learning = torch.is_grad_enabled() and any(p.requires_grad for p in self.hidden)
        if learning:
            return self._smoother()
        if self._kept is None or self._kept[0] != key:
            with torch.no_grad():
                self._kept = key, self._smoother()
        return self._kept[1]

    def _smoother(self) -> Tensor:
        first = self.hidden[0]
        a = self.features(grid(self.shape, dtype=first.dtype, device=first.device))
        return ridge_solution(a, torch.eye(len(a), dtype=a.dtype, device=a.device), self.ridge)

    def deviation(self, covariance: Tensor, coords: Tensor) -> Tensor:
        """Standard deviation of the field, for values on the grid of a given covariance.

        Args:
            covariance: (batch, latent_dim, latent_dim), or (latent_dim, latent_dim).
            coords: (points, d_in).

        Returns:
            (batch, points, channels): the square root of h^T S C S^T h for each channel's block C.
        """
        points, channels = prod(self.shape), self.siren.out_features
        weights = self.features(coords) @ self.smoother()
        blocks = covariance.double().view(-1, points, channels, points, channels)
        variances = [((weights @ blocks[:, :, c, :, c]) * weights).sum(2).clamp_min(0).sqrt() for c in range(channels)]
        return torch.stack(variances, dim=2).to(covariance.dtype)

    def _params(self, output: Tensor, dtype: torch.dtype) -> Params:
        """Output weights (batch, channels, features + 1) with the trunk's."""
        last, batch = self.siren.layers[-1], len(output)
        output = output.to(dtype)
        trunk = {name: value.expand(batch, *value.shape[1:]) for name, value in self.trunk.items()}
        return {**trunk, last.weight: output[..., :-1], last.bias: output[..., -1]}


def ridge_solution(a: Tensor, y: Tensor, ridge: float) -> Tensor:
    """argmin_W |A W - y|^2 + ridge |W|^2 for A (..., points, features), y (..., points, m); W (..., features, m).

    Either form is used, whichever has the smaller system: (A^T A + ridge)^-1 A^T y = A^T (A A^T + ridge)^-1 y.
    """
    points, features = a.shape[-2:]
    wide = points <= features
    gram = a @ a.mT if wide else a.mT @ a
    gram = gram + ridge * torch.eye(gram.shape[-1], dtype=a.dtype, device=a.device)
    factor = torch.linalg.cholesky(gram)
    right = y if wide else a.mT @ y
    if factor.dim() == 2 and right.dim() == 3:
        # One factor serves all instances.
        joined = right.transpose(0, 1).flatten(1)
        solved = torch.cholesky_solve(joined, factor).view(len(joined), len(right), -1).transpose(0, 1)
    else:
        solved = torch.cholesky_solve(right, factor)
    return a.mT @ solved if wide else solved


def grid_shape(siren: Siren, latent_dim: int, shape: Sequence[int] | None, where: str) -> tuple[int, ...]:
    """The grid whose values are a latent of this size.

    Raises:
        RecipeError: no such grid.
    """
    points, left = divmod(latent_dim, siren.out_features)
    found = f"a latent of size {latent_dim} for {siren.out_features} channels"
    if shape is not None:
        if len(shape) != siren.in_features or prod(shape) * siren.out_features != latent_dim:
            raise RecipeError(f"{where}: shape", f"{found} and the grid {tuple(shape)}.", "Give the data's own grid.")
        return tuple(shape)
    side = round(points ** (1 / siren.in_features))
    if left or points < 1 or side**siren.in_features != points:
        advice = "It takes the values of a signal on its grid: use an encoder whose latent they are, such as\n"
        raise RecipeError(
            where, f"{found} is no square grid.", f"{advice}`mixture`, and give `shape` where it is no square."
        )
    return (side,) * siren.in_features
