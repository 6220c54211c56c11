"""Measurements of a picture: exact integrals, exact solutions, and what other methods are given."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from exact_jets import fit_of
from PIL import Image
from skimage.transform import radon
from torch import Tensor

import metasiren as ms
from metasiren.engine.dry_run import dry_run
from metasiren.registry.catalogue import load_catalogue
from metasiren_basics.fixed import FixedEncoder
from metasiren_basics.free import FreeDecoder
from metasiren_images.measured.constraint import Measurements, weighted_sums
from metasiren_images.measured.ellipses import PHANTOM, inside, line_integrals
from metasiren_images.measured.larger_pixels import LargerPixels
from metasiren_images.measured.noisy import NoisyPicture
from metasiren_images.measured.picture import MeasuredPicture
from metasiren_images.measured.protocol import MeasuredProtocol
from metasiren_images.measured.sinogram import Sinogram, along, phantom
from metasiren_images.single.views import unit_values

ONE = torch.zeros(1, dtype=torch.long)


def loss(data: MeasuredPicture, u: Callable[[Tensor], Tensor], split: str = "test") -> float:
    """What `measurements` says of a function of coordinates."""
    points = data.batch(split, ONE, generator=torch.Generator().manual_seed(0)).points["measured"]
    return float(Measurements()(fit_of(ms.Jet(u(points.coords)), points, "measured")))


def test_line_integrals_of_a_disc_and_of_ellipses_are_exact() -> None:
    offsets, angles = np.linspace(-0.9, 0.9, 7), np.linspace(0, 3, 5)
    disc = np.array([(2.0, 0.5, 0.5, 0.0, 0.0, 0.0)])
    expected = 4 * np.sqrt(np.clip(0.25 - offsets**2, 0, None))
    np.testing.assert_allclose(line_integrals(disc, angles, offsets), np.tile(expected[:, None], 5), atol=1e-12)
    t = np.linspace(-1.5, 1.5, 60_001)
    for angle in angles:
        x = offsets[:, None] * np.cos(angle) - t * np.sin(angle)
        y = offsets[:, None] * np.sin(angle) + t * np.cos(angle)
        summed = inside(PHANTOM, x, y).sum(1) * (t[1] - t[0])
        np.testing.assert_allclose(line_integrals(PHANTOM, np.array([angle]), offsets)[:, 0], summed, atol=5e-4)


def test_the_sinogram_is_that_of_scikit_image_with_exact_integrals() -> None:
    data = Sinogram(size=129, angles=9, noise=0.0)
    theirs = radon(phantom(129), theta=np.rad2deg(data.angles), circle=True) * 2 / 128
    # Their rotation interpolates; a wrong direction or a shift would differ by tenths.
    assert np.abs(theirs - data.integrals).mean() < 0.006


def test_points_on_chords_integrate_a_paraboloid() -> None:
    offsets, angles = torch.linspace(-0.9, 0.9, 9).double(), torch.linspace(0, 3, 9).double()
    coords, weights = along(offsets, angles, 400, 0.5)
    found = (weights.unsqueeze(-1) * (1 - coords.square().sum(-1))).sum(-1)
    torch.testing.assert_close(found, 4 / 3 * (1 - offsets.square()) ** 1.5, rtol=1e-4, atol=1e-5)


def test_the_exact_density_leaves_little_of_the_integrals_and_a_turned_one_does_not() -> None:
    data = Sinogram(size=65, angles=12, noise=0.0, samples=512)

    def density(coords: Tensor, turn: float = 1.0) -> Tensor:
        y, x = coords.numpy()[..., 0], coords.numpy()[..., 1]
        return torch.from_numpy(2 * inside(PHANTOM, turn * x, -y) - 1).unsqueeze(-1).float()

    assert loss(data, density) < 2e-5
    assert loss(data, density, "train") < 2e-4
    assert loss(data, lambda coords: density(coords, -1.0)) > 2e-3


def test_a_picture_of_slopes_has_no_residual_at_larger_pixels(tmp_path: Path) -> None:
    """Grey values that rise by 7 a row and by 3 a column are a linear function of the coordinates."""
    rows, columns = np.mgrid[:24, :20]
    Image.fromarray((7 * rows + 3 * columns + 10).astype(np.uint8)).save(tmp_path / "slopes.png")
    data = LargerPixels(path=tmp_path / "slopes.png", factor=4)

    def slopes(coords: Tensor, a: float = 7.0, b: float = 3.0) -> Tensor:
        row, column = (coords + 1).double().unbind(-1)
        return (2 * (a * 23 * row / 2 + b * 19 * column / 2 + 10) / 255 - 1).unsqueeze(-1)

    assert loss(data, slopes) < 1e-12
    assert loss(data, slopes, "train") < 1e-12
    assert loss(data, lambda coords: slopes(coords, 3.0, 7.0)) > 1e-2
    assert loss(data, lambda coords: slopes(coords) + 0.1) == pytest.approx(0.01, rel=1e-3)


def test_a_photograph_s_own_pixels_leave_no_residual_at_larger_pixels() -> None:
    data = LargerPixels(photograph="camera", size=24, factor=4)
    batch = data.batch("test", ONE)
    truth = batch.points["pixels"]
    known = {tuple(c.tolist()): v for c, v in zip(truth.coords[0], truth.values[0], strict=True)}

    def exact(coords: Tensor) -> Tensor:
        return torch.stack([known[tuple(c.tolist())] for c in coords[0]]).unsqueeze(0)

    assert loss(data, exact) < 1e-12
    assert loss(data, lambda coords: exact(coords) + 0.1) == pytest.approx(0.01, rel=1e-3)


def test_weighted_sums_add_what_belongs_together() -> None:
    value = torch.tensor([[[1.0], [2.0], [3.0]]])
    targets = {"weights": torch.tensor([[[0.5], [0.5], [2.0]]]), "of": torch.tensor([[[0], [0], [1]]])}
    torch.testing.assert_close(weighted_sums(value, targets, 2), torch.tensor([[[1.5], [6.0]]]))


def test_the_loss_is_the_mean_over_measurements_whatever_their_numbers_of_points() -> None:
    data, ramp = Sinogram(size=65, angles=5, noise=0.1, samples=7), torch.tensor([[0.4], [-0.3]])
    points = data.batch("test", ONE).points["measured"]
    summed = (points.coords @ ramp * points.targets["weights"]).reshape(-1, 7).sum(1)
    expected = (summed - points.values.reshape(-1, 7)[:, 0]).square().mean()
    assert loss(data, lambda coords: coords @ ramp) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("name", ["super_resolution", "tomography"])
def test_a_dry_run_knows_the_memory_and_the_cost_of_a_step(name: str) -> None:
    overrides = {"data.size": 33, "siren.hidden_features": 8, "train.steps": 20, "evaluate.protocol": None}
    planned = dry_run(ms.load_recipe(name, preset="quick", overrides=overrides), load_catalogue(), torch.device("cpu"))
    assert planned.cost is not None


def test_noise_has_its_sigma_and_seed_and_other_methods_lessen_it() -> None:
    data = NoisyPicture(size=64, sigma=0.2, noise_seed=3)
    noise = data.batch("test", ONE).points["observed"].values - data.batch("test", ONE).points["pixels"].values
    assert float(noise.std()) == pytest.approx(0.4, rel=0.03)  # values span [-1, 1]
    again = NoisyPicture(size=64, sigma=0.2, noise_seed=3)
    assert np.array_equal(again.seen, data.seen)

    def error(picture: np.ndarray) -> float:
        return float(((picture - data.truth) ** 2).mean())

    others = data.others()
    assert max(error(others["total variation"]), error(others["non-local means"])) < 0.5 * error(data.seen)


def test_more_angles_help_every_method_of_tomography() -> None:
    few, many = (Sinogram(size=65, angles=n, noise=0.0) for n in (6, 48))
    for label, picture in few.others().items():
        better = many.others()[label]
        assert ((better - many.truth) ** 2).mean() < 0.5 * ((picture - few.truth) ** 2).mean(), label


@pytest.mark.parametrize("name", ["mine", "cubic"])
def test_every_method_has_its_row_whatever_the_run_is_called(tmp_path: Path, name: str) -> None:
    data = LargerPixels(size=16, factor=4, grey=True)
    siren = ms.Siren(in_features=2, out_features=1, hidden_features=4)
    model = ms.Model(FixedEncoder(data.domain), FreeDecoder(siren, 0))
    MeasuredProtocol().evaluate(model, data, tmp_path, name=name)
    rows = json.loads((tmp_path / "comparison.json").read_text())["rows"]
    labels = [(row["name"], row["kind"]) for row in rows]
    assert labels == [(name, "model"), ("large pixels", "baseline"), ("cubic", "baseline")]
    made = unit_values(model.signal(data.domain), (16, 16))
    assert rows[0]["metrics"] == data.closeness(made) == json.loads((tmp_path / "metrics.json").read_text())
    assert rows[2]["metrics"] == data.closeness(data.others()["cubic"])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: NoisyPicture(size=16, sigma=0.0), "data: sigma"),
        (lambda: LargerPixels(size=16, factor=1), "data: factor"),
        (lambda: LargerPixels(size=16, factor=9), "data: factor"),
        (lambda: Sinogram(size=64), "data: size"),
        (lambda: Sinogram(noise=-1.0), "data: noise"),
        (lambda: Sinogram(angles=0), "data: angles"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ms.RecipeError, match=said):
        make()


def test_points_that_measure_nothing_are_refused() -> None:
    observed = NoisyPicture(size=16).batch("test", ONE).points["observed"]
    with pytest.raises(ms.RecipeError, match="these points lack of, weights"):
        Measurements(at="observed")(fit_of(ms.Jet(observed.values), observed, "observed"))


def scan(folder: Path, size: int = 65, angles: int = 48) -> Path:
    """The phantom's exact sinogram in a scanner's units: line integrals in pixels, of density 1."""
    data = Sinogram(size=size, angles=angles, noise=0.0)
    np.save(folder / "scan.npy", data.integrals * (size - 1) / 2)
    return folder / "scan.npy"


def test_a_sinogram_from_a_file_keeps_angles_out_of_training_and_evaluates_on_them(tmp_path: Path) -> None:
    data, exact = Sinogram(path=scan(tmp_path), white=1.0), Sinogram(size=65, angles=48, noise=0.0)
    held_out = np.arange(48) % 8 == 4
    np.testing.assert_allclose(data.angles, exact.angles[~held_out])
    np.testing.assert_allclose(data.integrals, exact.integrals[:, ~held_out], atol=1e-12)
    assert data.truth is None
    assert "values" not in data.batch("test", ONE).points["pixels"].targets
    assert "6 of 48 angles are held out" in data.provenance["shape"]
    turned = phantom(65)[::-1, :, None]
    errors = [data.closeness(picture)["held_out_relative_l2"] for picture in (phantom(65)[..., None], turned)]
    assert errors[0] < 0.08 < 2 * errors[0] < errors[1]
    others = data.others()
    assert data.closeness(others["back-projection, hann"])["held_out_relative_l2"] < errors[1]


def test_white_is_the_greatest_of_the_back_projection_unless_given(tmp_path: Path) -> None:
    found = Sinogram(path=scan(tmp_path)).metadata["white"]
    assert found == pytest.approx(1.0, abs=0.25)
    np.save(tmp_path / "twice.npy", 2 * np.load(tmp_path / "scan.npy"))
    assert Sinogram(path=tmp_path / "twice.npy").metadata["white"] == pytest.approx(2 * found)


def test_an_even_number_of_offsets_gets_a_row_of_zeros(tmp_path: Path) -> None:
    np.save(tmp_path / "even.npy", np.load(scan(tmp_path))[:-1])
    data = Sinogram(path=tmp_path / "even.npy", white=1.0)
    np.testing.assert_allclose(data.integrals, Sinogram(path=tmp_path / "scan.npy", white=1.0).integrals, atol=1e-12)


def test_the_density_of_a_picture_is_its_grey_values_inside_the_disc(tmp_path: Path) -> None:
    x = np.linspace(-1, 1, 65)
    inner = np.hypot(x, x[:, None]) < 0.5
    Image.fromarray((255 * inner).astype(np.uint8)).save(tmp_path / "disc.png")
    data = Sinogram(path=tmp_path / "disc.png", size=65, angles=8, noise=0.0)
    expected = 2 * np.sqrt(np.clip(0.25 - data.offsets**2, 0, None))
    assert np.abs(data.integrals - expected[:, None]).mean() < 0.02
    assert data.truth is not None
    np.testing.assert_array_equal(data.truth[..., 0] > 0.5, inner)


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (np.ones((20, 5, 3)), r"an array of float64, shape \(20, 5, 3\)"),
        (np.ones((20, 5), dtype=complex), "an array of complex128"),
        (np.ones((20, 3)), "20 offsets and 3 angles; 16 and 4 are the least"),
        (np.full((20, 5), np.nan), "offset 0 of angle 0 is nan"),
        (np.zeros((20, 5)), "no line integral is above 0"),
        (np.array([[{}]]), "not readable as an array"),
    ],
)
def test_files_that_are_no_sinogram_are_named(array: np.ndarray, match: str, tmp_path: Path) -> None:
    np.save(tmp_path / "scan.npy", array)
    with pytest.raises(ms.DataError, match=match):
        Sinogram(path=tmp_path / "scan.npy")


def test_a_white_that_is_not_positive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ms.RecipeError, match="white: 0"):
        Sinogram(path=scan(tmp_path), white=0.0)


def test_a_person_s_own_sinogram_from_the_recipe_to_the_table(tmp_path: Path) -> None:
    overrides = {
        "data.path": str(scan(tmp_path)), "siren.hidden_features": 16, "train.steps": 3, "data.prior_points": 50,
        "data.samples": 16, "train.pictures_every": 3,
    }  # fmt: skip
    run = ms.run(ms.load_recipe("tomography", preset="quick", overrides=overrides), out=tmp_path / "run", device="cpu")
    rows = json.loads((run.results / "comparison.json").read_text())["rows"]
    assert [row["name"] for row in rows[1:]] == ["back-projection, ramp", "back-projection, hann", "SART, 2 passes"]
    assert all(set(row["metrics"]) == {"held_out_relative_l2"} for row in rows)
    assert (run.results / "figure.png").is_file()
    assert not (run.results / "truth.png").exists()


def test_the_density_is_zero_outside_the_disc() -> None:
    data = Sinogram(size=65, angles=4)
    shown = data.shown(np.ones((65, 65, 1)))[..., 0]
    x = np.linspace(-1, 1, 65)
    np.testing.assert_array_equal(shown, np.hypot(x, x[:, None]) < 1)
    assert np.array_equal(data.shown(phantom(65)[..., None]), phantom(65)[..., None])
