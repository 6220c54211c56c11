"""Uncertainty of a reconstruction: signals drawn from an encoder's posterior, and the standard deviation of the field.

Both need an encoder with a distribution over latents: see `metasiren.Encoder.draws`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from metasiren import Context, Field, Model
from metasiren_priors.decoders.uncertain import UncertainField

POINTS_AT_ONCE = 1 << 14
DRAWS = 64
"""Signals drawn for a standard deviation without a closed form: its relative standard error is about 1/11."""


def in_parts(evaluate: Callable[[Tensor], Tensor], coords: Tensor) -> Tensor:
    """`evaluate` at coords (points, d_in), some points at a time; it returns (batch, points, channels)."""
    return torch.cat([evaluate(part) for part in torch.split(coords, POINTS_AT_ONCE)], dim=1)


def sampled_fields(model: Model, context: Context, count: int, generator: torch.Generator | None) -> Field | None:
    """Fields of `count` signals drawn from the posterior, given the context of one item; None where there is none.

    Args:
        model: encoder and decoder.
        context: of one item.
        count: number of draws.
        generator: source of randomness.
    """
    latents = model.encoder.draws(context, count, generator)
    return None if latents is None else model.decoder.field(latents[:, 0])


def field_deviation(model: Model, context: Context, coords: Tensor, generator: torch.Generator | None) -> Tensor | None:
    """Standard deviation (points, channels) of the field at coords (points, d_in), given the context of one item.

    In closed form where encoder and decoder have one (`mixture` with `last_layer`), as the field's own where the
    decoder gives one (`concatenation` with `deviation: true`), else over 64 draws; None where there is no posterior.
    """
    posteriors, deviation = getattr(model.encoder, "posteriors", None), getattr(model.decoder, "deviation", None)
    if posteriors is not None and deviation is not None and context.cells is not None:
        values, seen = context.image()
        _, posterior = next(iter(posteriors(values.flatten(2).transpose(1, 2), seen.flatten(1).bool())))
        covariance = posterior.covariance().to(coords.device)
        return in_parts(lambda part: deviation(covariance, part), coords)[0].to(coords.dtype)
    made = model.decoder.field(model.encoder(context, model.decoder))
    if isinstance(made, UncertainField):
        return in_parts(made.deviation, coords)[0]
    field = sampled_fields(model, context, DRAWS, generator)
    return None if field is None else in_parts(lambda part: field(part).std(dim=0, keepdim=True), coords)[0]
