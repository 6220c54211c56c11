"""Sounds as signals: what is read is what was written, or an error says why not."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metasiren import DataError, PluginError, RecipeError, grid
from metasiren.contracts import memory
from metasiren_signals.sounds import reading
from metasiren_signals.sounds.dataset import Audio

ITEM = torch.zeros(1, dtype=torch.long)


def values(audio: Audio) -> torch.Tensor:
    """All samples, (samples, channels)."""
    return audio.batch("test", ITEM).points["samples"].values[0]


@pytest.mark.parametrize(("subtype", "bits"), [("PCM_16", 16), ("PCM_24", 24)])
@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_integer_sounds_are_read_to_the_last_bit(tmp_path: Path, subtype: str, bits: int, suffix: str) -> None:
    levels = np.random.default_rng(0).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (500, 1))
    soundfile.write(tmp_path / f"s{suffix}", (levels << (32 - bits)).astype(np.int32), 8000, subtype=subtype)
    audio = Audio(path=tmp_path / f"s{suffix}")
    back = values(audio).double() * audio.metadata["peak"] * 2 ** (bits - 1)
    # Dividing by the peak rounds to 24 bits of mantissa.
    assert float((back - torch.from_numpy(levels)).abs().max()) <= 0.51
    assert audio.metadata["subtype"] == subtype


def test_float_sounds_may_exceed_full_scale(tmp_path: Path) -> None:
    wave = np.array([0.0, 3.0, -1.5, 0.75], np.float32)
    soundfile.write(tmp_path / "s.wav", wave, 100, subtype="FLOAT")
    audio = Audio(path=tmp_path / "s.wav")
    assert audio.metadata["peak"] == 3.0
    torch.testing.assert_close(values(audio)[:, 0] * 3, torch.from_numpy(wave))
    assert float(values(audio).abs().max()) == 1


def test_ogg_is_read(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(np.arange(8000) * 0.05)
    soundfile.write(tmp_path / "s.ogg", tone, 8000)
    audio = Audio(path=tmp_path / "s.ogg")
    assert audio.metadata["length"] == 8000
    assert float((values(audio)[:, 0] * audio.metadata["peak"] - torch.from_numpy(tone)).abs().max()) < 0.05


def test_each_channel_is_an_output_and_keeps_its_share(tmp_path: Path) -> None:
    wave = np.stack([np.sin(np.arange(300) * 0.1), 0.25 * np.cos(np.arange(300) * 0.3)], 1)
    soundfile.write(tmp_path / "s.wav", wave, 8000, subtype="FLOAT")
    audio = Audio(path=tmp_path / "s.wav")
    assert (audio.domain.d_in, audio.domain.d_out, audio.domain.grid) == (1, 2, (300,))
    assert float(values(audio)[:, 1].abs().max()) == pytest.approx(0.25, rel=1e-3)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(start=st.integers(0, 90), count=st.integers(2, 200), extent=st.floats(0.5, 200))
def test_a_stretch_is_that_part_of_the_whole(start: int, count: int, extent: float) -> None:
    whole = Audio(source="chord", start=0.25, duration=0.05)
    part = Audio(source="chord", start=0.25 + start / 8000, duration=count / 8000, extent=extent)
    expected = values(whole)[start : start + count] * whole.metadata["peak"]
    torch.testing.assert_close(values(part) * part.metadata["peak"], expected, atol=1e-6, rtol=1e-5)
    points = part.batch("train", ITEM).points["samples"]
    assert torch.equal(points.coords[0], grid((count,), extent=extent))


def test_minibatches_are_seeded_and_true() -> None:
    audio = Audio(source="speech", points=256)

    def draw(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
        points = audio.batch("train", ITEM, generator=torch.Generator().manual_seed(seed)).points["samples"]
        return points.coords[0], points.values[0]

    (coords, drawn), (again, _), (other, _) = draw(1), draw(1), draw(2)
    assert coords.shape == (256, 1)
    assert torch.equal(coords, again)
    assert not torch.equal(coords, other)
    cells = ((coords[:, 0] / 100 + 1) / 2 * (audio.metadata["length"] - 1)).round().long()
    assert torch.equal(values(audio)[cells], drawn)


def test_more_points_than_samples_are_all_samples() -> None:
    audio = Audio(source="chord", duration=0.01, points=1000)
    assert torch.equal(audio.batch("train", ITEM).points["samples"].values[0], values(audio))


@pytest.mark.parametrize("source", ["chord", "speech"])
def test_synthetic_sounds_sound(source: Any) -> None:
    audio = Audio(source=source)
    assert audio.metadata["sample_rate"] == 8000
    assert audio.domain.grid == (16000,)
    assert 0.01 < float(values(audio).square().mean()) < 0.5


def wav(path: Path, wave: list[float], rate: int = 100) -> Path:
    soundfile.write(path, np.array(wave, np.float32), rate, subtype="FLOAT")
    return path


def test_bad_files_are_refused_before_training(tmp_path: Path) -> None:
    def refused(path: Path, match: str, **options: Any) -> None:
        with pytest.raises(DataError, match=match):
            Audio(path=path, **options)

    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("not a sound " * 100)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    refused(tmp_path / "none.wav", "is not there")
    refused(tmp_path, "is a folder, not a file")
    refused(tmp_path / "empty.wav", "is empty")
    refused(tmp_path / "text.wav", r"not readable as a sound[\s\S]*ffmpeg")
    refused(tmp_path / "picture.png", "not readable as a sound")
    refused(wav(tmp_path / "zero.wav", []), "holds no samples")
    refused(wav(tmp_path / "nan.wav", [0.1, np.nan, 0.2]), "sample 1 of channel 1 is nan")
    refused(wav(tmp_path / "inf.wav", [0.1, 0.3, -np.inf]), "sample 2 of channel 1 is -inf")
    refused(wav(tmp_path / "silent.wav", [0.0] * 50), "silence: all 50 samples are 0")
    good = wav(tmp_path / "good.wav", [0.5] * 100)
    refused(good, "lies outside the sound", start=1.0)
    refused(good, "lies outside the sound", start=-0.1)
    refused(good, "lies outside the sound", start=0.5, duration=0.6)
    refused(good, "leaves 0 samples", duration=0.0)
    refused(good, "leaves 1 sample; two are the least", duration=0.01)


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, 50_000)
    soundfile.write(tmp_path / "s.flac", noise, 8000)
    whole = (tmp_path / "s.flac").read_bytes()
    (tmp_path / "s.flac").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"breaks off|not readable"):
        Audio(path=tmp_path / "s.flac")


def test_absurd_sizes_are_refused_by_the_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gigabyte of 8-bit samples, none of which is on the disk or read."""
    count, path = reading.MOST_SAMPLES + 10, tmp_path / "endless.wav"
    head = struct.pack("<4sI8sIHHIIHH4sI", b"RIFF", count + 36, b"WAVEfmt ", 16, 1, 1, 8000, 8000, 1, 8, b"data", count)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + count)
    with pytest.raises(DataError, match=r"1,000,000,010 samples by its header[\s\S]*start and duration"):
        Audio(path=path)
    monkeypatch.setattr(reading, "MOST_SAMPLES", 10)
    with pytest.raises(DataError, match="100 samples"):
        Audio(path=wav(tmp_path / "long.wav", [0.1] * 100))
    assert Audio(path=tmp_path / "long.wav", duration=0.05).domain.grid == (5,)


