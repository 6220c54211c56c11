"""`metasiren render` of priors: items, paths between them, and the training images beside a reconstruction."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image

import metasiren as ms
from metasiren.cli.commands import cli
from metasiren.engine.rendering import render, render_between
from metasiren_priors.data.imageset import ImageSet, to_values
from metasiren_priors.data.sketch_faces import draw_faces
from metasiren_priors.evaluation import nearest
from metasiren_priors.evaluation.nearest import nearest_figure, nearest_training

SIDE = 12


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> ms.Run:
    changes = {
        "data.train": 100, "data.val": 4, "data.test": 0, "data.size": SIDE, "siren.hidden_features": 400,
        "encoder.coordinates": 20, "encoder.components": 2, "evaluate": {"protocol": None},
    }  # fmt: skip
    recipe = ms.load_recipe("celeba_mixture", preset="quick", overrides=changes)
    return ms.run(recipe, tmp_path_factory.mktemp("runs") / "run", device="cpu")


def picture(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(int)


def typed(line: str) -> Result:
    return CliRunner().invoke(cli, line.split())


def test_an_item_is_drawn_at_any_size(run: ms.Run, tmp_path: Path) -> None:
    small = render(run.path, tmp_path / "small.png", item=2, device="cpu")
    face = draw_faces(0, "val", 3, size=SIDE)[2].astype(int)
    assert np.abs(picture(small) - face).mean() < 6, "the whole signal was seen: the field repeats it"
    result = typed(f"render {run.path} --item 2 --size 40x40 -o {tmp_path / 'large.png'}")
    assert result.exit_code == 0, result.exception
    assert picture(tmp_path / "large.png").shape == (40, 40, 3)
    train = render(run.path, tmp_path / "train.png", item=2, split="train", device="cpu")
    assert not np.array_equal(picture(train), picture(small))


def test_a_path_between_items_begins_and_ends_with_them(run: ms.Run, tmp_path: Path) -> None:
    result = typed(f"render {run.path} --between 0 3 --steps 3 -o {tmp_path / 'path.png'}")
    assert result.stdout.split() == [str(tmp_path / f"path_{i}.png") for i in (1, 2, 3)]
    first, middle, last = (picture(tmp_path / f"path_{i}.png") for i in (1, 2, 3))
    for end, item in ((first, 0), (last, 3)):
        assert np.abs(end - picture(render(run.path, tmp_path / "end.png", item=item, device="cpu"))).max() <= 1
    inside = (first > 4) & (first < 251) & (last > 4) & (last < 251)
    # This latent is the image, and the decoder is linear.
    assert np.abs(middle - (first + last) / 2)[inside].max() <= 2
    names = [p.name for p in render_between(run.path, tmp_path / "x.png", items=(1, 1), steps=10, device="cpu")]
    assert names[0] == "x_01.png"


def test_what_is_missing_is_named(run: ms.Run, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    with pytest.raises(ms.RunError, match=r"a prior over 100 signals[\s\S]*--item"):
        render(run.path, out)
    with pytest.raises(ms.DataError, match=r"no signal 9 in the split val[\s\S]*from 0 to 3"):
        render(run.path, out, item=9)
    with pytest.raises(ms.DataError, match=r"split tran: [\s\S]*Did you mean 'train'"):
        render(run.path, out, item=0, split="tran")
    with pytest.raises(ms.RunError, match="1 is below 2"):
        render_between(run.path, out, items=(0, 1), steps=1)
    result = typed(f"render {run.path} --item 1 --between 0 1 -o {out}")
    assert isinstance(result.exception, ms.RecipeError)
    assert "both --item and --between" in str(result.exception)


@pytest.mark.parametrize(
    ("words", "message"),
    [("--item 1 --steps 3", "--steps: given without --between"), ("--split train", "--split: given without a signal")],
)
def test_options_that_would_change_nothing_are_refused(run: ms.Run, tmp_path: Path, words: str, message: str) -> None:
    result = typed(f"render {run.path} {words} -o {tmp_path / 'out.png'}")
    assert isinstance(result.exception, ms.RecipeError)
    assert message in str(result.exception)
    assert not (tmp_path / "out.png").exists()


def test_the_nearest_training_images_are_found_across_chunks() -> None:
    faces = draw_faces(0, "train", 1100, size=8)
    data = ImageSet("faces", {"train": faces}, {})
    query = to_values(torch.from_numpy(faces[[3, 1050]])) + 0.001
    found, errors = nearest_training(data, query, 3)
    every = (to_values(torch.from_numpy(faces)).unsqueeze(0) - query.unsqueeze(1)).square().mean((2, 3)) / 4
    expected, order = every.topk(3, largest=False)
    torch.testing.assert_close(errors, expected, rtol=1e-2, atol=1e-6)
    assert order[:, 0].tolist() == [3, 1050]
    torch.testing.assert_close(found[:, 0], to_values(torch.from_numpy(faces[[3, 1050]])))
    few = ImageSet("few", {"train": faces[:2]}, {})
    assert nearest_training(few, query, 3)[0].shape == (2, 2, 64, 3)
    page = nearest_figure(data, torch.ones(2, 64, dtype=torch.bool), query, query, (8, 8), least=16)
    assert page.width > 6 * 16


def test_errors_stand_beside_the_nearest_training_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are clipped, as in the table; a reconstruction that is a training image has the error zero to it."""
    faces = draw_faces(0, "train", 20, size=8)
    data, values = ImageSet("faces", {"train": faces}, {}), to_values(torch.from_numpy(faces))
    words: list[str] = []

    def sheet(tiles: torch.Tensor, labels: list[str], heads: object, factor: int) -> None:
        words.extend(labels)

    monkeypatch.setattr(nearest, "sheet", sheet)
    made, truth = torch.stack([values[4], torch.full_like(values[0], 3.0)]), values[[5, 6]]
    nearest_figure(data, torch.ones(2, 64, dtype=torch.bool), made, truth, (8, 8), count=2)
    expected = (values[4] - values[5]).square().mean() / 4
    others = (values[4] - values).square().mean((1, 2)).sort().values / 4
    assert words[0] == f"truth {expected:.4f}\n1: 0.0000\n2: {others[1]:.4f}"
    assert words[1].startswith(f"truth {(1 - values[6]).square().mean() / 4:.4f}\n")
