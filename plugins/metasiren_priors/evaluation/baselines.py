"""Predictions that need no training, to compare trained priors with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from math import prod

import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from metasiren import Dataset
from metasiren_priors.encoders.gaussian import Gaussian, training_vectors
from metasiren_priors.encoders.gaussian_factors import gaussian_of
from metasiren_priors.mixture.mixture import Mixture
from metasiren_priors.mixture.posterior import Posterior


class Baseline(ABC):
    """Hidden pixels from seen ones. Hidden values are blanked before `predict`.

    Attributes:
        name: its row in the table.
    """

    name: str

    def fit(self, dataset: Dataset, device: torch.device | str = "cpu") -> None:
        """Gather statistics of the training split; the default needs none."""
        return None

    def __call__(self, values: Tensor, seen: Tensor) -> Tensor:
        """Predict whole images.

        Args:
            values: (batch, pixels, channels) in [-1, 1].
            seen: (batch, pixels) bool, the observed pixels.

        Returns:
            (batch, pixels, channels).
        """
        return self.predict(torch.where(seen.unsqueeze(-1), values, 0.0), seen)

    def predictor(self, values: Tensor, seen: Tensor, items: Tensor) -> Tensor:
        """As `__call__`; the items' indices are not used."""
        return self(values, seen)

    @abstractmethod
    def predict(self, values: Tensor, seen: Tensor) -> Tensor:
        """As `__call__`, with hidden values zero."""


class MeanImage(Baseline):
    """The mean of the training images, whatever was seen."""

    name = "mean"

    def fit(self, dataset: Dataset, device: torch.device | str = "cpu") -> None:
        """One pass over the training split."""
        chunks = training_vectors(dataset, device=device)()
        self.mean = torch.stack([chunk.double().sum(0) for chunk in chunks]).sum(0) / dataset.splits["train"]

    def predict(self, values: Tensor, seen: Tensor) -> Tensor:
        """The mean, once per item."""
        return self.mean.to(values.dtype).view_as(values[0]).expand_as(values)


class NearestPixel(Baseline):
    """Every pixel takes the value of the seen pixel nearest on the grid; with nothing seen, mid-grey."""

    name = "nearest pixel"

    def fit(self, dataset: Dataset, device: torch.device | str = "cpu") -> None:
        """Learn the grid; the images are not read."""
        assert dataset.domain.grid is not None
        self.grid = dataset.domain.grid

    def predict(self, values: Tensor, seen: Tensor) -> Tensor:
        """Copies of seen values; of several nearest pixels one in the same column, if there is one."""
        # A hidden pixel among seen ones has four nearest: which is taken decides the error there by a quarter.
        lengths = [1.0] * (len(self.grid) - 1) + [1.0 + 1e-6]
        source = torch.arange(prod(self.grid)).repeat(len(values), 1)
        for item, mask in enumerate(seen.cpu()):
            if bool(mask.any()):
                hidden = ~mask.view(self.grid).numpy()
                nearest = distance_transform_edt(hidden, lengths, return_distances=False, return_indices=True)
                strides = torch.tensor([prod(self.grid[d + 1 :]) for d in range(len(self.grid))])
                source[item] = torch.einsum("d...,d->...", torch.from_numpy(nearest).long(), strides).flatten()
        return values.gather(1, source.to(values.device).unsqueeze(-1).expand_as(values))


class GaussianConditional(Baseline):
    """The expectation of hidden pixels under the training images' mean and covariance + 1e-4 I (in [0, 1] squared)."""

    name = "Gaussian conditional"

    def fit(self, dataset: Dataset, device: torch.device | str = "cpu") -> None:
        """Mean and covariance of the training split."""
        assert dataset.domain.grid is not None
        self.gaussian: Gaussian = gaussian_of(prod(dataset.domain.grid) * dataset.domain.d_out).to(device)
        self.gaussian.fit(training_vectors(dataset, device=device))
        self._alone: Mixture | None = None

    def predict(self, values: Tensor, seen: Tensor) -> Tensor:
        """The conditional mean."""
        return self.gaussian.conditional_mean(values, seen)

    def posteriors(self, values: Tensor, seen: Tensor) -> Iterator[tuple[Tensor, Posterior]]:
        """The same Gaussian as a distribution; see `evaluation.predictive.Posteriors`."""
        if self._alone is None:
            self._alone = Mixture.alone(self.gaussian)
        return self._alone.posteriors(values.flatten(1), seen.repeat_interleave(values.shape[2], dim=1))


BASELINES: tuple[type[Baseline], ...] = (MeanImage, NearestPixel, GaussianConditional)
