"""The training images nearest to a reconstruction: whether a prior repeats what it was trained on."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

from metasiren import Dataset
from metasiren_priors.encoders.gaussian import training_vectors
from metasiren_priors.evaluation.pictures import TRIO, colours, enlargement, sheet, trio


def nearest_training(dataset: Dataset, images: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The training images of least squared distance, found in one pass.

    Args:
        dataset: with a split `train`; on the images' device.
        images: (n, pixels, channels) in [-1, 1].
        count: how many for each image; fewer where there are fewer training images.

    Returns:
        values (n, count, pixels, channels), the nearest first, and their mean squared errors (n, count), of values in
        [0, 1].
    """
    query = images.flatten(1).float()
    best, found = query.new_zeros(len(query), 0), query.new_zeros(len(query), 0, query.shape[1])
    for chunk in training_vectors(dataset, device=query.device)():
        squares = torch.cdist(query, chunk.float()).square() / (4 * query.shape[1])
        least, rows = squares.topk(min(count, len(chunk)), largest=False)
        best, found = torch.cat([best, least], dim=1), torch.cat([found, chunk.float()[rows]], dim=1)
        best, order = best.topk(min(count, best.shape[1]), largest=False)
        found = found.gather(1, order.unsqueeze(2).expand(-1, -1, query.shape[1]))
    return found.view(*best.shape, *images.shape[1:]), best


def nearest_figure(
    dataset: Dataset, seen: Tensor, made: Tensor, truth: Tensor, grid: tuple[int, int], count: int = 3, least: int = 96
) -> Image.Image:
    """A row for each image: context, reconstruction, truth, and the training images nearest to the reconstruction.

    Args:
        dataset: as for `nearest_training`.
        seen: (images, pixels) bool.
        made: reconstructions (images, pixels, channels) in [-1, 1].
        truth: of the same shape.
        grid: (rows, columns) of an image.
        count: number of training images.
        least: smallest length of the longer side of an enlarged image, in pixels.
    """
    near, _ = nearest_training(dataset, made, count)
    others = colours(near.flatten(0, 1), grid).view(*near.shape[:2], 3, *grid)
    tiles = torch.cat([trio(seen, made, truth, grid), others], dim=1)
    heads = (*TRIO, *(f"training {i + 1}" for i in range(near.shape[1])))
    return sheet(tiles, [str(i) for i in range(len(tiles))], heads, enlargement(grid, least))
