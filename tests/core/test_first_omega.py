"""first_omega: auto follows the frequency of the signal."""

from __future__ import annotations

from math import pi, sqrt
from pathlib import Path

import pytest
import torch
import yaml

import metasiren as ms
from metasiren.assembly.experiment import assemble
from metasiren.assembly.first_omega import SHARE, first_omega, rms_frequency
from metasiren.assembly.parts import make_siren
from metasiren.registry.catalogue import load_catalogue


@pytest.mark.parametrize("waves", [2, 8])
def test_a_sine_has_its_own_frequency(waves: int) -> None:
    t = ms.grid((2001,), dtype=torch.float64)
    assert rms_frequency(torch.sin(waves * pi * t)) == pytest.approx(waves * pi, rel=1e-3)
    assert rms_frequency(5 * torch.sin(waves * pi * t) + 3) == pytest.approx(waves * pi, rel=1e-3)
    assert first_omega(torch.sin(waves * pi * t)) == pytest.approx(SHARE * sqrt(3) * waves * pi, rel=1e-2)


def test_axes_are_averaged_in_the_square_and_channels_pooled() -> None:
    y, x = ms.grid((801, 801), dtype=torch.float64).reshape(801, 801, 2).unbind(-1)
    along_x = torch.sin(6 * pi * x).unsqueeze(-1)
    assert rms_frequency(along_x) == pytest.approx(6 * pi / sqrt(2), rel=2e-3)
    assert rms_frequency(torch.cat([along_x, along_x], -1)) == pytest.approx(6 * pi / sqrt(2), rel=2e-3)
    both = torch.sin(6 * pi * x) * torch.sin(6 * pi * y)
    assert rms_frequency(both.unsqueeze(-1)) == pytest.approx(6 * pi, rel=2e-3)


def test_the_run_records_a_number_and_opens_again(tmp_path: Path) -> None:
    overrides = {
        "siren.first_omega": "auto", "siren.hidden_features": 8, "data.size": 24, "data.points": None, "train.steps": 1,
    }  # fmt: skip
    made = ms.run(ms.load_recipe("image", preset="quick", overrides=overrides), tmp_path / "run", device="cpu")
    written = yaml.safe_load((made.path / "recipe.yaml").read_text())["siren"]["first_omega"]
    picture = assemble(ms.load_recipe("image", preset="quick", overrides=overrides), load_catalogue()).dataset
    values = picture.batch("test", torch.zeros(1, dtype=torch.long)).points["pixels"].values
    assert written == first_omega(values.reshape(24, 24, 1))
    assert ms.open_run(made.path).field().siren.first_omega == written


def test_points_in_another_order_than_the_grid_s_are_passed_over() -> None:
    overrides = {"siren.first_omega": "auto", "data.size": 24, "data.factor": 4}
    made = assemble(ms.load_recipe("super_resolution", preset="quick", overrides=overrides), load_catalogue())
    points = made.dataset.batch("test", torch.zeros(1, dtype=torch.long)).points
    # As many as there are pixels, but one large pixel after another.
    assert points["measured"].coords.shape == points["pixels"].coords.shape
    assert not points["measured"].on_grid(made.dataset.domain)
    assert points["pixels"].on_grid(made.dataset.domain)
    assert made.recipe.siren.first_omega == first_omega(points["pixels"].values.reshape(24, 24, 1))


@pytest.mark.parametrize(
    ("name", "overrides", "said"),
    [
        ("image", {"siren.nonlinearity": "relu"}, "takes none"),
        ("sdf", {}, "no point set of this data has the values of a whole grid"),
    ],
)
def test_what_has_no_spectrum_is_refused(name: str, overrides: dict[str, object], said: str) -> None:
    recipe = ms.load_recipe(name, preset="quick", overrides={"siren.first_omega": "auto", **overrides})
    with pytest.raises(ms.RecipeError, match=said):
        assemble(recipe, load_catalogue())


def test_a_constant_and_other_words_are_refused() -> None:
    with pytest.raises(ms.RecipeError, match="the signal is constant"):
        rms_frequency(torch.ones(4, 4, 1))
    with pytest.raises(ms.RecipeError, match=r"siren\.first_omega: expected a number above 0, or auto"):
        ms.load_recipe("image", preset="quick", overrides={"siren.first_omega": "fast"})
    recipe = ms.load_recipe("image", preset="quick", overrides={"siren.first_omega": "auto"})
    with pytest.raises(ms.RecipeError, match="the signal is not known here"):
        make_siren(recipe, load_catalogue(), ms.Domain(2, 1))
