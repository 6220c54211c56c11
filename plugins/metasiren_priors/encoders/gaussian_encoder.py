"""An encoder in closed form: the latent is the conditional expectation of the image's principal coefficients.

Principal component analysis gives x = m + B c, with c_k of variance s_k. Given a context, the expected coefficients
are B^T (E[x | context] - m); nothing here is trained, so that a run spends all its time on the decoder.
"""

from __future__ import annotations

from dataclasses import replace
from math import exp, log, prod
from typing import Literal

import torch
from torch import Tensor

from metasiren import Batch, Context, DataError, Dataset, Decoder, Domain, Encoder, Points, RecipeError, RunError
from metasiren_priors.data.imageset import ImageSet
from metasiren_priors.encoders.gaussian import training_vectors
from metasiren_priors.encoders.gaussian_factors import gaussian_of


class GaussianEncoder(Encoder):
    """Posterior mean of the first principal coefficients given the observed pixels.

    The k-th latent is `scale * (s_k / s_1)**(power / 2)` times the whitened coefficient c_k / sqrt(s_k). Latents of
    unit variance would move the weights that a hypernetwork emits far from where a SIREN starts, and it would not
    train; `power` says how much smaller the fine directions are than the coarse (0: equal; 1: as in the images).

    Args:
        domain: must have a grid.
        latent_dim: number of coefficients.
        scale: standard deviation of the first latent, over full images.
        power: fall of the latents' standard deviations.
        ridge: variance added to every pixel value, in units of values in [0, 1] squared.
        training_latents: where the latents of training steps come from; see `training_pair`.
        targets: what decoders are trained towards on latents of partly seen images: the `true` image, or the
            `linear` one, m + B E[c | context]. Fully seen images always have their true image as target.
        damped: share of the items of each batch that are treated as partly seen.
        group: with `posterior`, number of items that share a mask, and so a factorisation.
        rehearsal: the former name of `training_latents`.

    Raises:
        DataError: the signals do not lie on a grid.
        RecipeError: more latents than an image has values.
    """

    variances: Tensor
    basis: Tensor
    fitted: Tensor

    def __init__(
        self,
        domain: Domain,
        *,
        latent_dim: int = 256,
        scale: float = 0.3,
        power: float = 0.5,
        ridge: float = 1e-4,
        training_latents: Literal["damped", "posterior"] = "damped",
        targets: Literal["linear", "true"] = "linear",
        damped: float = 0.5,
        group: int = 16,
        rehearsal: Literal["damped", "posterior"] | None = None,
    ) -> None:
        super().__init__()
        if domain.grid is None:
            raise DataError("encoder: gaussian", "these signals do not lie on a grid.", "Use the encoder 'set'.")
        size = prod(domain.grid) * domain.d_out
        self.grid = domain.grid
        self.gaussian = gaussian_of(size, ridge)
        most = self.gaussian.directions
        if not 1 <= latent_dim <= most:
            found = f"{latent_dim} coefficients of images that have {most}."
            raise RecipeError("encoder: latent_dim", found, f"Give a number from 1 to {most}.")
        self.latent_dim, self.scale, self.power = latent_dim, scale, power
        self.training_latents = rehearsal or training_latents
        self.targets, self.damped, self.group = targets, damped, group
        self.register_buffer("basis", torch.zeros(size, latent_dim))
        self.register_buffer("variances", torch.ones(latent_dim))
        self.register_buffer("fitted", torch.tensor(False))

    def fit(self, dataset: Dataset) -> None:
        """Gather the statistics of the training split, and find its principal directions.

        Images of a set that is shown mirrored in training are counted both ways round.
        """
        mirror = isinstance(dataset, ImageSet) and dataset.mirror
        self.gaussian.fit(training_vectors(dataset, device=self.basis.device, mirror=mirror))
        basis, variances = self.gaussian.principal(self.latent_dim)
        self.basis.copy_(basis)
        self.variances.copy_(variances)
        self.fitted.fill_(True)

    @property
    def gains(self) -> Tensor:
        """(latent_dim,) latents per unit of coefficient."""
        return self.scale * self.variances.rsqrt() * (self.variances / self.variances[0]) ** (self.power / 2)

    def latent(self, images: Tensor) -> Tensor:
        """The latents (batch, latent_dim) of whole images (batch, pixels, channels)."""
        return (images.flatten(1) - self.gaussian.mean) @ self.basis * self.gains

    def linear_images(self, latent: Tensor) -> Tensor:
        """The linear model's images m + B c (batch, pixels * channels)."""
        return self.gaussian.mean + latent / self.gains @ self.basis.T

    @torch.no_grad()
    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        """Latents (batch, latent_dim).

        Raises:
            RunError: `fit` was not called, nor a fitted state loaded.
        """
        values, seen = context.image()
        return self._observe(values.flatten(2).transpose(1, 2), seen.flatten(1).bool())

    @torch.no_grad()
    def draws(self, context: Context, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Latents (count, batch, latent_dim) of signals drawn from the posterior.

        Raises:
            RunError: as `forward`.
        """
        self._check()
        values, seen = context.image()
        values, known = values.flatten(2).transpose(1, 2), seen.flatten(1).bool()
        with torch.autocast(values.device.type, enabled=False):
            drawn = self.gaussian.sample(values.repeat(count, 1, 1), known.repeat(count, 1), generator)
            return self.latent(drawn).view(count, len(values), self.latent_dim)

    def _check(self) -> None:
        if not self.fitted:
            raise RunError(
                "encoder: gaussian", "its statistics are missing.", "Call fit(dataset), or load a checkpoint."
            )

    def _observe(self, values: Tensor, seen: Tensor) -> Tensor:
        self._check()
        # Emitted weights depend on every digit of the latent: a bf16 region around the encoder ends here.
        with torch.autocast(values.device.type, enabled=False):
            return self.latent(self.gaussian.conditional_mean(values, seen))

    @torch.no_grad()
    def training_pair(
        self, batch: Batch, decoder: Decoder, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Batch]:
        """Latents and targets of one training step; the batch's own context is not used.

        A random part of the items, 1 - `damped`, gives the latents of whole images. The others are partly seen:

        - `damped`: each coefficient is seen through noise of a random variance v, and estimated by its posterior
          mean s_k / (s_k + v) * (c_k + noise). So the fine directions vanish first and E[c | latent] is the latent,
          as with real contexts, at no cost.
        - `posterior`: groups of items are seen through real masks (`draw_mask`) and encoded as in evaluation.
        """
        self._check()
        pixels = batch.points["pixels"]
        values = pixels.values
        every = torch.arange(len(values), device=values.device)
        share = torch.rand(len(values), generator=generator, device=values.device)
        partial = every[share.argsort() < round(self.damped * len(values))]
        with torch.autocast(values.device.type, enabled=False):
            latent = self.latent(values)
            degrade = self._masked if self.training_latents == "posterior" else self._damp
            latent[partial] = degrade(values[partial], latent[partial], generator)
            if self.targets == "linear":
                values = values.clone()
                values[partial] = self.linear_images(latent[partial]).view_as(values[partial])
        seen = Points(pixels.coords, {**pixels.targets, "values": values})
        return latent, replace(batch, points={**batch.points, "pixels": seen})

    def _damp(self, values: Tensor, latent: Tensor, generator: torch.Generator | None) -> Tensor:
        """Posterior means of coefficients under noise whose variance is log-uniform over their variances and beyond."""
        s = self.variances
        low, high = float(s[-1].log()) - log(10), float(s[0].log()) + log(3)
        uniform = torch.rand(len(latent), 1, generator=generator, device=latent.device, dtype=latent.dtype)
        v = torch.exp(low + (high - low) * uniform)
        noise = torch.randn(latent.shape, generator=generator, device=latent.device, dtype=latent.dtype)
        return s / (s + v) * (latent + v.sqrt() * noise * self.gains)

    def _masked(self, values: Tensor, latent: Tensor, generator: torch.Generator | None) -> Tensor:
        """Latents of items seen through random masks, each shared by a group and so by one factorisation."""
        assert self.grid is not None
        groups = []
        for group in torch.split(values, self.group):
            mask = draw_mask(self.grid, generator, values.device)
            groups.append(self._observe(group, mask.expand(len(group), -1)))
        return torch.cat(groups) if groups else latent


def draw_mask(grid: tuple[int, ...], generator: torch.Generator | None, device: torch.device) -> Tensor:
    """A random mask (pixels,) for inpainting: scattered pixels, their number log-uniform, or one side of the image.

    One mask in four shows a side: rows or columns before or after a random cut.
    """
    size = prod(grid)
    kind, amount, axis, flip = torch.rand(4, generator=generator, device=device).tolist()
    if kind < 0.75:
        count = round(exp(amount * log(size)))
        return torch.rand(size, generator=generator, device=device).argsort() < count
    dimension = int(axis * len(grid))
    line = torch.arange(grid[dimension], device=device)
    cut = 1 + int(amount * (grid[dimension] - 1))
    side = line < cut if flip < 0.5 else line >= grid[dimension] - cut
    shape = [-1 if d == dimension else 1 for d in range(len(grid))]
    return side.view(shape).expand(grid).flatten()
