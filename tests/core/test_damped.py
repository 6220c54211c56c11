"""A damped Gram matrix has a factor, unless its entries are not finite."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from metasiren import damped_cholesky


def gram(dtype: torch.dtype, rows: int, rank: int) -> Tensor:
    drawn = torch.randn(rows, rank, dtype=dtype, generator=torch.Generator().manual_seed(0))
    return drawn @ drawn.mH


@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_the_factor_is_that_of_the_damped_matrix(dtype: torch.dtype) -> None:
    g = gram(dtype, 5, 9)
    found = damped_cholesky(g, 0.25)
    assert found is not None
    assert found[0] == 0.25
    damped = g + 0.25 * g.diagonal().real.mean() * torch.eye(5)
    torch.testing.assert_close(found[1] @ found[1].mH, damped)
    assert torch.equal(found[1], found[1].tril())


def test_an_indefinite_matrix_is_damped_tenfold_until_it_has_a_factor() -> None:
    g = torch.diag(torch.tensor([4.0, 4.0, -0.5], dtype=torch.float64))
    found = damped_cholesky(g, 1e-3)
    assert found is not None
    used, factor = found
    assert used == pytest.approx(1.0)
    torch.testing.assert_close(factor @ factor.mT, g + used * 2.5 * torch.eye(3))


def test_a_matrix_that_is_not_finite_has_none() -> None:
    assert damped_cholesky(torch.full((2, 2), float("nan"), dtype=torch.float64), 1e-3) is None
