"""A field with the right derivatives leaves no residual; one with flipped signs or mixed channels does."""

from __future__ import annotations

from math import pi

import pytest
import torch
from torch import Tensor, nn

from metasiren import Batch, Constraint, Context, Domain, Field, Points, Prediction, RecipeError, Siren, grid
from metasiren.testing import check_constraint
from metasiren_images.gradient_domain.constraints import DifferenceMse, GradientMse, LaplacianMse
from metasiren_images.gradient_domain.poisson import Poisson

SINES = Siren(in_features=2, out_features=2, hidden_features=2, hidden_layers=0, first_omega=1.0)
K = torch.tensor([[3 * pi, 0.5], [1.0, -2 * pi]], dtype=torch.float64)


def sines() -> Field:
    """Channels sin(k_c x) for the two rows k_c of K."""
    params = {
        "0.weight": K[None],
        "0.bias": torch.zeros(1, 2),
        "1.weight": torch.eye(2)[None],
        "1.bias": torch.zeros(1, 2),
    }
    return Field(SINES, {name: p.double() for name, p in params.items()})


def fit(field: Field, coords: Tensor, known: dict[str, Tensor], order: str) -> Prediction:
    points = Points(coords[None], {name: each[None] for name, each in known.items()})
    context = Context.empty(torch.zeros(1, dtype=torch.long), Domain(2, field.siren.out_features), coords.dtype)
    jets = {"pixels": field.jet(coords[None], order)}
    return Prediction(Batch(context, {"pixels": points}), coords.new_zeros(1, 0), field, jets)


COORDS = grid((5, 4), dtype=torch.float64)
PHASE = COORDS @ K.T
TRUTH = {
    "gradient": torch.cos(PHASE)[..., None] * K,
    "laplacian": -K.square().sum(-1) * torch.sin(PHASE),
}  # fmt: skip
MATCHES = pytest.mark.parametrize("constraint", [GradientMse(), LaplacianMse()], ids=lambda c: c.order)


@MATCHES
def test_a_known_sine_is_matched(constraint: Constraint) -> None:
    order = constraint.order
    assert constraint(fit(sines(), COORDS, TRUTH, order)).item() < 1e-20
    flipped = {order: -TRUTH[order]}
    expected = 4 * TRUTH[order].square().flatten(1).sum(-1).mean() / 2
    torch.testing.assert_close(constraint(fit(sines(), COORDS, flipped, order)), expected)


@MATCHES
def test_every_channel_has_its_own_derivative(constraint: Constraint) -> None:
    """Swapped channels have the same sum, and are wrong all the same."""
    order = constraint.order
    assert constraint(fit(sines(), COORDS, {order: TRUTH[order].flip(1)}, order)).item() > 1


@MATCHES
def test_the_loss_is_the_mean_of_the_residuals_squared_norm(constraint: Constraint) -> None:
    made = fit(sines(), COORDS, {constraint.order: torch.randn_like(TRUTH[constraint.order])}, constraint.order)
    residuals = constraint.residuals(made)
    assert residuals is not None
    assert residuals.shape[:2] == (1, 20)
    torch.testing.assert_close(residuals.square().sum(-1).mean(), constraint(made))


@MATCHES
def test_points_without_that_derivative_are_refused(constraint: Constraint) -> None:
    with pytest.raises(RecipeError, match=rf"{constraint.order}_mse: at: pixels: .*known: \['values'\]"):
        constraint(fit(sines(), COORDS, {"values": PHASE}, constraint.order))


ENDS = torch.tensor([[-1.0, 0.3], [0.2, 0.5], [0.7, 0.3], [0.2, -0.9]], dtype=torch.float64)
LEVELS = torch.tensor([[5.0, -2.0], [1.0, 4.0]], dtype=torch.float64).repeat(2, 1)
"""A constant for each line: integrals are known up to it, and so is growth."""


def test_differences_over_pixel_pairs_are_those_of_the_integral() -> None:
    exact = {"integral": torch.sin(ENDS @ K.T) + LEVELS}
    assert DifferenceMse(at="pixels")(fit(sines(), ENDS, exact, "value")).item() < 1e-20
    half = {"integral": torch.sin(ENDS @ K.T) / 2 + LEVELS}
    rises = torch.sin(ENDS[2:] @ K.T) - torch.sin(ENDS[:2] @ K.T)
    made = fit(sines(), ENDS, half, "value")
    torch.testing.assert_close(DifferenceMse(at="pixels")(made), (rises / 2).square().mean())
    residuals = DifferenceMse(at="pixels").residuals(made)
    assert residuals.shape == (1, 2, 2)
    torch.testing.assert_close(residuals.square().sum(-1).mean(), DifferenceMse(at="pixels")(made))


def test_pixel_pairs_without_integrals_are_refused() -> None:
    assert DifferenceMse(at="spans").at == DifferenceMse().at == "pixel_pairs"
    with pytest.raises(RecipeError, match=r"difference_mse: at: pixels: .*known: \['values'\]\.\n.*data: pixel_pairs"):
        DifferenceMse(at="pixels")(fit(sines(), COORDS, {"values": PHASE}, "value"))


def test_a_small_siren_recovers_a_ramp_from_its_constant_gradient() -> None:
    slope = torch.tensor([0.7, -1.2])
    siren = Siren(in_features=2, out_features=1, hidden_features=16, hidden_layers=1, first_omega=2, hidden_omega=2)
    leaves = {name: nn.Parameter(p) for name, p in siren.init().items()}
    optimizer, coords = torch.optim.Adam(leaves.values(), lr=2e-2), grid((6, 6))
    known = {"gradient": slope.expand(36, 1, 2)}
    for step in range(300):
        for group in optimizer.param_groups:
            group["lr"] = 2e-2 * (1 - step / 300)
        loss = GradientMse()(fit(Field(siren, leaves), coords, known, "gradient"))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    values = siren(leaves, coords)[0, :, 0].detach()
    ramp = coords @ slope
    torch.testing.assert_close(values - values.mean(), ramp - ramp.mean(), atol=0.02, rtol=0)


@pytest.mark.parametrize("name", ["gradient_mse", "laplacian_mse"])
def test_they_keep_the_contract(name: str) -> None:
    check_constraint(name, dataset=Poisson(photograph="coffee", size=12, grey=False))
