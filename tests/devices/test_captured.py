"""`train.graph`: a step that is launched as a CUDA graph is the step whose operations are launched one by one.

The emulated graph computes nothing while it captures and repeats operations on the same memory (`devices.captures`): a
rate that is a Python number, a count on the host or a tensor that is replaced makes the two differ.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from devices.captures import Capture
from devices.emulated import LEDGER, emulated_gpu
from devices.test_recipes_on_a_gpu import RECIPES, faces, small, trained

import metasiren as ms
from metasiren.assembly.experiment import assemble
from metasiren.engine import running
from metasiren.engine.captured import RECAPTURES, WARM_UP, CapturedStep
from metasiren.engine.distributed import Ranks
from metasiren.engine.progress import Silent
from metasiren.engine.running import make_trainer
from metasiren.engine.trainer import Trainer
from metasiren.nn.constants import constant, constants_held
from metasiren.recipe import validate

__all__ = ["faces"]

STEPS = 8
ADAM = {"name": "adam", "lr": 1e-3}
COSINE = {"name": "cosine", "warmup": 3}
CASES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "image": ("image", "quick", {}),
    "image, average and clip": ("image", "quick", {"ema": 0.9, "clip": 0.01}),
    "image by muon": ("image", "quick", {"optimizer": {"name": "muon", "lr": 1e-3, "matrix_lr": 2e-3}}),
    "image by sgd": ("image", "quick", {"optimizer": {"name": "sgd", "lr": 1e-2, "momentum": 0.9}}),
    "image in parts": ("image", "quick", {"accumulate": 2}),
    "faces, the last batch of an epoch smaller": ("celeba_set_sine", "quick", {"batch": 7, "ema": 0.9}),
    "growing times": ("wave", "paper_text", {}),
    "shrinking sources": ("helmholtz", "paper", {}),
    "points that follow errors": ("burgers", "quick", {"optimizer": ADAM}),
}  # fmt: skip
FIRST_ORDER = [n for n in RECIPES if ms.load_recipe(n, preset="quick").train.optimizer.name in ("adam", "adamw")]
HOST = {"celeba_cnn", "celeba_gaussian"}
"""Their quick presets encode by linear algebra whose success the host checks."""


def shrunk(name: str, preset: str, faces: Path, **train: Any) -> ms.Recipe:
    """A small recipe of a few steps, each of them logged."""
    recipe = small(name, preset, faces, save_every=6)
    tree = recipe.model_dump(mode="json", exclude_none=True)
    tree["train"] |= {"steps": STEPS, "log_every": 1, "schedule": COSINE, **train}
    if "muon" in str(train):
        tree["siren"]["hidden_features"] = 16  # hidden matrices are wider than signals
    if name == "burgers":
        tree["data"]["adaptive"] = {"sets": ["interior"]}
    return validate(tree, "test", name=name, preset=preset)


def graphed(recipe: ms.Recipe) -> ms.Recipe:
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"graph": True})})


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[Capture]:
    """Every graph that is captured."""
    made: list[Capture] = []
    begin = Capture.begin
    monkeypatch.setattr(Capture, "begin", lambda self: (made.append(self), begin(self))[1])
    return made


def same(plain: ms.Run, graph: ms.Run, rtol: float = 2e-6, parts: tuple[str, ...] = ("model", "ema", "random")) -> None:
    """Losses and weights agree; the rate of a captured step is rounded to float32."""
    losses = [[line["loss"] for line in run.losses()] for run in (plain, graph)]
    assert losses[1] == pytest.approx(losses[0], rel=rtol)
    for part in parts:
        theirs, ours = (run.checkpoint().part(part) for run in (plain, graph))
        assert theirs.keys() == ours.keys()
        for name, tensor in theirs.items():
            torch.testing.assert_close(ours[name], tensor, rtol=100 * rtol, atol=rtol)


FAST = {"image, average and clip", "faces, the last batch of an epoch smaller", "growing times"}


@pytest.mark.parametrize("case", [c if c in FAST else pytest.param(c, marks=pytest.mark.slow) for c in CASES])
def test_captured_steps_are_plain_steps(case: str, faces: Path, tmp_path: Path, graphs: list[Capture]) -> None:
    name, preset, changes = CASES[case]
    recipe = shrunk(name, preset, faces, **changes)
    with emulated_gpu():
        plain = trained(recipe, tmp_path / "plain")
        assert not graphs
        graph = trained(graphed(recipe), tmp_path / "graph")
    same(plain, graph, rtol=1e-4 if "muon" in case else 2e-6)  # Muon's matrices are made in bfloat16
    (made,) = graphs
    smaller = 2 if "smaller" in case else 0  # 16 faces in batches of 7: the third and the sixth have two
    assert made.replays == STEPS - WARM_UP - smaller


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(FIRST_ORDER) - HOST))
def test_every_first_order_recipe_is_captured(name: str, faces: Path, tmp_path: Path, graphs: list[Capture]) -> None:
    recipe = shrunk(name, "quick", faces)
    with emulated_gpu():
        plain, graph = trained(recipe, tmp_path / "plain"), trained(graphed(recipe), tmp_path / "graph")
    # Not the weights: some have no gradient but rounding, which Adam makes as large as any.
    same(plain, graph, parts=("random",))
    assert graphs[0].replays


def test_a_step_is_captured_on_a_stream_of_its_own_device(graphs: list[Capture]) -> None:
    second = torch.device("cuda", 1)  # as by `--device cuda:1`; the emulated device has tensors on cuda:0 alone
    with emulated_gpu():
        weight = torch.nn.Parameter(torch.zeros(2, device="cuda"))
        generator = torch.Generator("cuda")
        generator._place = second  # type: ignore[attr-defined]
        step = CapturedStep(
            lambda items: ms.Batch.__new__(ms.Batch),
            lambda batch: {"loss": weight.sum()},
            alike=True,
            size=2,
            optimizer=torch.optim.SGD([weight], lr=0.1),
            generator=generator,
        )
        for _ in range(WARM_UP + 1):
            step(torch.arange(2, device="cuda"))
    assert graphs[0].stream is step.side
    assert step.side.device == second


@pytest.mark.parametrize("alike", [True, False])
def test_a_data_set_says_whether_its_draw_is_captured(
    alike: bool, faces: Path, graphs: list[Capture], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = assemble(graphed(shrunk("image", "quick", faces)), ms.load_catalogue())
    assert made.dataset.draws_alike
    drawn, batch = [], type(made.dataset).batch
    monkeypatch.setattr(type(made.dataset), "draws_alike", alike)
    monkeypatch.setattr(type(made.dataset), "batch", lambda *a, **o: drawn.append(0) or batch(*a, **o))
    with emulated_gpu():
        make_trainer(made, ms.load_catalogue(), torch.device("cuda", 0), Ranks()).train(
            watch=lambda *_: None, save=lambda _: None
        )
    assert graphs[0].replays == STEPS - WARM_UP
    # Captured, it is called in the first steps and for the capture alone.
    assert len(drawn) == (WARM_UP + 1 if alike else STEPS)


def test_each_stage_has_its_own_graph(faces: Path, tmp_path: Path, graphs: list[Capture]) -> None:
    recipe = shrunk("image", "quick", faces, steps=None, stages=[{"name": n, "steps": 5} for n in ("a", "b")])
    with emulated_gpu():
        same(trained(recipe, tmp_path / "plain"), trained(graphed(recipe), tmp_path / "graph"))
    assert [made.replays for made in graphs] == [5 - WARM_UP] * 2


def test_a_resumed_run_equals_an_uninterrupted_one(faces: Path, tmp_path: Path) -> None:
    recipe = graphed(shrunk("image", "quick", faces, ema=0.9, steps=11))
    with emulated_gpu():
        whole, cut = trained(recipe, tmp_path / "whole"), trained(recipe, tmp_path / "cut")
        sorted(cut.checkpoints.glob("step-*.safetensors"))[-1].unlink()
        resumed = running.resume(cut.path, device="cuda")
    assert resumed.checkpoint().step == 11
    same(whole, resumed, rtol=1e-12)


def test_a_run_of_the_cpu_goes_on_as_a_graph(faces: Path, tmp_path: Path, graphs: list[Capture]) -> None:
    recipe, catalogue = shrunk("image", "quick", faces), ms.load_catalogue()
    began = ms.run(recipe.model_copy(update={"evaluate": type(recipe.evaluate)()}), tmp_path / "run", device="cpu")
    with emulated_gpu():
        trainer = make_trainer(
            assemble(graphed(recipe), catalogue), catalogue, torch.device("cuda", 0), Ranks()
        )  # fmt: skip
        trainer.restore(began.checkpoint())
        trainer.step = 2
        trainer.train(watch=lambda *_: None, save=lambda _: None)
    assert graphs[0].replays == STEPS - WARM_UP - 2


class Said(Silent):
    """Messages, kept."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str, *, minor: bool = False) -> None:
        self.lines.append(message)


