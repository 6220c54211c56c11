"""Steps by preconditioned conjugate gradients: the same as by a factor, with the Jacobian in memory or without."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from metasiren import Jet, RecipeError, Siren
from metasiren_basics import nystrom
from metasiren_basics.damped_steps import damped_steps
from metasiren_basics.dense_jacobian import DenseJacobian
from metasiren_basics.gauss_newton import GaussNewton
from metasiren_basics.linearised import Linearised, ResidualBlock
from metasiren_basics.nystrom import nystrom_steps, sketch, solve

F64 = torch.float64


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def linearised(kind: type[Linearised] | type[DenseJacobian], points: int) -> Linearised | DenseJacobian:
    siren = Siren(in_features=2, out_features=1, hidden_features=8, hidden_layers=1, first_omega=3, hidden_omega=2)
    params = siren.init(generator=seeded(), dtype=F64)
    coords = torch.rand(points, 2, generator=seeded(), dtype=F64)

    def residuals(jet: Jet) -> Tensor:
        assert jet.laplacian is not None
        return torch.cat([jet.laplacian[0] - 1, jet.value[0]], -1)

    return kind(siren, params, [ResidualBlock(coords, "laplacian", residuals)])


@pytest.mark.parametrize("kind", [Linearised, DenseJacobian])
def test_the_norm_is_that_of_the_rows_and_flat_undoes_named(kind: Any) -> None:
    linear = linearised(kind, 20)
    torch.testing.assert_close(linear.norm_squared(), linear.rows().square().sum())
    vector = torch.arange(float(linear.siren.parameter_count), dtype=F64)
    assert torch.equal(linear.flat(linear.named(vector)), vector)
    torch.testing.assert_close(linear.push(linear.named(vector)), linear.rows() @ vector)


@pytest.mark.parametrize("kind", [Linearised, DenseJacobian])
@pytest.mark.parametrize("points", [20, 200])
@pytest.mark.parametrize("most_entries", [0, 2**26])
def test_steps_are_those_of_a_factored_matrix(
    kind: Any, points: int, most_entries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fewer residuals than weights, and more; the Jacobian in memory, or never written."""
    monkeypatch.setattr(nystrom, "MOST_ENTRIES", most_entries)
    linear = linearised(kind, points)
    dampings = [1e-1, 1e-3]
    targets = torch.stack([linear.residual, torch.cos(linear.residual)], 1)
    expected = {damping: list(steps) for damping, steps in damped_steps(linear, targets, dampings)}
    found = {
        damping: list(steps)
        for damping, steps in nystrom_steps(
            linear, targets, dampings, rank=10, tolerance=1e-12, most=1000, generator=seeded()
        )
    }  # fmt: skip
    assert list(found) == sorted(dampings)
    for damping, steps in found.items():
        assert len(steps) == 2
        for step, factored in zip(steps, expected[damping], strict=True):
            for name, part in step.items():
                torch.testing.assert_close(part, factored[name], rtol=1e-6, atol=1e-9)


def test_one_sketch_serves_all_right_hand_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    linear, sketches = linearised(DenseJacobian, 20), []

    def counted(*given: Any) -> tuple[Tensor, Tensor]:
        sketches.append(given)
        return sketch(*given)

    monkeypatch.setattr(nystrom, "sketch", counted)
    targets = torch.stack([linear.residual, 2 * linear.residual], 1)
    for _, steps in nystrom_steps(linear, targets, [0.1, 0.01], rank=3, tolerance=1e-6, most=9, generator=seeded()):
        list(steps)
    assert len(sketches) == 1


def test_a_sketch_of_full_rank_is_exact_and_preconditions_perfectly() -> None:
    root = torch.randn(12, 12, generator=seeded(), dtype=F64)
    matrix = root @ root.mT
    values, vectors = sketch(lambda v: matrix @ v, 12, 50, matrix, seeded())
    torch.testing.assert_close(values, torch.linalg.eigvalsh(matrix).flip(0), rtol=1e-8, atol=1e-8)
    right, calls = torch.ones(12, 1, dtype=F64), []

    def product(v: Tensor) -> Tensor:
        calls.append(1)
        return matrix @ v

    x = solve(product, right, torch.tensor(1e-3, dtype=F64), values, vectors, 1e-8, 100)
    torch.testing.assert_close(matrix @ x + 1e-3 * x, right)
    assert len(calls) <= 3


def test_the_sketch_saves_iterations() -> None:
    """Ten large eigenvalues among many small ones: with them known, far fewer products are needed."""
    turned = torch.linalg.qr(torch.randn(80, 80, generator=seeded(), dtype=F64)).Q
    spread = torch.cat([torch.logspace(6, 2, 10, dtype=F64), torch.linspace(1, 2, 70, dtype=F64)])
    matrix, right = turned * spread @ turned.mT, torch.ones(80, 1, dtype=F64)

    def iterations(rank: int) -> int:
        calls = []

        def product(v: Tensor) -> Tensor:
            calls.append(1)
            return matrix @ v

        values, vectors = sketch(product, 80, rank, right, seeded())
        calls.clear()
        solve(product, right, torch.tensor(1.0, dtype=F64), values, vectors, 1e-8, 500)
        return len(calls)

    assert iterations(15) < iterations(1) / 2


def test_a_zero_residual_needs_no_step() -> None:
    matrix = torch.eye(4, dtype=F64)
    zero = torch.zeros(4, 1, dtype=F64)
    values, vectors = sketch(lambda v: matrix @ v, 4, 2, zero, seeded())
    assert not solve(lambda v: matrix @ v, zero, torch.tensor(0.1, dtype=F64), values, vectors, 1e-6, 9).any()


@pytest.mark.parametrize("number", [0.0, float("nan"), float("inf")])
def test_a_jacobian_that_is_zero_or_not_finite_has_no_steps(number: float) -> None:
    linear = linearised(DenseJacobian, 20)
    assert isinstance(linear, DenseJacobian)
    linear.matrix = torch.full_like(linear.matrix, number)
    targets = linear.residual.unsqueeze(1)
    steps = nystrom_steps(linear, targets, [0.1], rank=3, tolerance=1e-6, most=9, generator=seeded())
    assert not list(steps)


def test_a_sketch_of_zero_is_zero() -> None:
    values, _ = sketch(torch.zeros_like, 6, 3, torch.zeros(6, 1, dtype=F64), seeded())
    assert not values.any()


@pytest.mark.parametrize("options", [{"rank": 0}, {"tolerance": 0.0}, {"tolerance": 1.0}])
def test_options_outside_their_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="gauss_newton"):
        GaussNewton([torch.nn.Parameter(torch.zeros(1))], solve="nystrom", **options)
