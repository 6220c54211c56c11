"""Bold in a report: the best number of each column, whoever has it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from PIL import Image

import metasiren as ms
from metasiren_report import page
from metasiren_report.leading import leading_cells


def _row(kind: str, note: str = "", errors: dict[str, float] | None = None, **numbers: float | None) -> dict[str, Any]:
    return {"kind": kind, "note": note, "metrics": numbers, "mse": numbers, "mse_stderr": errors or {}}


def _leading(*rows: dict[str, Any], measure: str = "metrics") -> set[tuple[int, str]]:
    keys = list(dict.fromkeys(key for row in rows for key in row[measure]))
    return set(leading_cells(rows, measure, keys))


def test_the_best_number_leads_by_the_direction_of_its_measure() -> None:
    model = _row("model", psnr_db=20.0, ssim=0.9, relative_l2=0.3, chamfer_share=0.2)
    other = _row("baseline", psnr_db=24.0, ssim=0.8, relative_l2=0.1, chamfer_share=0.4)
    assert _leading(model, other) == {(1, "psnr_db"), (0, "ssim"), (1, "relative_l2"), (0, "chamfer_share")}


def test_numbers_that_are_no_better_one_way_do_not_lead() -> None:
    model = _row("model", psnr_std_db=0.1, steps=10.0, seconds=3.0, area=4.0)
    assert _leading(model, _row("baseline", psnr_std_db=0.2, steps=20.0, seconds=2.0, area=3.0)) == set()


def test_the_paper_and_one_number_alone_do_not_lead() -> None:
    assert _leading(_row("model", psnr_db=20.0), _row("paper", psnr_db=50.0)) == set()
    assert _leading(_row("model", psnr_db=20.0), _row("baseline", psnr_db=None), _row("baseline")) == set()


def test_equal_numbers_lead_together_and_notes_part_what_cannot_be_compared() -> None:
    assert _leading(_row("model", ssim=0.5), _row("baseline", ssim=0.5)) == {(0, "ssim"), (1, "ssim")}
    rows = [_row("model", "one", ssim=0.1), _row("baseline", "one", ssim=0.2), _row("model", "two", ssim=0.9)]
    assert _leading(*rows) == {(1, "ssim")}


def test_errors_within_the_standard_error_of_the_difference_lead_together() -> None:
    rows = [_row("model", errors={"10": 3.0}, **{"10": 10.0}), _row("baseline", errors={"10": 4.0}, **{"10": 15.0})]
    assert _leading(*rows, measure="mse") == {(0, "10"), (1, "10")}
    apart = [rows[0], _row("baseline", errors={"10": 4.0}, **{"10": 15.1})]
    assert _leading(*apart, measure="mse") == {(0, "10")}
    assert _leading(rows[0], _row("baseline", **{"10": 15.0}), measure="mse") == set()


def test_rows_of_a_damaged_file_lead_nowhere() -> None:
    broken = {"kind": "model", "note": ["a"], "mse": {"10": 1.0}, "mse_stderr": [3]}
    assert _leading(broken, {**broken, "mse": {"10": "x"}}, measure="mse") == set()
    assert _leading(broken, broken, measure="mse") == set()


def test_a_small_picture_is_drawn_larger(pictures: tuple[ms.Run, ms.Run], tmp_path: Path) -> None:
    shutil.copytree(pictures[0].path, tmp_path / "run")
    run = ms.open_run(tmp_path / "run")
    Image.new("L", (30, 129)).save(run.results / "seen.png")
    assert re.search(r'width="60" height="258"', page.render_report([run])) is not None
    Image.new("L", (32, 21)).save(run.results / "seen.png")
    assert re.search(r'width="288" height="189"', page.render_report([run])) is not None


def test_a_model_that_is_worse_than_a_baseline_is_not_bold(pictures: tuple[ms.Run, ms.Run], tmp_path: Path) -> None:
    shutil.copytree(pictures[0].path, tmp_path / "run")
    run = ms.open_run(tmp_path / "run")
    known = json.loads((run.results / "comparison.json").read_text())
    model, other = known["rows"][:2]
    model["metrics"], other["metrics"] = {"psnr_db": 11.25, "ssim": 0.75}, {"psnr_db": 22.5, "ssim": 0.5}
    (run.results / "comparison.json").write_text(json.dumps({**known, "rows": [model, other]}))
    for rows in ([model, other], [model, other, *({**other, "name": f"more {i}", "metrics": {}} for i in range(4))]):
        (run.results / "comparison.json").write_text(json.dumps({**known, "rows": rows}))
        text = page.render_report([run])
        bold = set(re.findall(r'<td class="n[^"]* best">([^<]*)</td>', text))
        assert bold == {"22.5", "0.75"}
        assert "Bold: the best number by each measure." in text
        assert "tr.model td" not in text
