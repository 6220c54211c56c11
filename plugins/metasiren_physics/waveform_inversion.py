"""All-at-once waveform inversion in the output layer: Gauss-Newton for waves and medium together.

With random hidden layers, waves u = H w and squared slowness m = 1 + H v are linear in the output layer, and Eq. 11 is
bilinear: A(m) u = f, where A(m) = A0 + k² c diag(m) H. A step linearises it about the present waves and medium,

    minimise  sum over sources |A δw + B δv + r|² + ρ |P (w + δw) - d|²  +  λ |slope of (v + δv)|²,

with B = k² c diag(u) H for each source. All sources share A, so that one factor of G = AᴴA + ρPᴴP serves them; the
waves are eliminated, and what is left is a dense system for the medium alone (the Schur complement). Where m is at a
bound and the residual pushes it out, it is held: points of that active set do not enter B. This is the
reduced form of wavefield reconstruction (van Leeuwen and Herrmann 2013, "Mitigating local minima in full-waveform
inversion by expanding the search space", Geophysical Journal International 195) with the step of Gauss and Newton.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import isfinite

import torch
from torch import Tensor, nn

from metasiren import BatchOptimizer, Problem, RecipeError, Siren, TrainingError, damped_cholesky, feature_jet
from metasiren_physics.constraints.helmholtz import Helmholtz, as_complex
from metasiren_physics.constraints.inversion import Receivers, SlownessSlope

NAME = "waveform_inversion"
WHERE = f"train.optimizer: {NAME}"


class WaveformInversion(BatchOptimizer):
    """Waves and medium of the data `fwi` by Gauss-Newton steps on the output layer; hidden layers stay as drawn.

    It takes the constraints `helmholtz` with `free_slowness`, `receivers`, and `slowness_slope` where there is one (the
    norms `l2`, and `tv` by reweighting). The first step starts from the waves of the uniform medium. A step that does
    not lower the loss of its points is halved, then left out. All is computed in float64.

    Args:
        parameters: all parameters of the model, whose decoder is `free`.
        lr: factor on every step; 1 is a full step.
        medium_features: how many of the features make the medium; fewer are faster, and smoother on average.
        ridge: added to the diagonal of G, relative to its mean.
        medium_ridge: weight of the sum of the medium's squared weights.
        halvings: how often a step is halved.

    Raises:
        RecipeError: an option outside its range.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float = 1.0,
        medium_features: int = 800,
        ridge: float = 1e-14,
        medium_ridge: float = 1e-8,
        halvings: int = 3,
    ) -> None:
        for option, value, fits, advice in (
            ("lr", lr, 0 < lr <= 1, "1 is a full step."),
            ("medium_features", medium_features, medium_features >= 1, "Give one or more."),
            ("ridge", ridge, ridge > 0 and isfinite(ridge), "Give a positive number such as 1e-14."),
            ("medium_ridge", medium_ridge, medium_ridge > 0, "Give a positive number such as 1e-8."),
            ("halvings", halvings, halvings >= 0, "Give zero or more."),
        ):
            if not fits:
                raise RecipeError(f"{WHERE}: {option}", f"{value} does not fit.", advice)
        super().__init__(parameters, {"lr": lr, "begun": False})
        self.medium_features, self.halvings = medium_features, halvings
        self.ridge, self.medium_ridge = ridge, medium_ridge

    @torch.no_grad()
    def step_on(self, problem: Problem) -> dict[str, Tensor]:
        """One step; returns the losses before it (at the first step, those of the uniform medium).

        Raises:
            RecipeError: a decoder other than `free`, constraints that are no inversion, or channels that do not fit.
        """
        group = self.param_groups[0]
        begun = group["begun"]
        if not begun:
            for parameter in _output_layer(problem)[2:]:
                parameter.zero_()
        task = _Task.of(problem, self.medium_features)
        if not begun:
            factor, right = self._factor(task, received=False)
            task = replace(task, waves=torch.cholesky_solve(right, factor))
            task.write(task.waves, task.medium)
            group["begun"] = True
        losses = {name: value.detach() for name, value in problem.losses().items()}
        if not bool(torch.isfinite(losses["loss"])):
            return losses
        waves, medium = self._direction(task)
        length, before = group["lr"], float(losses["loss"])
        for _ in range(self.halvings + 1):
            task.write(task.waves + length * waves, task.medium + length * medium)
            if float(problem.losses()["loss"]) < before:
                return losses
            length /= 2
        task.write(task.waves, task.medium)
        return losses

    def _factor(self, task: _Task, *, received: bool) -> tuple[Tensor, Tensor]:
        """The Cholesky factor of G, and Aᴴf (with ρPᴴd where receivers are `received`)."""
        gram, right = task.rows.mH @ task.rows, task.rows.mH @ task.source
        if received:
            gram += task.trust * (task.received.mT @ task.received)
            right = right + task.trust * task.received.mT.to(right) @ task.data
        found = damped_cholesky(gram, self.ridge)
        if found is None:
            raise TrainingError(
                WHERE,
                "its equations are not finite.",
                "Check the data and the weights for numbers that are not finite.",
            )
        return found[1], right

    def _direction(self, task: _Task) -> tuple[Tensor, Tensor]:
        """δw (features, sources), complex, and δv (medium features)."""
        factor, right = self._factor(task, received=True)
        residual = task.rows @ task.waves - task.source
        wrong = task.rows.mH @ residual + task.trust * task.received.mT.to(right) @ (
            task.received.to(right) @ task.waves - task.data
        )
        count = len(task.medium)
        bent = [task.stiffness.unsqueeze(1) * u.unsqueeze(1) for u in (task.values.to(right) @ task.waves).unbind(1)]
        power = sum((b.real.square() + b.imag.square() for b in bent), torch.zeros_like(task.values[:, :1]))
        pushed = sum(((b.conj() * residual[:, k : k + 1]).real for k, b in enumerate(bent)), torch.zeros_like(power))
        media = task.media * (task.beyond * pushed >= 0)
        system = (media * power).mT @ media + task.roughness + self.medium_ridge * torch.eye(count).to(power)
        target = -(task.roughness @ task.medium + self.medium_ridge * task.medium + (media.mT @ pushed)[:, 0])
        halves = []
        for k, b in enumerate(bent):
            turned = task.rows.mH * b.mT
            coupling = torch.complex(turned.real @ media, turned.imag @ media)
            both = torch.cat([coupling, wrong[:, k : k + 1]], 1)
            half = torch.linalg.solve_triangular(factor, both, upper=False)
            halves.append(half)
            real, imag = half.real.contiguous(), half.imag.contiguous()
            product = real.mT @ real + imag.mT @ imag
            system -= product[:-1, :-1]
            target += product[:-1, -1]
        medium = torch.linalg.solve(system, target)
        step = medium.to(right)
        waves = [torch.linalg.solve_triangular(factor.mH, (h[:, -1] + h[:, :-1] @ step).unsqueeze(1), upper=True)
                 for h in halves]  # fmt: skip
        return -torch.cat(waves, 1), medium


