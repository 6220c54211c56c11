"""The losses that `step.py` times, in plain torch: nested automatic differentiation, as the papers' code has it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from derivatives_cases import flux_by_autograd, gradient, jacobian, laplacian
from prior import plain
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from metasiren.assembly.experiment import Experiment
from metasiren.contracts import Batch
from metasiren_basics.free import FreeDecoder

Loss = Callable[[], Tensor]
Parameters = list[nn.Parameter]


@dataclass(frozen=True)
class Official:
    """One case.

    Attributes:
        recipe: a shipped recipe.
        preset: one of its presets, with the paper's constraints.
        changes: what fits it to a machine without the paper's data.
        counts: keys of numbers of points (or items) that `--points` multiplies, with the numbers on a CPU.
        build: the loss of plain torch from its parameters and the batch.
    """

    recipe: str
    preset: str
    changes: dict[str, Any]
    counts: dict[str, int]
    build: Callable[[Experiment, Batch], tuple[Loss, Parameters]]

    def loss(self, experiment: Experiment, batch: Batch) -> tuple[Loss, Parameters]:
        """The loss as a function of nothing, and the parameters, which start at those of the recipe's model."""
        return self.build(experiment, batch)

    def sized(self, factor: float) -> dict[str, Any]:
        """The numbers of points times `factor`."""
        return {key: max(round(count * factor), 1) for key, count in self.counts.items()}

    def sized_to(self, points: int) -> dict[str, Any]:
        """The numbers of points, so that the greatest is `points`."""
        return self.sized(points / max(self.counts.values()))


def field(weights: Parameters, x: Tensor) -> Tensor:
    """sin(30 (W x + b)) layer by layer, and a linear layer."""
    last = len(weights) // 2 - 1
    for i in range(last + 1):
        x = x.matmul(weights[2 * i].transpose(-1, -2)) + weights[2 * i + 1].unsqueeze(-2)
        x = torch.sin(30 * x) if i < last else x
    return x


def signal(
    build: Callable[[Experiment, Batch, Parameters], Loss],
) -> Callable[[Experiment, Batch], tuple[Loss, Parameters]]:
    """A case of one signal: copies of the decoder's weights, and the loss that uses them."""

    def made(experiment: Experiment, batch: Batch) -> tuple[Loss, Parameters]:
        decoder = experiment.model.decoder
        assert isinstance(decoder, FreeDecoder)
        weights = [nn.Parameter(w.detach().clone()) for w in decoder.weights]
        return build(experiment, batch, weights), weights

    return made


def evaluated(weights: Parameters, coords: Tensor) -> tuple[Tensor, Tensor]:
    """Values, and coordinates that take part in the graph."""
    x = coords.clone().detach().requires_grad_()
    return field(weights, x), x


def image(experiment: Experiment, batch: Batch, weights: Parameters) -> Loss:
    points = batch.points["pixels"]
    return lambda: ((evaluated(weights, points.coords)[0] - points.targets["values"]) ** 2).mean()


def gradients(experiment: Experiment, batch: Batch, weights: Parameters) -> Loss:
    points = batch.points["pixels"]
    truth = points.targets["gradient"][..., 0, :]

    def loss() -> Tensor:
        u, x = evaluated(weights, points.coords)
        return ((gradient(u, x) - truth) ** 2).sum(-1).mean()

    return loss


def laplacians(experiment: Experiment, batch: Batch, weights: Parameters) -> Loss:
    points = batch.points["pixels"]
    truth = points.targets["laplacian"][..., 0]

    def loss() -> Tensor:
        u, x = evaluated(weights, points.coords)
        return ((laplacian(u, x) - truth) ** 2).mean()

    return loss


def signed_distance(experiment: Experiment, batch: Batch, weights: Parameters) -> Loss:
    surface, space = batch.points["surface"], batch.points["space"]
    coords = torch.cat([surface.coords, space.coords], 1)
    on = torch.zeros_like(coords[..., :1])
    on[:, : surface.coords.shape[1]] = 1
    normals = torch.cat([surface.targets["normals"], torch.zeros_like(space.coords)], 1)

    def loss() -> Tensor:
        u, x = evaluated(weights, coords)
        slope = gradient(u, x)
        zero = torch.zeros_like(u)
        distance = torch.where(on == 1, u, zero).abs().mean()
        off = torch.where(on == 1, zero, torch.exp(-100 * u.abs())).mean()
        normal = torch.where(on == 1, 1 - cosine_similarity(slope, normals, dim=-1)[..., None], zero).mean()
        eikonal = (slope.norm(dim=-1) - 1).abs().mean()
        return 3000 * distance + 100 * off + 100 * normal + 50 * eikonal

    return loss