def test_a_small_file_that_unpacks_beyond_the_free_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million equal samples are four kilobytes of FLAC."""
    soundfile.write(tmp_path / "tone.flac", np.full(1_000_000, 0.5), 8000)
    assert (tmp_path / "tone.flac").stat().st_size < 20_000
    monkeypatch.setattr(memory, "available_bytes", lambda: 4_000_000)
    with pytest.raises(DataError, match=r"GB of memory[\s\S]*start and duration"):
        Audio(path=tmp_path / "tone.flac")
    assert Audio(path=tmp_path / "tone.flac", duration=0.5).domain.grid == (4000,)


def test_bad_options_are_refused() -> None:
    for options, match in (
        ({}, "path is None and source is None"),
        ({"source": "chord", "path": Path("s.wav")}, "source is chord"),
        ({"source": "chord", "extent": 0.0}, "not positive"),
        ({"source": "chord", "points": 0}, "below one"),
    ):
        with pytest.raises(RecipeError, match=match):
            Audio(**options)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="lies outside"):
        Audio(source="chord", start=5.0)


def test_without_soundfile_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(PluginError, match=r"metasiren\[signals\]"):
        Audio(path=tmp_path / "s.wav")
    assert Audio(source="chord").domain.d_out == 1


def test_missing_says_what_to_give(tmp_path: Path) -> None:
    assert "data.path" in (Audio.missing() or "")
    assert "none.wav is not there" in (Audio.missing(path=tmp_path / "none.wav") or "")
    assert Audio.missing(source="chord") is None
    assert Audio.missing(path=wav(tmp_path / "s.wav", [0.1, 0.2])) is None


def test_the_paper_s_clips(shared_data: Path) -> None:
    folder = shared_data / "audio"
    if not folder.is_dir():
        pytest.skip(f"NO REAL SOUNDS: {folder} is not there")
    bach, counting = Audio(path=folder / "gt_bach.wav"), Audio(path=folder / "gt_counting.wav", start=2, duration=1.5)
    assert bach.domain.grid == (308_207,)
    assert counting.domain.grid == (66_150,)
    assert bach.metadata["sample_rate"] == 44_100
