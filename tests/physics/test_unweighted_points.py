"""`weighted: false`: points inside the domain count equally, points outside it not at all."""

from __future__ import annotations

import torch

from metasiren_physics.datasets.wave import WaveDataset


def test_points_outside_the_domain_do_not_count() -> None:
    dataset = WaveDataset(points=2000, front=0.5, duration=1.2, weighted=False)
    batch = dataset.batch("train", torch.zeros(1, dtype=torch.long), generator=torch.Generator().manual_seed(0))
    points = batch.points["interior"]
    weight = points.targets["weight"].flatten()
    outside = (points.coords[0, :, 1:].abs() > 1).any(-1)
    assert int(outside.sum()) > 50, "the front leaves the square before t = 1.2"
    assert (weight[outside] == 0).all()
    assert (weight[~outside] == 1).all()
