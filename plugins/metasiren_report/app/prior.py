"""Priors for the app: the small one that ships, and trained runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from metasiren import Context, Field, Model, Run, RunError, grid

Pixels = NDArray[np.float64]
SAMPLES = 8
SHOWN = 4
COARSE = 64
AT_ONCE = 1024


@dataclass(frozen=True)
class Completion:
    """A completed picture.

    Attributes:
        picture: (size, size, 3) in [0, 1].
        sigma: (rows, rows) as `samples`, the standard deviation over them, averaged over channels. None where
            there are none.
        samples: a few pictures (rows, rows, 3) drawn from the posterior; rows are those of the picture, at most 64.
        latent: (1, latent_dim), of the picture.
    """

    picture: Pixels
    sigma: Pixels | None
    samples: tuple[Pixels, ...]
    latent: Tensor


class Prior(ABC):
    """A prior over square colour pictures.

    Attributes:
        name: as the app lists it.
        side: rows and columns of the observed grid.
    """

    name: str
    side: int

    @abstractmethod
    def complete(self, values: Pixels, seen: NDArray[np.bool_], size: int, seed: int = 0) -> Completion:
        """Complete a picture.

        Args:
            values: (side, side, 3) in [0, 1]; hidden pixels are not used.
            seen: (side, side), at least one of them true.
            size: rows and columns of the result.
            seed: of the samples.
        """

    @abstractmethod
    def latent(self, values: Pixels) -> Tensor:
        """The latent (1, latent_dim) of a whole picture (side, side, 3) in [0, 1]."""

    @abstractmethod
    def decode(self, latent: Tensor) -> Field:
        """The field of latents (batch, latent_dim)."""

    def draw(self, latent: Tensor, size: int, extent: float = 1.0) -> list[Pixels]:
        """Pictures (size, size, 3) in [0, 1] of latents (batch, latent_dim), over [-extent, extent]²."""
        field, coords = self.decode(latent), grid((size, size), extent=extent)
        with torch.no_grad():
            # Few points at a time: their features stay in the processor's cache, which halves the time.
            values = torch.cat([field(part) for part in torch.split(coords, AT_ONCE)], dim=1)
        unit = ((values.double() + 1) / 2).clamp(0, 1).reshape(len(latent), size, size, 3)
        return list(unit.numpy())

    def _completion(self, latent: Tensor, drawn: Tensor | None, size: int) -> Completion:
        """Of a latent (1, latent_dim), and of those drawn from the posterior (samples, latent_dim), where there are."""
        picture = self.draw(latent, size)[0]
        if drawn is None:
            return Completion(picture, None, (), latent)
        samples = self.draw(drawn, min(size, COARSE))
        sigma = np.stack(samples).std(0, ddof=1).mean(-1)
        return Completion(picture, sigma, tuple(samples[:SHOWN]), latent)


class SmallPrior(Prior):
    """The prior over cartoon faces in the package: probabilistic PCA of the observed pixels, and a hypernetwork.

    x = m + B c + noise with c ~ N(0, diag(s)): given the observed pixels, c is normal with the precision
    diag(1/s) + BᵀB / noise, rows of B at observed pixels only (Tipping and Bishop 1999). A latent is c times `gains`,
    and the hypernetwork gives the weights of its SIREN.

    Raises:
        RunError: the file is missing or holds something else.
    """

    def __init__(self, path: Path | None = None) -> None:
        from metasiren_report.app.packing import make_decoder

        file = path or Path(str(resources.files("metasiren_report") / "app" / "faces.safetensors"))
        try:
            with safe_open(file, "pt") as opened:
                notes = opened.metadata() or {}
            tensors = {name: tensor.float() for name, tensor in load_file(file).items()}
            self.name, self.side = notes["name"], int(notes["side"])
            self.decoder = make_decoder(notes, tensors)
            self.mean, self.basis = tensors["mean"], tensors["basis"]
            self.variances, self.gains, self.noise = tensors["variances"], tensors["gains"], float(tensors["noise"])
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            raise RunError(
                str(file), f"not a packed prior: {error}", "Write one with metasiren_report.app.packing."
            ) from None

    def complete(self, values: Pixels, seen: NDArray[np.bool_], size: int, seed: int = 0) -> Completion:
        """As `Prior.complete`; sigma is over eight samples."""
        mean, factor = self.posterior(values, seen)
        noise = torch.randn(len(mean), SAMPLES, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        # The precision is L Lᵀ, so that L⁻ᵀ noise has its inverse as covariance.
        draws = mean[:, None] + torch.linalg.solve_triangular(factor.T, noise, upper=True)
        return self._completion(self._latents(mean[None]), self._latents(draws.T), size)

    def posterior(self, values: Pixels, seen: NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
        """Mean (K,) of the coefficients given observed pixels, and the Cholesky factor of their precision (K, K)."""
        known = torch.from_numpy(seen.reshape(-1)).repeat_interleave(3)
        rows = self.basis.double()[known]
        deviation = torch.from_numpy(values.reshape(-1)).double()[known] * 2 - 1 - self.mean.double()[known]
        precision = torch.diag(1 / self.variances.double()) + rows.T @ rows / self.noise
        factor = torch.linalg.cholesky(precision)
        mean = torch.cholesky_solve((rows.T @ deviation / self.noise)[:, None], factor)[:, 0]
        return mean, factor

    def latent(self, values: Pixels) -> Tensor:
        """As `Prior.latent`."""
        return self._latents(self.posterior(values, np.ones(values.shape[:2], dtype=bool))[0][None])

    def decode(self, latent: Tensor) -> Field:
        """As `Prior.decode`."""
        return self.decoder.field(latent.float())

    def _latents(self, coefficients: Tensor) -> Tensor:
        return coefficients.float() * self.gains


class ModelPrior(Prior):
    """The prior of a trained model over square colour pictures.

    An encoder with a distribution over latents (`metasiren.Encoder.draws`) gives samples and a standard deviation over
    eight of them. Other encoders give neither.

    Args:
        name: as the app lists it.
        side: rows and columns of the observed grid.
        model: in evaluation mode.
    """

    def __init__(self, name: str, side: int, model: Model) -> None:
        self.name, self.side, self._model = name, side, model

    def complete(self, values: Pixels, seen: NDArray[np.bool_], size: int, seed: int = 0) -> Completion:
        """As `Prior.complete`."""
        context, encoder = self._context(values, seen), self._model.encoder
        with torch.no_grad():
            latent = encoder(context, self._model.decoder)
            drawn = encoder.draws(context, SAMPLES, torch.Generator().manual_seed(seed))
        return self._completion(latent, None if drawn is None else drawn[:, 0], size)

    def latent(self, values: Pixels) -> Tensor:
        """As `Prior.latent`."""
        with torch.no_grad():
            whole = self._context(values, np.ones(values.shape[:2], dtype=bool))
            latent: Tensor = self._model.encoder(whole, self._model.decoder)
        return latent

    def decode(self, latent: Tensor) -> Field:
        """As `Prior.decode`."""
        return self._model.decoder.field(latent)

    def _context(self, values: Pixels, seen: NDArray[np.bool_]) -> Context:
        cells = torch.from_numpy(np.flatnonzero(seen))[None]
        flat = torch.from_numpy(values.reshape(-1, 3)).float() * 2 - 1
        return Context(
            items=torch.zeros(1, dtype=torch.long),
            coords=grid((self.side, self.side))[cells[0]][None],
            values=flat[cells[0]][None],
            mask=torch.ones_like(cells, dtype=torch.bool),
            grid=(self.side, self.side),
            cells=cells,
        )


def prior_of_run(run: Run) -> ModelPrior:
    """The prior of a run.

    Raises:
        RunError: the run's signals are not square colour pictures, or it has no checkpoint.
    """
    shape = run.domain.grid
    if shape is None or len(shape) != 2 or shape[0] != shape[1] or run.domain.d_out != 3 or run.domain.items < 2:
        raise RunError(str(run.path), "not a prior over square colour pictures.", "Give a run such as celeba_cnn's.")
    return ModelPrior(f"{run.label}, {run.path.name}", shape[0], run.model())
