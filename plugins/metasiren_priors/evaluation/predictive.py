"""Scores of predictive distributions: log-likelihood, coverage and continuous ranked probability score.

**Log-likelihood per target point** follows the protocol of neural processes on images (Kim et al. 2019; Nguyen and
Grover 2022, who use at most 200 points): for each image the number of context pixels N is uniform in 3..197, and that
of target pixels M uniform in 3..200-N; both sets are drawn without replacement and are disjoint. The score is
log p(y_T | y_C) / M in nats, the *joint* density of all target pixels with their three channels, in units of values in
[0, 1], averaged over images. It equals log p(y_C, y_T) - log p(y_C). Values are the 8-bit ones, without dequantisation.

**Coverage** is the share of hidden values inside the central interval of a given probability; 0.9 of them should lie
inside the 90 % interval. **CRPS** is the integral of (F(t) - 1[t >= y])^2 over t (Gneiting and Raftery 2007), here
for mixtures of Gaussians in closed form (Grimit et al. 2006, Eq. 5), in units of values in [0, 1]: for a prediction
without spread it is the absolute error.

Two kinds of distributions are scored: `Joint`, which has a density over all pixels together, and `Independent`, whose
values are independent Gaussians given the context, as those of a conditional neural process are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import log, pi, sqrt
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from metasiren_priors.mixture.posterior import Posterior

Posteriors = Callable[[Tensor, Tensor], Iterator[tuple[Tensor, Posterior]]]
"""Values (batch, pixels, channels) and seen (batch, pixels) -> for each mask, rows of the batch and their posterior."""

LEVELS = (0.5, 0.9, 0.95)
MOST_POINTS = 200
FEWEST_POINTS = 3


@dataclass(frozen=True)
class Spread:
    """Scores of hidden values, averaged over an image's hidden values: each (batch,), NaN where none is hidden.

    Attributes:
        crps: in units of values in [0, 1].
        coverage: (batch, levels), for `LEVELS`.
    """

    crps: Tensor
    coverage: Tensor


class Distribution(Protocol):
    """What is scored."""

    def log_likelihoods(self, values: Tensor, items: Tensor, seed: int) -> Tensor:
        """Log-likelihood per target point (batch,); see `log_likelihoods`."""

    def spread(self, values: Tensor, seen: Tensor, items: Tensor) -> Spread:
        """Scores of hidden values; see `spread_scores`."""


@dataclass(frozen=True)
class Joint:
    """Mixtures of Gaussians over whole images.

    Attributes:
        posteriors: conditions the mixture on what was seen.
    """

    posteriors: Posteriors

    def log_likelihoods(self, values: Tensor, items: Tensor, seed: int) -> Tensor:
        """As `Distribution.log_likelihoods`."""
        return log_likelihoods(self.posteriors, values, items, seed)

    def spread(self, values: Tensor, seen: Tensor, items: Tensor) -> Spread:
        """As `Distribution.spread`."""
        return spread_scores(self.posteriors, values, seen)


@dataclass(frozen=True)
class Independent:
    """Independent Gaussians, one for each value.

    Attributes:
        moments: values (batch, pixels, channels), seen (batch, pixels) and items (batch,) -> mean and standard
            deviation of every value, given the seen ones; of the values' shape, in their units.
    """

    moments: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]

    def log_likelihoods(self, values: Tensor, items: Tensor, seed: int) -> Tensor:
        """As `Distribution.log_likelihoods`; the joint density is a product over target values."""
        context, target = contexts_and_targets(values, items, seed)
        mean, deviation = (x.double() for x in self.moments(values, context, items))
        each = -((values - mean) / deviation).square() / 2 - deviation.log() - log(2 * pi) / 2 + log(2)
        return (each.sum(2) * target).sum(1) / target.sum(1)

    def spread(self, values: Tensor, seen: Tensor, items: Tensor) -> Spread:
        """As `Distribution.spread`."""
        mean, deviation = (x.double() for x in self.moments(values, seen, items))
        y, one = values.double().flatten(), torch.ones(1, dtype=torch.float64, device=values.device)
        crps = mixture_crps(y, one, mean.view(1, -1), deviation.view(1, -1)).view_as(values) / 2
        rank = normal_cdf((values - mean) / deviation)
        inside = torch.stack([((rank - 0.5).abs() <= level / 2).double() for level in LEVELS], dim=-1)
        # A mean over no hidden values is NaN, as wanted.
        hidden = (~seen).to(crps)
        count = hidden.sum(1) * values.shape[2]
        return Spread(
            crps=(crps.sum(2) * hidden).sum(1) / count,
            coverage=(inside.sum(2) * hidden.unsqueeze(2)).sum(1) / count.unsqueeze(1),
        )


def spread_scores(posteriors: Posteriors, values: Tensor, seen: Tensor) -> Spread:
    """Score the marginal distributions of hidden values.

    Args:
        posteriors: conditions a model on what was seen.
        values: the truth, (batch, pixels, channels) in [-1, 1].
        seen: (batch, pixels) bool.
    """
    crps = torch.full((len(values),), torch.nan, dtype=torch.float64, device=values.device)
    coverage = torch.full((len(values), len(LEVELS)), torch.nan, dtype=torch.float64, device=values.device)
    for rows, posterior in posteriors(values, seen):
        hidden = ~posterior.mask
        if not bool(hidden.any()):
            continue
        truth = values[rows].flatten(1).double()[:, hidden]
        for one, row in enumerate(rows.tolist()):
            means, variances = posterior.component_moments(one)
            weights, means, deviations = posterior.weights[one], means[:, hidden], variances[:, hidden].sqrt()
            crps[row] = mixture_crps(truth[one], weights, means, deviations).mean() / 2
            rank = (weights.unsqueeze(1) * normal_cdf((truth[one] - means) / deviations)).sum(0)
            for index, level in enumerate(LEVELS):
                coverage[row, index] = ((rank - 0.5).abs() <= level / 2).double().mean()
    return Spread(crps, coverage)


def normal_cdf(z: Tensor) -> Tensor:
    """The standard normal distribution function."""
    found: Tensor = torch.special.ndtr(z)
    return found


def mixture_crps(y: Tensor, weights: Tensor, means: Tensor, deviations: Tensor) -> Tensor:
    """CRPS (values,) of mixtures of Gaussians at y (values,).

    Args:
        y: what was observed.
        weights: (components,), of sum one.
        means: (components, values).
        deviations: standard deviations, (components, values), positive.
    """
    first = (weights.unsqueeze(1) * _mean_distance(y - means, deviations)).sum(0)
    second = torch.zeros_like(first)
    for weight, mean, deviation in zip(weights, means, deviations, strict=True):
        apart = _mean_distance(means - mean, (deviations.square() + deviation.square()).sqrt())
        second += weight * (weights.unsqueeze(1) * apart).sum(0)
    return first - second / 2


def _mean_distance(mean: Tensor, deviation: Tensor) -> Tensor:
    """E|x| of a Gaussian."""
    z = mean / deviation
    return 2 * deviation * torch.exp(-z.square() / 2) / sqrt(2 * pi) + mean * (2 * normal_cdf(z) - 1)


def context_and_targets(item: int, pixels: int, seed: int) -> tuple[Tensor, Tensor]:
    """Masks (pixels,) of an image's context and target pixels; they depend on seed and item alone."""
    random = np.random.default_rng([seed, item, 200])
    most = min(MOST_POINTS, pixels)
    number = int(random.integers(FEWEST_POINTS, most - FEWEST_POINTS, endpoint=True))
    targets = int(random.integers(FEWEST_POINTS, most - number, endpoint=True))
    order = torch.from_numpy(random.permutation(pixels))
    context, target = torch.zeros(2, pixels, dtype=torch.bool)
    context[order[:number]] = True
    target[order[number : number + targets]] = True
    return context, target


def contexts_and_targets(values: Tensor, items: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Masks (batch, pixels) of the context and the target pixels of each item; see `context_and_targets`."""
    pairs = [context_and_targets(int(item), values.shape[1], seed) for item in items]
    context, target = (torch.stack(masks).to(values.device) for masks in zip(*pairs, strict=True))
    return context, target


def log_likelihoods(posteriors: Posteriors, values: Tensor, items: Tensor, seed: int) -> Tensor:
    """Joint log-likelihood per target point (batch,) in nats, in units of values in [0, 1]; see the module.

    Args:
        posteriors: conditions a model on what was seen.
        values: (batch, pixels, channels) in [-1, 1], with at least six pixels.
        items: (batch,) indices, which decide the masks.
        seed: decides the masks, too.
    """
    context, target = contexts_and_targets(values, items, seed)
    evidence = torch.zeros(2, len(values), dtype=torch.float64, device=values.device)
    for index, seen in enumerate((context, context | target)):
        for rows, posterior in posteriors(values, seen):
            evidence[index, rows] = posterior.evidence
    # A density in [0, 1] is twice that in [-1, 1], for every value.
    return (evidence[1] - evidence[0]) / target.sum(1) + values.shape[2] * log(2)
