"""Parts of a batch: their mean losses and gradients are those of the whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import metasiren as ms
from metasiren.assembly.experiment import assemble
from metasiren.engine.distributed import Ranks
from metasiren.engine.sharding import part_of
from metasiren.engine.trainer import Objective, Trainer
from metasiren.registry.catalogue import load_catalogue

QUICK: dict[str, dict[str, Any]] = {
    "image": {"data.size": 24},
    "poisson_gradient": {"data.size": 16},
    "inpainting": {"data.size": 32},
    "sdf": {},
    "super_resolution": {"data.size": 32},
    "tomography": {"data.size": 33, "data.lines": 16},
    "helmholtz": {"data.points": 301},
    "fwi": {"data.points": 61},
    "image_editing": {},
    "wave": {"data.points": 61, "data.initial": 31},
    "celeba_pconv": {"data.train": 8, "data.val": 2, "data.test": 2},
    "celeba_set_sine": {"data.train": 8, "data.val": 2, "data.test": 2},
}


@pytest.mark.parametrize("parts", [2, 3])
@pytest.mark.parametrize("name", sorted(QUICK))
def test_the_mean_of_the_parts_is_the_whole(name: str, parts: int) -> None:
    overrides = {**QUICK[name], "siren.hidden_features": 16, "train.dtype": "float64"}
    experiment = assemble(ms.load_recipe(name, preset="quick", overrides=overrides), load_catalogue())
    model = experiment.model.double()
    generator = torch.Generator().manual_seed(0)
    items = torch.arange(min(5, experiment.dataset.splits["train"]))
    context = experiment.recipe.train.context
    batch = experiment.dataset.batch("train", items, context=context, generator=generator).cast(torch.float64)
    objective = Objective(model, experiment.constraints)
    whole = objective(batch)
    found = [objective(*_with_generator(part_of(batch, part, parts, objective.whole))) for part in range(parts)]
    for loss, value in whole.items():
        mean = torch.stack([each[loss] for each in found]).mean()
        torch.testing.assert_close(mean, value, rtol=1e-10, atol=1e-13)


def _with_generator(part: Any) -> tuple[Any, None, Any]:
    return part[0], None, part[1]


def test_every_point_is_in_one_part() -> None:
    coords = torch.arange(7.0).view(1, 7, 1)
    batch = ms.Batch(ms.Context.empty(torch.zeros(1, dtype=torch.long), ms.Domain(1, 1)), {"a": ms.Points(coords)})
    cuts = [part_of(batch, part, 3) for part in range(3)]
    seen = torch.cat([cut.points["a"].coords.flatten() for cut, _ in cuts])
    assert sorted(seen.tolist()) == list(range(7))
    assert sum(factors["a"] for _, factors in cuts) == pytest.approx(3)


def test_fewer_items_than_parts_count_once() -> None:
    context = ms.Context.empty(torch.tensor([4, 5]), ms.Domain(1, 1))
    batch = ms.Batch(context, {"a": ms.Points(torch.rand(2, 3, 1))})
    cuts = [part_of(batch, part, 4) for part in range(4)]
    assert sum(len(cut.context.items) * (factors["a"] > 0) for cut, factors in cuts) == 2
    assert sum(factors["a"] for _, factors in cuts) == pytest.approx(4)


@pytest.mark.parametrize("name", ["image", "celeba_set_sine"])
def test_accumulated_training_follows_the_same_curve(name: str, tmp_path: Path) -> None:
    curves = []
    for pieces in (1, 3):
        overrides = {
            **QUICK[name], "siren.hidden_features": 16, "train.steps": 4, "train.batch": 5, "train.dtype": "float64",
            "train.log_every": 1, "train.accumulate": pieces,
        }  # fmt: skip
        recipe = ms.load_recipe(name, preset="quick", overrides=overrides)
        recipe = recipe.model_copy(update={"evaluate": type(recipe.evaluate)()})
        made = ms.run(recipe, tmp_path / str(pieces), device="cpu", seed=0)
        curves.append([line["loss"] for line in made.losses()])
    assert curves[1] == pytest.approx(curves[0], rel=1e-9)


@pytest.mark.parametrize(("change", "ranks"), [({"train.accumulate": 2}, Ranks()), ({}, Ranks(0, 2))])
def test_optimisers_of_the_whole_batch_refuse_parts(change: dict[str, Any], ranks: Ranks) -> None:
    recipe = ms.load_recipe("wave", preset="quick", overrides=change)
    catalogue = load_catalogue()
    experiment = assemble(recipe, catalogue)
    from metasiren.assembly.parts import make_optimizer

    with pytest.raises(ms.RecipeError, match=r"gauss_newton needs the whole batch.*\n.*such as adam"):
        Trainer(
            experiment,
            torch.device("cpu"),
            lambda part: make_optimizer(recipe, catalogue, list(experiment.model.parameters()), part),
            ranks=ranks,
        )
