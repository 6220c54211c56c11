"""A picture or a box of other proportions than the field's is stretched or cut with a word, not silently."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import metasiren as ms
from metasiren.engine.progress import data_words
from metasiren.registry.catalogue import load_catalogue
from metasiren_images.single.photograph import shape_words
from metasiren_priors.photograph import Box, stretched


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "me.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)).save(path)
    return path


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("picture", {"size": [16, 16]}, "40 x 30 pixels, stretched to 16 x 16"),
        ("picture", {"crop": "square", "size": 16}, "the centre square of 40 x 30 pixels, shrunk to 16 x 16"),
        ("picture", {"crop": "top_left"}, "the top left square of 40 x 30 pixels"),
        ("picture", {"crop": "square", "size": [16, 8]}, "the centre square of 40 x 30 pixels, stretched to 8 x 16"),
        ("picture", {"size": 20}, "40 x 30 pixels, shrunk to 20 x 15"),
        ("picture", {"size": [15, 20]}, "40 x 30 pixels, shrunk to 20 x 15"),
        ("picture", {"size": 80}, "40 x 30 pixels, enlarged to 80 x 60"),
        ("picture", {"size": 40}, None),
        ("picture", {}, None),
        ("masked_picture", {"size": [16, 16]}, "40 x 30 pixels, stretched to 16 x 16"),
        ("poisson", {"size": 16}, "the centre square of 40 x 30 pixels, shrunk to 16 x 16"),
        ("noisy_picture", {"crop": "square"}, "the centre square of 40 x 30 pixels"),
        (
            "larger_pixels",
            {"crop": "square", "factor": 2, "size": 16},
            "the centre square of 40 x 30 pixels, shrunk to 16 x 16",
        ),
        (
            "editing",
            {"second_photograph": "camera", "size": [16, 16]},
            "me: 40 x 30 pixels, stretched to 16 x 16; camera: 512 x 512 pixels, shrunk to 16 x 16",
        ),
    ],
)
def test_a_data_set_says_how_a_picture_was_cut_or_stretched(
    photo: Path, name: str, options: dict[str, object], expected: str | None
) -> None:
    dataset = load_catalogue().make("dataset", name, where="data", options={"path": str(photo), **options})
    said = data_words(dataset)
    assert said == (f"{dataset.title}; {expected}" if expected else dataset.title)


def test_transparent_parts_are_said_to_become_white(tmp_path: Path) -> None:
    opacity = np.full((20, 20, 4), 255, np.uint8)
    Image.fromarray(opacity).save(tmp_path / "opaque.png")
    opacity[:5, :, 3] = 0
    Image.fromarray(opacity).save(tmp_path / "cut.png")
    make = load_catalogue().make
    titles = {
        name: data_words(make("dataset", "picture", where="data", options={"path": str(tmp_path / f"{name}.png")}))
        for name in ("opaque", "cut")
    }
    assert titles["opaque"] == "opaque, 20 x 20 RGB"
    assert titles["cut"] == "cut, 20 x 20 RGB; transparent parts on white"


def test_a_camera_that_was_held_upright_is_not_stretched(tmp_path: Path) -> None:
    picture = Image.fromarray(np.zeros((30, 40, 3), np.uint8))
    exif = picture.getexif()
    exif[0x0112] = 6  # turned by a quarter: 40 rows, 30 columns
    picture.save(tmp_path / "upright.jpg", exif=exif)
    make = load_catalogue().make
    options = {"path": str(tmp_path / "upright.jpg"), "size": [20, 15]}
    words = make("dataset", "picture", where="data", options=options).provenance["shape"]
    assert words == "30 x 40 pixels, shrunk to 15 x 20"


def test_what_was_cut_is_said_when_training_starts_and_kept_with_the_run(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from click.testing import CliRunner

    from metasiren.cli.commands import cli

    words = ["run", "image", "--preset", "quick", "--set", f"data.path={photo}", "--set", "data.size=[8, 8]"]
    words += [
        "--set",
        "siren.hidden_features=4",
        "--set",
        "train.steps=1",
        "--out",
        str(tmp_path / "run"),
        "--no-report",
    ]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    assert "stretched to 8 x 8" in " ".join((done.output + done.stderr).split())
    assert ms.open_run(tmp_path / "run").environment["dataset"]["shape"] == "40 x 30 pixels, stretched to 8 x 8"


def test_a_folder_of_pictures_says_that_it_takes_their_centres(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METASIREN_DATA", str(tmp_path / "home"))
    (tmp_path / "folder").mkdir()
    for number in range(4):
        Image.open(photo).save(tmp_path / "folder" / f"{number}.png")
    options = {"path": str(tmp_path / "folder"), "size": 8, "val_fraction": 0.25}
    dataset = load_catalogue().make("dataset", "folder", where="data", options=options)
    assert data_words(dataset).endswith("; the centre square of each picture")


@pytest.mark.parametrize(
    ("box", "size", "found"),
    [
        (Box(0, 0, 300, 200), None, ["the box of 300 x 200 pixels is stretched to 32 x 32"]),
        (Box(0, 0, 256, 256), None, []),
        (Box(0, 0, 257, 256), None, []),
        (None, (64, 64), []),
        (None, (64, 128), ["--size 64x128 has other proportions"]),
        (None, None, []),
    ],
)
def test_a_box_or_a_size_of_other_proportions_is_named(
    box: Box | None, size: tuple[int, int] | None, found: list[str]
) -> None:
    said = stretched((32, 32), box, size)
    assert [words.startswith(start) for words, start in zip(said, found, strict=True)] == [True] * len(found)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((300, 400), (48, 64), True),
        ((300, 400), (400, 300), False),
        ((300, 400), (64, 86), True),  # 85.3 columns, rounded
        ((1000, 1000), (1000, 1019), True),
        ((1000, 1000), (1000, 1021), False),
        ((1000, 1021), (1000, 1000), False),
        ((7, 5), (3, 2), True),  # a side of two pixels is rounded by up to a quarter
        ((300, 400, 3), (48, 64, 1), True),
    ],
)
def test_proportions_are_compared_by_one_rule(first: tuple[int, ...], second: tuple[int, ...], expected: bool) -> None:
    assert ms.same_proportions(first, second) is expected
    assert ms.same_proportions(second, first) is expected


def test_sizes_are_said_width_first() -> None:
    assert ms.width_by_height((480, 640)) == "640 x 480"
    assert ms.width_by_height((480, 640, 3)) == "640 x 480"


@pytest.mark.parametrize("ending", ["gif", "tiff", "webp", "png"])
def test_frames_that_are_left_out_are_counted(tmp_path: Path, ending: str) -> None:
    first, *others = (Image.fromarray(np.full((8, 8, 3), 60 * shade, np.uint8)) for shade in range(3))
    first.save(tmp_path / f"many.{ending}", save_all=True, append_images=others)
    assert shape_words(tmp_path / f"many.{ending}", size=None) == "the first of 3 frames"
    assert shape_words(tmp_path / f"many.{ending}", size=(4, 4)).endswith("shrunk to 4 x 4; the first of 3 frames")
