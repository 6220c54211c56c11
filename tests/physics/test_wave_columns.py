"""The wave equation asks for the derivatives that its medium needs, and its losses stay those of all second ones."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from single_steps import flat_weights, problems

import metasiren as ms
from metasiren.assembly.experiment import Experiment, assemble
from metasiren.assembly.parts import make_optimizer
from metasiren.contracts import orders_of, predict
from metasiren.contracts.optimizer import BatchOptimizer
from metasiren.nn.derivatives import SecondSums
from metasiren_physics.constraints.wave import WaveEquation
from metasiren_physics.datasets.wave import WaveDataset

UNIFORM: list[Any] = ["uniform", 1.7]
SMALL = {"data.points": 40, "data.initial": 12, "siren.hidden_features": 16, "train.dtype": "float64"}


def experiment(preset: str, **changes: Any) -> Experiment:
    overrides = SMALL | {key.replace("__", "."): value for key, value in changes.items()}
    return assemble(ms.load_recipe("wave", preset=preset, overrides=overrides), ms.load_catalogue())


@pytest.mark.parametrize("medium", [*UNIFORM, "disc"])
@pytest.mark.parametrize("form", ["speed", "slowness"])
@pytest.mark.parametrize("preset", ["base", "cpu", "paper_text"])
def test_losses_and_gradients_are_those_of_the_whole_diagonal(preset: str, form: str, medium: Any) -> None:
    made = experiment(preset, data__medium=medium, constraints__wave_equation__form=form)
    random = torch.Generator().manual_seed(0)
    batch = made.dataset.batch("train", torch.arange(1), generator=random).cast(torch.float64)
    latent = made.model.encoder(batch.context, made.model.decoder)
    field = made.model.decoder.field(latent)
    asked = orders_of(each.constraint for each in made.constraints)
    assert isinstance(asked["interior"], SecondSums)
    assert len(asked["interior"].weights) == (2 if medium == "disc" else 1)
    found = []
    for order in (asked["interior"], "hessian_diagonal"):
        prediction = predict(field, latent, batch, asked | {"interior": order})
        # The data set's own slowness, at each point, where all second derivatives are there.
        whole = order == "hessian_diagonal"
        constraints = [
            WaveEquation(form=form, norm=c.norm, scale=c.scale) if whole and isinstance(c, WaveEquation) else c
            for c in (each.constraint for each in made.constraints)
        ]
        losses = torch.stack([c(prediction) for c in constraints])
        weights = losses.new_tensor([each.weight for each in made.constraints])
        grads = torch.autograd.grad(weights @ losses, list(made.model.parameters()))
        found.append((losses, torch.cat([g.flatten() for g in grads])))
    (ours, slopes), (theirs, true) = found
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    assert float((slopes - true).norm() / true.norm()) < 1e-12


def test_a_speed_is_a_fact_of_uniform_media_alone() -> None:
    assert WaveDataset(medium=1.7).metadata["speed"] == 1.7
    assert "speed" not in WaveDataset(medium="disc").metadata
    plain = WaveEquation()
    assert plain.for_data(WaveDataset(medium="disc")) is plain
    assert plain.for_data(WaveDataset(medium=2.0)).order == SecondSums(((1.0, -4.0, -4.0),))


def test_gauss_newton_takes_the_same_steps() -> None:
    """Two steps with one collapsed column, and with the diagonal."""
    weights = []
    for whole in (False, True):
        made = experiment("quick", data__front=0)
        constraints = made.constraints
        if whole:
            for each in constraints:
                if isinstance(each.constraint, WaveEquation):
                    each.constraint.order = "hessian_diagonal"
                    each.constraint.residual = partial(diagonal, each.constraint)  # type: ignore[method-assign]
        optimizer = make_optimizer(made.recipe, ms.load_catalogue(), made.model.parameters())
        assert isinstance(optimizer, BatchOptimizer)
        for step in problems(made, 2):
            optimizer.step_on(step)
        weights.append(flat_weights(made))
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-8, atol=1e-10)


def diagonal(constraint: WaveEquation, jet: ms.Jet, points: ms.Points) -> torch.Tensor:
    u_tt, u_xx, u_yy = constraint.second(jet)
    return u_tt - (u_xx + u_yy) / points.targets["slowness"]
