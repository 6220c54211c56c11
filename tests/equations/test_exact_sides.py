"""Fields with exact conditions: values on the sides to the last bit, and jets that are those of the whole function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import metasiren as ms
from metasiren import Field, RecipeError, Siren, as_module, feature_jet
from metasiren.nn.derivatives.exact import function_jet
from metasiren.testing import exact_jet
from metasiren_basics.dense_jacobian import DenseJacobian
from metasiren_basics.linearised import Linearised, ResidualBlock
from metasiren_fields.architecture import describe
from metasiren_physics.datasets.exact_sides import Exact, ExactSides

F64 = torch.float64
AXES = {"t": (0.0, 2.0), "x": (-1.0, 3.0)}
COORDS = torch.rand(7, 2, generator=torch.Generator().manual_seed(0), dtype=F64) * 2
SIDES = ExactSides(Exact({"t": "start", "x": "both"}, "x**3 - sin(pi*x) + t*x"), AXES, 2)
NET = Siren(
    in_features=2, out_features=2, hidden_features=7, hidden_layers=1, first_omega=3, hidden_omega=2, exact=SIDES
)
ORDERS = ["value", "gradient", "laplacian", "hessian_diagonal", "hessian", "third", "fourth"]


def drawn() -> dict[str, torch.Tensor]:
    return NET.init(generator=torch.Generator().manual_seed(0), dtype=F64)


def test_values_on_the_sides_are_exact_whatever_the_weights() -> None:
    params = {name: 100 * value for name, value in drawn().items()}
    line = torch.linspace(0, 1, 11, dtype=F64)
    for side in (
        torch.stack([0 * line, 4 * line - 1], -1),
        torch.stack([2 * line, 0 * line - 1], -1),
        torch.stack([2 * line, 0 * line + 3], -1),
    ):
        assert torch.equal(NET(params, side)[0, :, 0], SIDES.lift(side)[:, 0])
        jet = NET.jet(params, side, "hessian_diagonal")
        assert torch.equal(jet.value[0, :, 0], SIDES.lift(side)[:, 0])
    end = torch.stack([0 * line + 2, 4 * line - 1], -1)
    assert (NET(params, end)[0, 1:-1, 0] - SIDES.lift(end)[1:-1, 0]).abs().min() > 1e-3


def test_channels_without_a_formula_are_the_networks_own() -> None:
    plain = Siren(in_features=2, out_features=2, hidden_features=7, hidden_layers=1, first_omega=3, hidden_omega=2)
    assert torch.equal(NET(drawn(), COORDS)[..., 1], plain(drawn(), COORDS)[..., 1])


@pytest.mark.parametrize("side", ["start", "end", "both"])
def test_the_factor_is_zero_on_its_sides_alone(side: Any) -> None:
    made = ExactSides(Exact({"x": side}), AXES, 1)
    at = made.factor(torch.tensor([[0.7, -1.0], [0.7, 1.0], [0.7, 3.0]], dtype=F64))[:, 0].tolist()
    assert at == {"start": [0, 0.5, 1], "end": [1, 0.5, 0], "both": [0, 1, 0]}[side]


@pytest.mark.parametrize("order", ORDERS)
def test_jets_are_those_of_the_whole_function(order: str) -> None:
    params = drawn()
    exact = exact_jet(lambda p: NET(params, p)[0], COORDS)
    found = NET.jet(params, COORDS, order)
    for name, part in vars(found).items():
        if part is not None:
            torch.testing.assert_close(part, getattr(exact, name), rtol=1e-9, atol=1e-9)
    assert getattr(found, order) is not None


def test_the_laplacian_has_its_weights_and_gradients_reach_coordinates() -> None:
    params, x = drawn(), COORDS.clone().requires_grad_()
    jet = NET.jet(params, x, "laplacian", weights=(1.0, -4.0))
    exact = exact_jet(lambda p: NET(params, p)[0], COORDS)
    assert exact.hessian_diagonal is not None
    assert jet.laplacian is not None
    torch.testing.assert_close(jet.laplacian, exact.hessian_diagonal @ torch.tensor([1.0, -4.0], dtype=F64))
    (slope,) = torch.autograd.grad(NET.jet(params, x, "gradient").value.sum(), x)
    assert exact.gradient is not None
    torch.testing.assert_close(slope, exact.gradient[0].sum(1))


def test_derivatives_of_constants_and_lines_are_zeros() -> None:
    jet = function_jet(lambda x: torch.stack([torch.ones_like(x[..., 0]), 3 * x[..., 0]], -1), COORDS, 4)
    assert jet.gradient is not None
    assert torch.equal(jet.gradient[:, 1], torch.tensor([3.0, 0.0], dtype=F64).expand(7, 2))
    for part in (jet.hessian, jet.third, jet.fourth):
        assert part is not None
        assert not part.any()


@pytest.mark.parametrize("order", ["gradient", "hessian_diagonal", "third"])
def test_gauss_newton_sees_the_same_jacobian_with_and_without_rows(order: str) -> None:
    def residuals(jet: Any) -> torch.Tensor:
        found: torch.Tensor = getattr(jet, order)[0].sum(-1) + jet.value[0] ** 2
        return found

    block = ResidualBlock(COORDS, order, residuals)
    sparse, dense = Linearised(NET, drawn(), [block]), DenseJacobian(NET, drawn(), [block])
    torch.testing.assert_close(sparse.residual, dense.residual)
    torch.testing.assert_close(sparse.gram(), dense.gram())


def test_a_run_keeps_its_conditions_and_is_opened_without_data(tmp_path: Path) -> None:
    exact: dict[str, Any] = {"sides": {"t": "start"}, "values": "-sin(pi*x)"}
    short = {"train.steps": 2, "data.points.interior": 20, "siren.hidden_features": 4, "evaluate.nodes": 9}
    recipe = ms.load_recipe("burgers", preset="quick", overrides={"data.exact": exact, **short})
    ms.run(recipe, out=tmp_path / "run", device="cpu")
    field = ms.open_run(tmp_path / "run").field()
    # The recipe's own sides in x stay: overrides are merged.
    both = Exact({**exact["sides"], "x": "both"}, exact["values"])
    assert field.siren.exact == ExactSides(both, {"t": (0.0, 1.0), "x": (-1.0, 1.0)}, 1)
    start = torch.tensor([[0.0, 0.3]], dtype=F64)
    assert torch.equal(field.double()(start), -torch.sin(torch.pi * start[:, 1:]))


@pytest.mark.parametrize(
    ("exact", "channels", "message"),
    [
        (Exact({}), 1, "no axis"),
        (Exact({"z": "both"}), 1, "sides of z"),
        (Exact({"x": "both"}, [0, "x"]), 1, "2 formulas; the field has 1"),
        (Exact({"x": "both"}, "y"), 1, "data: box: exact: values"),
    ],
)
def test_sides_that_do_not_fit_are_refused(exact: Exact, channels: int, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        ExactSides(exact, AXES, channels)


def test_what_reads_layers_alone_refuses_such_fields() -> None:
    field = Field(NET, drawn())
    for attempt in (
        lambda: as_module(field),
        lambda: describe(NET),
        lambda: feature_jet(NET, field.params, COORDS, "value"),
    ):
        with pytest.raises(RecipeError, match="meets conditions exactly"):
            attempt()
