"""Tables tell runs apart, mark those that were cut, and name what is missing."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from click.testing import Result
from small_runs import faces, path_of, small

import metasiren as ms
from metasiren.cli.terminal import fitted, shorten_line, terminal_width

Typed = Callable[..., Result]

FACES = faces()


def test_two_encoders_of_one_recipe_have_names_of_their_own(typed: Typed) -> None:
    first = path_of(typed("metasiren run celeba_pconv --preset quick --set encoder.features=8", *FACES))
    second = path_of(typed("metasiren run celeba_pconv --preset quick --set encoder.features=12", *FACES))
    printed = typed(f"metasiren table {first} {second}").stdout
    names = sorted({line.split("|")[1].strip() for line in printed.splitlines() if line.startswith("| celeba_pconv")})
    assert len(names) == 2
    assert "features=12" in names[0]
    assert "features=8" in names[1]
    twin = path_of(typed("metasiren run celeba_pconv --preset quick --set encoder.features=8", *FACES))
    both = typed(f"metasiren table {first} {twin}").stdout
    assert f"[{Path(first).name}]" in both
    assert f"[{Path(twin).name}]" in both


def test_a_run_cut_by_the_clock_is_marked_with_its_steps_and_says_what_was_cut(typed: Typed) -> None:
    changes = small("data.size=16", "train.schedule=cosine", steps=100_000)
    run = path_of(done := typed("metasiren run image --preset quick --max-time 1s --no-fit", *changes))
    said = " ".join(done.stderr.split())
    assert "stopped after step" in said
    assert "of 100,000" in said
    assert "learning rate was still" in said
    table = typed(f"metasiren table {run}").stdout
    assert "of 100000" in table
    status = json.loads((Path(run) / "status.json").read_text())
    assert status["state"] == "stopped early"
    assert status["steps"] == 100_000
    assert 0 < status["step"] < 100_000
    assert status["reason"] == "the time is up"


def test_a_run_fitted_to_the_clock_is_a_finished_one(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metasiren.engine.time_limit.monotonic", count(0, 0.01).__next__)
    changes = small("data.size=16", "train.schedule=cosine", steps=1_000_000)
    run = path_of(done := typed("metasiren run image --preset quick --max-time 2s", *changes))
    steps = ms.open_run(run).recipe.train.steps
    assert steps in (171, 172)  # nine tenths of two seconds less the timed steps, by rounding
    assert f"fitted to 2 s: {steps:,} of 1,000,000 steps" in " ".join(done.stderr.split())
    assert f"steps={steps}" in typed(f"metasiren table {run}").stdout


def test_changes_that_are_mappings_have_short_names_that_differ(typed: Typed) -> None:
    layers = [
        "{name: positional_encoding, frequencies: 3}",
        "{name: positional_encoding, frequencies: 4}",
        "{name: mapped_coordinates, axes: [0, 1], places: [{centre: [0, 0], width: 0.1}]}",
        "{name: mapped_coordinates, axes: [0, 1], places: [{centre: [0, 0], width: 0.2}]}",
    ]
    runs = [
        path_of(typed("metasiren run image --preset quick", *small("data.size=16"), f"--set=siren.input_layer={layer}"))
        for layer in layers
    ]
    printed = typed(f"metasiren table {' '.join(runs)}").stdout
    names = [ms.open_run(run).label for run in runs]
    assert "input_layer=positional_encoding frequencies=3" in names[0]
    assert "input_layer=mapped_coordinates axes=[0 1]" in names[2]
    assert len(set(names)) == 4
    for name in names:
        assert not set(name) & set('\\/:*?"<>|{}')
    assert Path(runs[0]).name in printed


def test_tables_fit_the_terminal(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "metasiren run celeba_pconv --preset quick"
    first = path_of(typed(line, *FACES))
    piped = typed(f"metasiren table {first}").stdout
    assert piped.rstrip("\n") == (Path(first) / "results" / "table.md").read_text("utf-8").rstrip("\n")
    assert max(map(len, piped.splitlines())) > 120
    for width in (60, 80, 100):
        monkeypatch.setattr("metasiren.cli.terminal.terminal_width", lambda width=width: width)
        ended = typed(line, *FACES) if width == 80 else None
        for shown in filter(None, [typed(f"metasiren table {first}").stdout, ended and ended.stdout]):
            lines = [row for row in shown.splitlines() if row.startswith("| ")]
            assert max(map(len, lines)) <= width
            assert sum("celeba_pconv" in row for row in lines) > 3
            text = " ".join(shown.split())
            assert all(f" {number} " in text for number in piped.split() if number.startswith("0."))
    assert typed(f"metasiren table {first} --format csv").stdout.count(",") > 10


def test_every_block_of_columns_repeats_the_names_of_the_rows() -> None:
    text = "Numbers:\n\n|  | first | note |\n| --- | ---: | ---: |\n| a \\| b |  | of some words |\n| c | 2 |  |\n"
    assert fitted(text, 26).splitlines() == [
        "Numbers:",
        "",
        "|        | first |",
        "| ------ | ----: |",
        "| a \\| b |       |",
        "| c      |     2 |",
        "",
        "|        |          note |",
        "| ------ | ------------: |",
        "| a \\| b | of some words |",
        "| c      |               |",
    ]
    narrow = fitted(text, 20).splitlines()
    assert max(map(len, narrow)) <= 20
    assert fitted("- (a) one two three four\n", 16) == "- (a) one two\n  three four\n"
    assert fitted(text, 200).count("| c ") == 1


def test_columns_of_digits_fit_with_their_rules() -> None:
    """A rule has three signs at least, so that a column of single digits is as wide as that."""
    cells = [f"| name | {' | '.join('1' for _ in range(20))} |", f"| --- | {' | '.join(['---:'] * 20)} |"]
    made = fitted("\n".join([*cells, cells[0]]), 60)
    assert max(map(len, made.splitlines())) <= 60
    assert made.count(" 1 |") == 40


def test_words_and_paths_are_not_cut() -> None:
    path = "runs/celeba-mixture-quick-with-a-long-name/results/figure.png"
    assert path in fitted(f"|  | note |\n| --- | ---: |\n| a | see {path} |\n", 40)
    assert shorten_line("helmholtz_family  waves", 10) == "helmholtz…"
    assert shorten_line("wave  of two speeds", 12) == "wave  of …"


def test_only_a_terminal_has_a_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    for is_terminal in (True, False):
        monkeypatch.setattr("sys.stdout.isatty", lambda answer=is_terminal: answer)
        assert terminal_width() == (72 if is_terminal else None)


def test_every_run_has_a_status(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    finished = path_of(typed("metasiren run image --preset quick", *small("data.size=16")))
    status = ms.open_run(finished).status
    assert (status["state"], status["step"], status["steps"]) == ("finished", 2, 2)
    failed = typed("metasiren run image --preset quick --out broken", *small("data.size=16", "train.optimizer.lr=1e30"))
    assert failed.exit_code != 0
    assert ms.open_run("broken").status["state"] == "failed"


def test_fitting_and_restoration_are_told_apart(typed: Typed) -> None:
    fit = path_of(typed("metasiren run image --preset quick", *small("data.size=16")))
    options = small("data.size=16", "data.prior_points=8", "evaluate.baselines=[]")
    filled = path_of(typed("metasiren run inpainting --preset quick", *options))
    lines = typed(f"metasiren table {fit} {filled}").stdout.splitlines()
    assert "Different signals or tasks" in lines[0]
    assert any("% of the pixels seen" in line for line in lines if "inpainting" in line)
    assert not any("% of the pixels seen" in line for line in lines if "image-quick" in line)


def test_a_missing_folder_is_named(typed: Typed) -> None:
    run = path_of(typed("metasiren run image --preset quick", *small("data.size=16")))
    for line in (f"metasiren table {run} nope", "metasiren table nope"):
        result = typed(line)
        assert result.exit_code != 0
        assert str(result.exception).startswith("nope: there is no such folder")
