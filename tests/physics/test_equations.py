"""Exact solutions leave no residual in the losses; a flipped sign, another medium or another layer does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from exact_jets import Array, channels, fit_of, jet_of
from torch import Tensor

from metasiren import Constraint, Jet, Points, Prediction, RecipeError
from metasiren_physics.constraints.helmholtz import Helmholtz, as_complex, field_slowness, paired
from metasiren_physics.constraints.inversion import Receivers, SlownessPrior, SlownessSlope
from metasiren_physics.constraints.wave import (
    Dirichlet,
    InitialValue,
    InitialVelocity,
    Neumann,
    WaveEquation,
)
from metasiren_physics.datasets.helmholtz import HelmholtzDataset, equation_points
from metasiren_physics.datasets.inversion import InversionDataset
from metasiren_physics.datasets.wave import WaveDataset
from metasiren_physics.reference.closed_form import closed_form
from metasiren_physics.reference.wave_exact import pulse

H = 4e-4
# In the source, in the physics, in the layer's sides and corners; clear of its kink at 0.5 and of the disc's edge.
PLACES = np.array(
    [[0.003, -0.004], [0.02, 0.012], [0.0301, 0.2], [-0.41, 0.33], [0.25, -0.2], [0.61, 0.1], [-0.2, -0.75], [0.7, 0.8],
     [-0.9, 0.55], [0.05, 0.03], [-0.352, 0.006], [-0.34, 0.03]]
)  # fmt: skip


def exact_fit(dataset: HelmholtzDataset) -> Prediction:
    points = equation_points(
        torch.from_numpy(PLACES),
        torch.ones(len(PLACES), dtype=torch.float64),
        dataset.problem,
        (dataset.problem.source,),
    )
    return fit_of(jet_of(lambda x: channels(closed_form(dataset.problem, x)), PLACES, H), points)


def known(prediction: Prediction, **changed: Tensor) -> Prediction:
    points = prediction.batch.points["interior"]
    points = Points(points.coords, {**points.targets, **changed})
    return replace(prediction, batch=replace(prediction.batch, points={"interior": points}))


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize(
    "options", [{}, {"variance": 1e-3}, {"medium": 1.3}, {"medium": "disc"}, {"pml_strength": 3.0}]
)
def test_the_exact_wave_leaves_no_residual(norm: Any, options: dict[str, Any]) -> None:
    """Within the source, around it, in the absorbing layer and in a disc of another speed."""
    prediction, loss = exact_fit(HelmholtzDataset(**options)), Helmholtz(norm=norm, scale=400)
    found = float(loss(prediction))
    assert found < (1e-9 if norm == "l2" else 1e-2)
    # The other sign, the other direction of time, no layer, and another medium are all seen.
    points = prediction.batch.points["interior"].known
    mirrored = prediction.jets["interior"]
    assert mirrored.gradient is not None
    assert mirrored.hessian_diagonal is not None
    flip = torch.tensor([1.0, -1.0], dtype=torch.float64)
    conjugated = Jet(
        mirrored.value * flip, mirrored.gradient * flip[:, None], None, mirrored.hessian_diagonal * flip[:, None]
    )
    wrong = [
        known(prediction, source=-points["source"]),
        known(prediction, slowness=1.1 * points["slowness"]),
        known(prediction, operator=points["operator"] * flip),
        replace(prediction, jets={"interior": conjugated}),
    ]
    for other in wrong:
        assert float(loss(other)) > (1e-5 if norm == "l2" else 1e-1), float(loss(other))


def test_a_source_of_the_wrong_sign_leaves_twice_the_source() -> None:
    """Then the residual at the source is -2f, whatever the wave."""
    prediction = exact_fit(HelmholtzDataset())
    source = prediction.batch.points["interior"].known["source"]
    residuals = Helmholtz().residuals(known(prediction, source=-source))
    assert residuals is not None
    torch.testing.assert_close(residuals, 2 * source.flatten(2), rtol=1e-4, atol=2e-2)


def test_in_the_physics_the_equation_has_no_layer() -> None:
    """Where |x_i| < 0.5 the operator is (1, 0, 1, 0, k²): exactly the Helmholtz equation."""
    dataset = HelmholtzDataset(points=400, physics=0.5)
    points = dataset.batch("train", torch.arange(1), generator=torch.Generator().manual_seed(0)).points["interior"]
    inside = (points.coords[0].abs() < 0.5).all(-1)
    operator = as_complex(points.targets["operator"])[0]
    expected = torch.tensor([1, 0, 1, 0, 400], dtype=torch.complex128).expand(int(inside.sum()), -1)
    assert torch.equal(operator[inside], expected)
    assert inside.any()
    assert (operator[~inside].imag.abs().sum(-1) > 0).all()


def test_the_paper_counts_points_in_the_source_more_often() -> None:
    prediction = exact_fit(HelmholtzDataset())
    source = prediction.batch.points["interior"].known["source"]
    still = Jet(*(None if p is None else 0 * p for p in vars(prediction.jets["interior"]).values()))  # type: ignore[arg-type]
    silent = replace(prediction, jets={"interior": still})
    plain, counted = Helmholtz(norm="l1")(silent), Helmholtz(norm="l1", inside=52.9)(silent)
    # u = 0 leaves the source, (1 + j) g, at its points alone.
    torch.testing.assert_close(plain, source.abs().sum() / len(PLACES))
    torch.testing.assert_close(counted, 52.9 * plain)


def test_squares_are_weighted_means_of_residuals() -> None:
    prediction = exact_fit(HelmholtzDataset())
    weight = torch.linspace(0.1, 2, len(PLACES), dtype=torch.float64).reshape(1, -1, 1)
    still = Jet(*(None if p is None else 0 * p for p in vars(prediction.jets["interior"]).values()))  # type: ignore[arg-type]
    silent = known(replace(prediction, jets={"interior": still}), weight=weight)
    source = as_complex(silent.batch.points["interior"].known["source"])
    torch.testing.assert_close(Helmholtz(scale=2)(silent), (weight * source.abs() ** 2).mean() / 4)
    assert Helmholtz(norm="l1").residuals(silent) is None


def travelling(variance: float, speed: float) -> tuple[WaveDataset, Jet, Array]:
    dataset = WaveDataset(medium=speed, variance=variance, peak=1.0)
    generator = np.random.default_rng(0)
    places = np.concatenate([generator.uniform(0.05, 0.3, (8, 1)), generator.uniform(-0.4, 0.4, (8, 2))], 1)
    jet = jet_of(lambda x: pulse(dataset.problem, x[:, 1:], x[:, 0])[:, None], places, 2e-3)
    return dataset, jet, places


@pytest.mark.parametrize("speed", [1.0, 2.0])
@pytest.mark.parametrize("form", ["speed", "slowness"])
def test_the_exact_pulse_solves_the_wave_equation(speed: float, form: Any) -> None:
    """Second derivatives, where the paper's Eq. 15 prints first ones, and c² where it belongs."""
    dataset, jet, places = travelling(5e-3, speed)
    known = {"slowness": dataset.problem.medium(torch.from_numpy(places[:, 1:])).reshape(1, -1, 1)}
    points = Points(torch.from_numpy(places).unsqueeze(0), known)
    # In units of its own second derivatives, peak over variance.
    loss = WaveEquation(form=form, scale=1 / 5e-3)
    assert float(loss(fit_of(jet, points))) < 1e-11
    off = Points(points.coords, {"slowness": 1.05 * known["slowness"]})
    assert float(loss(fit_of(jet, off))) > 1e-7
    assert jet.hessian_diagonal is not None
    backwards = replace(
        jet, hessian_diagonal=jet.hessian_diagonal * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    )
    assert float(loss(fit_of(backwards, points))) > 1e-5


