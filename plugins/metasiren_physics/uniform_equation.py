"""The equation in the uniform medium in terms of a network's last features, and waves as its output layer."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from metasiren import Points, Problem, RecipeError, Siren, TrainingError, feature_jet
from metasiren_physics.constraints.helmholtz import as_complex


@dataclass(frozen=True)
class Equation:
    """The equation at the points in the uniform medium, weighted.

    Attributes:
        siren: the network.
        params: its weights, in float64.
        points: with their `operator` and `source`.
        root: the square root of each point's weight in the loss, over the scale (points,).
    """

    siren: Siren
    params: dict[str, Tensor]
    points: Points
    root: Tensor

    @classmethod
    def of(cls, siren: Siren, params: dict[str, Tensor], points: Points, *, weight: float, scale: float) -> Equation:
        """With the weight and the scale of the constraint `helmholtz`."""
        area = points.targets["weight"][0, :, 0]
        return cls(siren, params, points, (weight * area / len(area)).sqrt() / scale)

    @property
    def operator(self) -> Tensor:
        """The factors of u_11, u_1, u_22, u_2 and u (points, 5), complex."""
        return as_complex(self.points.targets["operator"])[0]

    @property
    def source(self) -> Tensor:
        """Weighted f (points, sources), complex."""
        return as_complex(self.points.targets["source"])[0] * self.root.unsqueeze(1)

    def rows(self) -> Tensor:
        """Weighted A (points, features + 1), complex."""
        jet = feature_jet(self.siren, self.params, self.points.coords, "hessian_diagonal")
        assert jet.gradient is not None
        assert jet.hessian_diagonal is not None
        (x, y), (xx, yy) = jet.gradient[0].unbind(-1), jet.hessian_diagonal[0].unbind(-1)
        a, a_1, b, b_2, ck2 = (self.operator * self.root.unsqueeze(1)).unsqueeze(1).unbind(-1)
        made = torch.zeros(x.shape[0], x.shape[1] + 1, dtype=ck2.dtype, device=x.device)
        for factor, values in ((a, xx), (a_1, x), (b, yy), (b_2, y), (ck2, jet.value[0])):
            made[:, :-1] += factor * values
        made[:, -1:] = ck2
        return made

    def values(self, chosen: Tensor) -> Tensor:
        """H at some of the points, by index, (chosen, features + 1)."""
        found = feature_jet(self.siren, self.params, self.points.coords[:, chosen], "value").value[0]
        return torch.nn.functional.pad(found, (0, 1), value=1.0)

    def same(self, other: Equation) -> bool:
        """Whether the other has the same points and sources, with a network of the same hidden layers."""
        names = [*self.params][:-2]
        ours = [self.points.coords, self.operator, self.source, self.root, *(self.params[name] for name in names)]
        theirs = [other.points.coords, other.operator, other.source, other.root]
        theirs += [other.params[name] for name in names]
        return all(a.shape == b.shape and torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def output_layer(problem: Problem, where: str) -> tuple[Siren, dict[str, Tensor], nn.Parameter, nn.Parameter]:
    """The network, its weights in float64, and the parameters that are the output layer's matrix and bias.

    Raises:
        RecipeError: a decoder other than `free`.
    """
    model = problem.model
    field = model.decoder.field(model.encoder(problem.batch.context, model.decoder))
    parameters, shapes = list(model.decoder.parameters()), list(field.siren.shapes.values())
    if [tuple(p.shape) for p in parameters] != shapes:
        found = f"decoder {type(model.decoder).__name__}, whose parameters are not a network's weights."
        raise RecipeError(where, found, "Take the decoder `free`.")
    params = {name: value.double() for name, value in field.params.items()}
    return field.siren, params, parameters[-2], parameters[-1]


def waves_table(waves: Tensor, channels: int) -> Tensor:
    """The output layer (channels, features + 1), bias last, of waves (features + 1, sources); the rest is zero."""
    table = torch.zeros(channels, len(waves), dtype=torch.float64, device=waves.device)
    last = 2 * waves.shape[1]
    table[0:last:2], table[1:last:2] = waves.real.mT, waves.imag.mT
    return table


def not_finite(where: str) -> TrainingError:
    """The error of equations with numbers that are not finite."""
    advice = "Check the data and the weights for numbers that are not finite."
    return TrainingError(where, "its equations are not finite.", advice)
