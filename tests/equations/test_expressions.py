"""Formulas compute what they say, and nothing else."""

from __future__ import annotations

import math

import pytest
import torch

import metasiren as ms
from metasiren import RecipeError
from metasiren.nn.derivatives.exact import function_jet
from metasiren_physics.expressions import Expression

POINTS = torch.tensor([[0.3, -0.4], [1.0, 0.25]], dtype=torch.float64)
T, X = POINTS.unbind(-1)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-sin(pi*x)", -torch.sin(math.pi * X)),
        ("x**2 * cos(pi*x)", X**2 * torch.cos(math.pi * X)),
        ("exp(-t) / (1 + x**2) - 2", torch.exp(-T) / (1 + X**2) - 2),
        ("-x**2", -(X**2)),
        ("2**-t + abs(x) + tanh(x) + sqrt(t) + log(e)", 2**-T + X.abs() + X.tanh() + T.sqrt() + 1),
        ("3", torch.full_like(X, 3)),
        (0, torch.zeros_like(X)),
        (" 1e-3 * sign(x)", 1e-3 * X.sign()),
    ],
)
def test_formulas_have_their_value(text: str | float, value: torch.Tensor) -> None:
    torch.testing.assert_close(Expression(text, ("t", "x"), "data")(POINTS), value)


def test_numbers_and_constants_are_those_of_the_dtype() -> None:
    x = torch.linspace(-1, 1, 7).unsqueeze(-1)
    assert torch.equal(Expression("x * pi + e / 3", ("x",), "data")(x), (x * math.pi + x.new_tensor(math.e) / 3)[:, 0])
    assert torch.equal(Expression("pi * 2", ("pi",), "data")(x), 2 * x[:, 0])


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "().__class__",
        "x.real",
        "x[0]",
        "[x for x in (1,)]",
        "lambda: 1",
        "sin(x, t)",
        "sin(*x)",
        "open(x)",
        "y",
        "(y := 3)",
        "x if t else 1",
        "x < t",
        "'a'",
        "True",
        "1j",
        "f'{x}'",
        "x; t",
        "",
        "9**",
        "1e999",
        "1" + "0" * 400,
        "x + " * 400 + "x",
        "-" * 100 + "x",
        "(" * 300 + "x" + ")" * 300,
        "sin" * 2 + "(x)",
        "pi(x)",
    ],
)
def test_everything_else_is_refused(text: str) -> None:
    with pytest.raises(RecipeError, match="data: targets"):
        Expression(text, ("t", "x"), "data: targets")


def test_huge_powers_of_numbers_end_at_once() -> None:
    """Numbers are floats: 9**9**9**9 is infinite, not a computation of a week."""
    assert torch.isinf(Expression("9**9**9**9", ("x",), "data")(POINTS[:, :1])).all()


def test_a_misspelt_name_is_corrected() -> None:
    with pytest.raises(RecipeError, match="sin"):
        Expression("sinn(x)", ("x",), "data")
    with pytest.raises(RecipeError, match="known: t, x, pi, e"):
        Expression("xx", ("t", "x"), "data")


def test_the_error_function_and_its_complement_add_up_to_one() -> None:
    points = torch.linspace(-2, 2, 9, dtype=torch.float64).unsqueeze(-1)
    both = Expression("erf(x) + erfc(x)", ["x"], "here")(points)
    torch.testing.assert_close(both, torch.ones(9, dtype=torch.float64))
    torch.testing.assert_close(Expression("erf(1)", ["x"], "here")(points)[0].item(), 0.8427007929497149)


def test_the_start_of_allen_cahn_is_met_and_flat_at_its_sides() -> None:
    """The recipe's formula: x² cos(πx) at t = 0, and no slope at x = ±1 later on, where the residual is small."""
    exact = ms.load_recipe("allen_cahn").data.options["exact"]
    formula = Expression(exact["values"], ["t", "x"], "here")
    x = torch.linspace(-1, 1, 41, dtype=torch.float64)
    start = formula(torch.stack([0 * x, x], -1))
    torch.testing.assert_close(start, x**2 * torch.cos(torch.pi * x), atol=2e-9, rtol=0)
    side = torch.stack([torch.linspace(0.05, 1, 20, dtype=torch.float64), torch.full((20,), 1 - 1e-6).double()], -1)
    jet = function_jet(lambda p: formula(p).unsqueeze(-1), side, 2)
    assert jet.gradient is not None
    assert jet.hessian_diagonal is not None
    assert jet.gradient[:, 0, 1].abs().max() < 5e-3
    u = jet.value[:, 0]
    residual = jet.gradient[:, 0, 0] - 1e-4 * jet.hessian_diagonal[:, 0, 1] - 5 * (u - u**3)
    assert residual.abs().max() < 1e-3
