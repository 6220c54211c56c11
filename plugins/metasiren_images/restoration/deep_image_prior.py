"""Deep Image Prior (Ulyanov, Vedaldi and Lempitsky 2018): a convolutional net, stopped before it learns the noise."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log2

import numpy as np
import torch

from metasiren import DataError, RecipeError, progress_bar, width_by_height
from metasiren_images.restoration.classical import Mask, Pixels
from metasiren_images.restoration.hourglass import Hourglass

INPUTS, LOUDNESS, JITTER, MEMORY = 32, 0.1, 0.03, 0.99
"""Noise channels; their width; what is added anew every step; decay of the average of outputs, which is the answer."""

LEAST = 16


@dataclass(frozen=True, kw_only=True)
class DeepImagePrior:
    """Fit an hourglass network to the seen pixels by Adam, and average its outputs.

    Args:
        steps: of Adam; the paper takes some thousands.
        lr: learning rate, 0.01 in the paper.
        features: channels at every scale, 128 in the paper.
        scales: how often the resolution is halved, 5 in the paper; fewer for small pictures.
        seed: of noise and weights.

    Raises:
        RecipeError: numbers below one.
    """

    steps: int = 3000
    lr: float = 0.01
    features: int = 128
    scales: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        for option in ("steps", "features", "scales"):
            if getattr(self, option) < 1:
                found = f"{getattr(self, option)} is below one."
                raise RecipeError(f"evaluate: dip_{option}", found, "Leave deep_image_prior out of baselines instead.")

    def fill(self, picture: Pixels, seen: Mask, device: torch.device | str = "cpu") -> Pixels:
        """The net's picture (rows, columns, channels) in [0, 1], seen pixels put back.

        Args:
            picture: (rows, columns, channels) in [0, 1]; hidden pixels are not looked at.
            seen: (rows, columns), True where a pixel is seen.
            device: where to train.

        Raises:
            DataError: fewer than 16 rows or columns.
        """
        rows, columns, channels = picture.shape
        if min(rows, columns) < LEAST:
            found = f"{width_by_height(picture.shape)} pixels."
            raise DataError("evaluate: deep_image_prior", found, f"It needs {LEAST} rows and columns or more.")
        # Reflection needs two pixels a side at the coarsest scale.
        scales = min(self.scales, floor(log2(min(rows, columns))) - 2)
        mask = torch.from_numpy(seen)[None, None].to(device, torch.float32)
        target = (
            torch.from_numpy(np.where(seen[..., None], picture, 0)).permute(2, 0, 1)[None].to(device, torch.float32)
        )
        with torch.random.fork_rng(devices=[device] if torch.device(device).type == "cuda" else []):
            torch.manual_seed(self.seed)
            net = Hourglass(INPUTS, channels, features=self.features, scales=scales).to(device)
            noise = LOUDNESS * torch.rand(1, INPUTS, rows, columns, device=device)
            optimizer = torch.optim.Adam(net.parameters(), lr=self.lr)
            average = torch.zeros_like(target)
            with torch.enable_grad(), progress_bar("Deep Image Prior", self.steps) as advance:
                for _ in range(self.steps):
                    made = net(noise + JITTER * torch.randn_like(noise))
                    loss = (mask * (made - target)).square().sum() / mask.sum() / channels
                    optimizer.zero_grad(set_to_none=True)
                    loss.backward()
                    optimizer.step()
                    average.lerp_(made.detach(), 1 - MEMORY)
                    advance(1)
        # The average began at zero.
        filled = (average / (1 - MEMORY**self.steps))[0].permute(1, 2, 0).double().cpu().numpy()
        return np.where(seen[..., None], picture, filled).clip(0, 1)
