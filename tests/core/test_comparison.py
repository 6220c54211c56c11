"""Metrics of single signals: merged, compared, joined, read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from metasiren import Comparison, ComparisonRow, RunError, write_metrics
from metasiren.cli.commands import cli
from metasiren.results.comparison import is_single, join_comparisons, read_comparison

NUMBERS = st.dictionaries(st.text("abc_", min_size=1, max_size=8), st.floats(allow_nan=True), min_size=1, max_size=4)


def made(folder: Path, name: str, **metrics: float) -> Path:
    results = folder / name / "results"
    results.mkdir(parents=True)
    rows = [
        ComparisonRow(name="ours", kind="model", metrics=metrics),
        ComparisonRow(name="exact | solver", kind="baseline", metrics={"psnr_db": float("inf"), "mse": 0.0}),
    ]
    Comparison(title="camera, 64x64", rows=rows).write(results)
    write_metrics(results, metrics)
    return folder / name


@settings(deadline=None, max_examples=25, derandomize=True)
@given(first=NUMBERS, second=NUMBERS)
def test_later_numbers_win_and_others_stay(
    first: dict[str, float], second: dict[str, float], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("results")
    write_metrics(folder, first)
    held = write_metrics(folder, second)
    text = (folder / "metrics.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text) == held
    assert set(held) == {*first, *second}
    for name, value in {**first, **second}.items():
        assert held[name] == value or held[name] is None


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    run = made(tmp_path, "one", psnr_db=31.234567, mse=0.1)
    again = read_comparison(run)
    assert again.rows[0].metrics == {"psnr_db": 31.234567, "mse": 0.1}
    assert again.rows[1].metrics["psnr_db"] is None
    assert again.frame().loc["ours", "mse"] == 0.1
    assert is_single(run)
    text = (run / "results" / "comparison.md").read_text()
    assert "| exact \\| solver | baseline | – | 0 |" in text
    assert "31.23" in text


def test_runs_are_joined_and_shared_baselines_appear_once(tmp_path: Path) -> None:
    runs = [made(tmp_path, name, psnr_db=value) for name, value in (("a", 1.0), ("b", 2.0))]
    joined = join_comparisons([(r.name, read_comparison(r)) for r in runs])
    assert [row.name for row in joined.rows] == ["a: ours", "exact | solver", "b: ours"]
    shown = CliRunner().invoke(cli, ["table", *map(str, runs)])
    assert shown.exit_code == 0
    assert shown.output.count("exact") == 1
    for form, mark in (("latex", "\\begin{tabular}"), ("csv", "name,"), ("json", '"rows"')):
        assert mark in CliRunner().invoke(cli, ["table", str(runs[0]), "--format", form]).output


def test_a_run_of_metrics_alone_is_one_row(tmp_path: Path) -> None:
    (tmp_path / "plain" / "results").mkdir(parents=True)
    write_metrics(tmp_path / "plain" / "results", {"mse": 0.5})
    assert read_comparison(tmp_path / "plain").rows[0].metrics == {"mse": 0.5}


def test_what_cannot_be_compared_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="neither"):
        read_comparison(tmp_path)
    run = made(tmp_path, "one", mse=1.0)
    with pytest.raises(RunError, match="no format"):
        read_comparison(run).render("pdf")
    (run / "results" / "comparison.json").write_text("{")
    with pytest.raises(RunError, match="damaged"):
        read_comparison(run)


def test_single_signals_do_not_stand_beside_tables_of_many(tmp_path: Path) -> None:
    run = made(tmp_path, "one", mse=1.0)
    (tmp_path / "many" / "results").mkdir(parents=True)
    (tmp_path / "many" / "results" / "table.json").write_text("{}")
    outcome = CliRunner().invoke(cli, ["table", str(run), str(tmp_path / "many")])
    assert isinstance(outcome.exception, RunError)
    assert "single: " in str(outcome.exception)
