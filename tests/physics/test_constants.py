"""Constants are kept for each device, but not those that have no numbers."""

from __future__ import annotations

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from metasiren_physics.datasets.constants import constant, constants


def test_a_constant_is_made_once_for_each_dtype() -> None:
    x = torch.zeros(1)
    assert constant([1.0, 2.0], x) is constant((1.0, 2.0), x)
    assert constant([1.0, 2.0], x.double()).dtype == torch.float64
    assert constants([[1.0], [2.0]], x).shape == (2, 1)


def test_one_without_numbers_is_not_kept() -> None:
    with FakeTensorMode():
        assert isinstance(constant([7.0, 8.0], torch.zeros(1)), FakeTensor)
    assert constant([7.0, 8.0], torch.zeros(1)).tolist() == [7.0, 8.0]
