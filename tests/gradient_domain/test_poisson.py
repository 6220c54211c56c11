"""The data set of derivatives, and its protocol."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from metasiren import DataError, Dataset, Field, Model, RecipeError, Siren, grid
from metasiren.testing import Ripples, check_dataset
from metasiren_basics.fixed import FixedEncoder
from metasiren_basics.free import FreeDecoder
from metasiren_images.gradient_domain.levelling import LevelledRenderer, levelled
from metasiren_images.gradient_domain.poisson import Poisson
from metasiren_images.gradient_domain.poisson_protocol import PoissonProtocol

ITEM = torch.zeros(1, dtype=torch.long)


def model(dataset: Dataset) -> Model:
    siren = Siren(in_features=2, out_features=dataset.domain.d_out, hidden_features=8, hidden_layers=1)
    return Model(FixedEncoder(dataset.domain), FreeDecoder(siren, 0))


def random() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_it_keeps_the_contract() -> None:
    check_dataset("poisson", options={"size": 16})


def test_training_never_sees_values() -> None:
    dataset = Poisson(size=16)
    assert set(dataset.batch("train", ITEM).points["pixels"].known) == {"gradient", "laplacian"}
    assert "values" in dataset.batch("test", ITEM).points["pixels"].known


def test_targets_are_the_scheme_s_derivatives_of_its_values() -> None:
    dataset = Poisson(photograph="coffee", size=(10, 14), crop="none", grey=False)
    pixels = dataset.batch("test", ITEM).points["pixels"]
    picture = pixels.values[0].double().numpy().reshape(10, 14, 3)
    gradient = dataset.scheme.gradient(picture).reshape(-1, 3, 2)
    np.testing.assert_allclose(pixels.targets["gradient"][0].numpy(), gradient, atol=1e-3)
    np.testing.assert_allclose(
        pixels.targets["laplacian"][0].numpy(), dataset.scheme.laplacian(picture).reshape(-1, 3), atol=0.1
    )


def test_a_step_s_pixels_are_drawn_by_the_generator_alone() -> None:
    dataset = Poisson(size=16, points=20)
    once, twice = (dataset.batch("train", ITEM, generator=random()).points["pixels"] for _ in range(2))
    assert once.coords.shape == (1, 20, 2)
    assert torch.equal(once.coords, twice.coords)
    whole = dataset.batch("test", ITEM).points["pixels"]
    cells = torch.cdist(once.coords[0], whole.coords[0]).argmin(1)
    assert torch.equal(once.targets["gradient"][0], whole.targets["gradient"][0, cells])


@pytest.mark.parametrize("option", ["points", "pixel_pairs", "spans"])
@pytest.mark.parametrize("number", [0, -3])
def test_a_draw_of_nothing_is_refused(option: str, number: int) -> None:
    with pytest.raises(RecipeError, match=rf"data: {option}: .*below one"):
        Poisson(size=16, **{option: number})  # type: ignore[arg-type]


def test_pixel_pairs_lie_in_one_row_or_column_and_know_how_the_picture_grows() -> None:
    dataset = Poisson(photograph="coffee", size=(10, 14), crop="none", grey=False, pixel_pairs=31, points=5)
    pairs = dataset.batch("train", ITEM, generator=random()).points["pixel_pairs"]
    assert pairs.coords.shape == (1, 62, 2)
    assert set(pairs.targets) == {"integral"}
    start, end = pairs.coords[0].chunk(2)
    same = start == end
    assert bool(same[:16, 1].all())
    assert bool(same[16:, 0].all())
    assert float(same.float().mean()) < 0.7
    whole = dataset.batch("test", ITEM).points["pixels"]
    values = whole.values[0, torch.cdist(pairs.coords[0], whole.coords[0]).argmin(1)]
    growth, targets = (torch.sub(*each.chunk(2)) for each in (values, pairs.targets["integral"][0]))
    torch.testing.assert_close(targets, growth, atol=1e-5, rtol=0)


def test_pixel_pairs_are_drawn_by_the_generator_alone_whatever_their_option_is_called() -> None:
    named, formerly = Poisson(size=16, pixel_pairs=20), Poisson(size=16, spans=20)
    once, *others = (d.batch("train", ITEM, generator=random()).points["pixel_pairs"] for d in (named, named, formerly))
    assert all(torch.equal(once.coords, other.coords) for other in others)


def test_pictures_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"3 x 3 pixels.*\n.*at least 4"):
        Poisson(size=3)
    with pytest.raises(DataError, match=r"sobel: .*14 x 10"):
        Poisson(size=(10, 14), derivatives="sobel")
    assert "nowhere.png" in str(Poisson.missing(path=tmp_path / "nowhere.png"))
    assert Poisson.missing(photograph="camera", size=16) is None


def evaluate(dataset: Dataset, results: Path, **options: Any) -> dict[str, Any]:
    PoissonProtocol(**options).evaluate(model(dataset), dataset, results, name="ours")
    found: dict[str, Any] = json.loads((results / "comparison.json").read_text())
    return found


def test_exact_solutions_reach_what_arithmetic_allows(tmp_path: Path) -> None:
    found = evaluate(Poisson(photograph="coffee", size=16, grey=False, derivatives="sobel"), tmp_path)
    assert [row["kind"] for row in found["rows"]] == ["model", "baseline", "baseline"]
    for row in found["rows"][1:]:
        assert all(value > 150 for value in row["metrics"].values()), row
    assert found["rows"][0]["metrics"]["psnr_db"] < 40
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics == found["rows"][0]["metrics"]
    # An untrained field, aligned, is nearly grey: the truth's row is what must show.
    with Image.open(tmp_path / "figure.png") as picture:
        assert np.asarray(picture).std() > 30
    for name in ("value", "gradient", "laplacian"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.size == (16, 16)


def test_the_paper_s_rows_stand_beside_its_starfish_alone(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (16, 16), np.uint8)
    for name, rows in (("bsds_12003_starfish.png", 6), ("mine.png", 0)):
        Image.fromarray(noise).save(tmp_path / name)
        found = evaluate(Poisson(path=tmp_path / name, size=16), tmp_path, baselines=[])
        paper = {row["name"]: row["metrics"] for row in found["rows"] if row["kind"] == "paper"}
        assert len(paper) == rows
        if rows:
            assert list(paper["SIREN from gradient (paper)"].values()) == [32.91, 46.85, 19.88]
            assert list(paper["SIREN from Laplacian (paper)"].values()) == [14.95, 23.45, 57.13]


def test_scale_and_level_of_the_field_do_not_matter(tmp_path: Path) -> None:
    dataset = Poisson(size=16)
    made = model(dataset)
    numbers = []
    for factor, shift in ((1.0, 0.0), (0.6, 5.0)):
        with torch.no_grad():
            made.decoder.weights[-2].mul_(factor)
            made.decoder.weights[-1].mul_(factor).add_(shift)
        PoissonProtocol(baselines=[]).evaluate(made, dataset, tmp_path, name="ours")
        numbers.append(json.loads((tmp_path / "metrics.json").read_text()))
    assert numbers[0] == pytest.approx(numbers[1], abs=1e-3)


def test_a_preview_is_a_picture(tmp_path: Path) -> None:
    dataset = Poisson(size=16)
    drawn = PoissonProtocol().preview(model(dataset), dataset, tmp_path / "preview.png")
    assert drawn.dtype == torch.uint8
    assert drawn.shape[0] == 3
    assert (tmp_path / "preview.png").is_file()


def test_other_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="poisson: ripples holds no picture's derivatives"):
        PoissonProtocol().evaluate(model(Ripples()), Ripples(), tmp_path, name="ours")


def test_a_levelled_field_has_the_picture_s_mean_and_its_own_derivatives() -> None:
    dataset = Poisson(photograph="coffee", size=12, grey=False)
    field = model(dataset).signal(dataset.domain)
    moved = levelled(field, (12, 12), dataset.metadata["level"])
    values: Tensor = moved(grid((12, 12)))[0].detach()
    torch.testing.assert_close(values.mean(0), torch.tensor(dataset.metadata["level"], dtype=torch.float32))
    shift = (values - field(grid((12, 12)))[0]).detach()
    torch.testing.assert_close(shift, shift[:1].expand_as(shift), atol=1e-5, rtol=0)


def test_rendering_needs_no_data_to_find_the_level(tmp_path: Path) -> None:
    """Whatever constant the field has, the same picture is drawn, as bright on average as the true one."""
    dataset = Poisson(size=16)
    field = model(dataset).signal(dataset.domain)
    drawn = []
    for shift in (0.0, 3.0):
        params = {**field.params, "2.bias": field.params["2.bias"] * 0 + shift}
        moved = Field(field.siren, {k: v.detach() for k, v in params.items()})
        LevelledRenderer().render(moved, dataset.domain, dataset.metadata, tmp_path / "out.png")
        with Image.open(tmp_path / "out.png") as picture:
            drawn.append(np.asarray(picture).astype(float))
    assert np.abs(drawn[0] - drawn[1]).max() <= 1
    assert abs(drawn[0].mean() / 127.5 - 1 - dataset.metadata["level"][0]) < 0.02


def test_numbers_are_those_that_are_written(tmp_path: Path) -> None:
    dataset = Poisson(size=16)
    made = model(dataset)
    numbers = PoissonProtocol().numbers(made, dataset)
    PoissonProtocol(baselines=[]).evaluate(made, dataset, tmp_path, name="ours")
    assert json.loads((tmp_path / "metrics.json").read_text()) == pytest.approx(numbers)
