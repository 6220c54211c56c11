"""The table of what a step costs: the stored numbers are those of the code, and the page shows the stored numbers."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parents[2] / "benchmarks" / "step_costs.py"


def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("step_costs", HERE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["step_costs"] = module
    spec.loader.exec_module(module)
    return module


step_costs = _module()
STORED = json.loads(step_costs.FILE.read_text("utf-8"))
ROWS: dict[str, dict[str, Any]] = {entry["recipe"]: entry for entry in STORED["rows"]}
FAST = ("image", "poisson_gradient", "celeba_set_relu")


def compare(case: Any) -> None:
    found, stored = step_costs.row(case, step_costs.cost_of(case)), ROWS[case.recipe]
    again = "run python benchmarks/step_costs.py --write"
    for name in ("recipe", "preset", "steps", "parameters", "flop"):
        assert found[name] == stored[name], f"{name}: {again}"
    numbers = [(found, stored)]
    if "triton" in stored:
        numbers.append((step_costs.moved(step_costs.cost_of(case, "triton")), stored["triton"]))
    # Versions of torch split some operations in other ways, and a few operations less are no reason for a new page.
    for ours, theirs in numbers:
        for name in ("kernels", "bytes", "peak_bytes"):
            assert ours[name] == pytest.approx(theirs[name], rel=0.1), f"{name}: {again}"


@pytest.mark.parametrize("recipe", FAST)
def test_the_stored_costs_are_those_of_the_code(recipe: str) -> None:
    compare(next(case for case in step_costs.CASES if case.recipe == recipe))


@pytest.mark.slow
@pytest.mark.parametrize("case", step_costs.CASES, ids=lambda case: case.recipe)
def test_all_stored_costs_are_those_of_the_code(case: Any) -> None:
    compare(case)


def test_the_page_shows_the_stored_costs() -> None:
    page = step_costs.PAGE.read_text("utf-8")
    assert step_costs.table(STORED["rows"]) in page
    assert step_costs.triton_table(STORED["rows"]) in page
    assert list(ROWS) == [case.recipe for case in step_costs.CASES]


def test_the_roofline_takes_the_tightest_limit() -> None:
    entry = {"steps": 3600, "kernels": 1, "flop": 67e12, "bytes": 1.0}
    assert step_costs.hours(entry) == (pytest.approx(1.0), "compute")
    assert step_costs.hours({**entry, "bytes": 2 * 3.35e12}) == (pytest.approx(2.0), "memory")
    assert step_costs.hours({**entry, "kernels": 1_000_000}) == (pytest.approx(5.0), "launches")
