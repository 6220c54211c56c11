"""Self-scaled quasi-Newton steps: the secant equation, definiteness, exactness on quadratics, and memory over steps."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from metasiren import Problem, RecipeError
from metasiren_basics.self_scaled import SelfScaled, between, broyden, updated

F64 = torch.float64
METHODS = ["bfgs", "broyden"]


def problem(loss: Callable[[], Tensor]) -> Problem:
    return cast("Problem", SimpleNamespace(losses=lambda: {"loss": loss()}))


def matrix(n: int, seed: int) -> Tensor:
    root = torch.randn(n, n, generator=torch.Generator().manual_seed(seed), dtype=F64)
    return root @ root.mT + torch.eye(n, dtype=F64)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_an_update_meets_the_secant_equation_and_stays_definite(method: str, scale: float) -> None:
    inverse = scale * matrix(6, 0)
    s = torch.randn(6, generator=torch.Generator().manual_seed(1), dtype=F64)
    y = matrix(6, 2) @ s
    found = updated(inverse, s, y, torch.linalg.solve(inverse, s), method)
    torch.testing.assert_close(found @ y, s)
    torch.testing.assert_close(found, found.mT)
    assert torch.linalg.eigvalsh(found).min() > 0
    assert torch.equal(updated(inverse, s, -y, torch.linalg.solve(inverse, s), method), inverse)


def test_without_scaling_it_is_bfgs() -> None:
    """Where b = s·Bs / y·s is at most 1, τ is 1: H+ = (1 - ρ s yᵀ) H (1 - ρ y sᵀ) + ρ s sᵀ."""
    inverse, s = 10 * matrix(5, 3), torch.ones(5, dtype=F64)
    y = matrix(5, 4) @ s
    bs = torch.linalg.solve(inverse, s)
    assert s @ bs <= y @ s
    rho, one = 1 / (y @ s), torch.eye(5, dtype=F64)
    turned = one - rho * torch.outer(s, y)
    plain = turned @ inverse @ turned.mT + rho * torch.outer(s, s)
    torch.testing.assert_close(updated(inverse, s, y, bs, "bfgs"), plain)


def test_broyden_is_bfgs_where_the_memory_is_exact() -> None:
    assert broyden(1.0, 1.0, 7) == (1.0, 1.0)
    phi, tau = broyden(2.0, 3.0, 7)
    assert 0 < tau <= 1
    assert phi > 0


def test_the_cubic_finds_the_minimum_of_a_parabola() -> None:
    assert between((0.0, 1.0, -2.0), (3.0, 4.0, 4.0)) == pytest.approx(1.0)
    assert between((3.0, 4.0, 4.0), (0.0, 1.0, -2.0)) == pytest.approx(1.0)
    assert between((0.0, 1.0, -2.0), (2.0, float("nan"), float("nan"))) == 1.0


@pytest.mark.parametrize("method", METHODS)
def test_a_quadratic_is_solved(method: Any) -> None:
    hessian, goal = matrix(8, 5), torch.arange(8, dtype=F64)
    weight = nn.Parameter(torch.zeros(8, dtype=F64))
    optimizer = SelfScaled([weight], method=method, iterations=60)
    losses = optimizer.step_on(problem(lambda: (weight - goal) @ hessian @ (weight - goal)))
    assert float(losses["loss"]) == pytest.approx(float(goal @ hessian @ goal))
    torch.testing.assert_close(weight.detach(), goal, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_rosenbrocks_valley(method: Any) -> None:
    a, b = (nn.Parameter(torch.tensor(v, dtype=F64)) for v in (-1.2, 1.0))
    optimizer = SelfScaled([a, b], method=method, iterations=10)
    for _ in range(10):
        optimizer.step_on(problem(lambda: (1 - a) ** 2 + 100 * (b - a**2) ** 2))
    assert abs(float(a.detach()) - 1) < 1e-6


@pytest.mark.parametrize("method", METHODS)
def test_a_state_restored_goes_on_to_the_bit(method: Any) -> None:
    hessian, goal = matrix(6, 5), torch.arange(6, dtype=F64)

    def make() -> tuple[nn.Parameter, SelfScaled]:
        weight = nn.Parameter(torch.zeros(6, dtype=F64))
        return weight, SelfScaled([weight], method=method, iterations=3)

    def task(weight: nn.Parameter) -> Problem:
        return problem(lambda: ((weight - goal) @ hessian @ (weight - goal)).cosh().log())

    one, first = make()
    for _ in range(4):
        first.step_on(task(one))
    two, second = make()
    for _ in range(2):
        second.step_on(task(two))
    three, third = make()
    third.load_state_dict(second.state_dict())
    three.data.copy_(two.data)
    for _ in range(2):
        third.step_on(task(three))
    assert torch.equal(one, three)


def test_at_a_minimum_and_at_a_loss_that_is_not_finite_nothing_moves() -> None:
    weight = nn.Parameter(torch.zeros(3, dtype=F64))
    optimizer = SelfScaled([weight])
    optimizer.step_on(problem(lambda: weight.square().sum()))
    optimizer.step_on(problem(lambda: (weight + float("nan")).sum()))
    assert torch.equal(weight, torch.zeros(3, dtype=F64))


@pytest.mark.parametrize("options", [{"lr": 0.0}, {"iterations": 0}, {"evaluations": 1}])
def test_options_have_ranges(options: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="self_scaled"):
        SelfScaled([nn.Parameter(torch.zeros(2))], **options)


def test_too_many_parameters_are_refused() -> None:
    with pytest.raises(RecipeError, match="20,000 parameters need a matrix"):
        SelfScaled([nn.Parameter(torch.zeros(20_000))])
