"""A learned correction of the mixture's posterior mean. It starts at zero and changes hidden values only."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metasiren import Batch, Context, Dataset, Decoder, Domain, Encoder
from metasiren_priors.encoders.gaussian_encoder import draw_mask
from metasiren_priors.encoders.mixture_encoder import MixtureEncoder


class Dilated(nn.Module):
    """relu(x + convolve(relu(convolve(x)))), the second convolution dilated.

    Args:
        features: number of channels.
        dilation: of the second 3x3 convolution.
    """

    def __init__(self, features: int, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(features, features, 3, padding=1)
        self.second = nn.Conv2d(features, features, 3, padding=dilation, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, features, rows, columns) to the same."""
        return F.relu(x + self.second(F.relu(self.first(x))))


class MixtureCorrection(Encoder):
    """Values on the grid: observed ones as they are, hidden ones the mixture's posterior mean plus a convolutional net.

    The inputs of the network are the mean, the observed values and the mask. Its last layer
    starts at zero, so that the encoder starts as `mixture` itself.

    Args:
        domain: of images on a two-dimensional grid.
        features: channels of the net.
        blocks: number of residual blocks of two 3x3 convolutions; the second of each is dilated by 1, 2, 4, 1, ...
        components, coordinates, ridge, pooled, rounds, mirror: of the mixture; see the encoder `mixture`.
        group: number of items of a training step that share a mask, and so a factorisation.

    Raises:
        DataError, RecipeError: as the encoder `mixture`.
    """

    def __init__(
        self,
        domain: Domain,
        *,
        features: int = 32,
        blocks: int = 3,
        components: int = 8,
        coordinates: int = 256,
        ridge: float = 1e-3,
        pooled: float = 2000.0,
        rounds: int = 15,
        mirror: bool = False,
        group: int = 8,
    ) -> None:
        super().__init__()
        self.base = MixtureEncoder(
            domain,
            components=components,
            coordinates=coordinates,
            ridge=ridge,
            pooled=pooled,
            rounds=rounds,
            mirror=mirror,
        )
        self.latent_dim, self.group, self.grid = self.base.latent_dim, group, self.base.grid
        self.first = nn.Conv2d(2 * domain.d_out + 1, features, 3, padding=1)
        dilations = [2 ** (i % 3) for i in range(blocks)]
        self.blocks = nn.ModuleList(Dilated(features, d) for d in dilations)
        self.last = nn.Conv2d(features, domain.d_out, 1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def fit(self, dataset: Dataset) -> None:
        """Fit the mixture to the training split."""
        self.base.fit(dataset)

    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        """Latents (batch, points * channels).

        Raises:
            RunError: `fit` was not called, nor a fitted state loaded.
        """
        mean = self.base(context, decoder)
        values, seen = context.image()
        return self._correct(mean, values.to(mean.dtype), seen.to(mean.dtype))

    def _correct(self, mean: Tensor, values: Tensor, seen: Tensor) -> Tensor:
        """The mean (batch, points * channels) with hidden values corrected; images (batch, channels, *grid)."""
        channels = values.shape[1]
        image = mean.view(len(mean), -1, channels).transpose(1, 2).view_as(values)
        x = F.relu(self.first(torch.cat([image, values, seen], dim=1)))
        for block in self.blocks:
            x = block(x)
        whole: Tensor = image + self.last(x) * (1 - seen)
        return whole.flatten(2).transpose(1, 2).flatten(1)

    def training_pair(
        self, batch: Batch, decoder: Decoder, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Batch]:
        """Latents and targets of one step; groups of items share a mask (`draw_mask`), the batch's own is not used."""
        observed = observed_in_groups(self.base, batch.points["pixels"].values, self.group, generator)
        return self._correct(*observed), batch


def observed_in_groups(
    base: MixtureEncoder, values: Tensor, group: int, generator: torch.Generator | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Items of a training step under drawn masks, which `group` neighbours share.

    Args:
        base: the fitted mixture.
        values: of whole signals, (batch, points, channels).
        group: number of items that share a mask.
        generator: draws the masks.

    Returns:
        The mixture's mean (batch, points * channels); the observed values as images (batch, channels, *grid), zero
        where hidden; the mask (batch, 1, *grid), 1 where observed.
    """
    masks = shared_masks(len(values), group, base.grid, generator, values.device)
    seen = masks.view(len(values), 1, *base.grid).to(values.dtype)
    shown = values.transpose(1, 2).reshape(len(values), -1, *base.grid) * seen
    return base.conditional_mean(values, masks), shown, seen


def shared_masks(
    count: int, group: int, grid: tuple[int, ...], generator: torch.Generator | None, device: torch.device
) -> Tensor:
    """Random masks (count, points) bool, by `draw_mask`; `group` neighbours share one."""
    masks = [draw_mask(grid, generator, device) for _ in range(-(-count // group))]
    return torch.stack(masks).repeat_interleave(group, dim=0)[:count]