def test_a_run_of_a_gpu_goes_on_without_one(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    recipe = graphed(shrunk("image", "quick", faces, ema=0.9))
    with emulated_gpu():
        made = trained(recipe, tmp_path / "run")
    sorted(made.checkpoints.glob("step-*.safetensors"))[-1].unlink()
    text = (made.path / "recipe.yaml").read_text("utf-8")
    (made.path / "recipe.yaml").write_text(text.replace("kernels: plain", "kernels: triton"), "utf-8")
    said = Said()
    resumed = running.resume(made.path, device="cpu", progress=said)
    assert resumed.checkpoint().step == STEPS
    assert (resumed.recipe.train.graph, resumed.recipe.train.kernels) == (True, "triton")
    (line,) = (line for line in said.lines if "goes on without" in line)
    assert line.startswith("train.graph and train.kernels cannot be used on this CPU")


def test_a_replayed_step_reads_nothing_and_launches_little(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[tuple[int, int, int]] = []
    rates = Trainer._set_rates

    def watched(self: Trainer) -> None:
        found.append((LEDGER.waits.total(), LEDGER.uploads.total(), LEDGER.kernels.total()))
        LEDGER.reset()
        rates(self)

    monkeypatch.setattr(Trainer, "_set_rates", watched)
    with emulated_gpu():
        trained(graphed(shrunk("image", "quick", faces, ema=0.9, log_every=100)), tmp_path / "run")
    waits, uploads, launches = found[-1]
    assert (waits, uploads) == (0, 0)
    # The rate and the items are written into the graph's memory; the rest is one launch.
    assert launches <= 3 < found[2][2]


def test_a_number_that_is_not_finite_ends_training(faces: Path, tmp_path: Path) -> None:
    recipe = shrunk("image", "quick", faces, optimizer={"name": "adam", "lr": 1e30}, log_every=20)
    # Losses are read for the checkpoint after step 6, which is launched as a graph.
    with emulated_gpu(), pytest.raises(ms.TrainingError, match=r"step 6: the loss is (nan|inf)"):
        trained(graphed(recipe), tmp_path / "run")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "second order": ({"optimizer": "gauss_newton"}, r"gauss_newton reads losses.*\n.*such as adam"),
    "balanced": ({"optimizer": {"name": "balanced_adam", "lr": 1e-3}}, "balanced_adam reads"),
    "recovery": (
        {"optimizer": ADAM, "on_nonfinite": "rollback"},
        r"on_nonfinite: rollback reads.*\n.*on_nonfinite: stop",
    ),
    "compiled": ({"optimizer": ADAM, "compile": True}, "compile: true is not captured"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_captured_is_refused(case: str, faces: Path, tmp_path: Path) -> None:
    changes, message = REFUSED[case]
    recipe = graphed(shrunk("poisson_2d", "quick", faces, **changes))
    with emulated_gpu(), pytest.raises(ms.RecipeError, match=message):
        trained(recipe, tmp_path / "run")


def test_an_optimiser_that_counts_on_the_host_is_refused(faces: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metasiren_basics.optimizers._capturable", lambda parameters: False)
    recipe, catalogue = graphed(shrunk("image", "quick", faces)), ms.load_catalogue()
    with emulated_gpu(), pytest.raises(ms.RecipeError, match=r"adam counts its steps.*\n.*leave graph out"):
        make_trainer(assemble(recipe, catalogue), catalogue, torch.device("cuda", 0), Ranks())


@pytest.mark.parametrize(
    ("device", "ranks", "message"),
    [("cpu", Ranks(), r"this run is on the CPU.*\n.*train.graph=false"), ("cuda", Ranks(0, 2), "torchrun")],
)
def test_other_places_are_refused(device: str, ranks: Ranks, message: str, faces: Path) -> None:
    recipe, catalogue = graphed(shrunk("image", "quick", faces)), ms.load_catalogue()
    with emulated_gpu(), pytest.raises(ms.RecipeError, match=message):
        make_trainer(assemble(recipe, catalogue), catalogue, torch.device(device), ranks)


def test_a_part_that_reads_from_the_device_is_named(faces: Path, tmp_path: Path) -> None:
    recipe = graphed(shrunk("image", "quick", faces))

    def forward(self: Any, batch: ms.Batch, *rest: Any) -> Any:
        assert float(batch.context.items.sum()) == 0
        return plain(self, batch, *rest)

    from metasiren.engine.objective import Objective

    plain = Objective.forward
    with pytest.MonkeyPatch.context() as patch, emulated_gpu():
        patch.setattr(Objective, "forward", forward)
        with pytest.raises(ms.RecipeError, match=r"cannot be captured.*a number is read.*\n.*Leave graph out"):
            trained(recipe, tmp_path / "run")


def growing(patch: pytest.MonkeyPatch, steps: int, every: int) -> None:
    """Let `wave` have one point more after every so many steps, from 30 on."""
    from metasiren_physics.datasets.wave import WaveDataset

    until = WaveDataset.at_progress

    def grown(self: WaveDataset, progress: float) -> WaveDataset:
        moved = until(self, progress)
        moved.counts = {**self.counts, "initial": 30 + round(progress * steps) // every}
        return moved

    patch.setattr(WaveDataset, "at_progress", grown)


def test_batches_whose_shape_changes_in_mid_training_are_captured_anew(
    faces: Path, tmp_path: Path, graphs: list[Capture], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = shrunk("wave", "paper_text", faces, steps=12)
    growing(monkeypatch, steps=12, every=6)
    with emulated_gpu():
        same(trained(recipe, tmp_path / "plain"), trained(graphed(recipe), tmp_path / "graph"))
    assert [made.replays for made in graphs] == [6 - WARM_UP] * 2


def test_a_box_that_settles_is_captured_anew(faces: Path, tmp_path: Path, graphs: list[Capture]) -> None:
    recipe = small("poisson_2d", "quick", faces)
    tree = recipe.model_dump(mode="json", exclude_none=True)
    tree["data"]["settle"] = {"after": 0.6}
    tree["train"] |= {"steps": 10, "log_every": 1, "optimizer": ADAM}
    settled = validate(tree, "test", name=recipe.name, preset="quick")
    with emulated_gpu():
        same(trained(settled, tmp_path / "plain"), trained(graphed(settled), tmp_path / "graph"), parts=("random",))
    assert [made.replays for made in graphs] == [6 - WARM_UP, 4 - WARM_UP]


def test_batches_whose_shape_changes_all_the_time_are_refused(
    faces: Path, tmp_path: Path, graphs: list[Capture], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = graphed(shrunk("wave", "paper_text", faces, steps=20))
    growing(monkeypatch, steps=20, every=1)
    message = r"points.initial.coords has shape \(1, 46, 3\) in this step.*\(1, 45, 3\).*changed 3 times.*\n.*the same"
    with emulated_gpu(), pytest.raises(ms.RecipeError, match=message):
        trained(recipe, tmp_path / "run")
    assert len(graphs) == 1 + RECAPTURES


def test_constants_of_a_graph_outlive_their_cache() -> None:
    like = torch.zeros(())
    with constants_held() as held:
        found = constant((1.0, 2.0), like)
    constant((3.0,), like)
    assert held == [found] or (len(held) == 1 and held[0] is found)
