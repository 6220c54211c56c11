"""Options that change nothing are refused where a person gives them, and stay where a preset has them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import Result
from small_runs import small

import metasiren as ms

Typed = Callable[..., Result]


@pytest.mark.parametrize(
    ("command", "options", "said"),
    [
        ("wave --preset cpu", ("around_radius=0.3",), "around_radius is 0.3, which has no effect without around."),
        ("wave --preset cpu", ("edge_width=0.1",), "edge_width is 0.1, which has no effect without edges."),
        ("wave --preset cpu", ("near=0", "near_radius=4"), "near_radius is 4, which has no effect beside near 0."),
        ("wave --preset cpu_radial", ("front_width=1",), "front_width is 1, which has no effect beside front 0."),
        ("helmholtz --preset cpu", ("edge_width=0.1",), "edge_width is 0.1, which has no effect without edges."),
        ("helmholtz --preset cpu", ("near=0", "near_radius=4"), "near_radius is 4, which has no effect beside near 0."),
        ("fwi --preset cpu", ("near=0", "near_radius=4"), "near_radius is 4, which has no effect beside near 0."),
    ],
)
def test_a_width_of_points_that_are_not_drawn_is_refused(
    typed: Typed, command: str, options: tuple[str, ...], said: str
) -> None:
    result = typed(f"metasiren run {command}", *[word for each in options for word in ("--set", f"data.{each}")])
    assert said in str(result.exception)
    share = said.rstrip(".").split("without ")[-1].split("beside ")[-1].split()[0]
    assert f"Leave out data.{said.split()[0]}. To use it, set data.{share}." in str(result.exception)


@pytest.mark.parametrize("preset", ["cpu", "cpu_radial", "cpu_disc", "cpu_border", "paper_text", "quick"])
def test_widths_of_presets_stay_where_a_person_switches_their_points_off(typed: Typed, preset: str) -> None:
    changes = {f"data.{share}": 0 for share in ("front", "near", "edges", "around")}
    assert ms.load_recipe("wave", preset=preset, overrides=changes).data.options["front"] == 0
    used = ms.load_recipe("wave", preset=preset, overrides={"data.near": 0.2, "data.near_radius": 4})
    assert used.data.options["near_radius"] == 4


def test_points_that_no_constraint_uses_are_refused(typed: Typed) -> None:
    medium = ("--set", "data.medium=disc", "--set", "data.interface=40")
    said = str(typed("metasiren run wave --preset cpu --dry-run", *medium, *small()).exception)
    assert "wave: data.interface: interface is 40, which has no effect without a constraint at these points." in said
    assert "metasiren describe dataset wave names them" in said
    described = " ".join(typed("metasiren describe dataset wave").stdout.split())
    assert "`continuous_value`" in described
    metric = ("--set", "evaluate.metrics={mse: {at: interface}}")
    few = ("--set", "data.points=20", "--set", "data.initial=20")
    measured = str(typed("metasiren run wave --preset cpu --dry-run", *medium, *metric, *few, *small()).exception)
    assert "no effect" not in measured
    border = str(typed("metasiren run wave --preset cpu --dry-run --set data.boundary=50").exception)
    assert "boundary is 50, which has no effect" in border
    fitting = (
        "--set",
        "constraints.continuous_value.weight=0.1",
        "--set",
        "data.points=20",
        "--set",
        "data.initial=20",
    )
    assert typed("metasiren run wave --preset cpu --dry-run", *medium, *fitting, *small()).exit_code == 0