def test_the_pulse_starts_as_it_should() -> None:
    dataset = WaveDataset(variance=5e-3, peak=1.0)
    points = dataset.batch("test", torch.arange(1)).points["initial"]
    assert (points.coords[..., 0] == 0).all()
    jet = jet_of(lambda x: pulse(dataset.problem, x[:, 1:], np.abs(x[:, 0]))[:, None], points.coords[0].numpy(), 2e-3)
    prediction = fit_of(jet, points, "initial")
    for condition in (InitialValue(), InitialVelocity(), InitialValue(norm="l1")):
        assert float(condition(prediction)) < 1e-8
    half = fit_of(Jet(0.5 * jet.value, jet.gradient), points, "initial")
    expected = (points.targets["weight"] * (0.5 * points.values) ** 2).mean()
    torch.testing.assert_close(InitialValue()(half), expected, rtol=1e-6, atol=0)


def standing(border: str) -> tuple[Points, Jet, Points, Jet]:
    """cos(c|k|t) times sines that vanish, or cosines without slope, at |x_i| = 1; interior and border."""
    dataset = WaveDataset(border=border, duration=1.0)  # type: ignore[arg-type]
    sets = dataset.batch("test", torch.arange(1)).points
    wave = np.sin if border == "dirichlet" else np.cos

    def mode(x: Array) -> Array:
        k = np.pi * np.array([1.0, 2.0])
        swing = np.cos(np.hypot(*k) * x[:, 0])
        found: Array = (swing * wave(k[0] * (x[:, 1] + 1)) * wave(k[1] * (x[:, 2] + 1)))[:, None]
        return found

    return (
        sets["interior"], jet_of(mode, sets["interior"].coords[0].numpy(), 3e-3),
        sets["boundary"], jet_of(mode, sets["boundary"].coords[0].numpy(), 3e-3),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("border", "right", "wrong"), [("dirichlet", Dirichlet(), Neumann()), ("neumann", Neumann(), Dirichlet())]
)
def test_standing_waves_keep_to_their_border(border: str, right: Constraint, wrong: Constraint) -> None:
    inside, jet, edge, edge_jet = standing(border)
    assert float(WaveEquation(scale=50)(fit_of(jet, inside))) < 1e-11
    assert float(right(fit_of(edge_jet, edge, "boundary"))) < 1e-12
    assert float(wrong(fit_of(edge_jet, edge, "boundary"))) > 1e-2


