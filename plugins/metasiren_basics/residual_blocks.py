"""A training step as a least-squares problem: the weights, and the residuals of each point set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

from metasiren import Field, Jet, Prediction, Problem, RecipeError
from metasiren.nn.derivatives import highest
from metasiren_basics.free import FreeDecoder
from metasiren_basics.linearised import ResidualBlock


def free_weights(problem: Problem, optimizer: str) -> dict[str, nn.Parameter]:
    """The weights of the one signal that is fitted, by the names that `Siren.shapes` gives.

    Raises:
        RecipeError: a decoder other than `free`, or several items; it names the `optimizer`.
    """
    decoder = problem.model.decoder
    if not isinstance(decoder, FreeDecoder) or len(problem.batch.context.items) != 1:
        found = f"decoder {type(decoder).__name__}, {len(problem.batch.context.items)} items in a batch."
        advice = "It fits the weights of one signal: take the decoder `free` and batch 1, or another optimiser."
        raise RecipeError(f"train.optimizer: {optimizer}", found, advice)
    return dict(zip(decoder.siren.shapes, decoder.weights, strict=True))


def field_and_blocks(problem: Problem, dtype: torch.dtype, optimizer: str) -> tuple[Field, list[ResidualBlock]]:
    """The field as it is now, and the step's constraints as residuals, both in `dtype`.

    Raises:
        RecipeError: see `residual_blocks`.
    """
    model = problem.model
    latent = model.encoder(problem.batch.context, model.decoder)
    field = model.decoder.field(latent)
    field = Field(field.siren, {name: value.to(dtype) for name, value in field.params.items()})
    return field, residual_blocks(problem, field, latent.to(dtype), dtype, optimizer)


def residual_blocks(
    problem: Problem, field: Field, latent: Tensor, dtype: torch.dtype, optimizer: str
) -> list[ResidualBlock]:
    """The constraints as residuals by point set, scaled so that their squares add up to the weighted loss.

    Raises:
        RecipeError: a constraint without residuals, or with a negative weight; constraints of pairs of points and of
            single points at one set.
    """
    batch = problem.batch.cast(dtype)
    by_set: dict[str, list[Any]] = {}
    for each in problem.constraints:
        if each.constraint.at is None:
            raise _no_squares(each.name, optimizer)
        if each.weight < 0:
            found = f"weight {each.weight} is negative, so the loss is no sum of squares."
            raise RecipeError(f"constraints: {each.name}", found, "Give zero or more.")
        by_set.setdefault(each.constraint.at, []).append(each)

    def ask(at: str, members: Sequence[Any]) -> Callable[[Jet], Tensor]:
        def residuals(jet: Jet) -> Tensor:
            prediction = Prediction(batch, latent, field, {at: jet})
            parts = []
            for each in members:
                found = each.constraint.residuals(prediction)
                if found is None:
                    raise _no_squares(each.name, optimizer)
                parts.append(sqrt(each.weight / found.shape[1]) * found[0])
            if len({len(part) for part in parts}) > 1:
                names = ", ".join(each.name for each in members)
                found = f"{names} are at one point set, and not all take its points in pairs."
                raise RecipeError(f"constraints: at: {at}", found, "Give them different point sets.")
            return torch.cat(parts, -1)

        return residuals

    return [
        ResidualBlock(batch.points[at].coords[0], highest(m.constraint.order for m in members), ask(at, members))
        for at, members in by_set.items()
    ]


def _no_squares(name: str, optimizer: str) -> RecipeError:
    return RecipeError(
        f"constraints: {name}",
        f"it gives no residuals, which {optimizer} needs: its loss is no sum of squares over points.",
        "Choose the constraint's squared form where it has one (`norm: l2`), or train with adam or lbfgs.",
    )
