"""A hole in a person's own photograph: one meaning of masks in both commands, and errors instead of wrong pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from small_runs import path_of, small

import metasiren as ms

Typed = Callable[..., Result]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """photo.jpg of 48 x 64 pixels, and hole.png of that size: a white square in black."""
    ramp = np.linspace(40, 220, 48 * 64 * 3).reshape(48, 64, 3).astype(np.uint8)
    Image.fromarray(ramp).save(tmp_path / "photo.jpg", quality=95)
    hole = np.zeros((48, 64), np.uint8)
    hole[16:32, 24:40] = 255
    Image.fromarray(hole).save(tmp_path / "hole.png")
    return tmp_path


SMALL = small("data.size=32", "data.prior_points=16", "evaluate.baselines=[]")


def test_run_inpainting_fills_the_hole_and_keeps_what_is_known(typed: Typed, photo: Path) -> None:
    result = typed("metasiren run inpainting --preset quick --set data.path=photo.jpg --set data.mask=hole.png", *SMALL)
    results = Path(path_of(result)) / "results"
    truth, made, field = (
        np.asarray(Image.open(results / name)).astype(int) for name in ("truth.png", "composite.png", "field.png")
    )
    hole = np.zeros((24, 32), bool)
    hole[8:16, 12:20] = True
    near = np.zeros_like(hole)
    near[7:17, 11:21] = True  # pixels that hold colours of the hole once the photograph is halved
    assert (made[~near] == truth[~near]).all(), "known pixels stay as they are"
    assert (made[hole] == field[hole]).all()
    assert (made[hole] != truth[hole]).any()
    assert "24 x 32 RGB (of 48 x 64)" in result.stderr.replace("\n", " ")


def test_inpaint_on_a_run_without_a_prior_is_refused(typed: Typed, photo: Path) -> None:
    run = path_of(typed("metasiren run image --preset quick", *small("data.size=16")))
    result = typed(f"metasiren inpaint {run} photo.jpg --mask hole.png -o out.png")
    assert result.exit_code != 0
    assert isinstance(result.exception, ms.RunError)
    assert "holds no prior" in str(result.exception)
    assert "celeba_cnn" in str(result.exception)
    assert not (photo / "out.png").exists()
