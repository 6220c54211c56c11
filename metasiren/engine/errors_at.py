"""Magnitudes of the constraints' residuals at points, for data sets whose points or weights follow them."""

from __future__ import annotations

import torch
from torch import Tensor

from metasiren.contracts import Batch, Context, Domain, Model, Points, Weighted, orders_of, predict
from metasiren.errors import RecipeError


@torch.no_grad()
def errors_at(model: Model, constraints: tuple[Weighted, ...], items: Tensor, at: str, points: Points) -> Tensor:
    """The root of the sum of squared residuals of all constraints on a point set, without the recipe's weights.

    Args:
        model: as it is now.
        constraints: those that are active.
        items: (batch,) the items of the step.
        at: the point set.
        points: any points of that set.

    Returns:
        (batch, points)

    Raises:
        RecipeError: no constraint on this set has residuals.
    """
    chosen = [each.constraint for each in constraints if each.constraint.at == at]
    dtype = next(model.parameters()).dtype
    points = points.cast(dtype)
    domain = Domain(model.decoder.siren.in_features, model.decoder.siren.out_features)
    context = Context.empty(items, domain, dtype)
    latent = model.encoder(context, model.decoder)
    field = model.decoder.field(latent)
    prediction = predict(field, latent, Batch(context, {at: points}), orders_of(chosen))
    found = [each.residuals(prediction) for each in chosen]
    # A residual of a pair of points counts at both.
    squares = [r.square().sum(-1).repeat(1, points.coords.shape[1] // r.shape[1]) for r in found if r is not None]
    if not squares:
        why = f"no constraint on the point set {at!r} has residuals, so its points and weights cannot follow them."
        advice = "Use a constraint with norm: l2 there, or leave out adaptive, causal and attention."
        raise RecipeError("data", why, advice)
    return torch.stack(squares).sum(0).sqrt()
