"""Test-time optimisation: move each latent until its image agrees better with what was observed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from metasiren import Context, Decoder, Field, RunError

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Moments:
    """Adam's running means of a gradient and of its square (Kingma and Ba 2015, Algorithm 1).

    Attributes:
        first, second: of the gradient and of its square, of the gradient's shape.
        steps: how many gradients there were.
    """

    first: Tensor
    second: Tensor
    steps: int = 0

    @classmethod
    def none(cls, like: Tensor) -> Moments:
        """Before the first gradient of a tensor of this shape."""
        return cls(torch.zeros_like(like), torch.zeros_like(like))

    def after(self, gradient: Tensor) -> Moments:
        """With one more gradient."""
        first = BETA1 * self.first + (1 - BETA1) * gradient
        second = BETA2 * self.second + (1 - BETA2) * gradient.square()
        return Moments(first, second, self.steps + 1)

    @property
    def move(self) -> Tensor:
        """What a step of rate 1 subtracts."""
        spread = (self.second / (1 - BETA2**self.steps)).sqrt()
        return self.first / (1 - BETA1**self.steps) / (spread + EPSILON)


def observed_errors(field: Field, context: Context) -> Tensor:
    """Mean squared errors (batch,) over the observed values; zero where nothing was observed."""
    seen = context.mask.unsqueeze(-1).to(context.values.dtype)
    values = (seen.sum(dim=(1, 2)) * context.values.shape[-1]).clamp_min(1)
    return ((field(context.coords) - context.values).square() * seen).sum(dim=(1, 2)) / values


def refine(
    decoder: Decoder, latent: Tensor, context: Context, steps: int, *, rate: float = 0.02, prior: float = 1e-3
) -> Tensor:
    """Adam on the latent z = z0 + r d, r being the root mean square of the encoder's output z0, item by item:

        minimise over d   mean over observed pixels (prediction - observation)^2 + prior * mean d^2

    The penalty keeps latents near the encoder's output, because few pixels alone do not determine a latent. Items
    do not influence one another.

    Args:
        decoder: fixed meanwhile.
        latent: z0, (batch, latent_dim) or (batch, tokens, latent_dim).
        context: what was observed, values in [-1, 1].
        steps: of Adam.
        rate: Adam's learning rate, in units of r.
        prior: weight of the penalty.

    Returns:
        z, of the shape of `latent`.

    Raises:
        RunError: the encoder gives no latent to move.
    """
    if latent.numel() == 0 or len(latent) != len(context.items):
        raise RunError("evaluate: refine", "this encoder gives no latent per image.", "Evaluate without refinement.")
    start = latent.detach()
    axes = tuple(range(1, start.dim()))
    size = start.square().mean(dim=axes, keepdim=True).sqrt()
    size = torch.where(size > 0, size, torch.ones_like(size))
    d, moments = torch.zeros_like(start), Moments.none(start)
    for _ in range(steps):
        with torch.enable_grad():
            d.requires_grad_()
            # A sum over items, so that no item's step depends on its neighbours.
            errors = observed_errors(decoder.field(start + size * d), context)
            loss = (errors + prior * d.square().mean(dim=axes)).sum()
            (slope,) = torch.autograd.grad(loss, d)
        moments = moments.after(slope)
        d = d.detach() - rate * moments.move
    return start + size * d
