"""Media of two speeds: their limits, and their derivatives by automatic differentiation."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from resuming import check_resumed_equals_uninterrupted

from metasiren import load_recipe
from metasiren_physics.datasets.inversion import InversionDataset
from metasiren_physics.two_speeds import slowness_slope, squared_slowness, step, step_bend, step_slope

F64 = torch.float64


def test_levels_far_from_the_edge_have_one_of_two_values() -> None:
    level = torch.tensor([1.0, 0.3, -1.2, -3.0], dtype=F64).unsqueeze(1)
    medium = torch.cat([level, torch.full_like(level, -0.75)], 1)
    expected = torch.tensor([[1.0], [1.0], [0.25], [0.25]], dtype=F64)
    torch.testing.assert_close(squared_slowness(medium), expected, atol=2e-3, rtol=0)
    torch.testing.assert_close(
        squared_slowness(torch.cat([-level, -medium[:, 1:]], 1)), 2 - expected, atol=2e-3, rtol=0
    )


def test_half_the_contrast_is_half_way() -> None:
    medium = torch.tensor([[-0.3, -0.6]], dtype=F64)
    torch.testing.assert_close(squared_slowness(medium), torch.tensor([[0.7]], dtype=F64))


@pytest.mark.parametrize("contrast", [0.0, 1e-9])
def test_without_a_contrast_the_medium_is_any(contrast: float) -> None:
    level = torch.linspace(-2, 2, 9, dtype=F64).unsqueeze(1)
    medium = torch.cat([level, torch.full_like(level, contrast)], 1)
    assert torch.equal(squared_slowness(medium), 1 + level)
    assert torch.equal(squared_slowness(level), 1 + level)
    slope = torch.randn(9, 2, 3, dtype=F64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(slowness_slope(medium, slope), slope[:, 0])
    assert torch.equal(slowness_slope(level, slope[:, :1]), slope[:, 0])


def test_slopes_are_the_derivatives() -> None:
    medium = torch.tensor([[-0.2, -0.6], [0.05, 0.8], [-0.7, -0.75]], dtype=F64)
    slope = torch.randn(3, 2, 2, dtype=F64, generator=torch.Generator().manual_seed(0))
    (by,) = torch.autograd.grad(squared_slowness(medium.requires_grad_()).sum(), medium)
    torch.testing.assert_close(slowness_slope(medium.detach(), slope), (by.unsqueeze(2) * slope).sum(1))


def test_the_step_and_its_derivatives_agree() -> None:
    z = torch.linspace(-1, 2, 31, dtype=F64, requires_grad=True)
    (slope,) = torch.autograd.grad(step(z).sum(), z)
    (bend,) = torch.autograd.grad(step_slope(z).sum(), z)
    torch.testing.assert_close(step_slope(z), slope)
    torch.testing.assert_close(step_bend(z), bend)


def test_the_field_has_a_channel_for_the_contrast() -> None:
    data = InversionDataset(two_speeds=True, points=60)
    assert data.domain.d_out == 12
    assert data.metadata["channels"][-2:] == ["level", "contrast"]


def test_an_inversion_resumes_to_the_bit(tmp_path: Path) -> None:
    """Checkpoints lie on both sides of the step from which the medium has two speeds."""
    changes = {
        "data.points": 300, "siren.hidden_features": 40, "train.steps": 5, "train.checkpoint_every": 3,
        "train.optimizer.smooth_steps": 2, "evaluate.nodes": 16, "evaluate.admm": 0,
    }  # fmt: skip
    run = check_resumed_equals_uninterrupted(load_recipe("fwi", preset="quick", overrides=changes), tmp_path)
    (group,) = run.checkpoint().metadata["optimizer"]["groups"]
    assert group["taken"] == 5