def test_normals_point_outwards() -> None:
    edge = standing("neumann")[2]
    space = edge.coords[0, :, 1:]
    assert torch.allclose((space * edge.targets["normals"][0]).sum(-1), torch.ones(len(space), dtype=torch.float64))
    assert (space.abs().amax(-1) == 1).all()


def test_true_waves_and_medium_leave_nothing_of_an_inversion() -> None:
    """With m from the field's last channel, the truth explains equation and data; the start does not."""
    dataset = InversionDataset()
    problem = dataset.problem
    places = PLACES[:10] + 0.013

    def truth(x: Array) -> Array:
        waves = np.stack([closed_form(problem.single(i), x) for i in range(5)], -1)
        return np.concatenate([channels(waves), (problem.medium(x) - 1)[:, None]], -1)

    coords = torch.from_numpy(places)
    ones = torch.ones(len(places), dtype=torch.float64)
    interior = equation_points(coords, ones, replace(problem, medium=dataset.start_medium), problem.sources)
    jet = jet_of(truth, places, H)
    prediction = fit_of(jet, interior)
    assert float(Helmholtz(free_slowness=True, scale=400)(prediction)) < 1e-9
    assert float(Helmholtz(scale=400)(prediction)) > 1e-6
    receivers = dataset.batch("train", torch.arange(1)).points["receivers"]
    at_receivers = Jet(torch.from_numpy(truth(receivers.coords[0].numpy())).unsqueeze(0))
    assert float(Receivers()(fit_of(at_receivers, receivers, "receivers"))) < 1e-24
    silent = Jet(0 * at_receivers.value)
    torch.testing.assert_close(
        Receivers()(fit_of(silent, receivers, "receivers")), receivers.values.square().sum(-1).mean()
    )


def test_a_prior_on_slowness_sees_the_last_channel_alone() -> None:
    value = torch.randn(1, 6, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    gradient = torch.randn(1, 6, 5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    prediction = fit_of(Jet(value, gradient), Points(torch.zeros(1, 6, 2, dtype=torch.float64)))
    torch.testing.assert_close(SlownessPrior()(prediction), value[..., -1].square().mean())
    torch.testing.assert_close(SlownessPrior(norm="l1", start=2.0)(prediction), (value[..., -1] - 1).abs().mean())
    torch.testing.assert_close(SlownessSlope()(prediction), gradient[..., -1, :].square().sum(-1).mean())


def test_slowness_is_bounded_where_it_may_be_sought() -> None:
    value = torch.tensor([[[5.0, -3.0], [5.0, 0.5], [5.0, 0.5]]], dtype=torch.float64)
    coords = torch.tensor([[[0.0, 0.0], [0.7, -0.7], [0.1, 0.8]]], dtype=torch.float64)
    expected = torch.tensor([[[0.001], [1.5], [1.0]]], dtype=torch.float64)
    torch.testing.assert_close(field_slowness(value[..., -1:], coords, 0.75), expected)
    limits = torch.tensor([[[0.16, 1.2]]], dtype=torch.float64)
    expected = torch.tensor([[[0.16], [1.2], [1.0]]], dtype=torch.float64)
    torch.testing.assert_close(field_slowness(value[..., -1:], coords, 0.75, limits), expected)


def test_channels_are_pairs() -> None:
    value = torch.arange(10.0).reshape(1, 2, 5)
    assert torch.equal(paired(value, 2)[0, 0], torch.tensor([0 + 1j, 2 + 3j]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Helmholtz(scale=0), "helmholtz"),
        (lambda: Helmholtz(inside=-1), "helmholtz"),
        (lambda: WaveEquation(scale=0), "wave_equation: scale"),
        (lambda: Neumann(scale=-1), "neumann: scale"),
    ],
)
def test_options_have_ranges(make: Any, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        make()


def test_points_without_targets_are_named() -> None:
    bare = fit_of(Jet(torch.zeros(1, 2, 2)), Points(torch.zeros(1, 2, 2)))
    with pytest.raises(RecipeError, match="helmholtz: at: interior: these points have no target 'operator'"):
        Helmholtz()(bare)
    with pytest.raises(RecipeError, match="initial_value: at: interior: these points have no target 'values'"):
        InitialValue(at="interior")(bare)
