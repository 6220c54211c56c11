"""A training step does no work that changes nothing: no casts to the same dtype, no views layer by layer."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

import metasiren as ms
from metasiren.assembly.experiment import Experiment, assemble
from metasiren.engine.counting import OperationCount
from metasiren.engine.objective import Objective
from metasiren.engine.schedule import Items
from metasiren.nn.activations import Sine, value_at_peak
from metasiren.nn.layers import full_precision


class Counted(TorchDispatchMode):
    """Counts operations by name."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls[func._schema.name.split("::")[-1]] += 1
        return func(*args, **(kwargs or {}))


def image() -> Experiment:
    recipe = ms.load_recipe("image", preset="quick", overrides={"data.size": 16, "data.points": 50})
    return assemble(recipe, ms.load_catalogue())


def test_a_loss_of_one_term_is_that_term() -> None:
    """Not zero plus one times it."""
    made = image()
    batch = made.dataset.batch("train", torch.arange(1), generator=torch.Generator().manual_seed(0))
    with Counted() as seen:
        losses = Objective(made.model, made.constraints)(batch.cast(torch.float32))
    assert losses["loss"] is losses["mse"]
    assert seen.calls["add"] == 0
    # Each of the five layers scales its weight and its bias by omega, but for the last one.
    assert seen.calls["mul"] == 8
    # Each of ten tensors, the coordinates and the first layer lose their dimension of instances once.
    assert seen.calls["squeeze"] == 12


def test_the_gradient_of_the_last_sine_takes_no_third_tensor() -> None:
    """There lie a sine and its argument, the last argument, the gradient, and a cosine: the next gradient."""
    siren = ms.Siren(in_features=2, out_features=1, hidden_features=8, hidden_layers=1)
    params = {name: value.requires_grad_() for name, value in siren.init().items()}
    with OperationCount(torch.device("cpu")) as counted:
        siren(params, torch.rand(1, 1000, 2)).mean().backward()
    assert counted.peak < 5.5 * (4 * 1000 * 8)  # coordinates and values: 0.4


def test_the_sine_at_the_peak_is_a_sine() -> None:
    z = torch.linspace(-4, 4, 9, dtype=torch.float64, requires_grad=True)
    assert torch.equal(value_at_peak(Sine(), z), z.sin())
    assert torch.autograd.gradcheck(partial(value_at_peak, Sine()), z)
    assert torch.autograd.gradgradcheck(partial(value_at_peak, Sine()), z)
    inside = torch.func.grad(lambda x: value_at_peak(Sine(), x).sum())(z)
    assert torch.equal(inside, z.cos())


def test_a_gradient_of_one_field_is_made_of_matrices() -> None:
    """No views of more dimensions layer by layer, and no pass that only changes signs."""
    siren = ms.Siren(in_features=2, out_features=1, hidden_features=8, hidden_layers=3)
    params = {name: value.requires_grad_() for name, value in siren.init().items()}
    jet = siren.jet(params, torch.rand(1, 10, 2), "gradient")
    assert jet.gradient is not None
    loss = jet.value.square().mean() + jet.gradient.square().mean()
    with Counted() as seen:
        loss.backward()
    assert seen.calls["neg"] == 0
    assert seen.calls["bmm"] == 0
    assert seen.calls["view"] + seen.calls["unsqueeze"] < 10


def test_a_batch_that_has_the_dtype_is_itself() -> None:
    batch = image().dataset.batch("train", torch.arange(1), generator=torch.Generator().manual_seed(0))
    same = batch.cast(torch.float32)
    assert same.cast(torch.float32) is same
    double = same.cast(torch.float64)
    assert double.points["pixels"].values.dtype == double.context.coords.dtype == torch.float64
    assert double.context.items.dtype == torch.int64


def test_a_single_item_has_no_permutation_to_draw(monkeypatch: Any) -> None:
    items = Items(1, 4, seed=0)
    first = items.at(0)
    monkeypatch.setattr(torch, "randperm", None)
    assert torch.equal(items.at(7), first)
    assert first.tolist() == [0]


def test_precision_is_full_inside_autocast() -> None:
    x = torch.ones(2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        assert (x @ x).dtype == torch.bfloat16
        with full_precision(x):
            assert (x @ x).dtype == torch.float32
    with full_precision(x):
        assert (x @ x).dtype == torch.float32
