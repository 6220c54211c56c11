"""Files and options of another kind than a recipe takes: the message names what was found, and what would work."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from click.testing import Result
from PIL import Image
from small_runs import faces, path_of, small

from metasiren_priors.few_pictures import FewPicturesWarning

Typed = Callable[..., Result]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A photograph, a clip, a sound, an empty folder, and a folder of eleven pictures."""
    colours = np.random.default_rng(0).integers(0, 256, (11, 24, 32, 3), np.uint8)
    Image.fromarray(colours[0]).save(tmp_path / "me.jpg")
    (tmp_path / "empty").mkdir()
    (tmp_path / "eleven").mkdir()
    for number, picture in enumerate(colours):
        Image.fromarray(picture).save(tmp_path / "eleven" / f"{number}.png")
    soundfile.write(tmp_path / "sound.wav", np.sin(np.arange(800) / 3) / 2, 8000)
    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 16, 32, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((16, 32, 3), np.uint8))))
        container.mux(stream.encode())
    return tmp_path


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("run video_bikes --preset quick --set data.path=me.jpg", "me.jpg: a picture, not a clip."),
        ("run video_bikes --preset quick --set data.path=me.jpg", "metasiren run image --set data.path=me.jpg"),
        ("run video_bikes --preset quick --set data.path=eleven", "eleven: is a folder, not a file."),
        (
            "run video_bikes --preset quick --set data.path=clip.mp4 --set data.size=0",
            "size: 0 pixels. Give pixels of the longer side, or [rows, columns]",
        ),
        ("run image --preset quick --set data.size=abc", "size: expected int or [int, int]. Found 'abc'."),
        ("run image --preset quick --set data.size=32x32", "size: expected int or [int, int]. Found '32x32'."),
        ("run image --preset quick --set data.size=[32]", "size: expected int or [int, int]. Found [32]."),
        ("run image --preset quick --set data.size=100000", "100000 makes a picture of 100000 x 100000 pixels."),
        ("run sdf --preset quick --set data.path=eleven", "eleven: is a folder, not a file."),
        ("run volume --preset quick --set data.path=me.jpg", "me.jpg: not an .npy file: it does not begin as one."),
        ("run volume --preset quick --set data.path=eleven", "eleven: is a folder, not a file."),
        ("run celeba_gaussian --set data.path=empty", "empty is an empty folder."),
        ("run celeba_mixture --preset quick --set data.path=eleven", "has the data set sketch_faces, which reads no"),
        ("run celeba_mixture --preset quick --set data.path=eleven", "give a preset that does: cpu."),
        ("run image --preset quick --set data.size=16 --out me.jpg", "me.jpg: is a file, not a directory for a run."),
        ("run image --preset quick --set data.size=16 --out eleven", "Name another --out, one that does not exist"),
    ],
)
def test_what_was_found_and_what_would_work_are_named(typed: Typed, files: Path, line: str, words: str) -> None:
    message = str(typed(f"metasiren {line}").exception)
    assert words in " ".join(message.split())
    assert "pickle" not in message


def test_a_sound_and_a_clip_are_said_with_their_length_when_training_starts(typed: Typed, files: Path) -> None:
    sound = typed("metasiren run audio_bach --preset quick --set data.path=sound.wav", *small())
    assert "sound; 0.10 s at 8000 Hz, 1 channel" in sound.stderr
    clip = typed("metasiren run video_bikes --preset quick --set data.path=clip.mp4", *small())
    assert "clip; 3 frames of 32 x 16 pixels" in clip.stderr
    assert "1 train, 1 test" not in sound.stderr + clip.stderr


def test_training_that_diverges_promises_no_checkpoint(typed: Typed) -> None:
    rate = ("data.size=16", "train.optimizer.lr=1e6")
    message = str(typed("metasiren run image --preset quick", *small(*rate, steps=60)).exception)
    assert "Checkpoints of earlier steps, if there are any, are kept" in message


def test_a_prior_of_few_pictures_is_warned_of_and_its_own_pictures_are_named(typed: Typed, files: Path) -> None:
    cells = ("data.size=8", "encoder.components=1", "siren.hidden_features=8", "evaluate.seeds=1")
    more = ("evaluate.pictures=1", "evaluate.contexts=[10, half]")
    options = [word for pair in (*cells, *more) for word in ("--set", pair)]
    with pytest.warns(FewPicturesWarning, match=r"eleven: only \d+ pictures to train on. A prior of so few"):
        run = path_of(typed("metasiren run celeba_mixture --preset cpu --set data.path=eleven", *options))
    with warnings.catch_warnings():
        warnings.simplefilter("error", FewPicturesWarning)
        done = typed(f"metasiren evaluate {run} --data eleven")
    assert "of them are training pictures, whose errors are smaller than those of others" in " ".join(
        done.stderr.split()
    )
    assert "weights after step" not in done.stderr


def test_a_prior_of_pictures_that_it_draws_itself_is_not_warned_of(typed: Typed) -> None:
    smaller = ("--set", "data.size=16", "--set", "evaluate.contexts=[10, half]")
    path_of(typed("metasiren run celeba_gaussian --preset quick", *faces(), *smaller))
