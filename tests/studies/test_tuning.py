"""Tuning: the stated rule, equal budgets, and a record of every training."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from rich.console import Console

import metasiren as ms
from metasiren.engine import running
from metasiren.engine.progress import Shown
from metasiren.errors import InterruptedRunError, RecipeError, RunError
from metasiren.recipe import Recipe, changed
from metasiren.registry.catalogue import Catalogue, load_catalogue
from metasiren_studies import commands as cli_studies
from metasiren_studies.comparing import _free_memory, compare
from metasiren_studies.search_space import candidates, groups, rungs, with_a_scale
from metasiren_studies.tuning import Search, more_is_better, read_tunings


def load(recipe: Path, **overrides: object) -> Recipe:
    return ms.load_recipe(recipe, preset="base", overrides=overrides)


@pytest.mark.parametrize(
    ("siren", "scale"),
    [
        ("sine", {"siren.first_omega": 30.0}),
        ({"name": "finer", "omega": 20.0}, {"siren.nonlinearity.omega": 20.0}),
        ("wire", {"siren.nonlinearity.omega": 10.0, "siren.nonlinearity.scale": 10.0}),
        ("gaussian", {"siren.nonlinearity.scale": 3.0}),
        ("relu", None),
    ],
)
def test_the_scale_is_omega_or_what_stands_for_it(
    recipe: Path, catalogue: Catalogue, siren: object, scale: dict[str, float] | None
) -> None:
    found = groups(load(recipe, **{"siren.nonlinearity": siren}), {}, catalogue)
    assert found == [{"train.optimizer.lr": 1e-3}, *([scale] if scale else [])]


def test_an_input_layers_scale_goes_before_the_nonlinearitys(recipe: Path, catalogue: Catalogue) -> None:
    layers = {"siren.nonlinearity": "relu", "siren.input_layer": {"name": "fourier_features"}}
    assert groups(load(recipe, **layers), {}, catalogue)[1] == {"siren.input_layer.sigma": 5.0}


def test_all_rates_of_an_optimiser_change_together_and_what_is_set_stays(recipe: Path, catalogue: Catalogue) -> None:
    muon = load(recipe, **{"train.optimizer": {"name": "muon", "lr": 1e-3, "matrix_lr": 2e-3}})
    rates = groups(muon, {"siren.first_omega": 10}, catalogue)
    assert rates == [{"train.optimizer.lr": 1e-3, "train.optimizer.matrix_lr": 2e-3}]
    assert all(c["train.optimizer.matrix_lr"] == 2 * c["train.optimizer.lr"] for c in candidates(rates))
    assert groups(muon, {**rates[0], "siren.first_omega": 10}, catalogue) == []


@pytest.mark.parametrize("count", [3, 5, 15])
def test_rounds_keep_a_third_and_stay_within_the_budget(count: int) -> None:
    made = rungs(count, 960, 10_000)
    assert made[0][0] == count
    assert all(later == -(-earlier // 3) for (earlier, _), (later, _) in pairwise(made))
    assert all(later == 3 * earlier for (_, earlier), (_, later) in pairwise(made))
    assert 0.9 * 960 < sum(c * steps for c, steps in made) <= 960
    assert max(steps for _, steps in rungs(count, 10**6, 50)) == 50


def test_a_budget_for_no_step_says_how_much_is_needed() -> None:
    with pytest.raises(RecipeError, match=r"Give 48 or more"):
        rungs(15, 47, 100)


def test_a_word_becomes_a_part_where_its_option_is_set(recipe: Path) -> None:
    made = changed(load(recipe, **{"siren.nonlinearity": "finer"}), {"siren.nonlinearity.omega": 7.0}, "here")
    assert made.siren.model_dump()["nonlinearity"] == {"name": "finer", "omega": 7.0}


def test_the_table_and_the_record_say_what_was_chosen(recipe: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    folder, comparison = compare(
        recipe, ["nonlinearity=relu"], tmp_path / "tuned", search=Search(steps=24), catalogue=catalogue
    )
    held = json.loads((folder / "tuning.json").read_text())
    for row in comparison.rows:
        tuning = held["variants"][row.name]
        assert sum(trial["steps"] for trial in tuning["trials"]) <= 24
        longest = max(trial["steps"] for trial in tuning["trials"])
        last = [trial for trial in tuning["trials"] if trial["steps"] == longest]
        assert min(last, key=lambda trial: trial["score"])["options"] == tuning["chosen"]
        run = ms.open_run(folder / row.name)
        assert run.recipe.train.optimizer.options["lr"] == tuning["chosen"]["train.optimizer.lr"]
        assert row.note.startswith(f"tuned: lr {tuning['chosen']['train.optimizer.lr']:g}")
        assert len(tuning["trials"]) == 5 + 2
    assert not (folder / "trial").exists()

    again, _ = compare(
        recipe, ["nonlinearity=relu"], tmp_path / "again", search=Search(known=folder / "tuning.json"),
        catalogue=catalogue,
    )  # fmt: skip
    chosen = held["variants"]["relu"]["chosen"]["train.optimizer.lr"]
    assert ms.open_run(again / "relu").recipe.train.optimizer.options["lr"] == chosen
    with pytest.raises(RecipeError, match="no variant 'elu', only relu"):
        compare(
            recipe, ["nonlinearity=elu"], tmp_path / "other", search=Search(known=folder / "tuning.json"),
            catalogue=catalogue,
        )  # fmt: skip


def test_a_metric_is_maximised_where_more_is_better(recipe: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    search = Search(steps=3, by="psnr_db")
    folder, _ = compare(
        recipe, ["lr=1e-3"], tmp_path / "tuned", search=search, catalogue=catalogue,
    )  # fmt: skip
    (sine,) = json.loads((folder / "tuning.json").read_text())["variants"].values()
    assert list(sine["chosen"]) == ["siren.first_omega"]
    best = max(sine["trials"], key=lambda trial: trial["score"])
    assert best["options"] == sine["chosen"]


def test_a_metric_that_no_run_has_and_trainings_that_all_fail_are_errors(
    recipe: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=r"(?s)the runs have no 'beauty'.*psnr_db"):
        compare(recipe, ["nonlinearity=relu"], tmp_path / "a", search=Search(by="beauty"), catalogue=catalogue)
    with pytest.raises(RecipeError, match="no candidate has a finite loss"):
        compare(
            recipe, ["nonlinearity=relu"], tmp_path / "b", overrides={"data.poison": True}, search=Search(),
            catalogue=catalogue,
        )  # fmt: skip


@pytest.mark.parametrize(
    "error", [torch.linalg.LinAlgError("singular"), RuntimeError("out of memory"), RunError("here", "broken."), None]
)
def test_a_candidate_that_fails_or_has_no_finite_metric_goes_last(
    recipe: Path, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    def run(recipe: Recipe, path: Path, **options: Any) -> ms.Run:
        bad = recipe.siren.first_omega == 15.0
        if bad and error is not None:
            raise error
        made = running.run(recipe, path, **options)
        if bad:
            ms.write_metrics(made.results, {"psnr_db": math.nan})
        return made

    monkeypatch.setattr("metasiren_studies.tuning.run", run)
    folder, _ = compare(recipe, ["lr=1e-3"], tmp_path / "tuned", search=Search(3, "psnr_db"), catalogue=catalogue)
    ((title, tuning),) = read_tunings(folder / "tuning.json").items()
    first, *rest = tuning.trials
    assert (title, first.options) == ("lr=0.001", {"siren.first_omega": 15.0})
    assert first.score is None
    assert bool(first.note) == (error is not None)
    assert all(trial.score is not None for trial in rest)
    assert tuning.chosen != first.options


@pytest.mark.parametrize("ended", [0, 2])
def test_an_interruption_ends_the_search_and_says_what_is_left(
    ended: int, recipe: Path, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Path] = []

    def run(recipe: Recipe, path: Path, **options: Any) -> ms.Run:
        begun.append(path)
        if len(begun) > ended:
            found = "stopped by SIGINT after step 1."
            raise InterruptedRunError(str(path), found, f"Go on with: metasiren run --resume {path}")
        return running.run(recipe, path, **options)

    monkeypatch.setattr("metasiren_studies.tuning.run", run)
    with pytest.raises(InterruptedRunError) as caught:
        compare(recipe, ["lr=1e-3"], tmp_path / "tuned", search=Search(3), catalogue=catalogue)
    words = f"tuned: stopped by SIGINT after step 1 of a training of lr=0.001; {ended} trainings had ended."
    assert words in str(caught.value)
    assert "--resume" not in str(caught.value), "trainings of a search are deleted"
    assert ("tuning.json contains what was tried" in str(caught.value)) == (tmp_path / "tuned/tuning.json").is_file()
    assert not (tmp_path / "tuned" / "trial").exists()


def test_a_search_says_in_words_what_it_tries(
    recipe: Path, catalogue: Catalogue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Shown(Console(width=200, stderr=True))
    compare(recipe, ["lr=1e-3"], tmp_path / "tuned", search=Search(3), catalogue=catalogue, progress=shown)
    assert "lr=0.001, round 1, 1 step: first_omega 15\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("greater", "smaller"),
    [
        ("psnr_db si_snr_db ssim iou log_likelihood mesh_normal_consistency", "loss mse crps chamfer sdf_error"),
        ("normal_consistency", "log_likelihood_stderr psnr_db_std psnr_std_db"),
    ],
)
def test_names_say_which_way_is_better(greater: str, smaller: str) -> None:
    assert all(more_is_better(name) for name in greater.split())
    assert not any(more_is_better(name) for name in smaller.split())


def test_a_whole_number_for_a_float_is_searched_as_a_float(recipe: Path, catalogue: Catalogue) -> None:
    found = groups(load(recipe, **{"siren.nonlinearity": {"name": "gaussian", "scale": 3}}), {}, catalogue)
    tried = {each["siren.nonlinearity.scale"] for each in candidates(found)}
    assert tried == {1.5, 3.0, 6.0}


def test_a_whole_number_stays_one(recipe: Path, catalogue: Catalogue) -> None:
    layer = {"siren.nonlinearity": "relu", "siren.input_layer": {"name": "positional_encoding", "samples": 5}}
    tried = [each["siren.input_layer.samples"] for each in candidates(groups(load(recipe, **layer), {}, catalogue)[1:])]
    assert tried == [2, 5, 10]
    assert all(isinstance(each, int) for each in tried)


def test_a_nonlinearity_that_needs_an_option_is_not_among_those_taken_unnamed() -> None:
    def needy(*, order: int, name: str = "x") -> None: ...

    module = ModuleType("needy")
    module.metasiren_activations = ms.hookimpl(  # type: ignore[attr-defined]
        lambda: {"needy": needy}, specname="metasiren_activations"
    )
    assert "needy" not in with_a_scale(load_catalogue(extra=[module]))


def test_a_search_of_no_named_variants_takes_all_that_have_a_scale() -> None:
    assert with_a_scale(ms.load_catalogue()) == "nonlinearity=sine,finer,finer_pp,gaussian,sinc,wire,relu_pe"


def test_epochs_are_not_searched(recipe: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    overrides = {"train.steps": None, "train.epochs": 2}
    with pytest.raises(RecipeError, match=r"no train\.steps"):
        compare(
            recipe, ["nonlinearity=relu"], tmp_path / "a", overrides=overrides, search=Search(), catalogue=catalogue
        )


def test_a_file_that_is_no_record_is_refused(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "tuning.json").write_text("{}")
    arguments = [str(recipe), "--over", "nonlinearity=relu", "--tuned", str(tmp_path / "tuning.json")]
    found = CliRunner().invoke(cli_studies.compare, [*arguments, "--tune"], catch_exceptions=True)
    assert "given beside --tune" in str(found.exception)
    for option, value in (("--by", "psnr_db"), ("--tune-steps", "30")):
        for before in (arguments, arguments[:-2]):
            found = CliRunner().invoke(cli_studies.compare, [*before, option, value], catch_exceptions=True)
            assert isinstance(found.exception, RecipeError)
            assert f"{option}: given without --tune" in str(found.exception)
    with pytest.raises(RecipeError, match=r"no tuning\.json of a comparison"):
        read_tunings(tmp_path / "tuning.json")
    with pytest.raises(ms.DataError, match=r"none\.json: is not there"):
        read_tunings(tmp_path / "none.json")


def test_freeing_the_memory_of_a_search_does_not_begin_to_use_a_gpu() -> None:
    before = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    _free_memory()
    assert torch.cuda.is_initialized() is before  # type: ignore[no-untyped-call]
