"""Training of a mixture's correction, on posteriors of signals that their covariance has not seen.

A covariance fits the signals that it was estimated from, and predicts their hidden parts better than those of others.
A network trained there would learn to correct errors that others do not have. The training set is therefore split into
folds (signal i belongs to fold i modulo their number), and a signal is conditioned with the covariance of the other
folds, in the mixture's own coordinates.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import cos, exp, log, pi, prod

import torch
from torch import Tensor

from metasiren_priors.encoders.gaussian import Stream
from metasiren_priors.mixture.correction import View, precision_and_variances
from metasiren_priors.mixture.mixture import Mixture
from metasiren_priors.mixture.rest import DenseRest, Rest

FOLDS = 4
GROUP = 256
"""Vectors of a step that share a mask."""
PARTS, PART = 64, 1024
"""Masks of parts, and the vectors that are conditioned on each."""
CLIP, DECAY, WEIGHT_DECAY, WARM = 1.0, 0.995, 0.05, 100


@dataclass(frozen=True)
class Fold:
    """A Gaussian of the signals outside one fold, split into coordinates and rest; float64.

    Attributes:
        precision: S^-1, (coordinates, coordinates).
        variances: the diagonal of S.
        rest: of the same signals.
    """

    precision: Tensor
    variances: Tensor
    rest: Rest


def folds(mixture: Mixture, stream: Stream, count: int = FOLDS) -> list[Fold]:
    """For each fold the Gaussian of the others; vector i of each chunk belongs to fold i modulo `count`.

    The rest is that of all signals where it is isotropic; else memory is up to three matrices (size, size) in float64
    for each fold.

    Raises:
        ValueError: there are fewer than two vectors outside a fold.
    """
    basis, mean = mixture.basis.double(), mixture.gaussian.mean.double()
    shared = mixture.rest(mixture.gaussian.ridge)
    dense = isinstance(shared, DenseRest)
    width = mixture.size if dense else mixture.coordinates
    own = basis.new_zeros(count, width, width)
    sizes = [0] * count
    for chunk in stream():
        x = chunk.double() - mean
        x = x if dense else x @ basis
        for fold in range(count):
            part = x[fold::count]
            own[fold].addmm_(part.T, part)
            sizes[fold] += len(part)
    total, vectors = own.sum(0), sum(sizes)
    if vectors - max(sizes) < 2:
        raise ValueError(f"{vectors} vectors cannot be split into {count} folds")
    found = []
    for fold in range(count):
        covariance = (total - own[fold]) / (vectors - sizes[fold] - 1)
        if dense:
            spread = covariance @ basis
            inner, across = basis.T @ spread, spread @ basis.T
            left = covariance - across - across.T + basis @ inner @ basis.T
            left = (left + left.T) / 2
            left.diagonal().add_(mixture.gaussian.ridge)
            rest: Rest = DenseRest(basis, left, mixture.gaussian.ridge)
        else:
            inner, rest = covariance, shared
        inner = (inner + inner.T) / 2
        diagonal = inner.diagonal()
        diagonal += 1e-7 * diagonal.amax() + 1e-6 * mixture.gaussian.ridge
        found.append(Fold(*precision_and_variances(inner), rest))
    return found


def training_mask(grid: tuple[int, ...], generator: torch.Generator, scattered: bool) -> Tensor:
    """A mask (points,) bool: scattered points, their number log-uniform from 4 to a third of all, or a whole part.

    A part is one side of the signal (two times in three; every other one is cut in the middle), or everything but a
    rectangle.
    """
    size = prod(grid)
    kind, amount, flip = torch.rand(3, generator=generator).tolist()
    if scattered:
        few, many = log(min(4, size)), log(max(size / 3, 1))
        return torch.rand(size, generator=generator).argsort() < round(exp(few + amount * max(many - few, 0)))
    if kind < 2 / 3:
        dimension = int(torch.randint(len(grid), (1,), generator=generator))
        length = grid[dimension]
        cut = length // 2 if kind < 1 / 3 else 1 + int(amount * (length - 1))
        line = torch.arange(length) < cut
        line = line if flip < 0.5 else line.flip(0)
        shape = [-1 if d == dimension else 1 for d in range(len(grid))]
        return line.view(shape).expand(grid).flatten()
    inside = torch.ones(grid, dtype=torch.bool)
    for dimension, length in enumerate(grid):
        start, share = torch.rand(2, generator=generator).tolist()
        extent = max(1, round(length * (0.25 + 0.5 * share)))
        first = int(start * (length - extent + 1))
        line = torch.arange(length)
        shape = [-1 if d == dimension else 1 for d in range(len(grid))]
        inside &= ((line >= first) & (line < first + extent)).view(shape)
    return ~inside.flatten()


def learn(
    mixture: Mixture,
    stream: Stream,
    draw: Callable[[int, int, torch.Generator], Tensor],
    grid: tuple[int, ...],
    *,
    steps: int,
    rate: float,
    seed: int,
) -> None:
    """Train a mixture's correction in place; it ends as the running mean of its weights.

    Each step takes three groups of 256 vectors that share a mask, two of scattered points and one of a part, and lowers
    the squared errors of their coordinates, those of a group divided by the variance that is left there. Masks of
    parts, which show many points, are conditioned on once and used again.

    Args:
        mixture: fitted, with a correction.
        stream: the vectors that it was fitted to; see `folds`.
        draw: (fold, count, generator) -> vectors (count, size) of that fold, drawn at random.
        grid: of a signal; its vectors are (points * channels,), channels last.
        steps: of AdamW, with a cosine schedule.
        rate: learning rate.
        seed: of vectors, masks and dropout.
    """
    correction, device = mixture.correction, mixture.basis.device
    assert correction is not None
    generator = torch.Generator().manual_seed(seed)
    channels = mixture.size // prod(grid)
    basis, mean = mixture.basis.double(), mixture.gaussian.mean.double()
    apart = folds(mixture, stream)

    def examples(scattered: bool, vectors: int) -> tuple[View, Tensor]:
        number = int(torch.randint(len(apart), (1,), generator=generator))
        fold = apart[number]
        mask = training_mask(grid, generator, scattered).to(device).repeat_interleave(channels)
        x = draw(number, vectors, generator).double() - mean
        seen = fold.rest.observe(torch.where(mask, x, 0.0), mask)
        view, coordinates = View.of(fold.precision, fold.variances, seen), x @ basis
        return view.to(correction.deviations.dtype), coordinates.to(correction.deviations.dtype)

    parts = [examples(False, PART) for _ in range(min(PARTS, steps))]
    # A copy learns, so that the correction can hold the running mean of its weights.
    net = copy.deepcopy(correction).requires_grad_(True).train()
    optimizer = torch.optim.AdamW(net.parameters(), rate, betas=(0.9, 0.99), weight_decay=WEIGHT_DECAY)
    with torch.enable_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1, (step + 1) / WARM) * (1 + cos(pi * step / steps)) / 2
            view, coordinates = parts[int(torch.randint(len(parts), (1,), generator=generator))]
            rows = torch.randint(PART, (GROUP,), generator=generator).to(device)
            chosen = replace(view, expected=view.expected[rows]), coordinates[rows]
            loss = torch.zeros((), device=device)
            for view, coordinates in (examples(True, GROUP), examples(True, GROUP), chosen):
                loss = loss + (net(view) - coordinates).square().sum(1).mean() / view.left
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(net.parameters(), CLIP)
            optimizer.step()
            kept = min(DECAY, (1 + step) / (10 + step))
            with torch.no_grad():
                for mine, new in zip(correction.parameters(), net.parameters(), strict=True):
                    mine.lerp_(new, 1 - kept)
