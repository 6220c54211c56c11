"""A trained prior, evaluated on a person's own pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from small_runs import faces, path_of, small

import metasiren as ms

Typed = Callable[..., Result]


def photographs(folder: Path, count: int) -> Path:
    """Pictures of 40 x 50 pixels, one of them in a folder inside."""
    random = np.random.default_rng(0)
    (folder / "more").mkdir(parents=True)
    for i in range(count):
        pixels = np.tile(random.integers(0, 256, (1, 1, 3), np.uint8), (40, 50, 1))
        Image.fromarray(pixels).save(folder / ("more" if i == 0 else ".") / f"{i}.png")
    return folder


@pytest.fixture
def prior(typed: Typed) -> str:
    return path_of(typed("metasiren run celeba_pconv --preset quick --set encoder.features=8", *faces()))


def test_evaluate_with_data_gives_a_table_over_a_person_s_pictures(typed: Typed, tmp_path: Path, prior: str) -> None:
    photographs(tmp_path / "holiday", 5)
    before = (Path(prior) / "results" / "table.json").read_bytes()
    folder = Path(path_of(typed(f"metasiren evaluate {prior} --data holiday")))
    table = ms.read_table(folder)
    assert (table.dataset, table.images) == ("holiday", 5), "all pictures, and none is held back for training"
    assert {row.kind for row in table.rows} == {"model", "baseline"}
    assert (Path(prior) / "results" / "table.json").read_bytes() == before, "the run's own table stays"
    mean = next(row for row in table.rows if row.name == "mean")
    trained = next(row for row in ms.read_table(Path(prior) / "results").rows if row.name == "mean")
    assert mean.mse["10"] != trained.mse["10"], "other pictures have another error"
    beside = typed(f"metasiren table {prior} {folder}").stdout
    assert "holiday" in beside
    assert "sketch faces" in beside
    limited = typed(f"metasiren evaluate {prior} --data holiday --limit 2")
    assert limited.exit_code == 0
    assert ms.read_table(folder).images == 2
    assert (folder / "earlier-1" / "table.json").is_file()
    assert f"the earlier table and its pictures are now in {folder}/earlier-1" in " ".join(limited.stderr.split())
    assert "report.html" not in limited.stderr


def test_evaluate_says_where_the_earlier_table_is_and_that_the_report_shows_it(typed: Typed, prior: str) -> None:
    (Path(prior) / "results" / "report.html").touch()
    again = " ".join(typed(f"metasiren evaluate {prior} --limit 2").stderr.split())
    assert f"the earlier table and its pictures are now in {prior}/results/earlier-1" in again
    assert (Path(prior) / "results" / "earlier-1" / "figure6.png").is_file()
    words = f"{prior}/results/report.html shows the earlier results; metasiren report {prior} -o FILE writes a page"
    assert words in again


def test_evaluate_takes_one_picture_or_an_archive(typed: Typed, tmp_path: Path, prior: str) -> None:
    photographs(tmp_path / "holiday", 2)
    one = path_of(typed(f"metasiren evaluate {prior} --data holiday/1.png"))
    assert ms.read_table(one).images == 1
    images = np.random.default_rng(1).integers(0, 256, (6, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "mine.npz", images=images, split=np.array(["train"] * 4 + ["val"] * 2))
    table = ms.read_table(path_of(typed(f"metasiren evaluate {prior} --data mine.npz")))
    assert (table.dataset, table.images) == ("mine", 2), "training pictures of a split archive do not count"


def test_what_cannot_be_evaluated_is_said(typed: Typed, tmp_path: Path, prior: str) -> None:
    np.savez(tmp_path / "small.npz", images=np.zeros((3, 16, 16, 3), np.uint8))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    for name, words in (
        ("nowhere", "is not there"),
        ("smal.npz", "Did you mean 'small.npz'?"),
        ("small.npz", "16x16x3"),
        ("broken.png", "no picture"),
    ):
        assert words in str(typed(f"metasiren evaluate {prior} --data {name}").exception)
        assert not (Path(prior) / "results" / f"on-{Path(name).stem}").exists()
    single = path_of(typed("metasiren run image --preset quick", *small("data.size=16")))
    photographs(tmp_path / "holiday", 2)
    assert "not evaluated on other signals" in str(typed(f"metasiren evaluate {single} --data holiday").exception)


def test_evaluate_says_what_it_takes_of_pictures_that_are_not_square(typed: Typed, tmp_path: Path, prior: str) -> None:
    photographs(tmp_path / "holiday", 2)
    one = typed(f"metasiren evaluate {prior} --data holiday/1.png")
    assert "evaluating on 1: 1 signal; the centre square of 50 x 40 pixels" in " ".join(one.stderr.split())
    several = typed(f"metasiren evaluate {prior} --data holiday")
    assert "evaluating on holiday: 2 signals; the centre square of each picture" in " ".join(several.stderr.split())
    Image.new("RGB", (40, 40), "red").save(tmp_path / "square.png")
    square = typed(f"metasiren evaluate {prior} --data square.png")
    assert "evaluating on square: 1 signal\n" in square.stderr
