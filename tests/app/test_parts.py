"""The app's prior, fits and uploads, without a browser."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import metasiren as ms
from metasiren_report.app import drawing
from metasiren_report.app.building import _faces
from metasiren_report.app.fit_tab import HEADS, pair, pictures_of, read_signal
from metasiren_report.app.fitting import COMPARED, Options, fit, values_of
from metasiren_report.app.inpaint_tab import complete, mask_of
from metasiren_report.app.latents_tab import between
from metasiren_report.app.packed_mixture import pack, read_mixture
from metasiren_report.app.packing import pack as pack_gaussian
from metasiren_report.app.packing_command import packing_command
from metasiren_report.app.prior import ModelPrior, SmallPrior, prior_of_run
from metasiren_report.app.runs_tab import table_of
from metasiren_report.app.uploads import MOST_BYTES, read_picture, read_sound
from metasiren_report.page import MOST_BYTES as PAGE_BYTES
from metasiren_report.summary import summarise


@pytest.fixture(scope="module")
def prior() -> SmallPrior:
    return SmallPrior()


@pytest.fixture(scope="module")
def faces() -> list[np.ndarray]:
    return _faces(32)


def _seen(count: int, seed: int = 0) -> np.ndarray:
    seen = np.zeros(1024, dtype=bool)
    seen[np.random.default_rng(seed).permutation(1024)[:count]] = True
    return seen.reshape(32, 32)


def test_the_posterior_solves_the_normal_equations(prior: SmallPrior, faces: list[np.ndarray]) -> None:
    seen = _seen(50)
    mean, factor = prior.posterior(faces[0], seen)
    rows = prior.basis.double()[torch.from_numpy(seen.reshape(-1)).repeat_interleave(3)]
    values = torch.from_numpy(faces[0][seen].reshape(-1)) * 2 - 1
    left = prior.mean.double()[torch.from_numpy(seen.reshape(-1)).repeat_interleave(3)]
    gradient = mean / prior.variances.double() - rows.T @ (values - left - rows @ mean) / prior.noise
    assert float(gradient.abs().max()) < 1e-6 * float((rows.T @ (values - left) / prior.noise).abs().max())
    torch.testing.assert_close(
        factor @ factor.T, torch.diag(1 / prior.variances.double()) + rows.T @ rows / prior.noise
    )


def test_more_pixels_make_better_and_surer_completions(prior: SmallPrior, faces: list[np.ndarray]) -> None:
    errors, sigmas = [], []
    for count in (10, 100, 1000):
        made = [prior.complete(face, _seen(count, i), 32) for i, face in enumerate(faces)]
        errors.append(np.mean([((m.picture - f) ** 2).mean() for m, f in zip(made, faces, strict=True)]))
        sigmas.append(np.mean([m.sigma.mean() for m in made if m.sigma is not None]))
    assert errors[0] > errors[1] > errors[2]
    assert sigmas[0] > sigmas[1] > sigmas[2]
    # The mean face's error on these faces is about 0.04, and `celeba_gaussian` in full reaches 0.0047 at 100 pixels.
    assert errors[1] < 0.008


def test_a_completion_does_not_depend_on_hidden_pixels(prior: SmallPrior, faces: list[np.ndarray]) -> None:
    seen = _seen(60)
    other = np.where(seen[..., None], faces[0], 0.0)
    np.testing.assert_array_equal(prior.complete(faces[0], seen, 32).picture, prior.complete(other, seen, 32).picture)


def test_a_larger_completion_passes_through_the_smaller_one(prior: SmallPrior, faces: list[np.ndarray]) -> None:
    seen = _seen(200)
    small, large = (prior.complete(faces[1], seen, size).picture for size in (32, 63))
    np.testing.assert_allclose(large[::62, ::62], small[::31, ::31], atol=1e-5)


def test_a_walk_begins_and_ends_at_its_faces(prior: SmallPrior, faces: list[np.ndarray]) -> None:
    walk = between(prior, faces[0], faces[1], 32)
    for made, face in ((walk[0], faces[0]), (walk[-1], faces[1])):
        np.testing.assert_allclose(made, prior.draw(prior.latent(face), 32)[0], atol=1e-5)


def test_a_file_that_is_no_prior_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"nothing of the kind")
    with pytest.raises(ms.RunError, match="not a packed prior"):
        SmallPrior(tmp_path / "file")


def test_the_brush_hides_the_cells_that_it_covers() -> None:
    layer = np.zeros((320, 320, 4), np.uint8)
    layer[:160, :, 3] = 255
    brushed = mask_of({"layers": [layer]}, 32)
    assert brushed is not None
    assert brushed[:16].all()
    assert not brushed[16:].any()
    assert mask_of({"layers": [np.zeros((9, 9, 4), np.uint8)]}, 32) is None
    assert mask_of(None, 32) is None


@pytest.fixture(scope="module")
def mixture() -> ModelPrior:
    return read_mixture()


def test_the_mixture_that_ships_completes_with_samples(mixture: ModelPrior, faces: list[np.ndarray]) -> None:
    errors, sigmas = [], []
    for count in (10, 100, 1000):
        made = [mixture.complete(face, _seen(count, i), 32) for i, face in enumerate(faces[:8])]
        errors.append(np.mean([((m.picture - f) ** 2).mean() for m, f in zip(made, faces, strict=False)]))
        sigmas.append(np.mean([m.sigma.mean() for m in made if m.sigma is not None]))
        assert all(len(m.samples) == 4 for m in made)
    assert errors[0] > errors[1] > errors[2]
    assert sigmas[0] > sigmas[1] > sigmas[2]
    assert errors[1] < 0.008
    assert errors[2] < 0.0006


def test_samples_agree_where_pixels_are_observed(mixture: ModelPrior, faces: list[np.ndarray]) -> None:
    seen = _seen(500)
    made = mixture.complete(faces[0], seen, 32)
    assert made.sigma is not None
    assert made.sigma[seen].mean() < 0.3 * made.sigma[~seen].mean()


def test_a_file_that_is_no_mixture_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"nothing of the kind")
    with pytest.raises(ms.RunError, match="not a packed mixture"):
        read_mixture(tmp_path / "file")


@pytest.fixture(scope="module")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> ms.Run:
    """A run of the recipe that the file in the package comes from, made smaller."""
    changes = {
        "data.train": 96, "data.val": 8, "data.test": 8, "encoder.coordinates": 8, "encoder.directions": 8,
        "encoder.components": 2, "siren.hidden_features": 32, "evaluate.protocol": None,
    }  # fmt: skip
    recipe = ms.load_recipe("celeba_mixture", preset="app", overrides=changes)
    return ms.run(recipe, tmp_path_factory.mktemp("mixture") / "run", device="cpu")


def test_a_packed_run_completes_as_the_run_does(tiny_run: ms.Run, faces: list[np.ndarray], tmp_path: Path) -> None:
    packed, own = read_mixture(pack(tiny_run, tmp_path / "packed")), prior_of_run(tiny_run)
    seen = _seen(100)
    one, other = (prior.complete(faces[0], seen, 32) for prior in (packed, own))
    # The basis and the trunk are kept in half precision.
    np.testing.assert_allclose(one.picture, other.picture, atol=0.03)
    assert one.sigma is not None
    assert other.sigma is not None
    np.testing.assert_allclose(one.sigma, other.sigma, atol=0.03)


def test_a_packed_file_is_replaced_only_where_that_is_asked_for(tiny_run: ms.Run, tmp_path: Path) -> None:
    for module, write in (("packed_mixture", pack), ("packing", pack_gaussian)):
        file = tmp_path / module
        file.write_bytes(b"mine")
        command, words = packing_command(write, module), [str(tiny_run.path), str(file)]
        refused = CliRunner().invoke(command, words)
        assert refused.exit_code == 1
        assert f"{module} {file}: {file} exists already." in refused.output
        assert "--overwrite" in refused.output
        assert file.read_bytes() == b"mine"
    done = CliRunner().invoke(
        packing_command(pack, "packed_mixture"), [*words[:1], str(tmp_path / "packed_mixture"), "--overwrite"]
    )
    assert done.exit_code == 0
    assert (tmp_path / "packed_mixture").stat().st_size > 1000
    other = CliRunner().invoke(packing_command(pack_gaussian, "packing"), [*words, "--overwrite"])
    assert "not a run of celeba_gaussian" in other.output


def test_a_run_of_another_kind_is_not_packed(tmp_path: Path) -> None:
    changes = {"data.size": 16, "siren.hidden_features": 8, "train.steps": 1}
    other = ms.run(ms.load_recipe("image", preset="quick", overrides=changes), tmp_path / "run", device="cpu")
    with pytest.raises(ms.RunError, match="not a small run of celeba_mixture"):
        pack(other, tmp_path / "file")
    with pytest.raises(ms.RunError, match="not a prior over square colour pictures"):
        prior_of_run(other)


def test_a_brush_over_everything_is_an_error(prior: SmallPrior, faces: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match="hides every pixel"):
        complete(prior, faces[0], np.ones((32, 32), bool), 10, 32, 0)


def test_a_brush_over_nothing_hides_nothing_and_says_so(prior: SmallPrior, faces: list[np.ndarray]) -> None:
    words = complete(prior, faces[0], np.zeros((32, 32), bool), 10, 32, 0)[-1]
    assert "1024 of 1024" in words
    assert words.startswith("Brush over the face")


def test_the_table_of_runs_is_escaped_and_says_when_it_is_empty(tmp_path: Path) -> None:
    assert "no run here" in table_of([])
    changes = {"data.size": 16, "siren.hidden_features": 8, "train.steps": 1}
    run = ms.run(ms.load_recipe("image", preset="quick", overrides=changes), tmp_path / "<b>run", device="cpu")
    text = table_of([summarise(run)])
    assert "PSNR (dB)" in text
    assert "&lt;b&gt;run" in text
    assert "<b>" not in text


def test_pictures_side_by_side_keep_their_pixels() -> None:
    tiles = [np.full((4, 5, 3), shade, np.uint8) for shade in (10, 20, 30)]
    page = drawing.side_by_side(tiles, 2, gap=1)
    assert page.shape == (9, 11, 4)
    assert page[0, 0].tolist() == [10, 10, 10, 255]
    assert page[0, 6].tolist() == [20, 20, 20, 255]
    assert page[5, 0].tolist() == [30, 30, 30, 255]
    assert page[5, 6, 3] == page[4, 0, 3] == page[0, 5, 3] == 0


def test_curves_of_a_fit_have_the_colours_of_their_names() -> None:
    text = drawing.curve_html({"sine": [(0.0, 10.0), (5.0, 20.0)], "relu": [(0.0, 9.0), (5.0, 12.0)]})
    lines = re.findall(r'<polyline fill="none" stroke="(#\w+)"[^>]*><title>(\w+)<', text)
    assert lines == re.findall(r'<b style="color:(#\w+)">(\w+)</b>', text)
    assert len(lines) == 2


def test_pictures_are_cut_square_and_turned_upright(tmp_path: Path) -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = (255, 0, 0)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    np.testing.assert_allclose(read_picture(tmp_path / "wide.png", 10)[..., 0], 1.0)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.png", b"<html>no picture</html>"),
        ("empty.jpg", b""),
        ("cut.png", b"\x89PNG\r\n\x1a\n\x00\x00"),
        ("a.svg", b"<svg/>"),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ms.DataError, match="not a readable picture"):
        read_picture(tmp_path / name, 32)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(ms.DataError, match="10 MB"):
        read_picture(tmp_path / "large.png", 32)


def test_sounds_are_shortened_and_scaled(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile", reason="NO SOUNDFILE: python -m pip install 'metasiren[signals]'")
    rate = 44100
    soundfile.write(tmp_path / "a.wav", 0.25 * np.sin(2 * np.pi * 440 * np.arange(8 * rate) / rate), rate)
    samples, slower = read_sound(tmp_path / "a.wav")
    assert slower == 8820
    assert len(samples) == 5 * slower
    assert np.abs(samples).max() == 1
    crossings = np.count_nonzero(np.diff(np.signbit(samples)))
    assert crossings == pytest.approx(2 * 440 * 5, abs=2)
    soundfile.write(tmp_path / "silence.wav", np.zeros(9000), rate)
    with pytest.raises(ms.DataError, match="silent"):
        read_sound(tmp_path / "silence.wav")


@pytest.fixture(scope="module")
def ramp() -> np.ndarray:
    """A smooth coloured picture."""
    y, x = np.meshgrid(np.linspace(0, 1, 24), np.linspace(0, 1, 24), indexing="ij")
    return np.stack([0.5 + 0.4 * np.sin(6 * x), 0.5 + 0.4 * np.cos(5 * y), 0.2 + 0.5 * x * y], -1)


def test_a_sine_fits_better_than_relu(ramp: np.ndarray) -> None:
    states = list(pair(ramp, Options(width=32, steps=80), "relu"))[-1]
    assert states["sine"].step == states["relu"].step == 80
    assert states["sine"].curve[-1][1] > states["relu"].curve[-1][1] + 5
    assert states["sine"].curve[-1][1] > states["sine"].curve[0][1] + 10
    assert pictures_of(ramp, states).width > 4 * 192, "a column for each of value, gradient and Laplacian"
    assert HEADS[2:] == ("magnitude of the gradient", "Laplacian")


@pytest.mark.parametrize("nonlinearity", COMPARED)
def test_every_network_on_offer_learns(ramp: np.ndarray, nonlinearity: str) -> None:
    *_, last = fit(ramp, Options(nonlinearity=nonlinearity, width=16, steps=30, rate=5e-3))
    assert last.curve[-1][1] > last.curve[0][1]
    assert drawing.derivative_pictures(last)[1].shape == (24, 24, 3)


def test_a_picture_is_recovered_from_its_gradient(ramp: np.ndarray) -> None:
    last = list(fit(ramp, Options(task="gradient", width=32, steps=200)))[-1]
    assert last.curve[-1][1] > 25
    made = drawing.values_picture(last)
    assert np.abs(made / 255 - ramp).mean() < 0.05


def test_hidden_pixels_are_filled(ramp: np.ndarray) -> None:
    last = list(fit(ramp, Options(task="inpaint", width=32, omega=10, steps=200, seen=0.3, tv=1e-4)))[-1]
    assert last.seen is not None
    made = (values_of(last, ms.grid(last.shape)).numpy() + 1) / 2
    hidden = ~last.seen.numpy()
    assert 0.5 < hidden.mean() < 0.9
    assert np.abs(made - ramp.reshape(-1, 3))[hidden].mean() < 0.05


def test_a_sound_is_fitted() -> None:
    sound = np.sin(2 * np.pi * 20 * np.linspace(0, 1, 1000))
    last = list(fit(sound, Options(width=32, steps=150)))[-1]
    assert last.curve[-1][1] > last.curve[0][1] + 10


@pytest.mark.parametrize("change", [{"width": 4096}, {"steps": 10**6}, {"rate": 1.0}, {"seen": 0.0}, {"omega": 0.0}])
def test_numbers_out_of_range_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ms.DataError, match="Give"):
        Options(**change)  # type: ignore[arg-type]


def test_saved_weights_are_the_field_s(ramp: np.ndarray, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    last = list(fit(ramp, Options(width=16, steps=2)))[-1]
    held = load_file(drawing.save_weights(last, tmp_path / "w.safetensors"))
    assert held.keys() == last.params.keys()
    coords = ms.grid((5, 5))
    torch.testing.assert_close(last.siren(held, coords), last.field(coords))


def test_without_an_upload_the_signal_is_a_photograph() -> None:
    signal, rate = read_signal(None, 32)
    assert signal.shape == (32, 32, 3)
    assert rate is None
    assert PAGE_BYTES == 5_000_000