@dataclass(frozen=True)
class _Task:
    """A step's matrices; those over points are weighted so that their squares add up to the loss.

    Attributes:
        weight: the output layer's matrix, a parameter.
        bias: its bias, a parameter.
        waves: w (features + 1, sources), complex.
        medium: v (medium features + 1,).
        values: H (points, features + 1).
        media: the medium's features where it is free, zero elsewhere, (points, medium features + 1).
        beyond: what the bounds take away from 1 + H v, (points, 1): negative below, positive above, zero between.
        stiffness: weighted k² c (points,), complex.
        rows: weighted A (points, features + 1), complex.
        source: weighted f (points, sources), complex.
        received: H at the receivers (receivers, features + 1).
        data: (receivers, sources), complex.
        trust: ρ.
        roughness: the quadratic form of slopes, (medium features + 1, the same).
    """

    weight: nn.Parameter
    bias: nn.Parameter
    waves: Tensor
    medium: Tensor
    values: Tensor
    media: Tensor
    beyond: Tensor
    stiffness: Tensor
    rows: Tensor
    source: Tensor
    received: Tensor
    data: Tensor
    trust: float
    roughness: Tensor

    @classmethod
    def of(cls, problem: Problem, medium_features: int) -> _Task:
        """The matrices at the model's present parameters."""
        equation, receivers, slope = _constraints(problem)
        siren, params, weight, bias = _output_layer(problem)
        batch = problem.batch.cast(torch.float64)
        inside, at = batch.points["interior"], batch.points["receivers"]
        sources = inside.targets["source"].shape[2]
        if siren.out_features != 2 * sources + 1:
            found = f"{siren.out_features} channels for {sources} sources."
            raise RecipeError(WHERE, found, "Use data: fwi, whose fields have two for each, and one for the medium.")
        table = torch.cat([weight.double(), bias.double().unsqueeze(1)], 1)
        chosen = torch.zeros(table.shape[1], dtype=torch.bool, device=table.device)
        chosen[: min(medium_features, siren.hidden_features)] = True
        chosen[-1] = True
        jet = feature_jet(siren, params, inside.coords, "hessian_diagonal")
        assert jet.gradient is not None
        assert jet.hessian_diagonal is not None
        values = torch.nn.functional.pad(jet.value[0], (0, 1), value=1.0)
        first, second = (
            torch.nn.functional.pad(t[0].movedim(-1, 0), (0, 1)) for t in (jet.gradient, jet.hessian_diagonal)
        )
        a, a_1, b, b_2, ck2 = as_complex(inside.targets["operator"])[0].unbind(-1)
        area = inside.targets["weight"][0, :, 0]
        root = (equation.weight * area / len(area)).sqrt() / equation.scale
        free = (inside.coords[0].abs() <= equation.bound).all(-1, keepdim=True)
        media = values[:, chosen] * free
        medium = table[-1, chosen]
        least, most = inside.targets["range"].flatten()
        wanted = 1 + media @ medium
        slowness = torch.where(free[:, 0], wanted.clamp(least, most), 1.0)
        stiffness = ck2 * root
        parts = [(a, second[0]), (a_1, first[0]), (b, second[1]), (b_2, first[1]), (ck2 * slowness, values)]
        rows = sum((torch.complex(c.real.unsqueeze(1) * h, c.imag.unsqueeze(1) * h) for c, h in parts), torch.zeros(()))
        received = torch.nn.functional.pad(feature_jet(siren, params, at.coords, "value").value[0], (0, 1), value=1.0)
        return cls(
            weight, bias, torch.complex(table[0:-1:2], table[1:-1:2]).mT.contiguous(), medium, values, media,
            (wanted - wanted.clamp(least, most)).unsqueeze(1), stiffness,
            rows * root.unsqueeze(1), as_complex(inside.targets["source"])[0] * root.unsqueeze(1), received,
            as_complex(at.values[0].view(len(received), -1, 2)), receivers.weight / receivers.scale**2 / len(received),
            _roughness(slope, first[:, :, chosen], medium, area, inside.coords[0]),
        )  # fmt: skip

    def write(self, waves: Tensor, medium: Tensor) -> None:
        """Set the output layer."""
        table = torch.zeros(len(self.weight), len(waves), dtype=torch.float64, device=waves.device)
        table[0:-1:2], table[1:-1:2] = waves.real.mT, waves.imag.mT
        table[-1, : len(medium) - 1], table[-1, -1] = medium[:-1], medium[-1]
        self.weight.copy_(table[:, :-1])
        self.bias.copy_(table[:, -1])


