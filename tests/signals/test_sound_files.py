"""Fields of sounds: evaluated, drawn and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from metasiren import DataError, Domain, Field, RecipeError, RunError, Siren
from metasiren_signals.sounds.baselines import low_pass, measure
from metasiren_signals.sounds.picture import HEIGHT, loudest, sound_figure, spectrogram, wave_panel
from metasiren_signals.sounds.protocol import Sound
from metasiren_signals.sounds.renderer import SoundRenderer
from metasiren_signals.sounds.writing import write_sound

RATE, LENGTH, EXTENT, PEAK = 1000, 501, 10.0, 0.6
DOMAIN = Domain(1, 1, (LENGTH,))
FACTS: dict[str, Any] = {"sample_rate": RATE, "peak": PEAK, "length": LENGTH, "extent": EXTENT, "subtype": "PCM_16"}
OMEGA = 2.5
"""Angle per unit of the coordinate."""


def tone() -> Field:
    """sin(OMEGA * x), as a net of one neuron."""
    siren = Siren(in_features=1, out_features=1, hidden_features=1, hidden_layers=0)
    weights = {"0.weight": OMEGA / 30, "0.bias": 0.0, "1.weight": 1.0, "1.bias": 0.0}
    params = {name: torch.full((1, *siren.shapes[name]), value, dtype=torch.float64) for name, value in weights.items()}
    return Field(siren, params)


def expected(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return PEAK * np.sin(OMEGA * x)


def rendered(path: Path, **options: Any) -> tuple[np.ndarray[Any, Any], int]:
    SoundRenderer(**options).render(tone(), DOMAIN, FACTS, path)
    return soundfile.read(path)


@pytest.mark.parametrize(("subtype", "bits"), [("PCM_16", 16), ("PCM_24", 24), ("FLOAT", 24)])
def test_an_exact_field_is_the_sound_to_half_a_bit(tmp_path: Path, subtype: str, bits: int) -> None:
    waves, rate = rendered(tmp_path / "s.wav", subtype=subtype)
    assert rate == RATE
    off = waves - expected(np.linspace(-EXTENT, EXTENT, LENGTH))
    assert float(np.abs(off).max()) <= 0.51 / 2 ** (bits - 1)


def test_files_keep_their_subtype_where_the_format_can(tmp_path: Path) -> None:
    for name, kind in (("s.wav", "PCM_16"), ("s.flac", "PCM_16"), ("s.ogg", "VORBIS")):
        rendered(tmp_path / name)
        assert soundfile.info(tmp_path / name).subtype == kind


def test_twice_the_rate_puts_samples_between_the_samples(tmp_path: Path) -> None:
    fine, rate = rendered(tmp_path / "s.wav", sample_rate=2 * RATE)
    assert (rate, len(fine)) == (2 * RATE, 2 * LENGTH - 1)
    np.testing.assert_allclose(fine[::2], rendered(tmp_path / "t.wav")[0], atol=2**-15)
    np.testing.assert_allclose(fine, expected(np.linspace(-EXTENT, EXTENT, 2 * LENGTH - 1)), atol=2**-15)


def test_half_the_rate_is_filtered_first(tmp_path: Path) -> None:
    """A slow tone stays; one above the new Nyquist frequency goes instead of folding back."""
    slow, _ = rendered(tmp_path / "s.wav", sample_rate=RATE // 2)
    there = expected(np.linspace(-EXTENT, EXTENT, LENGTH))[::2]
    assert len(slow) == len(there)
    np.testing.assert_allclose(slow[30:-30], there[30:-30], atol=0.01)
    fast = tone()
    # 25 samples a unit make 12.5 turns a unit the highest frequency; 9 turns are above half of that.
    fast.params["0.weight"].fill_(2 * np.pi * 9 / 30)
    SoundRenderer(sample_rate=RATE // 2).render(fast, DOMAIN, FACTS, tmp_path / "f.wav")
    assert float(np.abs(soundfile.read(tmp_path / "f.wav")[0][30:-30]).max()) < 0.05 * PEAK


def test_beyond_the_sound_the_field_goes_on(tmp_path: Path) -> None:
    waves, _ = rendered(tmp_path / "s.wav", extent=1.5 * EXTENT)
    assert len(waves) == 751
    np.testing.assert_allclose(waves, expected(np.linspace(-1.5 * EXTENT, 1.5 * EXTENT, 751)), atol=2**-15)
    inner, _ = rendered(tmp_path / "t.wav", extent=0.5 * EXTENT)
    np.testing.assert_allclose(inner, expected(np.linspace(-0.5 * EXTENT, 0.5 * EXTENT, 251)), atol=2**-15)


def test_integers_clip_and_floats_do_not(tmp_path: Path) -> None:
    wave = np.array([[2.0], [-2.0], [0.5]])
    write_sound(tmp_path / "s.wav", wave, 100, "PCM_16")
    np.testing.assert_array_equal(soundfile.read(tmp_path / "s.wav", dtype="int16")[0], [32767, -32768, 16384])
    write_sound(tmp_path / "f.wav", wave, 100, "FLOAT")
    np.testing.assert_array_equal(soundfile.read(tmp_path / "f.wav")[0], wave[:, 0])


def test_stereo_is_written(tmp_path: Path) -> None:
    waves = np.random.default_rng(0).uniform(-1, 1, (200_000, 2))
    write_sound(tmp_path / "s.flac", waves, 8000, "PCM_24")
    np.testing.assert_allclose(soundfile.read(tmp_path / "s.flac")[0], waves, atol=2**-23)


def test_bad_orders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="not positive"):
        SoundRenderer(sample_rate=0)
    with pytest.raises(RecipeError, match="not positive"):
        SoundRenderer(extent=-1.0)
    with pytest.raises(RecipeError, match=r"FLAC holds no 'FLOAT'[\s\S]*PCM_24"):
        rendered(tmp_path / "s.flac", subtype="FLOAT")
    with pytest.raises(RunError, match="lacks peak"):
        SoundRenderer().render(tone(), DOMAIN, {"sample_rate": 1, "length": 2, "extent": 1}, tmp_path / "s.wav")


def test_an_error_a_tenth_as_large_is_twenty_decibels() -> None:
    truth = np.sin(np.arange(1000.0))[:, None]
    numbers = measure(truth, 1.1 * truth)
    assert numbers["snr_db"] == pytest.approx(20)
    assert numbers["mse"] == pytest.approx(0.01 * np.mean(truth**2))
    assert measure(truth, truth) == {"mse": 0.0, "snr_db": float("inf")}


def test_low_frequencies_keep_a_slow_tone_and_lose_a_fast_one() -> None:
    t = (np.arange(400) + 0.5) / 400
    slow, fast = np.cos(np.pi * 10 * t)[:, None], np.cos(np.pi * 300 * t)[:, None]
    np.testing.assert_allclose(low_pass(slow + fast, 100), slow, atol=1e-12)
    np.testing.assert_allclose(low_pass(np.concatenate([slow, fast], 1), 800), np.concatenate([slow, fast], 1))


def test_pictures_show_the_wave() -> None:
    wave = np.zeros(5000)
    wave[4000] = 1.0
    panel = wave_panel(wave, 100, (0, 0, 0))
    black = (panel == 0).all(-1)
    assert black[0].sum() == 1
    assert black[0].argmax() == 80
    assert black[HEIGHT // 2].all()
    assert loudest(wave, 100) == (3950, 4050)
    assert loudest(wave[4000:], 100) == (0, 100)
    page = sound_figure(wave, wave, 8000)
    assert page.size[0] > 1000


def test_a_spectrogram_finds_a_tone() -> None:
    spectrum = spectrogram(np.sin(2 * np.pi * 0.125 * np.arange(20_000)))
    bins = spectrum.shape[0]
    assert abs((bins - 1 - int(spectrum.mean(1).argmax())) - (bins - 1) // 4) <= 1
    assert spectrogram(np.ones(3)).shape[1] == 1


def test_other_signals_are_no_sounds() -> None:
    from toys import Waves

    with pytest.raises(DataError, match="it is no sound"):
        Sound().evaluate(None, Waves(), Path(), name="x")  # type: ignore[arg-type]
