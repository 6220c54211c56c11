"""Triton's kernels of jets: equal to plain jets under the interpreter, compiled for a GPU that is not here, refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from metasiren import Siren, load_catalogue, load_recipe
from metasiren.engine import running
from metasiren.engine.counting import OperationCount
from metasiren.errors import RecipeError
from metasiren.nn.activations import Sine
from metasiren.nn.derivatives import demand_kernels, elementwise, fused
from metasiren_studies import selfcheck

HERE = Path(__file__).parents[1]
needs_triton = pytest.mark.skipif(
    find_spec("triton") is None, reason="NO TRITON: the kernels of jets are neither run nor compiled on this machine"
)


def said_by(script: str, **environment: str) -> Any:
    """What a script of this folder prints, as a process of its own: triton reads its settings when it is imported."""
    kept = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, str(HERE / script)], env=kept | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_triton
def test_interpreted_kernels_equal_plain_jets() -> None:
    found = said_by("interpreted_kernels.py", TRITON_INTERPRET="1")
    for dtype, tolerance in (("float32", 2e-5), ("float64", 1e-13)):
        for case, row in found[dtype].items():
            reverse = ["sine_adjoint"] * 2 + ["sine_adjoint_back"] * 2 + ["sine_back"] * 2
            forward = ["sine_columns"] * 2 + ["sine_columns_back"] * 2
            few = case.startswith(("gradient of one", "gradient of two"))
            assert row.pop("launched") == (reverse if few else forward), f"{case}: two sines"
            assert max(row.values()) < tolerance, (dtype, case, row)
    assert found["twice"]["gradients"] < 1e-12
    assert found["transformed"] == {"fields": 0.0, "launched": 0}
    assert found["other activation"] == {"fields": 0.0, "launched": 0}
    columns, reverse = found["trained"]["rows"]
    for row in (columns, reverse):
        assert row["triton_losses"] == pytest.approx(row["plain_losses"], rel=1e-12)
        assert len(set(row["plain_losses"])) == 2
    # Three steps of four sines: forward and backward; forward and two passes backward.
    assert found["trained"]["launched"] == 3 * 4 * (2 + 3)


@needs_triton
def test_kernels_compile_for_a_gpu_that_is_not_here(tmp_path: Path) -> None:
    made = said_by("compiled_kernels.py", TRITON_CACHE_DIR=str(tmp_path))
    assert len(made) == 12
    for found in made:
        assert found["cubin"] > 0
        # CUDA's fast sine is wrong far from zero, where sirens live; the accurate one has a table of 2 / pi.
        assert found["accurate"]
        assert not found["fast"]
        # A weight of the equation keeps its digits in float64.
        assert set(found["constants"]) <= {"-3.000000e-01", "0.000000e+00"}
    # 16 bytes at a time, each number read once and written once: of six columns in float32, of four in float64 (which
    # take two loads each), of the reverse route for two outputs.
    moved = [(found["wide_loads"], found["wide_stores"], found["stores"]) for found in made[:7]]
    assert moved == [(6, 6, 6), (12, 12, 12), (8, 8, 8), (16, 16, 16), (3, 2, 2), (5, 5, 5), (3, 2, 2)]


def test_kernels_are_off_unless_asked_for_and_where_they_cannot_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    here, meta = torch.zeros(1), torch.zeros(1, device="meta")
    assert not elementwise.serves(meta, Sine())
    with fused():
        assert elementwise.serves(meta, Sine())
        assert not elementwise.serves(meta.to(torch.bfloat16), Sine())
        assert not elementwise.serves(here, Sine())
        with fused(False):
            assert not elementwise.serves(meta, Sine())
    assert not elementwise.serves(meta, Sine())


def test_what_kernels_cannot_do_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    gpu, relu = torch.device("cuda"), Siren(in_features=2, out_features=1, nonlinearity="relu").activation
    with pytest.raises(
        RecipeError, match=r"train\.kernels: the kernels compute sines; the activation is Relu\.\n.*plain"
    ):
        demand_kernels(gpu, relu, "train.kernels")
    monkeypatch.setattr(elementwise, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r"'triton' is not installed\.\n.*plain"):
        demand_kernels(gpu, Sine(), "train.kernels")
    monkeypatch.setattr(elementwise, "find_spec", lambda name: name)
    with pytest.raises(RecipeError, match=r"run on a GPU; the device is 'cpu'\.\n.*plain"):
        demand_kernels(torch.device("cpu"), Sine(), "train.kernels")
    demand_kernels(gpu, Sine(), "train.kernels")


def test_a_run_that_cannot_have_kernels_is_refused_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    recipe = load_recipe("image", preset="quick", overrides={"train.kernels": "triton"})
    with pytest.raises(RecipeError, match=r"train\.kernels: triton: "):
        running.run(recipe, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_selfcheck_says_why_there_are_no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    small = {"siren.hidden_features": 8, "data.size": 8}
    monkeypatch.setattr(selfcheck, "_recipe", partial(load_recipe, preset="quick", overrides=small))
    for row in selfcheck._kernel_times(torch.device("cpu"), load_catalogue()):
        assert row["reason"].startswith("RecipeError: train.kernels: triton: ")


@pytest.mark.gpu
@pytest.mark.parametrize("order", ["gradient", "hessian"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_kernels_on_a_gpu_equal_plain_jets(order: Literal["gradient", "hessian"], dtype: torch.dtype) -> None:
    siren = Siren(in_features=3, out_features=2, hidden_features=37)
    params = {k: v.cuda().requires_grad_() for k, v in siren.init(2, dtype=dtype).items()}
    x, found = torch.rand(2, 1000, 3, dtype=dtype, device="cuda") * 2 - 1, []
    for kernels in (False, True):
        with fused(kernels):
            fields = [field for field in vars(siren.jet(params, x, order)).values() if field is not None]
        grads = torch.autograd.grad(sum(f.square().sum() for f in fields), list(params.values()))
        found.append([*fields, *grads])
    for truth, ours in zip(*found, strict=True):
        assert (ours - truth).norm() <= (1e-4 if dtype == torch.float32 else 1e-11) * truth.norm()


def test_a_compiler_makes_kernels_of_its_own() -> None:
    with pytest.raises(RecipeError, match="compile and kernels: triton exclude each other"):
        load_recipe("image", preset="quick", overrides={"train.kernels": "triton", "train.compile": True})


def test_kernels_move_fewer_bytes_and_need_no_gpu_to_count_them() -> None:
    """Forward z is read and h written; backward z and the gradient are read, and h and the gradient written."""
    columns, shape = elementwise.Columns(2, (((0, 0, 1.0), (1, 1, 1.0)),)), (1, 4, 10, 8)
    z, g = torch.empty(shape, device="meta"), torch.empty(shape, device="meta")
    with OperationCount(z.device) as count:
        elementwise.sine_columns(z, columns)
        elementwise.sine_columns_back(z, g, columns)
    assert (count.kernels, count.traffic) == (2, 6 * z.numel() * 4)
    # Of the reverse route z, a, p; z, a, g, p, g, bend; z, bend, g, h, bend.
    z, a = z[:, 0], z[:, :1]
    with OperationCount(z.device) as count:
        p = elementwise.sine_adjoint(z, a)
        _, bend = elementwise.sine_adjoint_back(z, a, p)
        elementwise.sine_back(z, bend, torch.empty_like(z))
    assert (count.kernels, count.traffic) == (3, (3 + 6 + 5) * z.numel() * 4)
