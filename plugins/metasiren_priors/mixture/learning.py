"""Training of a mixture's correction, on posteriors of signals that their covariance has not seen (see `folds`)."""

from __future__ import annotations

import copy
from dataclasses import replace
from math import cos, exp, log, pi, prod

import torch
from torch import Tensor

from metasiren_priors.mixture.correction import View
from metasiren_priors.mixture.folds import Folded, folds
from metasiren_priors.mixture.mixture import Mixture
from metasiren_priors.mixture.shares import MOST, measure

FOLDS = 4
"""Folds that the network learns from; one more is kept for the shares."""
GROUP = 256
"""Vectors of a step that share a mask."""
MASKS, EACH = {True: 96, False: 48}, 512
"""Scattered masks, and masks of parts, that are at hand, and the vectors that are conditioned on each."""
MEASURED = 20
"""Scattered masks, and as many of parts, that shares are measured with."""
CLIP, DECAY, WEIGHT_DECAY, WARM = 1.0, 0.995, 0.05, 100


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


def learn(mixture: Mixture, signals: Folded, grid: tuple[int, ...], *, steps: int, rate: float, seed: int) -> None:
    """Train a mixture's correction in place, as the running mean of its weights, and measure its shares.

    Each step takes three groups of 256 vectors that share a mask, two of scattered points and one of a part, and lowers
    the squared errors of their coordinates, those of a group divided by the variance that is left there. The groups
    are drawn from 96 scattered masks and 48 of parts, each with 512 vectors; every second step replaces one of the
    first, and every eighth one of the second.

    Args:
        mixture: fitted, with a correction.
        signals: those that it was fitted to, in `FOLDS` folds and the one that is kept for the shares.
        grid: of a signal; its vectors are (points * channels,), channels last.
        steps: of AdamW, with a cosine schedule.
        rate: learning rate.
        seed: of vectors, masks and dropout.
    """
    correction, device = mixture.correction, mixture.basis.device
    assert correction is not None
    generator = torch.Generator().manual_seed(seed)
    channels, dtype = mixture.size // prod(grid), correction.deviations.dtype
    basis, mean = mixture.basis, mixture.gaussian.mean
    *apart, kept = folds(mixture, [signals.stream(fold) for fold in range(FOLDS + 1)])

    def a_mask(scattered: bool) -> Tensor:
        return training_mask(grid, generator, scattered).to(device).repeat_interleave(channels)

    def integer(most: int) -> int:
        return int(torch.randint(most, (1,), generator=generator))

    def examples(scattered: bool) -> tuple[View, Tensor]:
        number, mask = integer(FOLDS), a_mask(scattered)
        x = signals.draw(number, EACH, generator).to(mean)
        _, view = apart[number].see(x, mask)
        return view.to(dtype), ((x - mean) @ basis).to(dtype)

    def group(of: list[tuple[View, Tensor]]) -> tuple[View, Tensor]:
        view, coordinates = of[integer(len(of))]
        rows = torch.randint(EACH, (GROUP,), generator=generator).to(device)
        return replace(view, expected=view.expected[rows], weights=view.weights[rows]), coordinates[rows]

    scattered, parts = ([examples(kind) for _ in range(count)] for kind, count in MASKS.items())
    # A copy learns, so that the correction can hold the running mean of its weights.
    net = copy.deepcopy(correction).requires_grad_(True).train()
    optimizer = torch.optim.AdamW(net.parameters(), rate, betas=(0.9, 0.99), weight_decay=WEIGHT_DECAY)
    with torch.enable_grad(), torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        for step in range(steps):
            if step % 2 == 1:
                scattered[step // 2 % len(scattered)] = examples(True)
            if step % 8 == 7:
                parts[step // 8 % len(parts)] = examples(False)
            for options in optimizer.param_groups:
                options["lr"] = rate * min(1, (step + 1) / WARM) * (1 + cos(pi * step / steps)) / 2
            loss = torch.zeros((), device=device)
            for view, coordinates in (group(scattered), group(scattered), group(parts)):
                loss = loss + (net(view) - coordinates).square().sum(1).mean() / view.left
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(net.parameters(), CLIP)
            optimizer.step()
            held = min(DECAY, (1 + step) / (10 + step))
            with torch.no_grad():
                for mine, new in zip(correction.parameters(), net.parameters(), strict=True):
                    mine.lerp_(new, 1 - held)
    unseen = signals.each(FOLDS, MOST, generator)
    masks = [a_mask(number % 2 == 0) for number in range(2 * MEASURED)]
    correction.shares.copy_(measure(correction, kept, unseen, masks))
