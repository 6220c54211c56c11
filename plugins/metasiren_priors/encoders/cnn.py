"""A convolutional encoder of sparse images.

Sitzmann et al. 2020, supplement section 9.1: the observations are laid out on the image's grid, zero where nothing
was seen; an input convolution, four residual blocks with ReLUs, and a fully connected layer over the positions.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metasiren import Batch, Context, Dataset, Decoder, Domain, Encoder
from metasiren_priors.encoders.correction import observed_in_groups
from metasiren_priors.encoders.feature_maps import Pooling, check_odd, map_size, stem_widths, weigh
from metasiren_priors.encoders.mixture_encoder import MixtureEncoder
from metasiren_priors.encoders.winograd import Convolution, use_winograd


class Residual(nn.Module):
    """relu(x + relu(convolve(relu(convolve(x)))))

    Args:
        features: number of channels.
        kernel_size: width of the filters.
    """

    def __init__(self, features: int, kernel_size: int) -> None:
        super().__init__()
        self.first = Convolution(features, features, kernel_size)
        self.second = Convolution(features, features, kernel_size)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, features, rows, columns) to the same."""
        return F.relu(x + F.relu(self.second(F.relu(self.first(x)))))


class CnnEncoder(Encoder):
    """Sparse image -> latent (batch, latent_dim); the defaults are the paper's network for any image size.

    Args:
        domain: of images on a two-dimensional grid.
        latent_dim: size of the latent.
        features: channels of the residual blocks; the stem doubles its channels up to them.
        blocks: number of residual blocks.
        kernel_size: width of the blocks' filters, odd.
        downsample: number of stem layers with stride two; each makes what follows four times cheaper.
        pooling: `shared` weighs positions alike in all channels, as in the paper; `dense` connects every channel
            at every position with every latent coordinate, which suits small maps.
        mask_channel: also show where something was observed. Without it, as in the authors' code, an unseen
            pixel and a mid-grey one look the same.
        winograd: on a CPU in float32, compute 3x3 and 5x5 layers of 128 channels and more by minimal filtering: fewer
            products, a rounding error of some 5e-6 instead of 1e-6, and more memory.
        base: `none`, as in the paper; with `mixture` the posterior mean of the encoder `mixture` is an input, too,
            and its `latent_dim` outputs are corrections of that mean's principal coordinates. They start at zero. The
            latent is then the image's values on the grid, as the decoder `last_layer` takes them: observed pixels as
            they are, hidden ones the corrected mean.
        components, coordinates, mirror: of that mixture.
        group: with `mixture`, number of items of a training step that share a mask, and so a factorisation.

    Raises:
        RecipeError: no two-dimensional grid, or an even `kernel_size`.
    """

    def __init__(
        self,
        domain: Domain,
        *,
        latent_dim: int = 256,
        features: int = 256,
        blocks: int = 4,
        kernel_size: int = 5,
        downsample: int = 0,
        pooling: Pooling = "shared",
        mask_channel: bool = True,
        winograd: bool = False,
        base: Literal["none", "mixture"] = "none",
        components: int = 8,
        coordinates: int = 256,
        mirror: bool = False,
        group: int = 8,
    ) -> None:
        super().__init__()
        self.base: MixtureEncoder | None = None
        if base == "mixture":
            self.base = MixtureEncoder(domain, components=components, coordinates=coordinates, mirror=mirror)
            latent_dim = min(latent_dim, self.base.mixture.coordinates)
        rows, columns = map_size(domain, downsample, where="encoder: cnn")
        check_odd(kernel_size, where="encoder: cnn")
        self.latent_dim, self.mask_channel = self.base.latent_dim if self.base else latent_dim, mask_channel
        self.group = group
        layers = max(2, downsample)
        widths = [domain.d_out * (2 if self.base else 1) + mask_channel, *stem_widths(features, layers)]
        # Strides come last: where there are fewer of them than layers, the first sees every pixel.
        strides = [2 if i >= layers - downsample else 1 for i in range(layers)]
        self.stem = nn.ModuleList(Convolution(widths[i], widths[i + 1], 3, stride=strides[i]) for i in range(layers))
        self.blocks = nn.ModuleList(Residual(features, kernel_size) for _ in range(blocks))
        self.mix = nn.Conv2d(features, latent_dim, 1) if pooling == "shared" else None
        positions = rows * columns
        self.head = nn.Linear(positions, 1) if self.mix else nn.Linear(positions * features, latent_dim)
        nn.init.zeros_(self.head.bias)
        use_winograd(self, winograd)
        if self.base:
            nn.init.zeros_(self.head.weight)

    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        """Latents (batch, latent_dim), in the dtype of the weights."""
        values, seen = context.image()
        if self.base is None:
            return self._outputs([values], seen)
        return self._corrected(self.base(context, decoder), values, seen)

    def fit(self, dataset: Dataset) -> None:
        """Fit the mixture, where there is one."""
        if self.base:
            self.base.fit(dataset)

    def training_pair(
        self, batch: Batch, decoder: Decoder, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Batch]:
        """Latents and targets of one step. With a mixture, groups of items share a mask in place of the batch's own."""
        if self.base is None:
            return super().training_pair(batch, decoder, generator)
        observed = observed_in_groups(self.base, batch.points["pixels"].values, self.group, generator)
        return self._corrected(*observed), batch

    def _corrected(self, mean: Tensor, values: Tensor, seen: Tensor) -> Tensor:
        """The mixture's mean (batch, points * channels), its hidden values moved along the principal directions."""
        assert self.base is not None
        mixture = self.base.mixture
        image = mean.view(len(mean), -1, values.shape[1]).transpose(1, 2).reshape(values.shape)
        moved = self._outputs([values, image], seen)
        size = moved.shape[1]
        # In units of each coordinate's standard deviation.
        variances = (mixture.weights.view(-1, 1) * mixture.covariances.diagonal(dim1=1, dim2=2)).sum(0)[:size]
        step = (moved * variances.sqrt().to(moved.dtype)) @ mixture.basis[:, :size].T.to(moved.dtype)
        hidden = 1 - seen.flatten(1).repeat_interleave(values.shape[1], dim=1)
        return mean.to(moved.dtype) + step * hidden

    def _outputs(self, images: list[Tensor], seen: Tensor) -> Tensor:
        x = torch.cat([*images, seen] if self.mask_channel else images, dim=1)
        x = x.contiguous(memory_format=torch.channels_last)
        for layer in self.stem:
            x = F.relu(layer(x))
        for block in self.blocks:
            x = block(x)
        latent: Tensor = weigh(F.relu(self.mix(x)), self.head) if self.mix else self.head(x.flatten(1))
        return latent.to(self.head.weight.dtype)