def _absolute(residual: Tensor, source: Tensor, weight: Tensor, factor: float) -> Tensor:
    """N times the mean of |Re| + |Im|, points in the source counting `factor` times."""
    inside = (source != 0).any(-1)
    counted = weight * torch.where(inside, factor, 1.0)
    return (counted * residual.abs().sum(-1)).sum(-1).mean() * residual.shape[1]


def helmholtz(experiment: Experiment, batch: Batch, weights: Parameters) -> Loss:
    points = batch.points["interior"]
    source, k = points.targets["source"], experiment.dataset.problem.wavenumber  # type: ignore[attr-defined]
    factor = points.coords.shape[1] / 1000

    def loss() -> Tensor:
        u, x = evaluated(weights, points.coords)
        residual = flux_by_autograd(u, x, torch.ones_like(x[..., :1, None]), k) - source
        return _absolute(residual, source, points.targets["weight"], factor)

    return loss


def wave(experiment: Experiment, batch: Batch, weights: Parameters) -> Loss:
    inside, start = batch.points["interior"], batch.points["initial"]
    factors = {each.name: each.weight for each in experiment.constraints}

    def loss() -> Tensor:
        u, x = evaluated(weights, inside.coords)
        second = jacobian(jacobian(u, x)[..., 0, :], x)
        box = second[..., 0, 0] - (second[..., 1, 1] + second[..., 2, 2])
        v, y = evaluated(weights, start.coords)
        speed = jacobian(v, y)[..., 0, 0]
        equation = (inside.targets["weight"][..., 0] * box.abs()).mean()
        value = (start.targets["weight"] * (v - start.targets["values"]).abs()).mean()
        velocity = (start.targets["weight"][..., 0] * speed.abs()).mean()
        return (
            factors["wave_equation"] * equation
            + factors["initial_value"] * value
            + factors["initial_velocity"] * velocity
        )

    return loss


def inversion(experiment: Experiment, batch: Batch, weights: Parameters) -> Loss:
    points, receivers = batch.points["interior"], batch.points["receivers"]
    source, k = points.targets["source"], experiment.dataset.problem.wavenumber  # type: ignore[attr-defined]
    limits, factor = points.targets["range"], points.coords.shape[1] / 1000
    outside = (points.coords.abs() > 0.75).any(-1, keepdim=True)
    weight = {each.name: each.weight for each in experiment.constraints}["receivers"]

    def loss() -> Tensor:
        u, x = evaluated(weights, points.coords)
        slowness = torch.clamp(1 + u[..., -1:], limits[..., :1], limits[..., 1:])
        slowness = torch.where(outside, torch.ones_like(slowness), slowness).unsqueeze(-1)
        residual = flux_by_autograd(u[..., :-1], x, slowness, k) - source
        received = field(weights, receivers.coords)[..., :-1] - receivers.targets["values"]
        data = received.abs().sum(-1).mean()
        return _absolute(residual, source, points.targets["weight"], factor) + weight * data

    return loss


def prior(experiment: Experiment, batch: Batch) -> tuple[Loss, Parameters]:
    """The image priors: an encoder, one network for each weight tensor, Eq. 26's loss with the mean of channels."""
    return plain(experiment.model, batch)


PICTURE = {"data.path": None, "data.photograph": "camera"}
FACES = {"data": {"name": "sketch_faces"}, "decoder.hidden_layers": 1}

CASES = {
    "image": Official("image", "paper_text", {}, {"data.points": 16384}, signal(image)),
    "gradient": Official("poisson_gradient", "paper_code", PICTURE, {"data.points": 8192}, signal(gradients)),
    "laplacian": Official("poisson_laplacian", "paper_code", PICTURE, {"data.points": 8192}, signal(laplacians)),
    "sdf": Official(
        "sdf", "paper_code", {"data.path": None, "data.solid": "torus", "data.samples": 20000}, {"data.points": 4096},
        signal(signed_distance),
    ),
    "helmholtz": Official("helmholtz", "paper_code", {}, {"data.points": 4096}, signal(helmholtz)),
    "wave": Official("wave", "paper_text", {}, {"data.points": 2048, "data.initial": 64}, signal(wave)),
    "fwi": Official("fwi", "paper_code", {}, {"data.points": 256}, signal(inversion)),
    "cnn": Official("celeba_cnn", "paper_code", FACES, {"train.batch": 2}, prior),
    "set": Official("celeba_set_sine", "paper_code", FACES, {"train.batch": 8}, prior),
}  # fmt: skip
