"""Constants are kept for each device, but not those that have no numbers."""

from __future__ import annotations

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from metasiren.nn.constants import constant, constants, kept


def test_a_constant_is_made_once_for_each_dtype() -> None:
    x = torch.zeros(1)
    assert constant([1.0, 2.0], x) is constant((1.0, 2.0), x)
    assert constant([1.0, 2.0], x.double()).dtype == torch.float64
    assert constants([[1.0], [2.0]], x).shape == (2, 1)


def test_one_without_numbers_is_not_kept() -> None:
    with FakeTensorMode():
        assert isinstance(constant([7.0, 8.0], torch.zeros(1)), FakeTensor)
    assert constant([7.0, 8.0], torch.zeros(1)).tolist() == [7.0, 8.0]


def drawn(seed: int) -> torch.Tensor:
    return torch.randn(3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_number_has_no_dimension() -> None:
    x = torch.zeros(1)
    assert constant(1 / 3, x).shape == ()
    assert torch.equal(constant(1 / 3, x), x.new_tensor(1 / 3))


def test_a_draw_is_made_once_for_each_dtype() -> None:
    x = torch.zeros(1)
    assert kept(drawn, 1, like=x) is kept(drawn, 1, like=x)
    assert torch.equal(kept(drawn, 1, like=x), drawn(1).float())
    assert torch.equal(kept(drawn, 1, like=x.double()), drawn(1))
    assert not torch.equal(kept(drawn, 2, like=x), kept(drawn, 1, like=x))


def test_what_a_transform_makes_is_not_kept() -> None:
    x = torch.ones(3, dtype=torch.float64)
    inside = torch.func.grad(lambda x: (kept(drawn, 3, like=x) * x).sum())(x)
    torch.testing.assert_close(inside, drawn(3))
    made = kept(drawn, 3, like=x)
    assert not torch._C._functorch.is_gradtrackingtensor(made)
    assert torch.equal(made, drawn(3))
