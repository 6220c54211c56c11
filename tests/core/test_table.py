"""Metric tables: what is read, how runs are joined, and what is written."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metasiren.errors import RunError
from metasiren.results.table import Table, TableRow, join_tables, read_table, render_table, table_frame, write_table
from metasiren.results.text import number


def row(name: str, kind: str = "model", mse: float = 0.03, **more: Any) -> dict[str, Any]:
    numbers = {"10": mse, "512": mse / 2}
    if kind == "paper":
        return {"name": name, "kind": kind, "mse": numbers, **more}
    measures = {
        "mse_stderr": {"10": 0.00123, "512": 0.0004},
        "mse_hidden": {"10": mse * 1.1, "512": None},
        "psnr": {"10": 15.234, "512": None},
    }
    return {"name": name, "kind": kind, "mse": numbers, **measures, "images": 300, **more}


def table(*models: dict[str, Any], **changes: Any) -> Table:
    rows = [*models, row("mean", "baseline", 0.07), row("CNN (paper, full CelebA)", "paper", 0.033)]
    fields = {"dataset": "CelebA-10k subset", "protocol": "exact", "filter": "bilinear", "images": 300, "seeds": 3,
             "split": "val", "labels": {"512": "512 (half)"}, "rows": rows}  # fmt: skip
    return Table.model_validate(fields | changes)


def test_what_is_written_is_read_back_unchanged(tmp_path: Path) -> None:
    whole = table(row("cnn"))
    (tmp_path / "results").mkdir()
    write_table(whole, tmp_path / "results")
    assert {p.name for p in (tmp_path / "results").iterdir()} == {"table.json", "table.csv", "table.md", "table.tex"}
    for path in (tmp_path, tmp_path / "results", tmp_path / "results" / "table.json"):
        assert read_table(path) == whole


def test_the_json_has_the_keys_that_other_programs_read() -> None:
    read = json.loads(render_table(table(row("cnn")), "json"))
    assert {"dataset", "protocol", "filter", "images", "seeds", "rows"} <= set(read)
    for each in read["rows"]:
        assert {"name", "kind", "mse", "mse_stderr", "mse_hidden", "psnr"} <= set(each)


def test_keys_that_are_not_known_survive() -> None:
    extra = table(row("cnn", refined=30), hardware="laptop")
    assert json.loads(render_table(extra, "json"))["hardware"] == "laptop"
    assert json.loads(render_table(join_tables([extra]), "json"))["rows"][0]["refined"] == 30


def test_further_text_of_a_table_is_a_condition() -> None:
    """Text fields that a protocol adds are read, joined and compared; none is named in the core."""
    plain = table(row("cnn"))
    plain = Table.model_validate({key: value for key, value in plain.model_dump().items() if key != "filter"})
    assert "filter" not in plain.conditions
    assert "filter bilinear, protocol exact" in table(row("cnn")).conditions
    assert ", colour map linear, protocol" in table(row("cnn"), filter="none", colour_map="linear").conditions
    joined = join_tables([plain, table(row("set"), filter="nearest"), table(row("set"), colour_map="linear")])
    assert joined.further == {"filter": "nearest; bilinear", "colour_map": "linear"}
    assert [r.note for r in joined.rows if r.kind == "model"] == ["a", "b", "c"]


def test_infinite_and_undefined_numbers_become_null() -> None:
    odd = table(row("cnn", psnr={"10": float("inf"), "512": float("nan")}))
    assert odd.rows[0].psnr == {"10": None, "512": None}
    assert "Infinity" not in render_table(odd, "json")


# Joining


def test_a_join_has_every_model_and_each_baseline_and_paper_row_once() -> None:
    joined = join_tables([table(row("cnn")), table(row("set", mse=0.04)), table(row("pconv", mse=0.05))])
    assert [(r.name, r.kind) for r in joined.rows] == [
        ("cnn", "model"), ("set", "model"), ("pconv", "model"),
        ("mean", "baseline"), ("CNN (paper, full CelebA)", "paper"),
    ]  # fmt: skip
    assert joined.notes == {}
    assert joined.conditions == table(row("cnn")).conditions


def test_joining_one_table_changes_nothing() -> None:
    assert join_tables([table(row("cnn"))]) == table(row("cnn"))


def test_models_of_one_name_are_numbered() -> None:
    joined = join_tables([table(row("cnn")), table(row("cnn", mse=0.02)), table(row("cnn", mse=0.01))])
    assert [r.name for r in joined.rows if r.kind == "model"] == ["cnn", "cnn (2)", "cnn (3)"]


@pytest.mark.parametrize(
    "change",
    [
        {"filter": "nearest"},
        {"dataset": "CelebA"},
        {"protocol": "siren2020"},
        {"split": "test"},
        {"images": 100},
        {"seeds": 1},
        {"labels": {}},
    ],
)
def test_rows_made_under_other_conditions_are_marked(change: dict[str, Any]) -> None:
    joined = join_tables([table(row("cnn")), table(row("cnn"), **change)])
    assert [(r.name, r.note) for r in joined.rows] == [
        ("cnn", "a"), ("cnn (2)", "b"), ("mean", "a"), ("mean", "b"), ("CNN (paper, full CelebA)", None)
    ]  # fmt: skip
    assert joined.notes["a"] != joined.notes["b"]
    for format in ("markdown", "latex"):
        text = render_table(joined, format)
        assert "cnn (2) (b)" in text
        assert "bilinear" in text
        assert "Rows differ in their conditions" in text
    lines = list(csv.DictReader(io.StringIO(render_table(joined, "csv"))))
    assert lines[0]["conditions"] != lines[1]["conditions"]


def test_joining_joined_tables_keeps_the_conditions() -> None:
    mixed = join_tables([table(row("cnn")), table(row("set"), filter="nearest")])
    again = join_tables([mixed, table(row("pconv"))])
    assert [(r.name, r.note) for r in again.rows if r.kind == "model"] == [("cnn", "a"), ("set", "b"), ("pconv", "a")]
    assert again.notes == mixed.notes
    assert len([r for r in again.rows if r.kind == "baseline"]) == 2


def test_thirty_conditions_have_thirty_marks() -> None:
    joined = join_tables([table(row("cnn"), images=i + 1) for i in range(30)])
    assert len({r.note for r in joined.rows if r.kind == "model"}) == 30


def test_no_runs_cannot_be_joined() -> None:
    with pytest.raises(RunError, match="no runs were given"):
        join_tables([])


# Text


def test_the_best_of_models_and_baselines_is_bold_and_papers_are_not() -> None:
    text = render_table(table(row("cnn", mse=0.05)), "markdown")
    assert "| cnn | **0.0500** ± 0.0012 | **0.0250** ± 0.00040 |" in text
    assert "| mean | 0.0700 ± 0.0012 | 0.0350 ± 0.00040 |" in text
    assert "| CNN (paper, full CelebA) | 0.033 | 0.0165 |" in text
    assert "512 (half)" in text
    assert "Bold: the least number of a column, and each that differs" in text.split("| mean |")[1]
    assert "**" not in text.split("Peak signal")[1]  # no standard errors there


def led(models: dict[str, tuple[float, float | None]]) -> str:
    rows = [
        row(name, mse=value, mse_stderr={} if error is None else {"10": error}) | {"mse": {"10": value}}
        for name, (value, error) in models.items()
    ]
    return render_table(table().model_copy(update={"rows": [TableRow.model_validate(each) for each in rows]}))


def test_numbers_within_the_standard_error_of_their_difference_share_the_bold() -> None:
    text = led({"cnn": (0.0142, 0.0005), "gaussian": (0.0149, 0.0006), "set": (0.0150, 0.0001), "mean": (0.07, 0.001)})
    assert "| cnn | **0.0142** ± 0.00050 |" in text
    assert "| gaussian | **0.0149** ± 0.00060 |" in text  # 0.0007 < 0.00078
    assert "| set | 0.0150 ± 0.00010 |" in text  # 0.0008 > 0.00051
    assert "| mean | 0.0700 ± 0.0010 |" in text


@pytest.mark.parametrize("models", [{"cnn": (0.01, None), "set": (0.02, None)}, {"cnn": (0.01, 0.001)}])
def test_nothing_is_bold_or_said_to_be_where_differences_cannot_be_told(
    models: dict[str, tuple[float, float | None]],
) -> None:
    for text in (led(models), render_table(table(row("cnn", "paper"), rows=[row("cnn", "paper")]), "latex")):
        assert "**" not in text
        assert "old" not in text


def test_latex_says_the_rule_of_its_bold_numbers() -> None:
    text = render_table(table(row("cnn")), "latex")
    assert r"\textbf{0.03" in text
    assert "Bold: the least number of a column" in text


def test_one_row_alone_is_not_the_best_of_anything() -> None:
    assert "**" not in render_table(
        table(row("cnn")).model_copy(update={"rows": [TableRow.model_validate(row("cnn"))]})
    )


def test_numbers_of_items_are_shown_where_they_differ() -> None:
    text = render_table(table(row("cnn", images=1066)))
    assert "|  | items | 10 |" in text
    assert "| cnn | 1066 |" in text
    assert "| CNN (paper, full CelebA) |  |" in text


def test_latex_escapes_what_latex_would_read() -> None:
    text = render_table(table(row("my_cnn & 100% {x}~^\\")), "latex")
    assert r"my\_cnn \& 100\% \{x\}\textasciitilde{}\textasciicircum{}\textbackslash{}" in text
    assert text.count(r"\begin{") == text.count(r"\end{") == 2


def test_markdown_rows_have_as_many_cells_as_the_heading() -> None:
    text = render_table(table(row("a|b\nc")))
    for block in text.split("\n\n"):
        lines = [line.replace("\\|", "") for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


def test_the_frame_has_one_line_per_row_and_a_column_per_measure_and_context() -> None:
    lines = table_frame(table(row("cnn")))
    assert list(lines["name"]) == ["cnn", "mean", "CNN (paper, full CelebA)"]
    assert lines.loc[0, "mse_512"] == 0.015
    assert lines.loc[0, "mse_stderr_10"] == 0.00123
    assert "filter bilinear" in lines.loc[0, "conditions"]
    assert lines.loc[2, "images"] is not lines.loc[0, "images"]


@settings(deadline=None, max_examples=25, derandomize=True)
@given(value=st.floats(1e-7, 1e3), measure=st.sampled_from(["mse", "stderr"]))
def test_numbers_keep_their_digits_and_use_no_powers_of_ten(value: float, measure: str) -> None:
    text = number(value, measure)
    assert "e" not in text
    assert float(text) == pytest.approx(value, rel=0.006 if measure == "mse" else 0.06)
    assert float(number(value, measure, exact=True)) == pytest.approx(value, rel=0.006 if measure == "mse" else 0.06)


def test_numbers_read_as_people_write_them() -> None:
    assert number(0.033, "mse", exact=True) == "0.033"
    assert number(0.033, "mse") == "0.0330"
    assert number(0.0000209, "mse") == "0.0000209"
    assert number(0.0, "mse") == "0"
    assert number(15.239, "psnr") == "15.24"


# Bad input

FACTS = '{"dataset": "x", "protocol": "x", "filter": "x", "images": 1, "seeds": 1, "rows": [%s]}'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "not readable as JSON"),
        ("{", "not readable as JSON"),
        ("[" * 100_000, "not readable as JSON"),
        ("[]", "expected an object, found []"),
        ("{}", "dataset: Field required"),
        (FACTS % "", "rows: List should have at least 1"),
        (FACTS % '{"name": "x", "kind": "y", "mse": {}}', "rows.0.kind"),
        (FACTS % '{"name": "x", "kind": "model", "mse": {"10": "low"}}', "rows.0.mse.10"),
    ],
)
def test_files_that_are_no_tables_say_what_is_wrong(tmp_path: Path, text: str, found: str) -> None:
    (tmp_path / "table.json").write_text(text)
    with pytest.raises(RunError) as caught:
        read_table(tmp_path)
    assert found in str(caught.value)
    assert "metasiren evaluate" in str(caught.value)


def test_bytes_that_are_no_text_say_so(tmp_path: Path) -> None:
    (tmp_path / "table.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError, match="not readable"):
        read_table(tmp_path)


def test_a_run_without_a_table_says_how_to_get_one(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RunError, match=r"holds no results/table.json(.|\n)*metasiren evaluate"):
            read_table(path)


def test_unknown_formats_are_answered_with_the_known() -> None:
    with pytest.raises(RunError, match=r"'markdwn'(.|\n)*Did you mean 'markdown'"):
        render_table(table(row("cnn")), "markdwn")


def test_tables_are_read_without_torch() -> None:
    code = "import metasiren.results.table, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
