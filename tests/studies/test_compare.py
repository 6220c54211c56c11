"""Comparisons of variants: ordinary runs, one table, and a failed run that does not stop the others."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image, ImageStat

import metasiren as ms
from metasiren.assembly import parts
from metasiren.engine import running
from metasiren.errors import PluginError, RecipeError, RunError
from metasiren.registry.catalogue import Catalogue
from metasiren_studies import commands as cli_studies
from metasiren_studies.comparing import compare, variants
from metasiren_studies.curves import Curve, draw_curves, legend_columns
from metasiren_studies.members import Member, write
from metasiren_studies.montage import draw_montage


def rows(folder: Path) -> dict[str, dict[str, Any]]:
    found = json.loads((folder / "comparison.json").read_text())["rows"]
    return {row["name"]: row for row in found}


def test_every_rival_is_a_run_of_its_own(recipe: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    out = tmp_path / "rivals"
    folder, comparison = compare(
        recipe, ["nonlinearity=sine,relu_pe,rbf"], out, preset="quick", overrides={"train.log_every": 2},
        catalogue=catalogue,
    )  # fmt: skip
    assert folder == out
    for name in ("sine", "relu_pe", "rbf"):
        made = ms.open_run(out / name)
        assert (made.environment["seed"], made.checkpoint().step) == (0, 6)
        known = rows(out)[name]["metrics"]
        assert known["psnr_db"] == json.loads((made.results / "metrics.json").read_text())["psnr_db"]
        assert (known["steps"], known["parameters"]) == (6, made.environment["parameters"])
        assert known["seconds"] > 0
    assert ms.open_run(out / "rbf").recipe.siren.input_layer == {"name": "rbf_gaussian", "centres": 256}
    assert ms.open_run(out / "sine").recipe.siren.input_layer is None
    assert list(comparison.frame().index) == ["sine", "relu_pe", "rbf"]
    assert (out / "comparison.csv").read_text().startswith("name,psnr_db,loss,steps,seconds,parameters\n")
    assert "| sine |" in (out / "comparison.md").read_text()


def test_a_rival_alone_is_the_recipe_itself(recipe: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    _, comparison = compare(recipe, ["nonlinearity=sine"], tmp_path / "one", seed=3, catalogue=catalogue)
    alone = running.run(ms.load_recipe(recipe, preset="base"), tmp_path / "run", seed=3, catalogue=catalogue)
    assert comparison.rows[0].metrics["psnr_db"] == json.loads((alone.results / "metrics.json").read_text())["psnr_db"]


def test_pictures_and_curves_are_drawn(recipe: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    out, _ = compare(recipe, ["nonlinearity=sine,relu"], tmp_path / "rivals", catalogue=catalogue)
    with Image.open(out / "figure.png") as figure, Image.open(out / "curves.png") as curves:
        assert figure.width > figure.height  # truth, sine and relu in one row
        assert all(ImageStat.Stat(each.convert("L")).stddev[0] > 10 for each in (figure, curves))


def test_different_data_have_no_common_title_and_no_common_truth(
    recipe: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    out, comparison = compare(recipe, ["nonlinearity=sine,relu"], tmp_path / "rivals", catalogue=catalogue)
    assert comparison.title.startswith("ripples: ")
    with Image.open(out / "figure.png") as figure:
        wide = figure.width
    environment = json.loads((out / "relu" / "environment.json").read_text())
    environment["dataset"]["title"] = "other ripples"
    (out / "relu" / "environment.json").write_text(json.dumps(environment))
    again = write(out, {name: [Member(out / name)] for name in ("sine", "relu")})
    assert again.title.startswith("ripples / other ripples: ")
    with Image.open(out / "figure.png") as figure:
        assert figure.width < 0.8 * wide, "two columns in place of three"


@pytest.mark.parametrize(
    ("titles", "columns"),
    [
        (["sine", "relu", "tanh", "relu_pe", "rbf"], 4),
        (["brick, a long title of a variant, weight=0.001", "grass", "a title as long as the first, and some more"], 2),
        (["word " * 20, "word " * 20], 1),
    ],
)
def test_a_legend_has_as_many_columns_as_fit(titles: list[str], columns: int) -> None:
    assert legend_columns(titles, 10.8) == columns


def test_one_failure_is_reported_and_the_others_go_on(recipe: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    out, comparison = compare(recipe, ["poison=true,false"], tmp_path / "rivals", catalogue=catalogue)
    failed, sound = comparison.rows
    assert failed.name == "poison=true"
    assert "failed: step 1: the loss is nan" in failed.note
    assert "psnr_db" not in failed.metrics
    assert (sound.note, sound.metrics["steps"]) == ("", 12)
    assert "the loss is nan" in (out / "comparison.md").read_text()


def test_when_all_fail_that_is_an_error(recipe: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    overrides = {"data.poison": True}
    with pytest.raises(RunError, match=r"(?s)no variant could be trained.*sine: failed: step 1"):
        compare(recipe, ["nonlinearity=sine,relu"], tmp_path / "rivals", overrides=overrides, catalogue=catalogue)
    assert set(rows(tmp_path / "rivals")) == {"sine", "relu"}


def test_an_error_of_another_kind_stops_nobody_else(
    recipe: Path, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(recipe: ms.Recipe, path: Path, **options: Any) -> ms.Run:
        if recipe.siren.nonlinearity == "relu":
            raise RuntimeError("out of\nmemory")
        return running.run(recipe, path, **options)

    monkeypatch.setattr("metasiren_studies.comparing.run", run)
    _, comparison = compare(recipe, ["nonlinearity=relu,sine"], tmp_path / "rivals", catalogue=catalogue)
    assert [row.note for row in comparison.rows] == ["failed: RuntimeError: out of memory", ""]


def test_an_interruption_ends_all_and_keeps_what_there_is(
    recipe: Path, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(recipe: ms.Recipe, path: Path, **options: Any) -> ms.Run:
        if recipe.siren.nonlinearity == "relu":
            raise running.InterruptedRunError(str(path), "stopped by SIGINT.")
        return running.run(recipe, path, **options)

    monkeypatch.setattr("metasiren_studies.comparing.run", run)
    with pytest.raises(running.InterruptedRunError):
        compare(recipe, ["nonlinearity=sine,relu,tanh"], tmp_path / "rivals", catalogue=catalogue)
    assert {name: row["note"] for name, row in rows(tmp_path / "rivals").items()} == {
        "sine": "",
        "relu": "failed: interrupted",
    }


def test_seeds_give_means_and_deviations(recipe: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    out, comparison = compare(recipe, ["size=8,9"], tmp_path / "rivals", seeds=2, seed=5, catalogue=catalogue)
    numbers = [
        json.loads((out / f"size=8-seed{seed}" / "results" / "metrics.json").read_text())["psnr_db"] for seed in (5, 6)
    ]
    metrics = comparison.rows[0].metrics
    assert metrics["psnr_db"] == pytest.approx(sum(numbers) / 2)
    assert metrics["psnr_db_std"] == pytest.approx(abs(numbers[0] - numbers[1]) / 2**0.5)
    assert "steps_std" not in metrics
    assert "seeds 5, 6" in comparison.title
    with pytest.raises(RecipeError, match="beside --seed"):
        compare(recipe, ["train.seed=0,1"], tmp_path / "again", seeds=2, catalogue=catalogue)


def test_the_data_is_made_once_for_the_variants_that_share_it(
    recipe: Path, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []

    def make_dataset(recipe: ms.Recipe, catalogue: Catalogue) -> ms.Dataset:
        made.append(recipe.data)
        return parts.make_dataset(recipe, catalogue)

    monkeypatch.setattr("metasiren_studies.comparing.make_dataset", make_dataset)
    overrides = {"siren.first_omega": "auto"}
    found = variants(recipe, ["hidden_features=8,9", "size=8,9"], overrides=overrides, catalogue=catalogue)
    assert len(found) == 4
    assert len(made) == 2


def test_a_run_cut_short_says_so(recipe: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    _, comparison = compare(recipe, ["nonlinearity=sine"], tmp_path / "rivals", max_time=1e-9, catalogue=catalogue)
    assert comparison.rows[0].note == "stopped early: the time is up"


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ("nonlinearity=sine,relu,sine", "'sine' and 'sine' are one and the same"),
        ("nonlinearity=sine,since", "variant since: .*no activation is called 'since'"),
        ("lr=1e-3,fast", "variant fast: .*lr"),
        ("hidden_features=8,-1", "hidden_features=-1"),
        ("train.optimizer.lr=0.001,0.0010", "one and the same"),
        ("input_layer={name: rbf_gaussian, centers: 3}", "Did you mean 'centres'"),
    ],
)
def test_mistakes_are_found_before_any_training(
    over: str, message: str, recipe: Path, catalogue: Catalogue, tmp_path: Path
) -> None:
    with pytest.raises(RecipeError, match=message):
        compare(recipe, [over], tmp_path / "rivals", catalogue=catalogue)
    assert not (tmp_path / "rivals").exists()


def test_nothing_is_overwritten(recipe: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for there in (tmp_path, tmp_path / "file"):
        with pytest.raises(RunError, match="not an empty folder"):
            compare(recipe, ["nonlinearity=sine"], there, catalogue=catalogue)
    with pytest.raises(RunError, match="cannot be made"):
        compare(recipe, ["nonlinearity=sine"], tmp_path / "file" / "below", catalogue=catalogue)


def test_the_free_name_is_the_default(
    recipe: Path, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs/compare-ripples-1").mkdir(parents=True)
    folder, _ = compare(recipe, ["nonlinearity=sine"], catalogue=catalogue)
    assert folder == Path("runs/compare-ripples-2")


def test_without_matplotlib_the_extra_is_named_before_training(
    recipe: Path, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(PluginError, match=r"metasiren\[plots\]"):
        compare(recipe, ["nonlinearity=sine"], tmp_path / "rivals", catalogue=catalogue)
    assert not (tmp_path / "rivals").exists()


def test_the_command_prints_the_table_and_then_the_folder(
    recipe: Path, catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metasiren.cli.options.load_catalogue", lambda **_: catalogue)
    out = tmp_path / "rivals"
    given = [str(recipe), "--over", "nonlinearity=sine,relu", "--set", "train.log_every=1", "--out", str(out)]
    done = CliRunner().invoke(cli_studies.compare, given, catch_exceptions=False)
    assert done.exit_code == 0
    assert "| sine | model |" in done.stdout
    assert done.stdout.splitlines()[-1] == str(out)
    assert ms.open_run(out / "sine").environment["preset"] == "quick"
    refused = CliRunner().invoke(cli_studies.compare, [*given[:-1], str(tmp_path / "b"), "--set", "steps"])
    assert isinstance(refused.exception, RecipeError)


def test_curves_of_nothing_and_of_broken_losses(tmp_path: Path) -> None:
    path = tmp_path / "curves.png"
    draw_curves([Curve("a", [])], path, psnr=False)
    assert not path.exists()
    broken = [{"step": 1, "seconds": 0.0, "loss": float("nan")}, {"step": 2, "seconds": 0.1, "loss": -1.0}]
    draw_curves([Curve(f"curve {i}", [broken]) for i in range(12)], path, psnr=False)
    assert path.stat().st_size > 5000


def test_a_montage_takes_what_there_is(tmp_path: Path) -> None:
    first, second, empty = (tmp_path / name for name in ("first", "second", "empty"))
    for folder in (first, second, empty):
        folder.mkdir()
    Image.new("RGB", (20, 10), "red").save(first / "value.png")
    Image.new("L", (20, 10), 128).save(second / "laplacian.png")
    # Neither name is one that the montage knows; the order is that of writing.
    for order, (folder, name) in enumerate(((first, "truth_value"), (second, "truth_laplacian"))):
        Image.new("L", (20, 10), 128).save(folder / f"{name}.png")
        os.utime(folder / f"{name}.png", ns=(order, order))
    out = tmp_path / "figure.png"
    assert draw_montage({"first": first, "second": second, "empty": empty}, out)
    with Image.open(out) as sheet:
        # In the second of three columns (truth, first, second), in the first of two rows.
        red = [(x, y) for x in range(sheet.width) for y in range(sheet.height) if sheet.getpixel((x, y)) == (255, 0, 0)]
        assert len(red) == 320 * 160
        assert sheet.width - red[-1][0] - 1 == 320 + 2 * 6
        assert sheet.height - red[-1][1] - 1 == 160 + 2 * 6
    assert not draw_montage({"empty": empty}, tmp_path / "nothing.png")
    assert not (tmp_path / "nothing.png").exists()
