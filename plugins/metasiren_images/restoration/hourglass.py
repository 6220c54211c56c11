"""The convolutional net of Deep Image Prior: an hourglass with thin bridges, fed with fixed noise."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2


def convolution(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, leaky ReLU; the picture goes on mirrored beyond its rim."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, padding_mode="reflect"),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(SLOPE),
    )


class Level(nn.Module):
    """One scale: a bridge past the coarser scales, and the way through them.

    Args:
        inputs: channels that come in.
        features: channels on the way down and up.
        bridge: channels of the bridge.
        below: the next coarser scale, or None at the bottom.
    """

    def __init__(self, inputs: int, features: int, bridge: int, below: Level | None) -> None:
        super().__init__()
        self.bridge = convolution(inputs, bridge, 1)
        self.down = nn.Sequential(convolution(inputs, features, 3, 2), convolution(features, features, 3))
        self.below = below
        self.normed = nn.BatchNorm2d(bridge + features)
        self.up = nn.Sequential(convolution(bridge + features, features, 3), convolution(features, features, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, rows, columns) -> (batch, features, rows, columns)."""
        deep = self.down(x)
        if self.below is not None:
            deep = self.below(deep)
        # To the very size, since odd ones are halved upwards.
        deep = F.interpolate(deep, x.shape[-2:], mode="bilinear", align_corners=False)
        out: Tensor = self.up(self.normed(torch.cat([self.bridge(x), deep], dim=1)))
        return out


class Hourglass(nn.Module):
    """Noise (1, inputs, rows, columns) -> a picture (1, channels, rows, columns) in (0, 1).

    Args:
        inputs: channels of the noise.
        channels: of the picture.
        features: channels at every scale.
        bridge: channels of every bridge.
        scales: how often the resolution is halved.
    """

    def __init__(self, inputs: int, channels: int, *, features: int = 128, bridge: int = 4, scales: int = 5) -> None:
        super().__init__()
        level: Level | None = None
        for scale in reversed(range(scales)):
            level = Level(features if scale else inputs, features, bridge, level)
        assert level is not None
        self.net = nn.Sequential(level, nn.Conv2d(features, channels, 1), nn.Sigmoid())

    def forward(self, noise: Tensor) -> Tensor:
        """The picture."""
        made: Tensor = self.net(noise)
        return made
