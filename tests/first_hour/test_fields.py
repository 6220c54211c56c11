"""A field behaves as users of torch expect."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image
from small_runs import path_of, small
from torch import nn

import metasiren as ms


@pytest.fixture
def field() -> ms.Field:
    siren = ms.Siren(in_features=2, out_features=1, hidden_features=16, hidden_layers=1)
    return ms.Field(siren, siren.init(generator=torch.Generator().manual_seed(0)))


def test_a_field_moves_between_dtypes(field: ms.Field) -> None:
    coords = ms.grid((4, 4))
    assert {p.dtype for p in field.double().parameters()} == {torch.float64}
    torch.testing.assert_close(field.double()(coords.double()).float(), field(coords), atol=1e-5, rtol=1e-5)
    assert field.double().float().state_dict().keys() == dict(field.named_parameters()).keys()


@pytest.mark.parametrize("given", [np.zeros((4, 2)), [[0.0, 0.0]]])
def test_coordinates_that_are_no_tensor_are_refused_with_a_way_out(field: ms.Field, given: Any) -> None:
    with pytest.raises(TypeError, match=r"coords are (numpy\.ndarray|list); .*torch\.as_tensor\(.*torch\.float32\)"):
        field(given)


@pytest.mark.parametrize(("shape", "more"), [((2,), "coords[None] is one point"), ((4, 3), ""), ((1, 1, 4, 2), "")])
def test_coordinates_of_another_shape_are_refused_with_those_that_fit(
    field: ms.Field, shape: tuple[int, ...], more: str
) -> None:
    with pytest.raises(ValueError, match=r"expected \(points, 2\) or \(batch, points, 2\)") as error:
        field(torch.zeros(shape))
    assert str(error.value).startswith(f"coords are {shape}; ")
    assert more in str(error.value)


def test_its_module_lies_inside_one_s_own_and_trains(field: ms.Field) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.scale = field.module(), nn.Parameter(torch.ones(1))

        def forward(self, coords: torch.Tensor) -> torch.Tensor:
            return self.scale * self.inner(coords)  # type: ignore[no-any-return]

    model, coords = Scaled(), ms.grid((4, 4))
    torch.testing.assert_close(model(coords), field(coords)[0])
    assert model(coords).shape == (16, 1), "a single signal comes without the instance axis"
    other = copy.deepcopy(model)
    other.load_state_dict(model.state_dict())
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    before = model(coords).square().mean().item()
    model(coords).square().mean().backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    assert model(coords).square().mean().item() < before
    assert all("." not in name for name, _ in field.named_parameters())


def test_a_grid_in_double_precision_is_not_rounded_silently(field: ms.Field) -> None:
    with pytest.raises(TypeError, match="float64"):
        field.module()(ms.grid((4, 4)).double())
    assert field.module().double()(ms.grid((4, 4)).double()).dtype == torch.float64


def test_a_single_signal_comes_without_the_instance_axis(typed: Callable[..., Result]) -> None:
    path = path_of(typed("metasiren run image --preset quick", *small("data.size=16")))
    field, coords = ms.open_run(path).field(), ms.grid((4, 4))
    assert field(coords).shape == (16, 1)
    torch.testing.assert_close(field(coords), field(coords.unsqueeze(0))[0])
    assert field.double()(coords.double()).shape == (16, 1)
    assert field.detach()(coords).shape == (16, 1)
    batched = ms.Field(field.siren, field.params)
    assert batched(coords).shape == (1, 16, 1), "a decoder's field keeps the axis, also for a batch of one"
    torch.testing.assert_close(field.module()(coords), field(coords))


def test_a_field_warns_of_coordinates_that_it_rounds(field: ms.Field) -> None:
    with pytest.warns(UserWarning, match="rounded to float32"):
        rounded = field(ms.grid((4, 4)).double())
    torch.testing.assert_close(rounded, field(ms.grid((4, 4))))
    with pytest.warns(UserWarning, match="rounded to float32"):
        field.jet(ms.grid((4, 4)).double(), "gradient")
    assert field.double()(ms.grid((4, 4)).double()).dtype == torch.float64
    assert field.double().jet(ms.grid((4, 4)).double(), "gradient").value.dtype == torch.float64
    with pytest.raises(ValueError, match=r"coords are \(2,\); expected \(points, 2\) .* coords\[None\] is one point"):
        field.jet(torch.zeros(2), "gradient")


def test_its_weights_go_into_a_parameter_dict_and_back(field: ms.Field) -> None:
    held = nn.ParameterDict({name: nn.Parameter(value) for name, value in field.named_parameters()})
    assert dict(held).keys() == field.state_dict().keys()
    module = field.module()
    module.load_state_dict({f"weights.{name}": value + 1 for name, value in field.state_dict().items()})
    after = dict(module.field.named_parameters())
    assert all(torch.equal(after[name], value + 1) for name, value in field.state_dict().items())


@pytest.mark.parametrize("wanted", [False, True])
def test_saved_weights_are_loaded_into_another_field_and_its_module(field: ms.Field, wanted: bool) -> None:
    saved = {name: value.clone() for name, value in field.state_dict().items()}
    siren, coords = field.siren, ms.grid((4, 4))
    other = ms.Field(siren, siren.init(generator=torch.Generator().manual_seed(1))).requires_grad_(wanted)
    module, inside = other.module(), nn.ModuleDict({"a": other.module(), "b": other.module()})
    assert not torch.equal(other(coords), field(coords))
    assert other.load_state_dict(saved) is other
    assert torch.equal(other(coords), field(coords))
    module.load_state_dict(saved)
    assert torch.equal(module(coords), field(coords)[0])
    inside.load_state_dict({f"{key}.{name}": value for key in "ab" for name, value in saved.items()})
    assert torch.equal(inside["b"](coords), field(coords)[0])
    module.load_state_dict(module.state_dict())
    with pytest.raises(RuntimeError, match="Missing key"):
        module.load_state_dict(dict(list(saved.items())[1:]))


def test_weights_that_do_not_fit_are_refused_and_none_is_copied(field: ms.Field) -> None:
    before = {name: value.clone() for name, value in field.state_dict().items()}
    state = {name: value + 1 for name, value in before.items()}
    with pytest.raises(ValueError, match=r"the names 0\.weight, 0_weight are in one of field and state alone"):
        field.load_state_dict({**{k: v for k, v in state.items() if k != "0_weight"}, "0.weight": state["0_weight"]})
    last = list(state)[-1]
    with pytest.raises(ValueError, match=rf"{last} is \(7,\); expected"):
        field.load_state_dict({**state, last: torch.zeros(7)})
    assert all(torch.equal(before[name], value) for name, value in field.state_dict().items())


def test_reprs_fit_a_line(field: ms.Field) -> None:
    assert repr(field) == "Field(2 -> 1, 1 hidden layers of 16, 1 x 337 weights, torch.float32, cpu)"


def test_a_run_s_field_needs_no_gradient_unless_asked_and_its_files_are_whole(
    typed: Callable[..., Result], tmp_path: Path
) -> None:
    path = path_of(typed("metasiren run image --preset quick --no-report", *small("data.size=16")))
    run = ms.open_run(path)
    assert not any(p.requires_grad for p in run.field().parameters())
    assert all(p.requires_grad for p in run.field(grad=True).parameters())
    assert repr(run) == f"Run({path!r}: {run.label}, finished)"
    line = next(run.losses())
    assert "steps_per_second" in line
    assert "images_per_second" not in line, "one signal has no images"
    shown = typed(f"metasiren render {path} --renderer picture --size 8x8 -o out.png")
    assert shown.exit_code == 0, shown.exception
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size == (8, 8)
    assert not list(tmp_path.glob("*.partial*"))
    unknown = typed(f"metasiren render {path} --renderer pictura -o out.png")
    assert "Did you mean 'picture'" in str(unknown.exception)


def test_a_loss_that_rises_tenfold_is_said(typed: Callable[..., Result]) -> None:
    rate = small("data.size=16", "train.optimizer.lr=1", "train.schedule=constant", steps=8)
    said = " ".join(typed("metasiren run image --preset quick", *rate).stderr.split())
    assert "Training diverges: lower train.optimizer.lr" in said


def test_one_peak_of_the_loss_is_no_divergence() -> None:
    """Gauss-Newton's second step may be above the first, as in helmholtz's quick preset: 0.06, 2.8, 0.0003."""
    from types import SimpleNamespace

    from metasiren.engine.logger import RunLogger

    def said(*losses: float) -> list[str]:
        words: list[str] = []
        made: Any = SimpleNamespace(environment={"dataset": {"splits": {"train": 1}}})
        progress: Any = SimpleNamespace(say=words.append)
        logger = RunLogger(made, None, progress, 10, 0)  # type: ignore[arg-type]
        for step, loss in enumerate(losses, 1):
            logger._warn_of_rise(step, loss)
        return words

    assert not said(0.06, 2.8, 0.0003, 2.8, 0.0002)
    assert len(said(0.06, 2.8, 3.1, 5.0, 9.0)) == 1
