"""Test-time optimisation of emitted weights: what no latent expresses can still be fitted where it was observed.

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
from metasiren_priors.evaluation.refinement import BETA1, BETA2, EPSILON, observed_errors


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
    first, second = ({name: torch.zeros_like(params[name]) for name in names} for _ in range(2))
    best, least = dict(params), observed_errors(Field(siren, params), context)
    for step in range(steps):
        if step:
            slopes = _slopes(Field(siren, params), names, context)
            for name, slope in zip(names, slopes, strict=True):
                first[name] = BETA1 * first[name] + (1 - BETA1) * slope
                second[name] = BETA2 * second[name] + (1 - BETA2) * slope.square()
                size = (second[name] / (1 - BETA2**step)).sqrt() + EPSILON
                params[name] = params[name] - rate * units[name] * first[name] / (1 - BETA1**step) / size
        params = _solved(Field(siren, params), context, ridge)
        errors = observed_errors(Field(siren, params), context)
        better = errors < least
        least = torch.where(better, errors, least)
        for name, value in params.items():
            best[name] = torch.where(better.view(-1, *[1] * (value.dim() - 1)), value, best[name])
    return Field(siren, best)


def _slopes(field: Field, names: list[str], context: Context) -> tuple[Tensor, ...]:
    """Gradients of each item's own error with respect to its own weights."""
    with torch.enable_grad():
        leaves = {name: field.params[name].detach().requires_grad_() for name in names}
        errors = observed_errors(Field(field.siren, {**field.params, **leaves}), context)
        return torch.autograd.grad(errors.sum(), list(leaves.values()))


def _solved(field: Field, context: Context, ridge: float) -> dict[str, Tensor]:
    """The parameters with the output layer of the least penalised error."""
    last = field.siren.layers[-1]
    seen = context.mask.unsqueeze(-1).double()
    with torch.no_grad():
        h = feature_jet(field.siren, field.params, context.coords, "value").value.double()
        features = torch.cat([h, torch.ones_like(h[..., :1])], dim=2) * seen
        left = (context.values - field(context.coords)).double() * seen
        change = ridge_solution(features, left, ridge).mT.to(context.values.dtype)
    weight, bias = field.params[last.weight], field.params[last.bias]
    return {**field.params, last.weight: weight + change[..., :-1], last.bias: bias + change[..., -1]}
