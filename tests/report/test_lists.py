"""Lists of runs, of leftovers, and of differences that a time limit made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from click.testing import CliRunner

import metasiren as ms
from metasiren.cli.commands import cli
from metasiren.recipe import changed
from metasiren_report.differences import between, of_runs


def test_stages_that_a_time_limit_set_are_not_shown_as_a_person_s(pictures: tuple[ms.Run, ms.Run]) -> None:
    first, second = pictures
    stages = [{"name": "coarse", "steps": 40}, {"name": "fine", "steps": 10}]
    whole = [{"name": "coarse", "steps": 400}, {"name": "fine", "steps": 100}]
    fitted = {"seconds": 20.0, "steps": 50, "of": 500, "stages": {"coarse": [40, 400], "fine": [10, 100]}}
    limited = replace(
        first, recipe=changed(first.recipe, {"train.stages": stages, "train.steps": None}, "here"),
        environment={**first.environment, "fitted": fitted},
    )  # fmt: skip
    other = replace(second, recipe=changed(second.recipe, {"train.stages": whole, "train.steps": None}, "here"))
    rows = {d.key: d for d in of_runs(limited, other)["recipe"]}
    assert rows["train.stages"].note == "first by --max-time 20s: 50 of 500 steps fitted"
    assert "steps: 40" in rows["train.stages"].first
    assert "steps: 400" in rows["train.stages"].second


def test_a_key_that_is_null_on_one_side_and_absent_on_the_other_is_no_difference() -> None:
    assert between({"data": {"size": 4}}, {"data": {"size": 4, "points": None}}) == []
    assert [d.key for d in between({"data": {"points": 3}}, {"data": {"points": None}})] == ["data.points"]


def test_a_clean_up_of_nothing_says_so(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["clean", str(tmp_path)])
    assert done.exit_code == 0
    assert "nothing to delete." in done.stderr
    assert "0.0 MB" not in done.stderr


def test_the_list_of_runs_names_their_data(pictures: tuple[ms.Run, ms.Run]) -> None:
    listed = CliRunner().invoke(cli, ["runs", str(pictures[0].path.parent)]).stdout.splitlines()
    assert listed[0].split()[:4] == ["run", "recipe", "data", "numbers"]
    assert all("camera, 16 x 16 grey" in line for line in listed[1:])