@dataclass(frozen=True)
class _Equation:
    weight: float
    scale: float
    bound: float


@dataclass(frozen=True)
class _Data:
    weight: float
    scale: float


def _constraints(problem: Problem) -> tuple[_Equation, _Data, tuple[float, SlownessSlope] | None]:
    equation, data, slope = None, None, None
    for each in problem.constraints:
        c = each.constraint
        if isinstance(c, Helmholtz) and c.norm == "l2" and c.free_slowness and c.at == "interior":
            equation = _Equation(each.weight, c.scale, c.bound)
        elif isinstance(c, Receivers) and c.norm == "l2" and c.at == "receivers":
            data = _Data(each.weight, c.scale)
        elif isinstance(c, SlownessSlope) and c.norm != "l1" and c.at == "interior":
            slope = each.weight, c
        else:
            found = f"{each.name} is not a constraint that it can use."
            advice = "It takes helmholtz (l2, free_slowness: true), receivers (l2) and slowness_slope (l2 or tv)."
            raise RecipeError(WHERE, found, advice)
    if equation is None or data is None:
        found = "there is no helmholtz with free_slowness, or no receivers, among the active constraints."
        raise RecipeError(WHERE, found, "Give both.")
    return equation, data, slope


def _output_layer(problem: Problem) -> tuple[Siren, dict[str, Tensor], nn.Parameter, nn.Parameter]:
    model = problem.model
    field = model.decoder.field(model.encoder(problem.batch.context, model.decoder))
    parameters, shapes = list(model.decoder.parameters()), list(field.siren.shapes.values())
    if [tuple(p.shape) for p in parameters] != shapes:
        found = f"decoder {type(model.decoder).__name__}, whose parameters are not a network's weights."
        raise RecipeError(WHERE, found, "Take the decoder `free`.")
    params = {name: value.double() for name, value in field.params.items()}
    return field.siren, params, parameters[-2], parameters[-1]


def _roughness(
    slope: tuple[float, SlownessSlope] | None, first: Tensor, medium: Tensor, area: Tensor, coords: Tensor
) -> Tensor:
    """The quadratic form of slopes of features `first` (2, points, features); for `tv`, about the present medium."""
    if slope is None:
        return first.new_zeros(first.shape[-1], first.shape[-1])
    weight, constraint = slope
    scaled = first / constraint.scale
    each = weight * area * constraint.counts(coords)[:, 0] / len(area)
    if constraint.norm == "tv":
        steep = constraint.steepness((scaled @ medium).mT)[:, 0]
        each = each / (2 * steep)
    rows = scaled * each.sqrt().unsqueeze(1)
    return rows[0].mT @ rows[0] + rows[1].mT @ rows[1]
