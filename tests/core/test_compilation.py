"""Compiled losses equal plain ones, and where nothing compiles one warning says so."""

from __future__ import annotations

import os
import shutil
import warnings

import pytest
import torch
from torch import Tensor

from metasiren import Params, Siren
from metasiren.engine.compilation import compiled

COMPILER = shutil.which(os.environ.get("CXX", "g++")) or shutil.which("clang++")


@pytest.mark.skipif(COMPILER is None, reason="NO C++ COMPILER: nothing can be compiled on this machine")
def test_a_second_order_loss_compiles_whole_with_its_backward_pass() -> None:
    torch._dynamo.reset()
    siren = Siren(in_features=2, out_features=1, hidden_features=16, hidden_layers=0)
    params = {k: v.requires_grad_() for k, v in siren.init(dtype=torch.float64).items()}
    coords = torch.rand(1, 32, 2, dtype=torch.float64)

    def loss(params: Params, coords: Tensor) -> Tensor:
        laplacian = siren.jet(params, coords, "laplacian").laplacian
        assert laplacian is not None
        return laplacian.square().mean()

    fast = compiled(loss)
    with warnings.catch_warnings():
        # torch's own compiler uses what its language deprecates; a fallback would be a RuntimeWarning.
        warnings.simplefilter("ignore", DeprecationWarning)
        found = fast(params, coords)
    truth = loss(params, coords)
    torch.testing.assert_close(found, truth, rtol=1e-10, atol=0)
    inputs = [p for name, p in params.items() if name != "2.bias"]
    for a, b in zip(torch.autograd.grad(found, inputs), torch.autograd.grad(truth, inputs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)


def test_what_is_not_enabled_is_left_alone() -> None:
    assert compiled(len, enabled=False) is len


def test_without_a_compiler_one_warning_and_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    torch._dynamo.reset()

    def no_compiler(graph: object, inputs: object) -> object:
        raise RuntimeError("no working C++ compiler was found\nlong story")

    original = torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, **options: original(f, backend=no_compiler, fullgraph=True))
    double = compiled(lambda x: 2 * torch.sin(x))
    x = torch.ones(3)
    with pytest.warns(RuntimeWarning, match="compile: .*Going on uncompiled"):
        assert torch.equal(double(x), 2 * torch.sin(x))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(double(x), 2 * torch.sin(x))


def test_the_functions_own_errors_are_raised_as_themselves() -> None:
    torch._dynamo.reset()
    siren = Siren(in_features=2, out_features=1, hidden_features=4)
    params = siren.init()
    fast = compiled(lambda coords: siren(params, coords))
    with pytest.raises(ValueError, match="coords are"):
        fast(torch.rand(5, 3))
