"""Uncertainty of a reconstruction: signals drawn from an encoder's posterior, and the standard deviation of the field.

An encoder with a distribution over latents has a method `draws(context, count, generator)`, which gives latents
(count, batch, latent_dim) of signals drawn from its posterior, given the context.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from metasiren import Context, Field, Model

POINTS_AT_ONCE = 1 << 14
DRAWS = 64
"""Signals drawn for a standard deviation where it has no closed form: it is then known to about one part in eleven."""


def has_posterior(model: Model) -> bool:
    """Whether signals can be drawn from the encoder's posterior."""
    return callable(getattr(model.encoder, "draws", None))


def in_parts(evaluate: Callable[[Tensor], Tensor], coords: Tensor) -> Tensor:
    """`evaluate` at coords (points, d_in), some points at a time; it returns (batch, points, channels)."""
    return torch.cat([evaluate(part) for part in torch.split(coords, POINTS_AT_ONCE)], dim=1)


def sampled_fields(model: Model, context: Context, count: int, generator: torch.Generator | None) -> Field:
    """Fields of `count` signals drawn from the posterior, given the context of one item.

    Args:
        model: with a posterior (`has_posterior`).
        context: of one item.
        count: number of draws.
        generator: source of randomness.
    """
    latents: Tensor = model.encoder.draws(context, count, generator)  # type: ignore[operator]
    return model.decoder.field(latents[:, 0])


def field_deviation(model: Model, context: Context, coords: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard deviation (points, channels) of the field at coords (points, d_in), given the context of one item.

    In closed form where encoder and decoder have one (`mixture` with `last_layer`), else over 64 draws.
    """
    posteriors, deviation = getattr(model.encoder, "posteriors", None), getattr(model.decoder, "deviation", None)
    if posteriors is not None and deviation is not None and context.cells is not None:
        values, seen = context.image()
        _, posterior = next(iter(posteriors(values.flatten(2).transpose(1, 2), seen.flatten(1).bool())))
        covariance = posterior.covariance().to(coords.device)
        return in_parts(lambda part: deviation(covariance, part), coords)[0].to(coords.dtype)
    field = sampled_fields(model, context, DRAWS, generator)
    return in_parts(lambda part: field(part).std(dim=0, keepdim=True), coords)[0]
