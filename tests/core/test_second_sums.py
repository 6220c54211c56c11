"""Weighted sums of second derivatives are those of the Hessian's diagonal, at one column each."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import metasiren as ms
from metasiren.contracts import Prediction, orders_of
from metasiren.nn.derivatives import Columns, SecondSums, highest, jet_columns

WAVE = SecondSums(((1.0, -4.0, -4.0),))
APART = SecondSums(((1.0, 0.0, 0.0), (0.0, 1.0, 1.0)))
NONE = SecondSums(((0.0, 0.0, 0.0),))
INPUTS: list[Any] = [None, {"name": "positional_encoding", "frequencies": 2}]


def net(**options: Any) -> tuple[ms.Siren, dict[str, Tensor], Tensor]:
    siren = ms.Siren(in_features=3, out_features=2, hidden_features=7, hidden_layers=2, first_omega=5, **options)
    random = torch.Generator().manual_seed(0)
    params = {k: v.requires_grad_() for k, v in siren.init(2, generator=random, dtype=torch.float64).items()}
    return siren, params, 2 * torch.rand(2, 6, 3, generator=random, dtype=torch.float64) - 1


@pytest.mark.parametrize("order", [WAVE, APART, NONE], ids=["wave", "apart", "none"])
@pytest.mark.parametrize("layer", INPUTS, ids=["coordinates", "encoding"])
@pytest.mark.parametrize("chunk", [None, 4])
def test_sums_are_those_of_the_diagonal(order: SecondSums, layer: Any, chunk: int | None) -> None:
    siren, params, x = net(input_layer=layer)
    found = siren.jet(params, x, order, chunk_points=chunk)
    truth = siren.jet(params, x, "hessian_diagonal")
    assert truth.hessian_diagonal is not None
    assert (found.laplacian, found.hessian_diagonal) == (None, None)
    torch.testing.assert_close((found.value, found.gradient), (truth.value, truth.gradient), rtol=1e-12, atol=1e-12)
    probe = torch.rand_like(found.value)
    for k, weights in enumerate(order.weights):
        expected = truth.hessian_diagonal @ torch.tensor(weights, dtype=torch.float64)
        ours, theirs = order.of(found)[k], order.of(truth)[k]
        for made in (ours, theirs):
            torch.testing.assert_close(made, expected, rtol=1e-11, atol=1e-11)
        grads = [
            torch.autograd.grad((probe * u).sum(), list(params.values()), retain_graph=True, materialize_grads=True,
                                allow_unused=True)
            for u in (ours, expected)
        ]  # fmt: skip
        torch.testing.assert_close(grads[0], grads[1], rtol=1e-10, atol=1e-9)


def test_each_sum_is_one_column() -> None:
    counted = {}
    for order in (WAVE, APART, "hessian_diagonal"):
        columns = jet_columns(order, (1.0, 1.0, 1.0))
        assert isinstance(columns, Columns)
        counted[order] = columns.count
    assert counted == {WAVE: 5, APART: 6, "hessian_diagonal": 7}


def test_what_includes_sums() -> None:
    assert highest(["value", WAVE, "gradient"]) == WAVE
    assert highest([WAVE, WAVE]) == WAVE
    # Nothing smaller has both.
    assert highest([WAVE, APART]) == highest([WAVE, "laplacian"]) == "hessian_diagonal"
    assert highest([WAVE, "hessian"]) == "hessian"
    assert highest([WAVE, "third"]) == "third"


class Waves(ms.Residual):
    """u_tt - 4 Δu, without a name in errors of its own."""

    order = WAVE

    def residual(self, jet: ms.Jet, points: ms.Points) -> Tensor:
        return self.sums(jet)[0]


class Unnamed(Waves):
    order = "hessian_diagonal"


def test_a_residual_reads_its_sums_from_either_jet() -> None:
    siren, params, x = net()
    made = Waves()
    assert orders_of([made]) == {"interior": WAVE}
    batch = ms.Batch(ms.Context.empty(torch.arange(2), ms.Domain(3, 2)), {"interior": ms.Points(x)})
    field = ms.Field(siren, params)
    losses = [
        made(Prediction(batch, x.new_zeros(2, 0), field, {"interior": field.jet(x, order)}))
        for order in (WAVE, "hessian_diagonal")
    ]
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-12, atol=0)


def test_errors_name_what_is_missing() -> None:
    siren, params, x = net()
    with pytest.raises(ms.RecipeError, match=r"order: SecondSums\(.*for 3 coordinates"):
        siren.jet(params, x, SecondSums(((1.0, 1.0),)))
    with pytest.raises(ms.RecipeError, match="jet: weights"):
        siren.jet(params, x, WAVE, weights=(1, 1, 1))
    with pytest.raises(ms.RecipeError, match="does not have these sums"):
        WAVE.of(siren.jet(params, x, APART))
    with pytest.raises(ms.RecipeError, match="names no sums of second derivatives"):
        Unnamed().residual(siren.jet(params, x, "hessian_diagonal"), ms.Points(x))


class Walls(ms.ExactConditions):
    """Zero where the first coordinate is."""

    def lift(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x[..., :2])

    def factor(self, x: Tensor) -> Tensor:
        return torch.sin(x[..., :1]).expand(*x.shape[:-1], 2)


def test_exact_conditions_have_the_same_sums() -> None:
    siren, params, x = net(exact=Walls())
    found, truth = (siren.jet(params, x, order) for order in (WAVE, "hessian_diagonal"))
    torch.testing.assert_close(WAVE.of(found), WAVE.of(truth))
