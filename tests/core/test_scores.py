"""Metrics of a recipe: evaluated after training, written as one number by name."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import toys
from torch import Tensor

import metasiren as ms
from metasiren import Metric, Prediction
from metasiren.engine import running
from metasiren.engine.scoring import score
from metasiren.recipe import validate
from metasiren.registry.catalogue import Catalogue, load_catalogue


class ItemIndex(Metric):
    """The item's own index, so that means are known."""

    unit = "dB"

    def __init__(self, *, plus: float = 0.0) -> None:
        self.plus = plus

    def __call__(self, prediction: Prediction) -> Tensor:
        return prediction.batch.context.items + self.plus


class Slope(Metric):
    """Mean absolute gradient, or NaN on demand."""

    at, order = "pixels", "gradient"

    def __init__(self, *, at: str = "pixels", broken: bool = False) -> None:
        self.at, self.broken = at, broken

    def __call__(self, prediction: Prediction) -> Tensor:
        gradient = prediction.jets[self.at].gradient
        assert gradient is not None
        return gradient.abs().mean((1, 2, 3)) * (torch.nan if self.broken else 1)


@pytest.fixture
def catalogue() -> Catalogue:
    module = ModuleType("acme")

    @ms.hookimpl
    def metasiren_metrics() -> dict[str, Any]:
        return {"index": ItemIndex, "slope": Slope}

    module.metasiren_metrics = metasiren_metrics  # type: ignore[attr-defined]
    return load_catalogue(extra=[toys.plugin(), module])


def recipe(**evaluate: Any) -> ms.Recipe:
    return toys.recipe({"steps": 2}, "a test", evaluate=evaluate)


def numbers(run: ms.Run) -> dict[str, float]:
    found: dict[str, float] = json.loads((run.results / "metrics.json").read_text())
    return found


def test_a_run_writes_the_mean_of_each_metric_with_its_unit(tmp_path: Path, catalogue: Catalogue) -> None:
    metrics = {"index": None, "shifted_db": {"name": "index", "plus": 10}, "slope": {"at": "pixels"}}
    run = running.run(recipe(protocol="judge", metrics=metrics), tmp_path / "run", device="cpu", catalogue=catalogue)
    found = numbers(run)
    assert list(found) == ["index_db", "shifted_db", "slope"]
    assert (found["index_db"], found["shifted_db"]) == (4.5, 14.5)
    assert found["slope"] > 0


def test_metrics_need_no_protocol_and_are_asked_again(tmp_path: Path, catalogue: Catalogue) -> None:
    run = running.run(recipe(metrics={"slope": {}}), tmp_path / "run", device="cpu", catalogue=catalogue)
    first = numbers(run)
    table = running.evaluate(run.path, device="cpu", catalogue=catalogue)
    assert numbers(run) == first
    assert table["slope"].item() == pytest.approx(first["slope"])
    limited = running.evaluate(run.path, device="cpu", catalogue=catalogue, limit=1)
    assert limited["slope"].item() != pytest.approx(first["slope"])


def test_neither_protocol_nor_metrics_is_an_error_of_evaluate(tmp_path: Path, catalogue: Catalogue) -> None:
    run = running.run(recipe(), tmp_path / "run", device="cpu", catalogue=catalogue)
    with pytest.raises(ms.RunError, match="neither protocol nor metrics"):
        running.evaluate(run.path, device="cpu", catalogue=catalogue)


def test_what_is_not_finite_is_null(tmp_path: Path, catalogue: Catalogue) -> None:
    run = running.run(recipe(metrics={"slope": {"broken": True}}), tmp_path / "run", device="cpu", catalogue=catalogue)
    assert numbers(run) == {"slope": None}


def test_an_unknown_metric_or_option_is_found_before_training(tmp_path: Path, catalogue: Catalogue) -> None:
    for metrics, expected in (
        ({"slop": {}}, "Did you mean 'slope'"),
        ({"slope": {"broke": 1}}, "Did you mean 'broken'"),
    ):
        with pytest.raises(ms.RecipeError, match=expected):
            running.run(recipe(metrics=metrics), tmp_path / "run", device="cpu", catalogue=catalogue)
    assert not (tmp_path / "run").exists()


def test_a_point_set_that_is_not_there_is_named_before_training(tmp_path: Path, catalogue: Catalogue) -> None:
    with pytest.raises(ms.RecipeError, match="no point set 'surface'; it has pixels"):
        running.run(recipe(metrics={"slope": {"at": "surface"}}), tmp_path / "run", device="cpu", catalogue=catalogue)
    assert not (tmp_path / "run").exists()


