"""Curves, decimated meshes, differences, lists and leftovers."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

import metasiren as ms
from metasiren.cli.commands import cli
from metasiren.recipe import changed
from metasiren_report.cleaning import find_leftovers, remove
from metasiren_report.differences import Difference, between, from_base, of_runs
from metasiren_report.summary import find_runs, headline_numbers, summarise, words_of
from metasiren_report.svg_curves import curves, legend
from metasiren_report.turning_mesh import merge_vertices
from metasiren_report.wording import metric_title, run_names, value_text


def _polyline(svg: str) -> np.ndarray:
    root = ElementTree.fromstring(svg)
    line = next(element for element in root if element.tag.endswith("polyline"))
    return np.array([[float(v) for v in pair.split(",")] for pair in line.attrib["points"].split()])


def test_a_power_law_is_a_straight_line_on_the_logarithmic_axis() -> None:
    points = _polyline(curves({"loss": [(x, 10.0**-x) for x in range(6)]}, across="step", title="loss"))
    slopes = np.diff(points[:, 1]) / np.diff(points[:, 0])
    np.testing.assert_allclose(slopes, slopes[0], rtol=1e-2)
    assert slopes[0] > 0  # SVG counts downwards: a falling loss falls


def test_values_of_both_signs_have_a_linear_axis() -> None:
    points = _polyline(curves({"loss": [(x, x - 2.0) for x in range(5)]}, across="step", title="loss"))
    np.testing.assert_allclose(np.diff(points[:, 1]), np.diff(points[:, 1])[0], atol=0.2)


@pytest.mark.parametrize(("last", "labels"), [(12_000.0, ["5,000", "10,000"]), (200_000.0, ["100,000", "200,000"])])
def test_large_steps_are_written_in_full(last: float, labels: list[str]) -> None:
    svg = curves({"loss": [(1.0, 1.0), (last, 2.0)]}, across="step", title="loss")
    assert all(f">{label}</text>" in svg for label in labels)
    assert "e+" not in svg


def test_curves_are_thinned_and_skip_what_is_not_finite() -> None:
    series = [(float(i), float("nan") if i % 2 else 1.0 + i) for i in range(4000)]
    assert len(_polyline(curves({"loss": series}, across="step", title="loss"))) == 400


@pytest.mark.parametrize("series", [{}, {"loss": []}, {"loss": [(1.0, 1.0)]}, {"loss": [(1.0, float("nan"))] * 3}])
def test_nothing_to_draw_is_no_picture(series: dict[str, list[tuple[float, float]]]) -> None:
    assert curves(series, across="step", title="loss") == ""


def test_a_constant_curve_is_drawn() -> None:
    assert "polyline" in curves({"loss": [(0.0, 1.0), (1.0, 1.0)]}, across="step", title="loss")


def test_names_are_escaped() -> None:
    text = curves({"<b>": [(0.0, 1.0), (1.0, 2.0)]}, across="<i>", title='"<u>') + legend(["<b>"])
    assert not any(tag in text for tag in ("<b>", "<i>", "<u>"))


@pytest.mark.parametrize("name", ms.load_catalogue().names("protocol"))
def test_every_protocol_says_what_its_pictures_show(name: str) -> None:
    captions = ms.load_catalogue().factory("protocol", name, "test").captions
    assert captions
    assert all(Path(file).suffix and text.endswith(".") for file, text in captions.items())


def test_more_curves_than_colours_differ_in_their_dashes() -> None:
    series = {f"run {i}": [(0.0, 1.0 + i), (1.0, 2.0 + i)] for i in range(20)}
    drawn = re.findall(r'<polyline class="([^"]*)"', curves(series, across="step", title="loss"))
    assert len(set(drawn)) == 20
    assert re.findall(r'<svg class="swatch ([^"]*)"', legend(list(series))) == drawn


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("psnr_db", "PSNR (dB)"),
        ("gradient_psnr_db", "gradient PSNR (dB)"),
        ("t0.1_relative_l2", "relative L2 at t = 0.1"),
        ("mse at 10", "MSE at 10"),
        ("chamfer_to_truth", "chamfer to truth"),
    ],
)
def test_numbers_are_named_in_words(name: str, words: str) -> None:
    assert metric_title(name) == words


@pytest.mark.parametrize("value", [None, True, False, 3, 0.25, "cosine", [1, 2], [{"centre": [0, 0], "width": 0.03}]])
def test_values_are_written_as_a_recipe_writes_them(value: object) -> None:
    assert yaml.safe_load(value_text(value)) == value


def test_names_of_runs_are_as_short_as_tells_them_apart(tmp_path: Path) -> None:
    assert run_names([tmp_path / "a" / "one", tmp_path / "b" / "two"]) == ["one", "two"]
    assert run_names([tmp_path / "a" / "run", tmp_path / "b" / "run"]) == ["a/run", "b/run"]
    assert run_names([tmp_path / "run"] * 2) == ["run", "run"]


def test_a_merged_sphere_is_still_a_sphere() -> None:
    trimesh = pytest.importorskip("trimesh", reason="NO TRIMESH: python -m pip install 'metasiren[shapes]'")
    sphere = trimesh.creation.icosphere(subdivisions=6)
    vertices, faces = merge_vertices(np.asarray(sphere.vertices), np.asarray(sphere.faces), 4000)
    assert 1500 < len(vertices) <= 4000
    np.testing.assert_allclose(np.linalg.norm(vertices, axis=1), 1, atol=0.01)
    assert trimesh.Trimesh(vertices, faces, process=False).volume == pytest.approx(4 / 3 * np.pi, rel=0.02)
    assert all(len(set(face)) == 3 for face in faces.tolist())


def test_a_small_mesh_is_left_as_it_is() -> None:
    vertices, faces = np.eye(3), np.array([[0, 1, 2]])
    same, also = merge_vertices(vertices, faces, 8)
    assert same is vertices
    assert also is faces


def test_differences_are_none_for_equal_trees_and_swap_with_their_order() -> None:
    one, two = {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 1, "c": 4}, "e": 5}
    assert between(one, one) == []
    assert between(one, two) == [Difference("a.c", "2", "4"), Difference("d", "3", "–"), Difference("e", "–", "5")]
    assert {(d.key, d.first, d.second) for d in between(two, one)} == {
        (d.key, d.second, d.first) for d in between(one, two)
    }


def test_what_a_run_changed_of_its_recipe(pictures: tuple[ms.Run, ms.Run]) -> None:
    changes = from_base(pictures[0])
    assert changes is not None
    assert {"data.size", "siren.hidden_features", "train.steps"} <= {d.key for d in changes}


def test_runs_differ_where_they_were_made_to(pictures: tuple[ms.Run, ms.Run]) -> None:
    found = of_runs(*pictures)
    assert {d.key for d in found["recipe"]} == {"train.optimizer.lr", "train.seed"}
    assert "seed" in {d.key for d in found["environment"]}
    assert "psnr_db" in {d.key for d in found["results"]}


def test_steps_that_a_time_limit_set_are_not_shown_as_a_person_s(pictures: tuple[ms.Run, ms.Run]) -> None:
    first, second = pictures
    fitted = {"seconds": 20.0, "steps": 3, "of": 400}
    longer = changed(second.recipe, {"train.steps": 400, "train.schedule.warmup": 9}, "here")
    limited = replace(first, environment={**first.environment, "fitted": fitted})
    rows = {d.key: d for d in of_runs(limited, replace(second, recipe=longer))["recipe"]}
    words = "first by --max-time 20s: 3 of 400 steps fitted"
    assert (rows["train.steps"].first, rows["train.steps"].second) == ("3", "400")
    assert [rows[key].note for key in ("train.steps", "train.schedule.warmup")] == [words, words]
    assert rows["train.optimizer.lr"].note == ""
    changes = from_base(limited)
    assert changes is not None
    assert {d.note for d in changes if d.key == "train.steps"} == {"by --max-time 20s: 3 of 400 steps fitted"}
    assert {d.note for d in from_base(first) or []} == {""}


def test_the_diff_command_is_read_by_programs(pictures: tuple[ms.Run, ms.Run]) -> None:
    paths = [str(run.path) for run in pictures]
    found = json.loads(CliRunner().invoke(cli, ["diff", *paths, "--json"]).stdout)
    assert {row["key"] for row in found["recipe"]} == {"train.optimizer.lr", "train.seed"}
    assert "train.optimizer.lr" in CliRunner().invoke(cli, ["diff", *paths]).stdout
    assert "recipe: no difference" in CliRunner().invoke(cli, ["diff", paths[0], paths[0]]).stdout


def test_all_runs_below_a_folder_are_listed(pictures: tuple[ms.Run, ms.Run]) -> None:
    folder = pictures[0].path.parent
    assert [run.path.name for run in find_runs(folder.parent)][:2]
    listed = json.loads(CliRunner().invoke(cli, ["runs", str(folder), "--json"]).stdout)
    assert {Path(row["path"]).name for row in listed} == {"first", "second"}
    metrics = json.loads((pictures[0].results / "metrics.json").read_text())
    first = next(row for row in listed if row["path"].endswith("first"))
    assert first["numbers"]["psnr_db"] == metrics["psnr_db"]
    assert first["state"] == "finished"
    assert first["steps"] == 3
    assert "psnr_db" in CliRunner().invoke(cli, ["runs", str(folder)]).stdout


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ms.RunError, match="no such folder"):
        find_runs(tmp_path / "nowhere")


def test_the_headline_of_a_prior_is_its_error_by_context(prior: ms.Run) -> None:
    assert list(headline_numbers(prior)) == ["mse at 10", "mse at 100", "mse at 128"]


def test_a_run_without_results_is_not_finished(pictures: tuple[ms.Run, ms.Run], tmp_path: Path) -> None:
    shutil.copytree(pictures[0].path, tmp_path / "run", ignore=shutil.ignore_patterns("results"))
    assert summarise(ms.open_run(tmp_path / "run")).state == "not finished"


@pytest.mark.parametrize(("seconds", "words"), [(8.06, "8.1 s"), (125, "2 min 5 s"), (11520, "3 h 12 min")])
def test_durations(seconds: float, words: str) -> None:
    assert words_of(seconds) == words


@pytest.fixture
def old(pictures: tuple[ms.Run, ms.Run], tmp_path: Path) -> Path:
    """A finished run with an older checkpoint and a half-written file, untouched for two hours."""
    run = tmp_path / "runs" / "old"
    shutil.copytree(pictures[0].path, run)
    newest = next((run / "checkpoints").glob("step-*"))
    shutil.copy(newest, newest.with_name("step-00000001.safetensors"))
    (run / "results" / "metrics.partial").write_text("{")
    for path in run.rglob("*"):
        os.utime(path, (time.time() - 7200,) * 2)
    return run


def test_leftovers_are_older_checkpoints_and_half_written_files(old: Path) -> None:
    found = {leftover.path.name for leftover in find_leftovers(old.parent)}
    assert found == {"step-00000001.safetensors", "metrics.partial"}


def test_a_cleaned_run_still_opens_and_has_nothing_left_to_clean(old: Path) -> None:
    remove(find_leftovers(old.parent))
    for path in old.rglob("*"):
        os.utime(path, (time.time() - 7200,) * 2)
    assert find_leftovers(old.parent) == []
    ms.open_run(old).field()


def test_a_run_that_may_be_going_on_is_left_alone(old: Path) -> None:
    (old / "metrics.jsonl").touch()
    assert find_leftovers(old.parent, checkpoints=True, unfinished=True) == []


def test_unfinished_runs_are_only_named_when_asked_for(old: Path) -> None:
    shutil.rmtree(old / "results")
    shutil.rmtree(old / "checkpoints")
    assert find_leftovers(old.parent) == []
    assert [leftover.path for leftover in find_leftovers(old.parent, unfinished=True)] == [old]


def _edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    os.utime(path, (time.time() - 7200,) * 2)


def test_the_newest_checkpoint_is_only_named_of_a_finished_run(old: Path) -> None:
    found = find_leftovers(old.parent, checkpoints=True)
    assert {leftover.reason for leftover in found if leftover.path.suffix == ".safetensors"} == {
        "checkpoint of a finished run"
    }
    assert "step-00000003.safetensors" in {leftover.path.name for leftover in found}


@pytest.mark.parametrize("ended", ["in time", "in evaluation"])
def test_the_newest_checkpoint_of_a_run_that_can_go_on_is_kept(old: Path, ended: str) -> None:
    if ended == "in time":
        _edit(old / "results" / "training.json", stopped="the time is up")
        _edit(old / "environment.json", steps=4)
    else:
        _edit(old / "status.json", state="interrupted")
        (old / "results" / "evaluated.json").unlink()
    found = find_leftovers(old.parent, checkpoints=True, unfinished=True)
    named = {leftover.path.name: leftover.reason for leftover in found}
    assert named == {"step-00000001.safetensors": "older checkpoint", "metrics.partial": "half written"}


@pytest.mark.parametrize("state", ["evaluating", "interrupted", "failed"])
def test_a_trained_run_without_results_is_not_evaluated(old: Path, state: str) -> None:
    _edit(old / "status.json", state=state)
    assert summarise(ms.open_run(old)).state == "finished"  # evaluated by a later command
    (old / "results" / "evaluated.json").unlink()
    assert summarise(ms.open_run(old)).state == "not evaluated"
    listed = CliRunner().invoke(cli, ["runs", str(old.parent)]).stdout
    assert "not evaluated" in listed


def test_the_clean_command_says_how_many_runs_are_too_new(old: Path) -> None:
    assert "left alone" not in CliRunner().invoke(cli, ["clean", str(old.parent)]).stderr
    (old / "metrics.jsonl").touch()
    listed = CliRunner().invoke(cli, ["clean", str(old.parent)]).stderr
    assert "nothing to delete." in listed
    assert "1 run was left alone: written to within the last hour" in listed


def test_the_clean_command_deletes_only_when_told(old: Path) -> None:
    listed = CliRunner().invoke(cli, ["clean", str(old.parent)])
    assert "step-00000001" in listed.stdout
    assert (old / "checkpoints" / "step-00000001.safetensors").exists()
    assert CliRunner().invoke(cli, ["clean", str(old.parent), "--delete"]).exit_code == 0
    assert not (old / "checkpoints" / "step-00000001.safetensors").exists()
    assert ms.open_run(old).checkpoint().step == 3
