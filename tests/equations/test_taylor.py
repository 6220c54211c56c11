"""Unmixed third and fourth derivatives are those of nested automatic differentiation, in jets and in Gauss-Newton."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from metasiren import Domain, Jet, Points, RecipeError, Siren, UpTo
from metasiren.nn.derivatives import SecondSums, highest, jet_columns
from metasiren.testing import check_residual, exact_jet
from metasiren_basics.dense_jacobian import DenseJacobian
from metasiren_basics.linearised import Linearised, ResidualBlock
from metasiren_physics.constraints.equations import Kdv
from metasiren_physics.datasets.exact_sides import Exact, ExactSides
from metasiren_physics.periodic import Periodic

F64 = torch.float64
COORDS = torch.rand(9, 2, generator=torch.Generator().manual_seed(0), dtype=F64) * 2 - 1
PERIODIC = Periodic(Domain(2, 1), axes=(1,), frequencies=2)


def siren(nonlinearity: str, layer: Any = None) -> Siren:
    return Siren(
        in_features=2, out_features=2, hidden_features=7, hidden_layers=2, first_omega=3, hidden_omega=2,
        nonlinearity=nonlinearity, input_layer=layer,
    )  # fmt: skip


CASES = [("sine", None), ("tanh", None), ("softplus", None), ("sine", PERIODIC), ("tanh", PERIODIC)]


@pytest.mark.parametrize(("nonlinearity", "layer"), CASES)
@pytest.mark.parametrize("order", ["third", "fourth"])
def test_jets_are_those_of_nested_differentiation(nonlinearity: str, layer: Any, order: str) -> None:
    net = siren(nonlinearity, layer)
    params = {k: v.requires_grad_() for k, v in net.init(generator=torch.Generator().manual_seed(0), dtype=F64).items()}
    exact = exact_jet(lambda p: net(params, p)[0], COORDS)
    found = net.jet(params, COORDS, order)
    assert found.hessian is None
    for name in ("value", "gradient", "laplacian", "hessian_diagonal", "third", "fourth"):
        if name == "fourth" and order == "third":
            assert found.fourth is None
            continue
        torch.testing.assert_close(getattr(found, name), getattr(exact, name), rtol=1e-9, atol=1e-9)
    # Without gradients, chunk by chunk: the same numbers.
    with torch.no_grad():
        again = net.jet(params, COORDS, order, chunk_points=4)
    torch.testing.assert_close(getattr(again, order), getattr(found, order).detach())


@pytest.mark.parametrize(("nonlinearity", "layer"), CASES)
@pytest.mark.parametrize("tops", [(1, 3), (3, 1), (1, 1), (2, 4), (1, 2)])
def test_derivatives_by_coordinate_are_those_of_the_whole_order(
    nonlinearity: str, layer: Any, tops: tuple[int, int]
) -> None:
    """What is asked for is right, with its gradients by the weights; what is not is NaN."""
    net, order = siren(nonlinearity, layer), UpTo(tops)
    params = {k: v.requires_grad_() for k, v in net.init(generator=torch.Generator().manual_seed(0), dtype=F64).items()}
    assert jet_columns(order, (1.0, 1.0)).count == 1 + sum(tops)
    found, whole = net.jet(params, COORDS, order), net.jet(params, COORDS, "fourth")
    torch.testing.assert_close(found.value, whole.value)
    assert (found.hessian, found.laplacian is None) == (None, min(tops) < 2)
    if found.laplacian is not None:
        torch.testing.assert_close(found.laplacian, whole.laplacian)
    for k, name in enumerate(("gradient", "hessian_diagonal", "third", "fourth"), 1):
        mine, theirs = getattr(found, name), getattr(whole, name)
        if k > max(tops):
            assert mine is None
            continue
        for i, top in enumerate(tops):
            if k > top:
                assert mine[..., i].isnan().all()
                continue
            torch.testing.assert_close(mine[..., i], theirs[..., i])
            grads = [
                torch.autograd.grad(jet[..., i].square().sum(), list(params.values()), retain_graph=True,
                                    allow_unused=True, materialize_grads=True)
                for jet in (mine, theirs)
            ]  # fmt: skip
            torch.testing.assert_close(grads[0], grads[1])


def test_parameter_gradients_are_those_of_differences() -> None:
    net = siren("sine")
    params = net.init(generator=torch.Generator().manual_seed(0), dtype=F64)
    name, h = "1.weight", 1e-6

    def loss(change: float) -> torch.Tensor:
        moved = {**params, name: params[name] + change * torch.sin(torch.arange(49, dtype=F64)).view(1, 7, 7)}
        jet = net.jet(moved, COORDS, "fourth")
        assert jet.fourth is not None
        assert jet.third is not None
        return (jet.third.square() + jet.fourth).mean()

    weight = params[name].clone().requires_grad_()
    jet = net.jet({**params, name: weight}, COORDS, "fourth")
    assert jet.fourth is not None
    assert jet.third is not None
    (jet.third.square() + jet.fourth).mean().backward()
    assert weight.grad is not None
    along = float((weight.grad.detach() * torch.sin(torch.arange(49, dtype=F64)).view(1, 7, 7)).sum())
    assert along == pytest.approx(float((loss(h) - loss(-h)).detach() / (2 * h)), rel=1e-5)


@pytest.mark.parametrize(("nonlinearity", "layer"), [("sine", None), ("tanh", PERIODIC)])
@pytest.mark.parametrize("order", ["third", "fourth"])
def test_gauss_newton_has_the_same_rows_with_and_without_a_jacobian(nonlinearity: str, layer: Any, order: str) -> None:
    net = siren(nonlinearity, layer)
    params = net.init(generator=torch.Generator().manual_seed(0), dtype=F64)

    def residuals(jet: Jet) -> torch.Tensor:
        high = getattr(jet, order)
        assert jet.gradient is not None
        return jet.value[0] * jet.gradient[0, ..., 1] + torch.sin(high[0, ..., 0]) + high[0, ..., 1] / 9

    thin, dense = (kind(net, params, [ResidualBlock(COORDS, order, residuals)]) for kind in (Linearised, DenseJacobian))
    torch.testing.assert_close(thin.residual, dense.residual)
    torch.testing.assert_close(thin.gram(), dense.gram(), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("kind", [Linearised, DenseJacobian])
def test_gauss_newton_has_the_same_rows_by_coordinate(kind: Any) -> None:
    """Also where the start is met exactly, whose factor needs derivatives of its own."""
    exact = ExactSides(Exact(sides={"t": "start"}, values="cos(pi*x)"), {"t": (-1, 1), "x": (-1, 1)}, 1)
    net = Siren(
        in_features=2, out_features=1, hidden_features=7, hidden_layers=1, first_omega=3, hidden_omega=2,
        input_layer=PERIODIC, exact=exact,
    )  # fmt: skip
    params = net.init(generator=torch.Generator().manual_seed(0), dtype=F64)
    equation, points = Kdv(), Points(COORDS.unsqueeze(0))

    def rows(order: Any) -> Any:
        return kind(net, params, [ResidualBlock(COORDS, order, lambda jet: equation.residual(jet, points)[0])])

    mine, theirs = rows(equation.order), rows("third")
    torch.testing.assert_close(mine.residual, theirs.residual)
    torch.testing.assert_close(mine.rows(), theirs.rows())


def test_periodic_coordinates_have_their_period() -> None:
    net = siren("tanh", PERIODIC)
    params = net.init(generator=torch.Generator().manual_seed(0), dtype=F64)
    here, there = (net.jet(params, COORDS + torch.tensor([0.0, s], dtype=F64), "third") for s in (0, 2))
    for name in ("value", "gradient", "hessian_diagonal", "third"):
        torch.testing.assert_close(getattr(here, name), getattr(there, name))
    hessian = net.jet(params, COORDS, "hessian").hessian
    assert hessian is not None
    torch.testing.assert_close(hessian, exact_jet(lambda p: net(params, p)[0], COORDS).hessian)
    for options in ({"axes": ()}, {"axes": (2,)}, {"axes": (1, 1)}, {"period": 0.0}, {"frequencies": 0}):
        with pytest.raises(RecipeError, match="periodic"):
            Periodic(Domain(2, 1), **options)  # type: ignore[arg-type]


def test_a_soliton_leaves_no_residual() -> None:
    """u = 3 c sech²(√c (x - c t) / 2δ) satisfies u_t + u u_x + δ² u_xxx = 0."""
    c, delta = 0.7, 0.3

    def soliton(p: torch.Tensor) -> torch.Tensor:
        return 3 * c / torch.cosh(math.sqrt(c) * (p[:, 1] - c * p[:, 0]) / (2 * delta)) ** 2

    found = check_residual(Kdv(dispersion=delta), soliton, COORDS)
    assert {"value", "gradient[0]", "gradient[1]", "third[1]"} <= set(found)


def test_mixed_and_higher_derivatives_do_not_meet() -> None:
    assert highest(["third", "gradient"]) == "third"
    assert highest(["fourth", "third", "laplacian"]) == "fourth"
    with pytest.raises(RecipeError, match="both hessian and third"):
        highest(["hessian", "third"])


def test_what_includes_orders_by_coordinate() -> None:
    one = UpTo((1, 3))
    assert highest([one, "value", "gradient"]) == one
    assert highest([one, UpTo((2, 1))]) == UpTo((2, 3))
    assert highest([one, "laplacian"]) == highest([one, SecondSums(((1, 1),))]) == UpTo((2, 3))
    assert highest([one, "third"]) == UpTo((3, 3))
    assert highest([one, "fourth"]) == UpTo((4, 4))
    with pytest.raises(RecipeError, match="both hessian and UpTo"):
        highest([one, "hessian"])
    with pytest.raises(RecipeError, match="different numbers of coordinates"):
        highest([one, UpTo((1,))])
    with pytest.raises(RecipeError, match="no order is called 'fith'"):
        highest([one, "fith"])
    for tops in ((), (0, 1), (1, 5)):
        with pytest.raises(RecipeError, match="from 1 to 4"):
            UpTo(tops)
    net = siren("sine")
    params = net.init(generator=torch.Generator().manual_seed(0), dtype=F64)
    with pytest.raises(RecipeError, match=r"UpTo\(tops=\(1, 2, 3\)\) for 2 coordinates"):
        net.jet(params, COORDS, UpTo((1, 2, 3)))
    with pytest.raises(RecipeError, match="jet: weights"):
        net.jet(params, COORDS, one, weights=(1, 1))
