"""A convolutional encoder of observed pixels only, by partial convolutions.

Liu et al. 2018, "Image Inpainting for Irregular Holes Using Partial Convolutions", Eq. 1 and 2; as a context encoder
in Sitzmann et al. 2020, supplement section 9.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from metasiren import Context, Decoder, Domain, Encoder
from metasiren_priors.encoders.feature_maps import Pooling, check_odd, map_size, stem_widths, weigh
from metasiren_priors.encoders.winograd import Convolution, use_winograd


class PartialConvolution(nn.Module):
    """W * (x seen) window / count + b where `count` pixels of the window were seen, 0 where none was.

    Pixels beyond the image's edge count as unseen.

    Args:
        inputs: channels in.
        outputs: channels out.
        kernel_size: width of the filter, odd.
        stride: step between outputs.
    """

    def __init__(self, inputs: int, outputs: int, kernel_size: int, *, stride: int = 1) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, stride
        self.convolution = Convolution(inputs, outputs, kernel_size, stride=stride, bias=False)
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.kaiming_normal_(self.convolution.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Map (batch, inputs, rows, columns) and mask (batch, 1, rows, columns) to the next map and mask."""
        share = F.avg_pool2d(seen, self.kernel_size, self.stride, self.kernel_size // 2)
        known = (share > 0).to(seen.dtype)
        # The share is a multiple of 1 / window: an empty window is held away from a division by zero.
        scale = known / share.clamp(min=0.5 / self.kernel_size**2)
        x = self.convolution(x * seen.to(x.dtype))
        return torch.addcmul(known.to(x.dtype) * self.bias.to(x.dtype)[:, None, None], x, scale.to(x.dtype)), known


class ChannelNorm(nn.Module):
    """Divide the channels of each position by their root mean square: zero stays zero.

    Without normalisation the window / count of the holes' rims multiplies from layer to layer.

    Args:
        features: number of channels.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(features))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, features, rows, columns) to the same."""
        return F.rms_norm(x.permute(0, 2, 3, 1), self.scale.shape, self.scale.to(x.dtype), 1e-5).permute(0, 3, 1, 2)


NORMS: dict[str, Callable[[int], nn.Module]] = {"channel": ChannelNorm, "batch": nn.BatchNorm2d}


class PartialResidual(nn.Module):
    """Two partial convolutions and a shortcut: relu(x + norm(second(relu(norm(first(x)))))).

    Args:
        features: number of channels.
        kernel_size: width of the filters.
        norm: a key of `NORMS`.
    """

    def __init__(self, features: int, kernel_size: int, norm: str) -> None:
        super().__init__()
        self.first = PartialConvolution(features, features, kernel_size)
        self.second = PartialConvolution(features, features, kernel_size)
        self.norms = nn.ModuleList(NORMS[norm](features) for _ in range(2))

    def forward(self, x: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Map (batch, features, rows, columns) and mask (batch, 1, rows, columns) to the next of each."""
        y, mask = self.first(x, seen)
        y, mask = self.second(F.relu(self.norms[0](y)), mask)
        return F.relu(x + self.norms[1](y)), mask


class PartialConvEncoder(Encoder):
    """Observed pixels -> latent (batch, latent_dim), the observation mask going through every layer.

    Args:
        domain: of images on a two-dimensional grid.
        latent_dim: size of the latent.
        features: channels of the residual blocks; the stem doubles its channels up to them.
        blocks: number of residual blocks.
        kernel_size: width of all filters, odd.
        downsample: number of stem layers with stride two; the paper's single layer has none.
        pooling: `shared` weighs positions alike in all channels, as in the paper; `dense` connects every channel
            at every position with every latent coordinate, which suits small maps.
        norm: what follows each convolution. `channel` divides each position's channels by their root mean square;
            `batch` is batch normalisation, as in the authors' code: in training items of a batch then depend on
            one another, in evaluation mode they never do.
        legacy_mask: the authors' mistake, to repeat their numbers: a pixel counts as observed where its first
            channel is above mid-grey, and only for the first layer.
        winograd: on a CPU in float32, compute 3x3 and 5x5 layers of 128 channels and more by minimal filtering: fewer
            products, a rounding error of some 5e-6 instead of 1e-6, and more memory.

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
        kernel_size: int = 3,
        downsample: int = 0,
        pooling: Pooling = "shared",
        norm: Literal["channel", "batch"] = "channel",
        legacy_mask: bool = False,
        winograd: bool = False,
    ) -> None:
        super().__init__()
        rows, columns = map_size(domain, downsample, where="encoder: partial_conv")
        check_odd(kernel_size, where="encoder: partial_conv")
        self.latent_dim, self.legacy_mask = latent_dim, legacy_mask
        layers = max(1, downsample)
        widths = [domain.d_out, *stem_widths(features, layers)]
        stride = 2 if downsample else 1
        self.stem = nn.ModuleList(
            PartialConvolution(widths[i], widths[i + 1], kernel_size, stride=stride) for i in range(layers)
        )
        self.norms = nn.ModuleList(NORMS[norm](n) for n in widths[1:])
        self.blocks = nn.ModuleList(PartialResidual(features, kernel_size, norm) for _ in range(blocks))
        shared = pooling == "shared"
        self.mix = nn.Conv2d(features, latent_dim, 1) if shared and features != latent_dim else None
        positions = rows * columns
        self.head = nn.Linear(positions, 1) if shared else nn.Linear(positions * features, latent_dim)
        self.shared = shared
        # Features of unit size meet a head of a twentieth of PyTorch's usual weights: a latent of unit size would
        # throw the decoder's weights far from where a SIREN starts.
        with torch.no_grad():
            self.head.weight.mul_(0.05)
            self.head.bias.zero_()
        use_winograd(self, winograd)

    def forward(self, context: Context, decoder: Decoder) -> Tensor:
        """Latents (batch, latent_dim), in the dtype of the weights."""
        x, seen = context.image()
        if self.legacy_mask:
            seen = (x[:, :1] > 0).to(x.dtype)
        x = x.contiguous(memory_format=torch.channels_last)
        for layer, norm in zip(self.stem, self.norms, strict=True):
            x, seen = layer(x, self._passed_on(seen, x, first=layer is self.stem[0]))
            x = F.relu(norm(x))
        for block in self.blocks:
            x, seen = block(x, self._passed_on(seen, x, first=False))
        if self.mix:
            x = self.mix(x)
        latent: Tensor = weigh(x, self.head) if self.shared else self.head(x.flatten(1))
        return latent.to(self.head.weight.dtype)

    def _passed_on(self, seen: Tensor, x: Tensor, *, first: bool) -> Tensor:
        """The mask that a layer gets: in legacy mode, all pixels count as observed for all layers but the first."""
        return seen if first or not self.legacy_mask else torch.ones_like(x[:, :1], dtype=seen.dtype)
