"""Fields of clips: evaluated, drawn and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from metasiren import DataError, Domain, Field, Jet, RecipeError, RunError, Siren, grid
from metasiren_signals.clips.baselines import coarse_clip, coarse_size, mean_frame
from metasiren_signals.clips.dataset import Video, to_values
from metasiren_signals.clips.picture import Strip, clip_figure, fitted
from metasiren_signals.clips.protocol import Clip
from metasiren_signals.clips.quality import frame_quality
from metasiren_signals.clips.renderer import ClipRenderer, plane_coords
from metasiren_signals.clips.writing import to_bytes, write_clip
from metasiren_signals.sampling import values_at

DOMAIN = Domain(3, 3, (6, 16, 24))
FACTS: dict[str, Any] = {"fps": 5.0, "frames": 6}


@dataclass(frozen=True)
class Known:
    """A field that is a formula."""

    formula: Callable[[Tensor], Tensor]
    params: dict[str, Tensor] = field(default_factory=lambda: {"w": torch.zeros(1)})

    @property
    def siren(self) -> Any:
        class Wide:
            hidden_features = 1 << 16

        return Wide

    def __call__(self, coords: Tensor) -> Tensor:
        return self.formula(coords).unsqueeze(0)

    def jet(self, coords: Tensor, order: str, *, chunk_points: int) -> Jet:
        return Jet(torch.cat([self(part) for part in coords.split(chunk_points)], 1))


RAMPS = Known(lambda c: c)
"""Red grows with time, green with rows, blue with columns."""


def decoded(path: Path) -> np.ndarray[Any, Any]:
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


def rendered(path: Path, **options: Any) -> np.ndarray[Any, Any]:
    ClipRenderer(**options).render(RAMPS, DOMAIN, FACTS, path)  # type: ignore[arg-type]
    return decoded(path)


def ramps(frames: int, rows: int, columns: int) -> np.ndarray[Any, Any]:
    values = grid((frames, rows, columns)).view(frames, rows, columns, 3)
    return ((values + 1) * 127.5).numpy()


def test_a_chunked_field_is_the_field(monkeypatch: pytest.MonkeyPatch) -> None:
    coords = torch.rand(1000, 3)
    assert torch.equal(values_at(RAMPS, coords), coords)  # type: ignore[arg-type]


@pytest.mark.parametrize("single", [False, True])
def test_all_points_are_sampled_of_single_fields_too(monkeypatch: pytest.MonkeyPatch, single: bool) -> None:
    monkeypatch.setattr("metasiren_signals.sampling.FLOATS_AT_ONCE", 8 * 7)
    siren = Siren(in_features=3, out_features=2, hidden_features=8, hidden_layers=1)
    params = siren.init(generator=torch.Generator().manual_seed(0))
    coords = torch.rand(50, 3, generator=torch.Generator().manual_seed(1))
    made = values_at(Field(siren, params, single=single), coords)
    torch.testing.assert_close(made, siren(params, coords)[0].detach())


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_an_exact_field_is_the_clip(tmp_path: Path, suffix: str) -> None:
    clip = rendered(tmp_path / f"c{suffix}")
    assert clip.shape == (6, 16, 24, 3)
    assert float(np.abs(clip - ramps(6, 16, 24)).mean()) < 6
    assert float(np.abs(clip - ramps(6, 16, 24)[::-1]).mean()) > 30


def test_more_frames_are_slow_motion_and_more_fps_are_smoother_motion(tmp_path: Path) -> None:
    slow = rendered(tmp_path / "slow.mp4", frames=11)
    smooth = rendered(tmp_path / "smooth.mp4", fps=10)
    with av.open(str(tmp_path / "slow.mp4")) as file, av.open(str(tmp_path / "smooth.mp4")) as other:
        assert (file.streams.video[0].average_rate, other.streams.video[0].average_rate) == (5, 10)
    assert (len(slow), len(smooth)) == (11, 12)
    assert float(np.abs(slow - ramps(11, 16, 24)).mean()) < 6


def test_any_size_is_written(tmp_path: Path) -> None:
    large = rendered(tmp_path / "large.mp4", size=(32, 48))
    assert float(np.abs(large - ramps(6, 32, 48)).mean()) < 6
    odd = rendered(tmp_path / "odd.mp4", size=(31, 47))
    assert odd.shape == (6, 32, 48, 3)
    assert rendered(tmp_path / "odd.gif", size=(31, 47)).shape == (6, 31, 47, 3)


def test_small_pictures_are_means_not_samples(tmp_path: Path) -> None:
    """Stripes of one pixel become grey; sampled they would be black or white."""
    pixel = 2 / 23
    stripes = Known(lambda c: torch.sign(torch.sin(torch.pi * (c[:, 2:] + 1 + pixel / 2) / pixel)).expand(-1, 3))
    path = tmp_path / "s.gif"
    ClipRenderer(size=(4, 6)).render(stripes, DOMAIN, FACTS, path)  # type: ignore[arg-type]
    inner = decoded(path)[:, :, 1:-1]
    assert 80 < float(inner.mean()) < 175


def test_samples_of_a_plane_are_the_grid_and_their_means_its_points() -> None:
    torch.testing.assert_close(plane_coords((5, 7)).float(), grid((5, 7)))
    fine = plane_coords((5, 7), (4, 2)).view(5, 4, 7, 2, 2).mean((1, 3))
    torch.testing.assert_close(fine[1:-1, 1:-1].float(), grid((5, 7)).view(5, 7, 2)[1:-1, 1:-1])
    assert float(plane_coords((1, 1), (2, 2)).abs().max()) == 0.5


def test_bad_orders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="4 x 0 pixels"):
        ClipRenderer(size=(0, 4))
    for option in ("frames", "fps"):
        with pytest.raises(RecipeError, match="not positive"):
            ClipRenderer(**{option: 0})
    with pytest.raises(RunError, match="neither frames nor fps"):
        ClipRenderer().render(RAMPS, Domain(2, 3, (4, 4)), {}, tmp_path / "s.gif")  # type: ignore[arg-type]


def test_psnr_of_frames_equals_brute_force() -> None:
    video = Video(source="drift", frames=5)
    noise = torch.randn(5, 48, 64, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.1, 0.2, 0.3])
    seen: list[int] = []
    truth = to_values(video.pictures(torch.arange(5)))
    guess = truth + noise * torch.arange(1, 6).view(5, 1, 1, 1)
    chosen = torch.tensor([0, 2, 4])
    quality = frame_quality(video, chosen, lambda number: guess[number], lambda number, *_: seen.append(number))
    assert seen == [0, 2, 4]
    each = []
    for number in seen:
        picture = video.pictures(torch.tensor([number]))[0].numpy() / 255
        made = np.clip((guess[number].numpy().astype(np.float64) + 1) / 2, 0, 1)
        each.append(10 * np.log10(1 / np.mean((made - picture) ** 2)))
    np.testing.assert_allclose(quality.psnr.numpy(), each, rtol=1e-6)
    assert quality.numbers["psnr_db"] == pytest.approx(np.mean(each), rel=1e-6)
    assert quality.numbers["psnr_std_db"] == pytest.approx(np.std(each), rel=1e-5)
    expected = float((guess - truth)[chosen].double().square().mean())
    assert quality.numbers["mse"] == pytest.approx(expected, rel=1e-6)


def test_the_mean_of_frames_is_the_best_still_picture() -> None:
    video = Video(source="drift")
    clip = to_values(video.pictures(torch.arange(24)))
    torch.testing.assert_close(mean_frame(video)(3), clip.mean(0), atol=1e-6, rtol=0)


def test_a_coarse_clip_keeps_its_numbers_and_what_is_smooth() -> None:
    video = Video(source="drift")
    for numbers in (1, 100, 5000, 10**6):
        size = coarse_size(video.shape, numbers)
        assert 3 * int(np.prod(size)) <= max(3, numbers) or size == video.shape
    assert coarse_size(video.shape, 10**9) == video.shape
    finer, coarser = (
        frame_quality(video, torch.arange(24), coarse_clip(video, numbers), lambda *_: None).numbers["mse"]
        for numbers in (40_000, 4000)
    )
    assert finer < coarser < 0.06
    still = Video(source="drift", frames=1)
    alone = coarse_clip(still, 10**9)(0)
    torch.testing.assert_close(alone, to_values(still.pictures(torch.zeros(1, dtype=torch.long)))[0])


def test_bytes_are_rounded_and_clipped() -> None:
    made = to_bytes(torch.tensor([[-3.0, -1.0, 0.0, 1.0, 3.0]]).unsqueeze(-1))
    assert made.ravel().tolist() == [0, 0, 128, 255, 255]


def test_pages_enlarge_in_blocks_and_shrink(tmp_path: Path) -> None:
    small = np.random.default_rng(0).integers(0, 256, (6, 10, 3), np.uint8)
    large = fitted(small)
    assert large.shape == (120, 200, 3)
    assert np.array_equal(large[::20, ::20], small)
    assert fitted(np.zeros((272, 640, 3), np.uint8)).shape == (136, 320, 3)
    page = clip_figure([Strip(3, 20.0, small, small)])
    assert page.size[0] > 600


def test_gifs_play_at_their_speed(tmp_path: Path) -> None:
    write_clip(tmp_path / "c.gif", iter(np.arange(3 * 48, dtype=np.uint8).reshape(3, 4, 4, 3)), 10)
    with Image.open(tmp_path / "c.gif") as image:
        assert (image.n_frames, image.info["duration"]) == (3, 100)  # type: ignore[attr-defined]


def test_other_signals_are_no_clips() -> None:
    from toys import Waves

    with pytest.raises(DataError, match="is no clip"):
        Clip().evaluate(None, Waves(), Path(), name="x")  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match="below one"):
        Clip(every=0)
