"""Priors are zero on the pictures that they prefer, and measure the others."""

from __future__ import annotations

import pytest
import torch
from exact_jets import fit_of
from torch import Tensor

from metasiren import Batch, Constraint, Context, Domain, Field, Jet, Points, Prediction, Siren
from metasiren.testing import Ripples, check_constraint
from metasiren_images.restoration.priors import HessianFrobenius, TotalVariation

SIREN = Siren(in_features=2, out_features=3, hidden_features=4, hidden_layers=0)
COORDS = torch.rand(1, 30, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
SLOPES = torch.tensor([[3.0, 4.0], [0.0, -2.0], [0.0, 0.0]], dtype=torch.float64)
FORM = torch.tensor([[[2.0, 1.0], [1.0, -3.0]], [[0.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]]).double()


def fit(jet: Jet) -> Prediction:
    return fit_of(jet, Points(COORDS), "free")


def ramp() -> Jet:
    """Channels with the slopes of SLOPES."""
    return Jet(COORDS @ SLOPES.T, SLOPES.expand(1, 30, 3, 2), hessian=torch.zeros(1, 30, 3, 2, 2).double())


def constant() -> Jet:
    return Jet(
        torch.ones(1, 30, 3).double(), torch.zeros(1, 30, 3, 2).double(), hessian=torch.zeros(1, 30, 3, 2, 2).double()
    )


@pytest.mark.parametrize("prior", [TotalVariation(), TotalVariation(anisotropic=True), HessianFrobenius()])
def test_a_constant_costs_nothing(prior: Constraint) -> None:
    assert prior(fit(constant())).item() == 0


def test_the_variation_of_a_ramp_is_its_slope() -> None:
    """The mean of the channels' own slopes, 5, 2 and 0; not the slope of their sum."""
    assert TotalVariation()(fit(ramp())).item() == pytest.approx((5 + 2 + 0) / 3)


def test_the_official_variation_is_half_the_sum_of_absolute_partial_derivatives() -> None:
    assert TotalVariation(anisotropic=True)(fit(ramp())).item() == pytest.approx((3 + 4 + 2) / 2 / 3)


def test_variation_is_the_same_in_a_turned_frame_only_if_isotropic() -> None:
    c, s = torch.tensor(0.6), torch.tensor(0.8)
    turn = torch.stack([torch.stack([c, -s]), torch.stack([s, c])]).double()
    jet = ramp()
    assert jet.gradient is not None
    turned = Jet(jet.value, jet.gradient @ turn)
    torch.testing.assert_close(TotalVariation()(fit(turned)), TotalVariation()(fit(jet)), rtol=1e-6, atol=0)
    one, two = (TotalVariation(anisotropic=True)(fit(each)) for each in (turned, jet))
    assert abs(one - two) > 0.1


def test_a_ramp_has_no_bend_and_a_quadratic_the_norm_of_its_form() -> None:
    assert HessianFrobenius()(fit(ramp())).item() == 0
    value = 0.5 * torch.einsum("bni,cij,bnj->bnc", COORDS, FORM, COORDS)
    bent = Jet(value, torch.einsum("cij,bnj->bnci", FORM, COORDS), hessian=FORM.expand(1, 30, 3, 2, 2))
    assert HessianFrobenius()(fit(bent)).item() == pytest.approx((15**0.5 + 0 + 2**0.5) / 3)


@pytest.mark.parametrize("prior", [TotalVariation(), HessianFrobenius()])
def test_a_flat_field_has_a_finite_gradient(prior: Constraint) -> None:
    """Norms have a corner at zero."""
    params = {name: torch.zeros_like(p).requires_grad_() for name, p in SIREN.init().items()}
    field = Field(SIREN, params)
    batch = Batch(Context.empty(torch.zeros(1, dtype=torch.long), Domain(2, 3)), {"free": Points(COORDS.float())})
    made = Prediction(batch, torch.zeros(1, 0), field, {"free": field.jet(COORDS.float(), prior.order)})
    grads: tuple[Tensor, ...] = torch.autograd.grad(prior(made), list(params.values()), allow_unused=True)
    assert all(bool(g.isfinite().all()) for g in grads if g is not None)


def test_a_siren_s_own_derivatives_are_asked() -> None:
    """Second derivatives in a corner of the plane, against differences of the field itself."""
    siren = Siren(in_features=2, out_features=3, hidden_features=8, hidden_layers=1, first_omega=3, hidden_omega=3)
    field = Field(siren, siren.init(dtype=torch.float64))
    batch = Batch(Context.empty(torch.zeros(1, dtype=torch.long), Domain(2, 3)), {"free": Points(COORDS)})
    made = Prediction(batch, torch.zeros(1, 0), field, {"free": field.jet(COORDS, "hessian")})
    h = 1e-4
    e = h * torch.eye(2, dtype=torch.float64)
    second = torch.stack([
        torch.stack([
            field(COORDS + a + b) - field(COORDS + a - b) - field(COORDS - a + b) + field(COORDS - a - b) for b in e
        ], -1) for a in e
    ], -1) / (4 * h * h)  # fmt: skip
    expected = second.square().sum((-2, -1)).sqrt().mean()
    torch.testing.assert_close(HessianFrobenius()(made), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("name", ["tv", "hessian_frobenius"])
def test_they_keep_the_contract(name: str) -> None:
    check_constraint(name, dataset=Ripples(Domain(2, 3, (8, 8), 4), at="free"))
