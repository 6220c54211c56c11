"""An encoder in closed form: the latent is what a Gaussian expects of the image's principal coefficients.

Principal component analysis gives x = m + B c, with c_k of variance s_k. Given a context, the expected coefficients
are B^T (E[x | context] - m); nothing here is trained, so that a run spends all its time on the decoder.
"""

from __future__ import annotations

from dataclasses import replace
from math import log, prod
from typing import Literal

import torch
from torch import Tensor

from metasiren import Batch, Context, Dataset, DataError, Decoder, Domain, Encoder, Points, RecipeError, RunError
from metasiren_images.gaussian import training_vectors
from metasiren_images.gaussian_factors import gaussian_of


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
        rehearsal: where the latents of training steps come from; see `rehearse`.
        targets: what decoders are trained towards on latents of partly seen images: the `true` image, or the
            `linear` one, m + B E[c | context]. Fully seen images always have their true image as target.
        damped: share of the items of each batch that are treated as partly seen.
        group: with `posterior`, number of items that share a mask, and so a factorisation.

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
        power: float = 1.0,
        ridge: float = 1e-4,
        rehearsal: Literal["damped", "posterior"] = "damped",
        targets: Literal["linear", "true"] = "linear",
        damped: float = 0.5,
        group: int = 16,
    ) -> None:
        super().__init__()
        if domain.grid is None:
            raise DataError("encoder: gaussian", "these signals do not lie on a grid.", "Use the encoder 'set'.")
        size = prod(domain.grid) * domain.d_out
        self.gaussian = gaussian_of(size, ridge)
        most = self.gaussian.directions
        if not 1 <= latent_dim <= most:
            found = f"{latent_dim} coefficients of images that have {most}."
            raise RecipeError("encoder: latent_dim", found, f"Give a number from 1 to {most}.")
        self.latent_dim, self.scale, self.power = latent_dim, scale, power
        self.rehearsal, self.targets, self.damped, self.group = rehearsal, targets, damped, group
        self.register_buffer("basis", torch.zeros(size, latent_dim))
        self.register_buffer("variances", torch.ones(latent_dim))
        self.register_buffer("fitted", torch.tensor(False))

    def fit(self, dataset: Dataset) -> None:
        """Gather the statistics of the training split, and find its principal directions."""
        self.gaussian.fit(training_vectors(dataset, device=self.basis.device))
        basis, variances = self.gaussian.principal(self.latent_dim)
        self.basis.copy_(basis)
        self.variances.copy_(variances)
        self.fitted.fill_(True)

    @property
    def gains(self) -> Tensor:
        """(latent_dim,) latents per unit of coefficient."""
        whitening = self.variances.rsqrt()
        return self.scale * whitening * (self.variances / self.variances[0]) ** (self.power / 2)

    def latent(self, images: Tensor) -> Tensor:
        """The latents (batch, latent_dim) of whole images (batch, pixels, channels)."""
        return (images.flatten(1) - self.gaussian.mean) @ self.basis * self.gains

    def linear_image(self, latent: Tensor) -> Tensor:
        """The images (batch, pixels * channels) of the linear model: m + B c."""
        return self.gaussian.mean + latent / self.gains @ self.basis.T

    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        """Latents (batch, latent_dim).

        Raises:
            RunError: `fit` was not called, nor a fitted state loaded.
        """
        self._check()
        values, seen = context.image()
        return self.latent(
            self.gaussian.conditional_mean(values.flatten(2).transpose(1, 2), seen.flatten(1).bool())
        )

    def _check(self) -> None:
        if not self.fitted:
            raise RunError("encoder: gaussian", "its statistics are missing.", "Call fit(dataset), or load a checkpoint.")
