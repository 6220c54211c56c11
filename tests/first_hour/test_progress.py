"""Long work says what it is, and what is interrupted leaves no file of the name that was asked for."""

from __future__ import annotations

import io
import itertools
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import trimesh
from click.testing import Result
from PIL import Image
from rich.console import Console
from small_runs import path_of, small

from metasiren.engine import bar, progress
from metasiren.engine.progress import Shown
from metasiren.engine.rendering import render

Typed = Callable[..., Result]


def test_slow_assembly_says_what_is_being_made(typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer that rings at once stands for work that takes more than a second."""

    class AtOnce:
        def __init__(self, after: float, say: Callable[[str], object], words: list[str]) -> None:
            assert after == 1.0
            self.ring = lambda: say(*words)

        def start(self) -> None:
            self.ring()

        def cancel(self) -> None:
            pass

    trimesh.creation.torus(0.6, 0.2).export(tmp_path / "knot.ply")
    monkeypatch.setattr(bar, "threading", SimpleNamespace(Timer=AtOnce))
    options = ("evaluate.resolution=16", "evaluate.samples=500", "evaluate.size=16", "data.samples=2000")
    done = typed("metasiren run sdf --preset cpu --set data.path=knot.ply", *small(*options, "data.points=64"))
    said = " ".join(done.stderr.split())
    assert "making the data set shape from knot.ply" in said
    assert "making the encoder fixed and the decoder free" in said


def test_work_that_is_soon_done_says_nothing() -> None:
    said: list[str] = []
    with bar.named_work("reading", said.append, after=1000):
        pass
    assert not said
    rung = threading.Event()
    with bar.named_work("reading", lambda words: (said.append(words), rung.set()), after=0):
        assert rung.wait(10)
    assert said == ["reading"]


def _bar_on_a_pipe(
    monkeypatch: pytest.MonkeyPatch, title: str, *, pieces: int, seconds: float, total: int, each: int
) -> list[str]:
    """The lines of work on a pipe whose clock moves by so many seconds with every reading."""
    clock = itertools.count(step=seconds)
    monkeypatch.setattr(bar, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    with bar.progress_bar(title, total) as advance:
        for _ in range(pieces):
            advance(each)
    return stream.getvalue().splitlines()


def test_a_pipe_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _bar_on_a_pipe(monkeypatch, "shading", pieces=10, seconds=5.0, total=100, each=10)
    assert 1 < len(lines) < 10
    # Three pieces in three readings of the clock, 15 s: seven more take 35 s.
    assert lines[0] == "shading: 30%, about 35 s left"


def test_a_zoo_of_pictures_says_how_long_it_takes(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pictures").mkdir()
    for number in range(3):
        Image.new("RGB", (16, 16), (80 * number, 90, 100)).save(tmp_path / f"pictures/{number}.png")
    clock = itertools.count(step=16.0)
    monkeypatch.setattr(bar, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    options = ("data.path=pictures", "data.size=16", "siren.hidden_features=8")
    pairs = [word for each in options for word in ("--set", each)]
    refused = typed("metasiren zoo image --items pictures -o z.safetensors")
    assert "metasiren zoo celeba_cnn --set data.path=pictures" in str(refused.exception)
    command = "metasiren zoo celeba_cnn --preset cpu --items 2 --steps 5 -o z.safetensors"
    said = typed(command, *pairs).stderr.splitlines()
    # The first step gives no speed; a reading of the clock each step, 16 s: three more take 48 s.
    assert said[-4:-1] == ["steps: 20%", "steps: 40%, about 48 s left", "steps: 60%, about 32 s left"]


def test_export_says_what_it_does_before_it_is_done(typed: Typed, tmp_path: Path) -> None:
    run = path_of(typed("metasiren run image --preset quick", *small("data.size=8", "data.points=9")))
    done = typed(f"metasiren export {run} -o field.pt2")
    assert "tracing the field and writing a torch.export program to field.pt2" in done.stderr
    assert done.stdout == "field.pt2\n"


def _shown(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> tuple[Shown, io.StringIO]:
    """Progress that takes a step of ten seconds a step, and what it prints."""
    clock = itertools.count(step=10.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    stream = io.StringIO()
    return Shown(Console(file=stream, force_terminal=terminal, width=120), every=0), stream


def test_the_time_left_is_not_told_before_some_steps_were_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, stream = _shown(monkeypatch, terminal=False)
    shown.start(20, 0)
    for step in (1, 2, 6, 8, 20):
        shown.step(step, 0.5, 0.123)
    first, second, timed, _, last = stream.getvalue().splitlines()
    assert first == "step 1/20  loss 0.5"
    assert second == "step 2/20  loss 0.5  0.123 steps/s"
    # Five steps since the first in two readings of the clock, 20 s: 14 steps take 56 s.
    assert timed == "step 6/20  loss 0.5  0.123 steps/s  56 s left"
    assert last == "step 20/20  loss 0.5  0.123 steps/s"


def test_a_pipe_gets_four_lines_in_the_first_minute_of_training_and_then_one_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = itertools.count(start=1000.0, step=1.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    stream = io.StringIO()
    shown = Shown(Console(file=stream, force_terminal=False, width=120))
    shown.start(1000, 0)
    for step in range(1, 400):
        shown.step(step, 0.5, 1.0)
    steps = [int(line.split("/")[0].removeprefix("step ")) for line in stream.getvalue().splitlines()]
    assert steps == [1, 16, 31, 46, 61, 121, 181, 241, 301, 361]


def test_other_long_work_on_a_pipe_says_one_line_a_minute_after_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = _bar_on_a_pipe(monkeypatch, "evaluating", pieces=400, seconds=1.0, total=1000, each=1)
    done = [line.removeprefix("evaluating: ").split(",")[0] for line in lines]
    assert done == ["2%", "3%", "4%", "6%", "12%", "18%", "24%", "30%", "36%"]


def test_a_resumed_run_forgets_the_time_that_was_before(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, stream = _shown(monkeypatch, terminal=False)
    shown.start(100, 60)
    shown.step(61, 0.5, 0.01)
    assert stream.getvalue().splitlines() == ["step 61/100  loss 0.5"]


def test_a_bar_shows_no_loss_before_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    shown, stream = _shown(monkeypatch, terminal=True)
    monkeypatch.undo()
    shown.start(20, 0)
    shown.stop()
    assert "0/20" in stream.getvalue()
    assert "nan" not in stream.getvalue()
    assert "steps/s" not in stream.getvalue()


@pytest.mark.parametrize(
    ("recipe", "file", "where"),
    [
        ("image", "out.png", "metasiren_images.single.render.PictureRenderer.values"),
        ("video_bikes", "out.gif", "metasiren_signals.clips.renderer.to_bytes"),
        ("sdf", "out.png", "metasiren_shapes.raymarch.trace"),
        ("poisson_2d", "out.png", "metasiren_physics.renderer.EquationRenderer._quantity"),
    ],
)
def test_an_interrupted_render_leaves_no_file(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: str, file: str, where: str
) -> None:
    keys = {
        "image": ("data.size=16",),
        "video_bikes": ("data.points=64", "data.size=[8,8]", "data.frames=4"),
        "sdf": ("evaluate.resolution=16", "evaluate.samples=500", "evaluate.size=16", "data.samples=1000"),
        "poisson_2d": ("data.points.interior=32", "data.points.boundary=8", "evaluate.nodes=9"),
    }[recipe]
    run = path_of(typed(f"metasiren run {recipe} --preset quick", *small(*keys)))

    def interrupted(*_: object, **__: object) -> object:
        raise KeyboardInterrupt

    monkeypatch.setattr(where, interrupted)
    # The file of an earlier render stays.
    (tmp_path / file).write_bytes(b"earlier")
    with pytest.raises(KeyboardInterrupt):
        render(run, tmp_path / file, options={"size": (8, 8)}, device="cpu")
    assert (tmp_path / file).read_bytes() == b"earlier"
    assert not list(tmp_path.glob(".*partial*"))
