"""An encoder in closed form: the posterior mean of the whole signal under a mixture of Gaussians."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from math import prod

import torch
from torch import Tensor

from metasiren import Context, DataError, Dataset, Decoder, Domain, Encoder, RecipeError, RunError, RunWarning
from metasiren_priors.data.imageset import ImageSet
from metasiren_priors.encoders.gaussian import signals, training_vectors
from metasiren_priors.encoders.kept_apart import PARTS, kept_apart
from metasiren_priors.mixture.kinds import KINDS, masks_of_all_kinds
from metasiren_priors.mixture.mixture import Mixture
from metasiren_priors.mixture.neighbours import Neighbours
from metasiren_priors.mixture.posterior import Posterior
from metasiren_priors.mixture.shares import FEWEST, MASKS, MOST, measure


class UnusedRegressionWarning(RunWarning):
    """The regression on the nearest training signals was asked for, and has no share in any mean."""


class MixtureEncoder(Encoder):
    """Posterior mean of a mixture of Gaussians: the latent is the signal's values on the grid, channels last.

    Observed values are returned as they are. Nothing is trained: give the decoder `last_layer`, which carries the
    mean and its uncertainty on, and `train: {steps: 0}`.

    Args:
        domain: must have a grid.
        components: number of Gaussians; 1 is the Gaussian of all training signals.
        coordinates: number of principal coordinates in which the Gaussians differ.
        ridge: variance of the noise of every value, in units of values in [0, 1] squared.
        pooled: number of signals of the common covariance that are added to each component's own.
        rounds: of expectation maximisation.
        directions: principal directions of the common covariance that are kept; all others have equal variance, which
            makes a small model. All are kept by default, and 512 of signals with more than 8,192 values.
        mirror: count every training signal mirrored along its last axis, too. Sets that are shown mirrored in
            training (their own option `mirror`) are always counted so.
        seed: of the start of k-means.
        density_ridge: the ridge of densities, deviations and samples; `ridge` where left out. A small one gives
            higher densities, a larger one better means.
        mean_scale: multiplies the components' covariances in posterior means, once their weights are known. Below one,
            hidden values keep nearer to the components' means: better where whole parts are hidden.
        scales: in densities, deviations and samples, the covariance of what the coordinates leave is multiplied by
            one of these numbers, signal by signal: sharp signals vary more there than smooth ones.
        neighbours: number of nearest training signals of a kernel regression, with which the posterior mean is
            blended; 0 for none. All training signals are then kept in the model. How much the regression counts, for
            each kind of mask, is measured on a ninth of them; with fewer than 144 it does not count.
        neighbours_ridge: of the regression, whose kernel is one at distance zero.
        neighbours_width: of its kernel, as a multiple of the median squared distance.
        neighbours_share: how much the regression counts at most, from 0 to 1.

    Raises:
        DataError: the signals do not lie on a grid.
        RecipeError: a number out of its range.
    """

    fitted: Tensor

    def __init__(
        self,
        domain: Domain,
        *,
        components: int = 8,
        coordinates: int = 256,
        ridge: float = 1e-3,
        pooled: float = 2000.0,
        rounds: int = 15,
        directions: int | None = None,
        mirror: bool = False,
        seed: int = 0,
        density_ridge: float | None = None,
        mean_scale: float = 1.0,
        scales: Sequence[float] = (1.0,),
        neighbours: int = 0,
        neighbours_ridge: float = 0.3,
        neighbours_width: float = 0.5,
        neighbours_share: float = 1.0,
    ) -> None:
        super().__init__()
        if domain.grid is None:
            raise DataError("encoder: mixture", "these signals do not lie on a grid.", "Use the encoder 'set'.")
        counts = {
            "components": components,
            "coordinates": coordinates,
            "directions": 1 if directions is None else directions,
        }
        _demand_at_least(1, counts)
        _demand_at_least(0, {"rounds": rounds, "pooled": pooled, "seed": seed, "neighbours": neighbours})
        _demand_positive({"ridge": ridge, "density_ridge": density_ridge}, "Give a variance such as 1e-3.")
        _demand_positive({"mean_scale": mean_scale}, "Give a number such as 0.8, or 1.")
        regression = {"neighbours_ridge": neighbours_ridge, "neighbours_width": neighbours_width}
        _demand_positive(regression, "Give a number such as 0.3.")
        if not scales or min(scales) <= 0:
            found = f"{list(scales)} must be positive numbers, at least one."
            raise RecipeError("encoder: mixture: scales", found, "Give a list such as [0.5, 1, 2].")
        if not 0 <= neighbours_share <= 1:
            found = f"{neighbours_share} is outside [0, 1]."
            raise RecipeError("encoder: mixture: neighbours_share", found, "Give a number from 0 to 1.")
        self.seed = seed
        self.grid, self.mirror, self.latent_dim = domain.grid, mirror, prod(domain.grid) * domain.d_out
        self.mixture = Mixture(
            self.latent_dim,
            components=components,
            coordinates=coordinates,
            ridge=ridge,
            pooled=pooled,
            rounds=rounds,
            directions=directions,
            seed=seed,
            density_ridge=density_ridge,
            mean_scale=mean_scale,
            scales=scales,
            neighbours=self._regression(neighbours, neighbours_ridge, neighbours_width),
            share=neighbours_share,
        )
        self.register_buffer("fitted", torch.tensor(False))

    def fit(self, dataset: Dataset) -> None:
        """Fit the mixture to the training split."""
        mirror = self.mirror or (isinstance(dataset, ImageSet) and dataset.mirror)
        stream = training_vectors(dataset, device=self.mixture.basis.device, mirror=mirror)
        self.mixture.fit(stream)
        if self.mixture.neighbours is not None:
            shares = self._measured(dataset, mirror)
            if not shares.any():
                words = f"encoder.neighbours: {_why_unused(dataset.splits['train'])}: means are the mixture's"
                warnings.warn(UnusedRegressionWarning(words), stacklevel=2)
            self.mixture.neighbours.shares.copy_(shares)
            self.mixture.neighbours.remember(stream)
        self.fitted.fill_(True)

    def _regression(self, count: int, ridge: float, width: float) -> Neighbours | None:
        return Neighbours(self.latent_dim, count, ridge=ridge, width=width) if count else None

    def _measured(self, dataset: Dataset, mirror: bool) -> Tensor:
        """How much the regression counts, measured on a part of the training signals with a model of the others."""
        device, generator = self.mixture.basis.device, torch.Generator().manual_seed(self.seed)
        others, kept = kept_apart(dataset.splits["train"], generator)
        if len(kept) < FEWEST:
            return torch.zeros(KINDS)
        model, stream = (
            copy.deepcopy(self.mixture),
            training_vectors(dataset, device=device, mirror=mirror, items=others),
        )
        model.fit(stream)
        if model.neighbours is not None:
            model.neighbours.remember(stream)
        unseen = signals(dataset, "train", kept[:MOST].to(device)).flatten(1)
        channels = self.latent_dim // prod(self.grid)
        masks = masks_of_all_kinds(self.grid, MASKS, generator)
        return measure(model, unseen, [mask.to(device).repeat_interleave(channels) for mask in masks])

    @torch.no_grad()
    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        """Latents (batch, points * channels).

        Raises:
            RunError: `fit` was not called, nor a fitted state loaded.
        """
        values, seen = self.observed(context)
        with torch.autocast(values.device.type, enabled=False):
            return self.mixture.mean(values, seen)

    def observed(self, context: Context) -> tuple[Tensor, Tensor]:
        """A context as vectors (batch, latent_dim) in the dtype of the statistics, and which values were observed.

        Raises:
            RunError: as `forward`.
        """
        self._check()
        values, seen = context.image()
        vectors = values.flatten(2).transpose(1, 2).flatten(1).to(self.mixture.basis.dtype)
        return vectors, self.whole_points(seen.flatten(1).bool(), values.shape[1])

    @torch.no_grad()
    def conditional_mean(self, values: Tensor, seen: Tensor) -> Tensor:
        """Expected values (batch, points * channels), given the seen ones; arguments as for `posteriors`.

        Raises:
            RunError: as `forward`.
        """
        self._check()
        with torch.autocast(values.device.type, enabled=False):
            return self.mixture.mean(values.flatten(1), self.whole_points(seen, values.shape[2]))

    def posteriors(self, values: Tensor, seen: Tensor) -> Iterator[tuple[Tensor, Posterior]]:
        """Condition on what was seen: for each mask, rows of the batch and their posterior (see `density_ridge`).

        Args:
            values: (batch, points, channels) in [-1, 1].
            seen: (batch, points) bool.
        """
        return self.mixture.posteriors(values.flatten(1), self.whole_points(seen, values.shape[2]))

    @torch.no_grad()
    def draws(self, context: Context, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Latents (count, batch, latent_dim) of signals drawn from the posterior, without the noise of the ridge.

        Raises:
            RunError: as `forward`.
        """
        values, seen = self.observed(context)
        drawn = values.new_empty(count * len(values), self.latent_dim)
        for rows, posterior in self.mixture.posteriors(values.repeat(count, 1), seen.repeat(count, 1)):
            drawn[rows] = posterior.sample(generator).to(values.dtype)
        return drawn.view(count, *values.shape)

    def _check(self) -> None:
        if not self.fitted:
            raise RunError(
                "encoder: mixture", "its statistics are missing.", "Call fit(dataset), or load a checkpoint."
            )

    @staticmethod
    def whole_points(seen: Tensor, channels: int) -> Tensor:
        """(batch, points) -> (batch, points * channels): a point is observed in all its channels."""
        return seen.repeat_interleave(channels, dim=1)


def _why_unused(count: int) -> str:
    """Why the regression has no share in any mean, of so many training signals."""
    if count < FEWEST * PARTS:
        return f"the regression needs {FEWEST * PARTS} training signals, and there are {count}"
    return "the regression does not lower the error of training signals that were kept apart"


def _demand_at_least(least: int, options: Mapping[str, float]) -> None:
    for option, value in options.items():
        if value < least:
            raise RecipeError(f"encoder: mixture: {option}", f"{value} is below {least}.", f"Give {least} or more.")


def _demand_positive(options: Mapping[str, float | None], advice: str) -> None:
    for option, value in options.items():
        if value is not None and value <= 0:
            raise RecipeError(f"encoder: mixture: {option}", f"{value} is not positive.", advice)
