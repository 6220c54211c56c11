"""What is settled before training is not done again in its steps: counted, not timed."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import metasiren as ms
from metasiren.assembly.experiment import assemble
from metasiren.cli.commands import cli
from metasiren.engine.distributed import joined
from metasiren.engine.running import begin, make_trainer
from metasiren.engine.trainer import Trainer
from metasiren.recipe import Recipe, loading

FACES = {"data.size": 16, "data.train": 16, "data.val": 4, "data.test": 4, "train.batch": 4, "encoder.coordinates": 8}
SMALL: dict[str, dict[str, Any]] = {
    "image": {"data.size": 32, "data.points": 64},
    "helmholtz": {"data.points": 60, "siren.hidden_features": 32},
    "wave": {"data.points": 40, "data.initial": 20, "siren.hidden_features": 16},
    "celeba_cnn": {**FACES, "siren.hidden_features": 32, "train.context": [4, 200], "evaluate.protocol": None},
}

SETTLED = (
    "metasiren/recipe/", "metasiren/registry/", "nn/input_layers.py:", "siren.py:Siren.__post_init__",
    "siren.py:Siren._", "experiment.py:Experiment.stages", "mapped_coordinates.py:Place.",
    "mapped_coordinates.py:MappedCoordinates.__init__", "mapped_coordinates.py:_place", "mapped_coordinates.py:_axes",
)  # fmt: skip
"""Functions that read and check options, or make networks of them."""

ROOT = str(Path(ms.__file__).parents[1]) + "/"


class Scalings(TorchDispatchMode):
    """Products of a model's weights or biases, as they lie in memory, and a frequency of its network.

    Attributes:
        scaled: each product by its place in memory, and how many operations read it.
    """

    def __init__(self, model: torch.nn.Module, siren: ms.Siren) -> None:
        super().__init__()
        self.weights = {place(t) for t in (*model.parameters(), *model.buffers())}
        self.omegas = {layer.omega for layer in siren.layers} - {1.0}
        self.scaled: dict[int, int] = {}
        self.held: list[torch.Tensor] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        made = place(out) if isinstance(out, torch.Tensor) else None
        for read in {place(t) for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)} - {made}:
            if read in self.scaled:
                self.scaled[read] += 1
        by_omega = func._schema.name == "aten::mul" and isinstance(args[1], float) and args[1] in self.omegas
        if by_omega and place(args[0]) in self.weights:
            self.held.append(out)  # so that its place is not taken by another tensor
            self.scaled[place(out)] = 0
        return out


def place(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


@contextmanager
def calls() -> Iterator[Counter[str]]:
    """Counts the calls of the project's functions, by file and name."""
    seen: Counter[str] = Counter()

    def count(frame: FrameType, event: str, arg: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(ROOT):
            seen[f"{frame.f_code.co_filename.removeprefix(ROOT)}:{frame.f_code.co_qualname}"] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield seen
    finally:
        sys.setprofile(before)


def in_second_step(trainer: Trainer, count: Callable[[], Any]) -> Any:
    """What `count` gives while a step is taken, when the first one is done."""
    draw, entered = trainer._draw, []

    def drawn(items: torch.Tensor) -> Any:
        if trainer.step == 1:
            entered.append(count())
            entered.append(entered[0].__enter__())
        return draw(items)

    def watch(step: int, *_: Any) -> None:
        if step == 2:
            entered[0].__exit__(None, None, None)

    trainer._draw = drawn  # type: ignore[method-assign]
    trainer.train(watch=watch, save=lambda _: None, stop=lambda: None)
    return entered[1]


@pytest.fixture(params=SMALL)
def trainer(request: pytest.FixtureRequest) -> Iterator[Trainer]:
    catalogue, device = ms.load_catalogue(), torch.device("cpu")
    changes = {**SMALL[request.param], "train.steps": 2, "train.log_every": 1}
    recipe = ms.load_recipe(request.param, preset="quick", overrides=changes)
    with joined(device) as ranks:
        made = make_trainer(assemble(recipe, catalogue), catalogue, device, ranks)
        begin(made, None)
        yield made


def test_a_step_reads_no_options_and_makes_no_network(trainer: Trainer) -> None:
    seen = in_second_step(trainer, calls)
    assert sum(n for name, n in seen.items() if name.endswith("Trainer._update")) == 1
    assert [name for name in seen if any(word in name for word in SETTLED)] == []


def test_weights_multiplied_by_a_frequency_are_used(trainer: Trainer) -> None:
    """No pass scales them for another one that takes them as they are."""
    made = trainer.experiment.model
    seen = in_second_step(trainer, lambda: Scalings(made, made.decoder.siren))
    assert seen.scaled
    assert [uses for uses in seen.scaled.values() if not uses] == []


def test_a_recipe_is_parsed_and_validated_once_before_the_first_step(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    validated, parsed = [], []
    validate, parse = Recipe.model_validate, loading.parse_yaml
    monkeypatch.setattr(Recipe, "model_validate", lambda tree: validated.append(tree) or validate(tree))
    monkeypatch.setattr(loading, "parse_yaml", lambda text, where: parsed.append(where) or parse(text, where))

    class ReachedError(Exception):
        pass

    def train(*_: Any, **__: Any) -> None:
        raise ReachedError

    monkeypatch.setattr(Trainer, "train", train)
    loading._parsed.cache_clear()
    words = ["run", "image", "--preset", "quick", "--set", "data.size=16", "--out", str(tmp_path / "run")]
    assert isinstance(CliRunner().invoke(cli, words).exception, ReachedError)
    assert len(parsed) == len(validated) == 1
