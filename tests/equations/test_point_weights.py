"""Weights of points: causal in time, and attention that grows where the residual stays large."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from resuming import check_resumed_equals_uninterrupted

import metasiren as ms
from metasiren import Points, RecipeError
from metasiren_physics.datasets.box import BoxDataset
from metasiren_physics.datasets.point_weights import Attention, Causal

F64 = torch.float64
ONE = torch.arange(1)
SMALL = {
    "siren.hidden_features": 6,
    "siren.hidden_layers": 0,
    "data.points.interior": 40,
    "data.settle": None,
    "train.log_every": 1,
}


def box(**options: Any) -> BoxDataset:
    return BoxDataset(**{"axes": {"t": (0, 2), "x": (-1, 1)}, "points": {"interior": 64, "initial": 8}, **options})


def weights(data: BoxDataset, errors: Any, split: str = "train") -> torch.Tensor | None:
    seeing = data.at_errors(errors)
    points = seeing.batch(split, ONE, generator=torch.Generator().manual_seed(0)).points
    assert "weight" not in points["initial"].targets
    return points["interior"].targets.get("weight")


def ones(at: str, points: Points) -> torch.Tensor:
    return torch.ones(points.coords.shape[:2], dtype=F64)


def test_causal_weights_are_those_of_the_formula() -> None:
    """Four slabs with mean squares 1, 4, 0 (empty) and 9: w = exp(-e * what came before)."""
    times = torch.tensor([0.9, 0.1, 0.2, 0.3, 1.0], dtype=F64)
    found = Causal(tolerance=0.5, slabs=4).weights(times, torch.tensor([3.0, 1, 1, 2, 3], dtype=F64))
    late = math.exp(-0.5 * 5)
    torch.testing.assert_close(found, torch.tensor([late, 1, 1, math.exp(-0.5), late], dtype=F64))


def test_without_residuals_all_times_count_and_with_large_ones_the_first_slab_alone() -> None:
    data = box(causal=Causal(slabs=4))
    solved = weights(data, lambda at, points: 0 * ones(at, points))
    assert solved is not None
    assert (solved == 1).all()
    assert solved.shape == (1, 64, 1)
    hard = weights(data, lambda at, points: 100 * ones(at, points))
    coords = (
        data.at_errors(ones).batch("train", ONE, generator=torch.Generator().manual_seed(0)).points["interior"].coords
    )
    assert hard is not None
    assert torch.equal(hard[..., 0] == 1, coords[..., 0] < 0.5)
    assert weights(data, ones, split="test") is None


def test_attention_is_the_recursion_of_the_paper_and_settles() -> None:
    rule, sizes = Attention(memory=0.9, rate=0.1, start=1.0), torch.tensor([4.0, 2.0, 0.0], dtype=F64)
    level = rule.updated(None, sizes)
    torch.testing.assert_close(level, torch.tensor([0.9 + 0.1, 0.9 + 0.05, 0.9], dtype=F64))
    for _ in range(300):
        level = rule.updated(level, sizes)
    torch.testing.assert_close(level, torch.tensor([1.0, 0.5, 0.0], dtype=F64), atol=1e-8, rtol=0)
    for broken in (0 * sizes, sizes / 0):
        assert torch.equal(rule.updated(level, broken), level)


def test_attention_remembers_and_goes_back_to_a_state() -> None:
    data = box(redraw=False, attention=Attention(memory=0.5, rate=0.5))
    assert data.state() == {}

    def errors(at: str, points: Points) -> torch.Tensor:
        return points.coords[..., 1].abs()

    first = weights(data, errors)
    state = data.state()
    second = weights(data, errors)
    assert first is not None
    assert second is not None
    assert (second <= first).all()
    assert not torch.equal(first, second)
    data.restore(state)
    assert torch.equal(second, weights(data, errors))  # type: ignore[arg-type]
    data.restore({})
    assert torch.equal(first, weights(data, errors))  # type: ignore[arg-type]


def test_weights_of_the_recipe_are_multiplied() -> None:
    own, options = {"targets": {"interior": {"weight": "2 + x"}}}, {"redraw": False, "points": {"interior": 64}}

    def found(**more: Any) -> Points:
        return box(**options, **more).at_errors(lambda at, p: p.coords[..., 0]).batch("train", ONE).points["interior"]

    for rule in ({"causal": Causal(slabs=4)}, {"attention": Attention()}):
        both, alone = found(**own, **rule), found(**rule).targets["weight"]
        torch.testing.assert_close(both.targets["weight"], alone * (2 + both.coords[..., 1:]))


@pytest.mark.parametrize(
    "option",
    [{"adaptive": {}}, {"causal": {}}, {"attention": {}, "redraw": False}],
    ids=lambda option: next(iter(option)),
)
def test_residuals_are_needed(option: dict[str, Any], tmp_path: Path) -> None:
    options = {f"data.{name}": value for name, value in {"adaptive": None, **option}.items()}
    recipe = ms.load_recipe("burgers", preset="quick", overrides={**SMALL, **options, "constraints.burgers.norm": "l1"})
    with pytest.raises(RecipeError, match=rf"(?s)point set .interior. has residuals.*{next(iter(option))}"):
        ms.run(recipe, out=tmp_path / "run", device="cpu")


@pytest.mark.parametrize("optimizer", ["gauss_newton", {"name": "adam", "lr": 1e-3}])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, optimizer: Any) -> None:
    options = {
        "data.redraw": False, "data.adaptive": None, "data.attention": {"memory": 0.5, "rate": 0.5},
        "data.causal": {"slabs": 4}, "train.optimizer": optimizer, "evaluate.nodes": 9, "train.checkpoint_every": 3,
    }  # fmt: skip

    recipe = ms.load_recipe("burgers", preset="quick", overrides={**SMALL, **options, "train.steps": 6})
    whole = check_resumed_equals_uninterrupted(recipe, tmp_path)
    assert "data.attention.interior" in whole.checkpoint().tensors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention": Attention()}, "points are drawn anew"),
        ({"attention": Attention(sets=("wall",)), "redraw": False}, "wall"),
        ({"causal": Causal(sets=("wall",))}, "wall"),
        ({"causal": Causal(), "time": "s", "points": {"interior": 4}}, "no time axis"),
    ],
)
def test_weights_that_do_not_fit_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        box(**options)


@pytest.mark.parametrize("make", [lambda: Causal(tolerance=0), lambda: Causal(slabs=1), lambda: Attention(memory=1)])
def test_options_outside_their_range_are_refused(make: Any) -> None:
    with pytest.raises(RecipeError, match="data: box"):
        make()
