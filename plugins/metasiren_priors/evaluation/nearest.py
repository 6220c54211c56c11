"""The training images nearest to a reconstruction: whether a prior repeats what it was trained on."""

from __future__ import annotations

from collections.abc import Sequence

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

    At the left are mean squared errors against the reconstruction, of values in [0, 1]: the truth's, and those of the
    training images.

    Args:
        dataset: as for `nearest_training`.
        seen: (images, pixels) bool.
        made: reconstructions (images, pixels, channels) in [-1, 1].
        truth: of the same shape.
        grid: (rows, columns) of an image.
        count: number of training images.
        least: smallest length of the longer side of an enlarged image, in pixels.
    """
    made = made.clamp(-1, 1)
    near, distances = nearest_training(dataset, made, count)
    own = (made - truth).flatten(1).square().mean(dim=1, keepdim=True) / 4
    beside = colours(near.flatten(0, 1), grid).view(*near.shape[:2], 3, *grid)
    tiles = torch.cat([trio(seen, made, truth, grid), beside], dim=1)
    heads = (*TRIO, *(f"training {i + 1}" for i in range(near.shape[1])))
    labels = [error_label(errors) for errors in torch.cat([own, distances], dim=1).tolist()]
    return sheet(tiles, labels, heads, enlargement(grid, least))


def error_label(errors: Sequence[float]) -> str:
    """The words beside a row: the error of the truth, which comes first, and those of training images."""
    truth, *others = errors
    return "\n".join([f"truth {truth:.4f}", *(f"{i + 1}: {each:.4f}" for i, each in enumerate(others))])
