"""Inpainting inside a photograph: boxes, masks, and what the posterior adds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import metasiren as ms
from metasiren_priors import inpaint
from metasiren_priors.data.sketch_faces import draw_faces
from metasiren_priors.encoders.gaussian import Gaussian
from metasiren_priors.encoders.gaussian_factors import FactorGaussian
from metasiren_priors.inpainted import write
from metasiren_priors.photograph import Box, parse_box, pixel_coordinates, shrink
from metasiren_priors.posterior_draws import field_deviation, sampled_fields

FACES = {"data.train": 200, "data.val": 8, "data.test": 0, "data.size": 12, "evaluate": {"protocol": None}}
BOX = Box(40, 70, 60, 48)
pytestmark = pytest.mark.filterwarnings("ignore:.*of the hole lies outside:metasiren.RunWarning")  # so does mask.png


def trained(folder: Path, name: str, changes: dict[str, Any]) -> ms.Run:
    return ms.run(ms.load_recipe(name, preset="quick", overrides={**FACES, **changes}), folder / name, device="cpu")


@pytest.fixture(scope="module")
def mixture(tmp_path_factory: pytest.TempPathFactory) -> ms.Run:
    small = {"siren.hidden_features": 400, "encoder.coordinates": 20, "encoder.components": 2, "encoder.pooled": 50}
    return trained(tmp_path_factory.mktemp("runs"), "celeba_mixture", small)


@pytest.fixture(scope="module")
def gaussian(tmp_path_factory: pytest.TempPathFactory) -> ms.Run:
    small = {"siren.hidden_features": 16, "encoder.latent_dim": 20, "decoder.hidden_features": 16, "train.steps": 2}
    return trained(tmp_path_factory.mktemp("runs"), "celeba_gaussian", small)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A tall photograph with a face in `BOX`, photo.png, and mask.png, which hides the face's right half."""
    pixels = np.full((200, 120, 3), 60, np.uint8)
    pixels[..., 0] += np.arange(200, dtype=np.uint8)[:, None] // 2
    face = Image.fromarray(draw_faces(0, "test", 1, size=64)[0]).resize((BOX.width, BOX.height))
    pixels[BOX.top : BOX.top + BOX.height, BOX.left : BOX.left + BOX.width] = np.asarray(face)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    mask = np.zeros((200, 120), np.uint8)
    mask[:, BOX.left + 30 :] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return tmp_path / "photo.png"


def read(path: Path) -> Tensor:
    return torch.from_numpy(np.array(Image.open(path))).permute(2, 0, 1).float() / 255


def test_only_hidden_pixels_of_the_box_change(mixture: ms.Run, photo: Path) -> None:
    found = inpaint.inpaint(
        mixture, photo, mask=photo.with_name("mask.png"), box=BOX, samples=2, deviation=True, seed=3
    )
    true, hidden = read(photo), torch.zeros(200, 120, dtype=torch.bool)
    hidden[BOX.top : BOX.top + BOX.height, BOX.left + 30 : BOX.left + BOX.width] = True
    assert found.photo is not None
    assert found.photo_deviation is not None
    for picture in (found.photo, *found.photo_samples):
        assert picture.shape == true.shape
        torch.testing.assert_close(picture[:, ~hidden], true[:, ~hidden])
        assert bool((picture[:, hidden] != true[:, hidden]).any())
    assert not torch.equal(*found.photo_samples)
    assert bool((found.photo_deviation[0, ~hidden] == 0).all())
    assert bool((found.photo_deviation[0, hidden] > 0).all())
    assert found.made.shape == (3, BOX.height, BOX.width)


def test_the_field_lies_where_the_box_lies(mixture: ms.Run, photo: Path) -> None:
    """With almost everything known the field repeats the box, neither shifted nor scaled."""
    mask = np.zeros((BOX.height, BOX.width), np.uint8)
    mask[0, 0] = 255
    Image.fromarray(mask).save(photo.with_name("corner.png"))
    made = inpaint.inpaint(mixture, photo, mask=photo.with_name("corner.png"), box=BOX).made
    true = read(photo)[:, BOX.top : BOX.top + BOX.height, BOX.left : BOX.left + BOX.width]
    errors = {}
    for shift in (-3, 0, 3):
        moved = torch.roll(made, (shift, shift), (1, 2))[:, 5:-5, 5:-5]
        errors[shift] = float((moved - true[:, 5:-5, 5:-5]).square().mean())
    assert errors[0] < 0.6 * min(errors[-3], errors[3])


