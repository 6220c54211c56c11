"""Test-time optimisation of emitted weights, which fits details of observed pixels that no latent expresses.

A step changes all layers but the last by Adam, and then solves the output layer, which is a convex problem: with h the
last hidden features, W_0 the output weights before and observed (x_p, y_p),

    minimise over W   sum_p |W h(x_p) - y_p|^2 + ridge |W - W_0|^2.

The first step is this solution alone. Every item keeps the best weights that were found for its own context, so that
refinement never raises an item's error there.
"""

from __future__ import annotations

import torch
from torch import Tensor

from metasiren import Context, Field, feature_jet
from metasiren_priors.decoders.last_layer import ridge_solution
from metasiren_priors.evaluation.refinement import Moments, observed_errors


def refine_weights(field: Field, context: Context, steps: int, *, rate: float = 0.02, ridge: float = 1.0) -> Field:
    """The field after some steps of refinement against what was observed; see the module.

    Args:
        field: of `batch` items, or one for all of them.
        context: what was observed, values in [-1, 1].
        steps: 0 returns the field as it is.
        rate: of Adam, in units of the standard deviation with which the SIREN's layers are initialised.
        ridge: weight of the squared change of the output weights, beside squared errors summed over points.

    Returns:
        a field of `batch` items.
    """
    if steps < 1:
        return field
    siren, batch = field.siren, len(context.items)
    params = {name: p.detach().expand(batch, *p.shape[1:]).clone() for name, p in field.params.items()}
    output = (siren.layers[-1].weight, siren.layers[-1].bias)
    names = [name for name in params if name not in output]
    units = siren.init_std()
    moments = {name: Moments.none(params[name]) for name in names}
    best, least = dict(params), observed_errors(Field(siren, params), context)
    slopes: dict[str, Tensor] = {}
    for step in range(steps):
        for name, slope in slopes.items():
            moments[name] = moments[name].after(slope)
            params[name] = params[name] - rate * units[name] * moments[name].move
        params = _solved(Field(siren, params), context, ridge)
        # The same pass gives the gradients of the next step, if there is one.
        errors, slopes = _errors(Field(siren, params), names if step + 1 < steps else [], context)
        better = errors < least
        least = torch.where(better, errors, least)
        for name, value in params.items():
            best[name] = torch.where(better.view(-1, *[1] * (value.dim() - 1)), value, best[name])
    return Field(siren, best)


def _errors(field: Field, names: list[str], context: Context) -> tuple[Tensor, dict[str, Tensor]]:
    """Each item's error (batch,), and its gradients with respect to the item's own weights of these names."""
    if not names:
        return observed_errors(field, context), {}
    with torch.enable_grad():
        leaves = {name: field.params[name].detach().requires_grad_() for name in names}
        errors = observed_errors(Field(field.siren, {**field.params, **leaves}), context)
        slopes = torch.autograd.grad(errors.sum(), list(leaves.values()))
    return errors.detach(), dict(zip(names, slopes, strict=True))


def _solved(field: Field, context: Context, ridge: float) -> dict[str, Tensor]:
    """The parameters with the output layer of the least penalised error."""
    last = field.siren.layers[-1]
    weight, bias = field.params[last.weight], field.params[last.bias]
    seen = context.mask.unsqueeze(-1).double()
    h = feature_jet(field.siren, field.params, context.coords, "value").value.double()
    features = torch.cat([h, torch.ones_like(h[..., :1])], dim=2)
    before = torch.cat([weight, bias.unsqueeze(2)], dim=2).double()
    left = context.values.double() - features @ before.mT
    change = ridge_solution(features * seen, left * seen, ridge).mT.to(context.values.dtype)
    return {**field.params, last.weight: weight + change[..., :-1], last.bias: bias + change[..., -1]}
