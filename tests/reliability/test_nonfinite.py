"""No weight that is not finite is saved, and what happens instead is the recipe's choice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import toys
from safetensors import safe_open

import metasiren as ms
from metasiren.engine import running
from metasiren.engine.nonfinite import MOST_ROLLBACKS
from metasiren.recipe import validate
from metasiren.registry.catalogue import Catalogue, load_catalogue
from metasiren.runs import checkpoints
from metasiren.runs.checkpoints import Checkpoint


@pytest.fixture
def catalogue() -> Catalogue:
    return load_catalogue(extra=[toys.plugin()])


def recipe(data: dict[str, Any] | None = None, **train: Any) -> ms.Recipe:
    tree = {
        "data": data or {"name": "waves"},
        "siren": {"hidden_features": 8, "hidden_layers": 1, "first_omega": 5},
        "encoder": {"name": "mean_pair", "latent_dim": 3},
        "decoder": "shift",
        "constraints": {"squares": train.pop("weight", 2.0)},
        "train": {"steps": 6, "batch": 4, "optimizer": {"name": "sgd", "lr": 1e-3}, "checkpoint_every": 1, **train},
    }
    return validate(tree, "toy", name="toy")


def demand_finite_files(run: Path) -> list[Path]:
    found = checkpoints.found(run / "checkpoints")
    assert not any(checkpoints.nonfinite(checkpoints.load(path)) for path in found)
    return found


@pytest.mark.parametrize("steps", [1, 6])
@pytest.mark.parametrize("every", [1, 1000])
def test_weights_that_are_not_finite_are_never_saved(
    tmp_path: Path, catalogue: Catalogue, every: int, steps: int
) -> None:
    wild = recipe(weight=1e6, steps=steps, checkpoint_every=every, optimizer={"name": "sgd", "lr": 1e38}, ema=0.5)
    with pytest.raises(ms.TrainingError, match=r"finite|the loss is"):
        running.run(wild, tmp_path / "run", device="cpu", catalogue=catalogue)
    demand_finite_files(tmp_path / "run")
    assert not (tmp_path / "run" / "results" / "table.json").exists()


def test_finite_weights_whose_field_is_not_finite_end_in_an_error(tmp_path: Path) -> None:
    small = {"data.size": 8, "siren.hidden_features": 8, "siren.hidden_layers": 1, "train.steps": 1}
    wild = ms.load_recipe("image", preset="quick", overrides={**small, "train.optimizer.lr": 1e38})
    with pytest.raises(ms.TrainingError, match=r"infinite or NaN at \d+ of 64 points of 'pixels'"):
        ms.run(wild, out=tmp_path / "run", device="cpu")
    assert len(demand_finite_files(tmp_path / "run")) == 1
    assert ms.open_run(tmp_path / "run").status["state"] == "failed"
    with pytest.raises(ms.TrainingError, match="infinite or NaN"):
        running.evaluate(tmp_path / "run", device="cpu")
    assert not (tmp_path / "run" / "results" / "table.json").exists()


def test_a_checkpoint_of_nan_is_refused(tmp_path: Path) -> None:
    good = Checkpoint(1, {"model.a": torch.ones(2)}, {})
    checkpoints.save(tmp_path, good)
    for name, bad in (("model.a", torch.nan), ("ema.module.a", torch.inf), ("optimizer.0.exp_avg", torch.nan)):
        with pytest.raises(ms.TrainingError, match=f"{name} is not finite"):
            checkpoints.save(tmp_path, Checkpoint(2, {name: torch.tensor([1.0, bad])}, {}))
    assert [p.name for p in checkpoints.found(tmp_path)] == ["step-00000001.safetensors"]


def test_stop_keeps_the_batch_for_a_repeat(tmp_path: Path, catalogue: Catalogue) -> None:
    poisoned = recipe({"name": "waves", "poison": 3}, batch=1, steps=40)
    with pytest.raises(ms.TrainingError, match="squares"):
        running.run(poisoned, tmp_path / "run", device="cpu", catalogue=catalogue)
    (kept,) = (tmp_path / "run" / "nonfinite").iterdir()
    with safe_open(kept, "pt") as file:
        assert file.get_tensor("batch.context.items").tolist() == [3]
        assert "the loss is nan" in file.metadata()["reason"]
        assert any(name.startswith("model.") for name in file.keys())  # noqa: SIM118 (not a mapping)


def test_skip_leaves_out_the_bad_item_only(tmp_path: Path, catalogue: Catalogue) -> None:
    poisoned = recipe({"name": "waves", "poison": 3}, batch=1, steps=20, on_nonfinite="skip", log_every=1)
    made = running.run(poisoned, tmp_path / "run", device="cpu", catalogue=catalogue)
    assert made.checkpoint().step == 20
    demand_finite_files(made.path)
    steps = [line["step"] for line in made.losses()]
    assert set(steps) < set(range(1, 21))
    assert len(list((made.path / "nonfinite").iterdir())) >= 1


def test_rollback_goes_on_at_half_the_rate_until_it_is_stable(tmp_path: Path, catalogue: Catalogue) -> None:
    wild = recipe(weight=1e6, optimizer={"name": "sgd", "lr": 2e38}, on_nonfinite="rollback")
    with pytest.raises(ms.TrainingError, match=f"after {MOST_ROLLBACKS} rollbacks"):
        running.run(wild, tmp_path / "run", device="cpu", catalogue=catalogue)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_rollback_finishes_where_half_the_rate_is_enough(
    tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = toys.Squares.__call__
    calls: list[int] = []

    def once_nan(self: Any, prediction: Any) -> torch.Tensor:
        calls.append(1)
        loss: torch.Tensor = real(self, prediction)
        return loss * (torch.nan if len(calls) == 4 else 1.0)

    monkeypatch.setattr(toys.Squares, "__call__", once_nan)
    made = running.run(
        recipe(on_nonfinite="rollback", log_every=1, checkpoint_every=2), tmp_path / "run", device="cpu",
        catalogue=catalogue,
    )  # fmt: skip
    checkpoint = made.checkpoint()
    assert checkpoint.step == 6
    assert checkpoint.metadata["recovery"] == {"rate": 0.5, "rollbacks": 1}
    # Step 3 was done twice; only what the weights went through is read back.
    assert [line["step"] for line in made.losses()] == [1, 2, 3, 4, 5, 6]


def test_skip_needs_an_optimiser_with_gradients(tmp_path: Path, catalogue: Catalogue) -> None:
    blocks = recipe(optimizer={"name": "lbfgs"}, on_nonfinite="skip")
    with pytest.raises(ms.RecipeError, match="rollback"):
        running.run(blocks, tmp_path / "run", device="cpu", catalogue=catalogue)
