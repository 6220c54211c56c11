"""The exact signed distance leaves no loss; a wrong sign or length does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from metasiren import Batch, Constraint, Context, DataError, Domain, Field, Jet, Points, Prediction, RecipeError, Siren
from metasiren_shapes.constraints import Eikonal, NormalAlignment, OffSurface, SdfZero
from metasiren_shapes.metrics import (
    EikonalResidual,
    MeanAbsSdf,
    NormalConsistency,
    SdfError,
    surface_distances,
)

SIREN = Siren(in_features=3, out_features=1, hidden_features=4, hidden_layers=0)
RADIUS = 0.6


def ball_fit(*, slope: float = 1.0, offset: float = 0.0, known: bool = True) -> Prediction:
    """A fit whose jets are slope * (|x| - radius) + offset, exactly, on and off the sphere; slope 1 is the truth."""
    generator = torch.Generator().manual_seed(0)
    normals = torch.nn.functional.normalize(torch.randn(1, 200, 3, generator=generator, dtype=torch.float64), dim=-1)
    space = torch.rand(1, 300, 3, generator=generator, dtype=torch.float64) * 2 - 1
    # Off the surface, as the integral over Omega without Omega_0 says: not within a tenth of it.
    space = space[:, (space[0].norm(dim=-1) - RADIUS).abs() > 0.1]
    exact = space.norm(dim=-1, keepdim=True) - RADIUS

    def jet(coords: Tensor) -> Jet:
        radius = coords.norm(dim=-1, keepdim=True)
        return Jet(slope * (radius - RADIUS) + offset, (slope * coords / radius).unsqueeze(-2))

    points = {
        "surface": Points(RADIUS * normals, {"normals": normals}),
        "space": Points(space, {"sdf": exact} if known else {}),
    }
    batch = Batch(Context.empty(torch.tensor([0]), Domain(3, 1), torch.float64), points)
    jets = {name: jet(each.coords) for name, each in points.items()}
    return Prediction(batch, torch.zeros(1, 0), Field(SIREN, SIREN.init()), jets)


@pytest.mark.parametrize(
    "constraint",
    [SdfZero(), NormalAlignment(), NormalAlignment(cosine=False), Eikonal(), Eikonal(at="surface")],
)
def test_the_exact_distance_of_a_sphere_leaves_no_loss(constraint: Constraint) -> None:
    assert float(constraint(ball_fit())) == pytest.approx(0, abs=1e-12)


def test_off_the_surface_the_exact_distance_costs_next_to_nothing() -> None:
    """exp(-100 * 0.1) at most, a tenth away from the surface."""
    assert 0 <= float(OffSurface()(ball_fit())) < math.exp(-10)


def test_a_field_inside_out_is_found_out_by_its_normals_alone() -> None:
    inside_out = ball_fit(slope=-1.0)
    assert float(SdfZero()(inside_out)) == pytest.approx(0, abs=1e-12)
    assert float(Eikonal()(inside_out)) == pytest.approx(0, abs=1e-12)
    for cosine in (True, False):
        assert float(NormalAlignment(cosine=cosine)(inside_out)) == pytest.approx(2)


def test_losses_of_known_faults() -> None:
    assert float(SdfZero()(ball_fit(offset=-0.25))) == pytest.approx(0.25)
    assert float(Eikonal()(ball_fit(slope=3.0))) == pytest.approx(2)
    assert float(NormalAlignment()(ball_fit(slope=3.0))) == pytest.approx(0, abs=1e-12)
    assert float(NormalAlignment(cosine=False)(ball_fit(slope=3.0))) == pytest.approx(-2)
    # A field that is zero everywhere costs one, whatever alpha.
    for alpha in (1.0, 100.0):
        assert float(OffSurface(alpha=alpha)(ball_fit(slope=0.0))) == 1


def test_off_surface_is_the_paper_s_psi() -> None:
    value = torch.tensor([[[0.01], [-0.02]]], dtype=torch.float64)
    prediction = ball_fit()
    prediction = Prediction(
        prediction.batch, prediction.latent, prediction.field, {**prediction.jets, "space": Jet(value)}
    )
    assert float(OffSurface()(prediction)) == pytest.approx((math.exp(-1) + math.exp(-2)) / 2)


def test_gradients_are_finite_where_the_field_is_flat() -> None:
    """Norm and cosine have a kink at a zero gradient: training may not stumble over it."""
    slope = torch.zeros(1, 200, 1, 3, dtype=torch.float64, requires_grad=True)
    prediction = ball_fit()
    prediction = Prediction(
        prediction.batch, prediction.latent, prediction.field, {"surface": Jet(prediction.jets["surface"].value, slope)}
    )
    (Eikonal(at="surface")(prediction) + NormalAlignment()(prediction)).backward()
    assert slope.grad is not None
    assert bool(torch.isfinite(slope.grad).all())


def test_wrong_sets_and_numbers_are_refused() -> None:
    with pytest.raises(RecipeError, match="no normals are known"):
        NormalAlignment(at="space")(ball_fit())
    with pytest.raises(RecipeError, match="alpha"):
        OffSurface(alpha=0)


@pytest.mark.parametrize(("metric", "perfect", "faulty"), [
    (MeanAbsSdf(), 0, 0.1), (EikonalResidual(), 0, 1), (NormalConsistency(), 1, 1), (SdfError(), 0, None),
])  # fmt: skip
def test_metrics_of_the_exact_field_and_of_a_faulty_one(metric: Any, perfect: float, faulty: float | None) -> None:
    exact, wrong = metric(ball_fit()), metric(ball_fit(slope=2.0, offset=0.1))
    assert exact.shape == (1,)
    assert float(exact) == pytest.approx(perfect, abs=1e-12)
    if faulty is not None:
        assert float(wrong) == pytest.approx(faulty)
    assert float(NormalConsistency()(ball_fit(slope=-1.0))) == pytest.approx(-1)


def test_sdf_error_of_an_offset_is_the_offset_and_unknown_is_nan() -> None:
    assert float(SdfError()(ball_fit(offset=0.03))) == pytest.approx(0.03)
    assert math.isnan(float(SdfError()(ball_fit(known=False))))
    assert math.isnan(float(NormalConsistency(at="space")(ball_fit())))


def test_distances_of_known_sets() -> None:
    a = np.array([[0.0, 0, 0], [1, 0, 0]])
    b = np.array([[0.0, 0, 0], [1, 0, 0], [1, 0, 3]])
    apart = surface_distances(a, b)
    assert (apart.mean_a_to_b, apart.max_a_to_b) == (0, 0)
    assert (apart.mean_b_to_a, apart.max_b_to_a) == (1, 3)
    assert (apart.chamfer, apart.hausdorff) == (0.5, 3)
    turned = surface_distances(b, a)
    assert (turned.chamfer, turned.hausdorff) == (0.5, 3)
    assert surface_distances(7 * a, 7 * b).chamfer == pytest.approx(3.5)


def test_spheres_apart_by_a_shell() -> None:
    """Radii 1 and 1.1 are 0.1 apart, from both sides; samples cannot say less."""
    directions = np.random.default_rng(0).normal(size=(4000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    apart = surface_distances(directions, 1.1 * directions)
    assert apart.chamfer == pytest.approx(0.1)
    assert apart.hausdorff == pytest.approx(0.1)


@pytest.mark.parametrize("points", [np.empty((0, 3)), np.array([[0, 0, np.nan]])])
def test_distances_of_nothing_are_refused(points: np.ndarray) -> None:
    with pytest.raises(DataError, match="surface b"):
        surface_distances(np.zeros((1, 3)), points)