def test_a_protocol_refuses_data_before_training_and_before_an_evaluation(
    tmp_path: Path, catalogue: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = running.run(recipe(protocol="judge"), tmp_path / "made", device="cpu", catalogue=catalogue)
    before = (made.results / "table.json").read_bytes()

    def check(self: toys.Judge, dataset: ms.Dataset) -> None:
        sets = dataset.batch("train", torch.arange(1)).points
        raise ms.RecipeError("evaluate: judge", f"there are only {', '.join(sets)}.", "Give a surface.")

    monkeypatch.setattr(toys.Judge, "check", check)
    with pytest.raises(ms.RecipeError, match="there are only pixels"):
        running.run(recipe(protocol="judge"), tmp_path / "run", device="cpu", catalogue=catalogue)
    assert not (tmp_path / "run").exists()
    with pytest.raises(ms.RecipeError, match="there are only pixels"):
        running.evaluate(made.path, device="cpu", catalogue=catalogue)
    assert (made.results / "table.json").read_bytes() == before


PROTOCOLS = {"unseen": {"constraints": {"mse": {"at": "pixels"}}}}


@pytest.mark.parametrize("name", ms.load_catalogue().names("protocol"))
def test_shipped_protocols_refuse_data_of_another_kind_before_training(name: str) -> None:
    """Curves over an interval, which come without test signals."""
    protocol = ms.load_catalogue().make("protocol", name, where="evaluate", options=PROTOCOLS.get(name, {}))
    with pytest.raises((ms.RecipeError, ms.DataError), match="evaluate"):
        protocol.check(toys.Waves())


def test_the_test_split_is_judged_before_val_before_train() -> None:
    asked: list[str] = []

    class Splits(toys.Waves):
        def batch(self, split: str, items: Tensor, **how: Any) -> ms.Batch:
            asked.append(split)
            return super().batch(split, items, **how)

    data = Splits()
    encoder = toys.Mean(data.domain)
    decoder = toys.Shift(
        ms.Siren(in_features=1, out_features=1, hidden_features=4, hidden_layers=0), encoder.latent_dim
    )
    for splits in ({"train": 3}, {"train": 3, "val": 2}, {"train": 3, "val": 2, "test": 1}, {"train": 3, "test": 0}):
        data.splits = splits
        score(ms.Model(encoder, decoder).eval(), data, {"index": ItemIndex()})
    assert asked == ["train", "val", "test", "train"]


def test_a_recipe_with_metrics_reads_back_unchanged() -> None:
    from metasiren.recipe import parse_yaml

    first = recipe(protocol="judge", seeds=2, metrics={"index": None, "x": {"name": "slope", "at": "pixels"}})
    assert validate(parse_yaml(first.to_yaml(), "again"), "again", name="toy") == first
    assert first.evaluate.options == {"seeds": 2}


def test_an_option_that_a_protocol_does_not_heed_is_refused_by_name(tmp_path: Path, catalogue: Catalogue) -> None:
    class Single(ms.Protocol):
        def evaluate(  # type: ignore[no-untyped-def, override]
            self, model, dataset, results, *, name, options=ms.FULL_EVALUATION, device="cpu"
        ):
            raise AssertionError("not reached")

    run = running.run(recipe(protocol="judge"), tmp_path / "run", device="cpu", catalogue=catalogue)
    before = sorted(p.name for p in run.results.iterdir())
    for options in (ms.EvaluationOptions(limit=3), ms.EvaluationOptions(refine=2)):
        with pytest.raises(ms.RecipeError, match=r"evaluate: --(limit|refine): [23] was asked for"):
            running.write_table(
                run, Single(), run.model(catalogue=catalogue), None, device=torch.device("cpu"), options=options
            )  # type: ignore[arg-type]
    assert sorted(p.name for p in run.results.iterdir()) == before


def test_psnr_of_a_halved_error_is_twenty_log_two_higher() -> None:
    errors = torch.tensor([4.0, 1.0, 0.25], dtype=torch.float64)
    assert torch.allclose(ms.psnr(errors).diff(), torch.full((2,), 20 * math.log10(2), dtype=torch.float64))
    assert ms.psnr(4.0) == 0  # an error as large as the peak
    assert ms.psnr(0.0) is None
    assert ms.psnr(torch.zeros(1)).isinf().all()