def test_a_box_beyond_the_photograph_extends_it(mixture: ms.Run, photo: Path) -> None:
    box = Box(90, 60, 60, 60)
    found = inpaint.inpaint(mixture, photo, box=box)
    assert found.photo is not None
    assert found.photo.shape == (3, 200, 150)
    torch.testing.assert_close(found.photo[:, :, :120], read(photo))
    torch.testing.assert_close(found.photo[:, 60:120, 120:], found.made[:, :, 30:])
    assert bool((found.photo[:, :60, 120:] == 0).all())


def test_what_a_mask_hides_reaches_no_cell(mixture: ms.Run, photo: Path) -> None:
    made = []
    for shade in (0, 255):
        pixels = np.array(Image.open(photo))
        pixels[:, BOX.left + 30 :] = shade
        Image.fromarray(pixels).save(photo.with_name("other.png"))
        mask = photo.with_name("mask.png")
        made.append(
            inpaint.inpaint(mixture, photo.with_name("other.png"), mask=mask, box=BOX, samples=1, deviation=True)
        )
    assert torch.equal(made[0].made, made[1].made)
    assert torch.equal(made[0].samples, made[1].samples)


def test_the_command_writes_every_picture(
    mixture: ms.Run, photo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner

    from metasiren.cli.commands import cli

    monkeypatch.chdir(photo.parent)
    words = f"inpaint {mixture.path} photo.png --mask mask.png --box 40,70,60,48 --samples 2 --std -o out.png"
    result = CliRunner().invoke(cli, words.split(), catch_exceptions=False)
    names = ["out.png", "out_sample1.png", "out_sample2.png", "out_std.png"]
    assert result.stdout.split() == names
    assert "white is 0." in result.stderr
    for name in names:
        with Image.open(name) as written:
            assert written.size == (120, 200)


def test_a_panel_of_a_box_lies_beside_the_photograph(mixture: ms.Run, photo: Path, tmp_path: Path) -> None:
    found = inpaint.inpaint(mixture, photo, mask=photo.with_name("mask.png"), box=BOX)
    names = [path.name for path in write(found, tmp_path / "out.png", side_by_side=True)]
    assert names == ["out.png", "out_panel.png"]
    assert found.photo is not None
    torch.testing.assert_close(read(tmp_path / "out.png"), found.photo, rtol=0, atol=1 / 255)
    assert read(tmp_path / "out_panel.png").shape[2] > 1000


@pytest.mark.parametrize("keep", [{"pixels": 70}, {"mask": "mask.png"}])
def test_a_composite_of_the_picture_s_size_keeps_its_pixels(mixture: ms.Run, photo: Path, keep: dict[str, Any]) -> None:
    keep = {name: photo.with_name(given) if name == "mask" else given for name, given in keep.items()}
    found = inpaint.inpaint(mixture, photo, size=(120, 120), **keep)
    true = read(photo)[:, 40:160]
    same = ((found.composite - true).abs() < 1e-5).all(dim=0)
    seen = same if "pixels" in keep else same[:, :70]
    assert float(seen.float().mean()) == (1 if "mask" in keep else pytest.approx(70 / 144, abs=0.03))
    assert torch.equal(found.composite[:, ~same], found.made[:, ~same])


def test_the_gaussian_draws_too(gaussian: ms.Run, photo: Path) -> None:
    found = inpaint.inpaint(gaussian, photo, mask=photo.with_name("mask.png"), box=BOX, samples=3, deviation=True)
    assert len(found.photo_samples) == 3
    assert found.deviation is not None
    assert float(found.deviation.max()) > 0


def test_an_encoder_without_a_posterior_says_so(tmp_path: Path, photo: Path) -> None:
    small = {"siren.hidden_features": 8, "encoder.latent_dim": 8, "decoder.hidden_features": 8, "train.steps": 1}
    run = trained(tmp_path, "celeba_set_relu", {**small, "train.epochs": None, "train.batch": 8})
    for wanted in ({"samples": 1}, {"deviation": True}):
        with pytest.raises(ms.RunError, match=r"encoder 'set' gives a mean without a posterior[\s\S]*celeba_mixture"):
            inpaint.inpaint(run, photo, box=BOX, pixels=20, **wanted)


def test_boxes_and_masks_that_do_not_fit(mixture: ms.Run, photo: Path) -> None:
    for text in ("1,2,3", "a,b,c,d", "0,0,1,9", "0,0,9000,9"):
        with pytest.raises(ms.DataError, match=r"not a box[\s\S]*40,30,256,256"):
            parse_box(text)
    assert parse_box(" -5,10, 20,30") == Box(-5, 10, 20, 30)
    with pytest.raises(ms.DataError, match="outside the picture of 120 x 200"):
        inpaint.inpaint(mixture, photo, box=Box(500, 0, 20, 20))
    with pytest.raises(ms.DataError, match="all of its pixels are known"):
        inpaint.inpaint(mixture, photo, box=BOX)
    with pytest.raises(ms.DataError, match="its own resolution"):
        inpaint.inpaint(mixture, photo, box=BOX, size=(9, 9))
    Image.new("L", (7, 7)).save(photo.with_name("small.png"))
    with pytest.raises(ms.DataError, match=r"7 x 7 pixels, the photograph 120 x 200[\s\S]*60 x 48"):
        inpaint.inpaint(mixture, photo, box=BOX, mask=photo.with_name("small.png"))
    speck = np.full((200, 120), 255, np.uint8)
    speck[BOX.top, BOX.left] = 0
    Image.fromarray(speck).save(photo.with_name("speck.png"))
    with pytest.raises(ms.DataError, match="at least half known"):
        inpaint.inpaint(mixture, photo, box=BOX, mask=photo.with_name("speck.png"), polarity="white_hidden")


def test_cells_are_means_of_known_pixels() -> None:
    values = torch.rand(3, 24, 36, generator=torch.Generator().manual_seed(0))
    whole, every = shrink(values, torch.ones(24, 36, dtype=torch.bool), (4, 6))
    assert bool(every.all())
    constant, _ = shrink(torch.full_like(values, 0.25), torch.ones(24, 36, dtype=torch.bool), (4, 6))
    torch.testing.assert_close(constant, torch.full_like(constant, 0.25))
    known = torch.ones(24, 36, dtype=torch.bool)
    known[12:] = False
    part, seen = shrink(values, known, (4, 6))
    torch.testing.assert_close(part[:, :6], whole[:, :6])
    assert seen.view(4, 6)[:, 0].tolist() == [True, True, False, False]


def test_pixels_of_a_grid_of_equal_size_are_its_points() -> None:
    torch.testing.assert_close(pixel_coordinates((4, 7), (4, 7)), ms.grid((4, 7)))
    fine = pixel_coordinates((4, 4), (8, 8)).view(8, 8, 2)
    torch.testing.assert_close(fine.mean((0, 1)), torch.zeros(2))
    # Two pixels share a cell: their middle is the cell's coordinate.
    torch.testing.assert_close(fine[:2, 0, 0].mean(), torch.tensor(-1.0))


@pytest.mark.parametrize("kind", [Gaussian, FactorGaussian])
def test_drawn_signals_have_the_posterior_s_moments(kind: type[Gaussian]) -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(400, 12, generator=g) @ (torch.randn(12, 12, generator=g) * torch.linspace(0.6, 0.01, 12)) * 0.2
    gaussian = (kind(12, 1e-4) if kind is Gaussian else FactorGaussian(12, 1e-4, rank=6)).double()
    gaussian.fit(lambda: x.split(100))
    values, seen = x[:1].double().view(1, 4, 3), torch.tensor([[True, False, True, False]])
    draws = gaussian.sample(values.expand(20000, -1, -1), seen.expand(20000, -1), g).flatten(1)
    expected = gaussian.conditional_mean(values, seen).flatten()
    torch.testing.assert_close(draws.mean(0), expected, rtol=0, atol=5e-3)
    clean, noise = gaussian.draw(40000, g)
    joint = (clean + noise).T.cov()
    known = seen[0].repeat_interleave(3)
    o, u = known.nonzero()[:, 0], (~known).nonzero()[:, 0]
    exact = joint[u[:, None], u] - joint[u[:, None], o] @ torch.linalg.solve(joint[o[:, None], o], joint[o[:, None], u])
    # Draws lack the noise of hidden values.
    exact -= torch.eye(len(u)) * float(noise.var())
    torch.testing.assert_close(draws[:, u].T.cov(), exact, rtol=0.1, atol=1e-3)
    torch.testing.assert_close(draws[:, o], values.flatten()[o].expand(20000, -1))


def test_the_deviation_in_closed_form_is_that_of_draws(mixture: ms.Run) -> None:
    model, domain = mixture.model(), mixture.domain
    assert domain.grid is not None
    face = torch.from_numpy(draw_faces(0, "val", 1, size=12)).view(1, 144, 3).float() / 127.5 - 1
    cells = torch.arange(144).unsqueeze(0)
    from metasiren_priors.data.imageset import observe

    context = observe(face, cells, cells < 60, torch.zeros(1, dtype=torch.long), ms.grid((12, 12)), (12, 12))
    coords = ms.grid((9, 9), extent=0.9)
    with torch.no_grad():
        exact = field_deviation(model, context, coords, None)
        draws = sampled_fields(model, context, 3000, torch.Generator().manual_seed(0))(coords).std(dim=0)
    torch.testing.assert_close(exact, draws, rtol=0.12, atol=4e-3)
