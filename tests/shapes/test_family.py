"""The family of solids, and the prior that is trained on it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import torch

import metasiren as ms
from metasiren_priors.evaluation import unseen
from metasiren_priors.evaluation.unseen import Unseen
from metasiren_shapes.family import OFFSET, RoundedBoxes, rounded_box

TINY = {
    "train.steps": 20, "siren.hidden_features": 16, "encoder.hidden_features": 16, "encoder.latent_dim": 16,
    "decoder.hidden_features": 16, "data.train": 32, "data.test": 2, "evaluate.items": 2, "evaluate.steps": 5,
    "evaluate.most": 10,
}  # fmt: skip


def test_a_step_reads_no_tensor_of_the_device() -> None:
    """Those of the device meta have no contents that could be read."""
    items = torch.zeros(2, dtype=torch.long, device="meta")
    batch = RoundedBoxes(train=4, test=2, points=6, observed=6).to("meta").batch("train", items)
    assert all(tensor.device.type == "meta" for tensor in batch.tensors())


def test_distances_are_those_of_a_rounded_box() -> None:
    """Without rounding, turn and shift: the box; a cube of rounding r and half side r is a ball."""
    g = torch.Generator().manual_seed(0)
    points = torch.rand(1, 500, 3, generator=g) * 2 - 1
    solid = torch.tensor([[0.4, 0.3, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]])
    distance, _ = rounded_box(points, solid)
    over = points.abs() - solid[:, None, :3]
    expected = over.clamp_min(0).norm(dim=2) + over.amax(2).clamp_max(0)
    torch.testing.assert_close(distance[..., 0], expected)
    ball = torch.tensor([[0.3, 0.3, 0.3, 0.1, -0.2, 0.0, 0.3, 0.7]])
    distance, normals = rounded_box(points, ball)
    away = points - ball[:, None, 3:6]
    torch.testing.assert_close(distance, away.norm(dim=2, keepdim=True) - 0.3, rtol=0, atol=1e-6)
    torch.testing.assert_close(normals, away / away.norm(dim=2, keepdim=True), rtol=0, atol=1e-5)


def test_normals_are_gradients_and_the_surface_has_distance_zero() -> None:
    data = RoundedBoxes(train=6, test=3, points=64, observed=30)
    batch = data.batch("train", torch.arange(6), generator=torch.Generator().manual_seed(0)).cast(torch.float64)
    solids = data._solids["train"].double()
    coords = batch.points["space"].coords.requires_grad_()
    distance, normals = rounded_box(coords, solids)
    (slope,) = torch.autograd.grad(distance.sum(), coords)
    torch.testing.assert_close(slope, normals, rtol=0, atol=1e-6)
    seen = batch.points["observed"]
    torch.testing.assert_close(rounded_box(seen.coords, solids)[0], seen.values, rtol=0, atol=2e-5)
    assert seen.values.unique().tolist() == pytest.approx([-OFFSET, 0.0, OFFSET])
    assert torch.equal(batch.context.coords, seen.coords)


def test_a_solid_of_the_test_split_is_always_the_same_alone_or_in_a_batch() -> None:
    data = RoundedBoxes(train=4, test=5, points=16, observed=9)
    whole, alone = data.batch("test", torch.arange(5)), data.batch("test", torch.tensor([3]))
    for name in ("space", "observed", "reference"):
        torch.testing.assert_close(whole.points[name].coords[3:4], alone.points[name].coords)
        torch.testing.assert_close(whole.points[name].values[3:4], alone.points[name].values)


def test_the_recipe_measures_a_pass_a_refinement_and_a_start_from_nothing(tmp_path: Path) -> None:
    made = ms.run(ms.load_recipe("sdf_family", preset="quick", overrides=TINY), tmp_path / "run", device="cpu")
    numbers = json.loads((made.results / "metrics.json").read_text())
    assert numbers["items"] == 2
    assert numbers["refined_seconds"] > numbers["one_pass_seconds"] > 0
    assert 0 < numbers["refined_relative_l2"] < 2
    assert numbers["scratch_seconds"] > 0
    rows = json.loads((made.results / "comparison.json").read_text())["rows"]
    assert [row["kind"] for row in rows] == ["model", "model", "baseline"]
    assert (made.results / "figure.png").is_file()


@pytest.fixture(scope="module")
def prior(tmp_path_factory: pytest.TempPathFactory) -> ms.Model:
    overrides = {**TINY, "evaluate": {"protocol": None}}
    recipe = ms.load_recipe("sdf_family", preset="quick", overrides=overrides)
    return ms.run(recipe, tmp_path_factory.mktemp("prior") / "run", device="cpu").model()


@pytest.fixture
def data() -> RoundedBoxes:
    return RoundedBoxes(train=4, test=1, points=8, observed=9)


def test_seconds_are_those_of_passes_and_steps_alone(
    prior: ms.Model, data: RoundedBoxes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, error = [0.0], Unseen._error

    def slow(*given: Any) -> float:
        clock[0] += 1000
        return error(*given)

    def pass_of_a_second(*given: Any) -> None:
        clock[0] += 1

    monkeypatch.setattr(unseen.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(Unseen, "_error", slow)
    handle = prior.encoder.register_forward_hook(pass_of_a_second)
    try:
        Unseen(constraints={"mse": {"at": "space"}}, steps=5, most=10).evaluate(prior, data, tmp_path, name="x")
    finally:
        handle.remove()
    numbers = json.loads((tmp_path / "metrics.json").read_text())
    assert numbers["one_pass_seconds"] == numbers["refined_seconds"] == 1
    assert numbers["scratch_seconds"] == 0


def test_no_more_steps_are_taken_than_are_asked_for(
    prior: ms.Model, data: RoundedBoxes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: dict[torch.optim.LBFGS, int] = {}
    step, errors = torch.optim.LBFGS.step, itertools.count(1.0)

    def counted(self: torch.optim.LBFGS, closure: Any) -> Any:
        found = step(self, closure)
        taken[self] = self.state[self.param_groups[0]["params"][0]]["n_iter"]
        return found

    monkeypatch.setattr(torch.optim.LBFGS, "step", counted)
    # Each error is larger than the last: training from scratch goes on to its end.
    monkeypatch.setattr(Unseen, "_error", lambda *_: next(errors))
    Unseen(constraints={"mse": {"at": "space"}}, steps=7, most=3).evaluate(prior, data, tmp_path, name="x")
    refined, scratch = taken.values()
    assert 2 <= refined <= 7
    assert scratch <= 3


def test_what_does_not_fit_is_said(prior: ms.Model, data: RoundedBoxes, tmp_path: Path) -> None:
    with pytest.raises(ms.RecipeError, match="solid_family: test: 0 is below one"):
        RoundedBoxes(test=0)
    with pytest.raises(ms.RecipeError, match="constraints: none are given"):
        Unseen(constraints={})
    with pytest.raises(ms.RecipeError, match="steps: 0 is below one"):
        Unseen(constraints={"mse": {"at": "space"}}, steps=0)
    with pytest.raises(ms.RecipeError, match=r"at: nowhere: the data has no such point set; it has \['observed'"):
        Unseen(constraints={"mse": {"at": "nowhere"}}).evaluate(prior, data, tmp_path, name="x")
    with pytest.raises(ms.DataError, match=r"no point set 'elsewhere'[\s\S]*'space'"):
        Unseen(constraints={"mse": {"at": "space"}}, at="elsewhere").evaluate(prior, data, tmp_path, name="x")
    data.splits = {"train": 4}
    with pytest.raises(ms.DataError, match="no split 'test'"):
        Unseen(constraints={"mse": {"at": "space"}}).evaluate(prior, data, tmp_path, name="x")
