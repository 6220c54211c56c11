"""Fields as a person renders them: values and exact derivatives of pictures and of equations, at any size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image
from small_runs import path_of, small

import metasiren as ms

Typed = Callable[..., Result]


def pixels(path: Path) -> np.ndarray[Any, Any]:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_a_picture_is_rendered_as_value_gradient_and_laplacian(typed: Typed, tmp_path: Path) -> None:
    run = path_of(typed("metasiren run image --preset quick", *small("data.size=[16,24]")))
    for quantity in ("value", "gradient", "laplacian"):
        done = typed(f"metasiren render {run} --quantity {quantity} --size 20x30 -o {quantity}.png")
        assert done.exit_code == 0, done.exception
    plain = typed(f"metasiren render {run} --size 20x30 -o plain.png")
    assert plain.exit_code == 0
    made = {quantity: pixels(tmp_path / f"{quantity}.png") for quantity in ("value", "gradient", "laplacian")}
    assert {each.shape for each in made.values()} == {(20, 30, 3)}
    assert (made["value"] == pixels(tmp_path / "plain.png")).all()
    assert len({each.tobytes() for each in made.values()}) == 3
    clash = typed(f"metasiren render {run} --quantity laplacian --set kernel=bilinear -o out.png")
    assert "values only" in str(clash.exception)


def test_a_laplacian_is_brighter_where_the_exact_one_is_positive(tmp_path: Path) -> None:
    from metasiren_images.single.render import PictureRenderer

    siren = ms.Siren(in_features=2, out_features=1, hidden_features=16, hidden_layers=1, first_omega=4.0)
    field = ms.Field(siren, siren.init(generator=torch.Generator().manual_seed(0)))
    PictureRenderer(quantity="laplacian", size=(9, 9)).render(field, ms.Domain(2, 1, (9, 9)), {}, tmp_path / "l.png")
    exact = field.jet(ms.grid((9, 9)), "laplacian").laplacian
    assert exact is not None
    drawn = torch.from_numpy(pixels(tmp_path / "l.png")[..., 0].copy()).flatten().double()
    sign = (drawn - 127.5).sign()
    strong = exact[0, :, 0].abs() > exact.abs().max() / 50
    assert (sign[strong] == exact[0, :, 0].double().sign()[strong]).all()


def test_a_renderer_without_derivatives_says_which_ones_have_them(typed: Typed, tmp_path: Path) -> None:
    run = path_of(typed("metasiren run audio_bach --preset quick", *small("data.points=64")))
    result = typed(f"metasiren render {run} --quantity gradient -o out.wav")
    assert "'sound' draws values only" in str(result.exception)
    assert "picture" in str(result.exception)
    assert not (tmp_path / "out.wav").exists()
    assert typed(f"metasiren render {run} --quantity value -o out.wav").exit_code == 0


@pytest.mark.parametrize(("recipe", "maps"), [("burgers", 2), ("poisson_2d", 2), ("heat_inverse", 4)])
def test_an_equation_draws_itself(typed: Typed, tmp_path: Path, recipe: str, maps: int) -> None:
    """One map for each derivative of each channel, whose samples are the file's."""
    changes = small("data.points.interior=32", "data.points.boundary=8", "evaluate.nodes=9", steps=1)
    run = path_of(typed(f"metasiren run {recipe} --preset quick", *changes))
    assert (Path(run) / "results" / "figure.png").is_file(), "the protocol of equations draws it, too"
    sizes = {}
    for quantity in ("value", "gradient", "laplacian"):
        done = typed(f"metasiren render {run} --quantity {quantity} --size 40x60 -o {quantity}.png")
        assert done.exit_code == 0, done.exception
        sizes[quantity] = pixels(tmp_path / f"{quantity}.png").shape
    assert sizes["value"] == sizes["laplacian"]
    assert sizes["gradient"][1] >= maps * 60


def quadratic(names: str) -> ms.Field:
    """u = sum of i x_i² over the axes (i from 1), as a field of one hidden layer with the activation z²."""

    class Square(ms.Activation):
        def derivatives(self, z: torch.Tensor, order: int) -> tuple[torch.Tensor, ...]:
            return (z.square(), 2 * z, torch.full_like(z, 2.0), torch.zeros_like(z))[: order + 1]

    d = len(names)
    siren = ms.Siren(
        in_features=d, out_features=1, hidden_features=d, hidden_layers=0, nonlinearity=Square(), first_omega=1.0
    )
    params = {
        "0.weight": torch.eye(d, dtype=torch.float64)[None],
        "0.bias": torch.zeros(1, d, dtype=torch.float64),
        "1.weight": torch.arange(1.0, d + 1, dtype=torch.float64)[None, None],
        "1.bias": torch.zeros(1, 1, dtype=torch.float64),
    }
    return ms.Field(siren, params)


@pytest.mark.parametrize("names", ["x", "tx", "xy", "txy", "xyz"])
def test_derivatives_of_an_equation_s_field_are_exact_and_time_is_no_part_of_the_laplacian(names: str) -> None:
    from metasiren_physics.renderer import EquationRenderer

    metadata: Mapping[str, Any] = {"axes": {name: [-1.0, 1.0] for name in names}}
    time = "t" if "t" in names else None
    field = quadratic(names)
    part = EquationRenderer(quantity="gradient", size=(5, 7))
    grid = part._grid(metadata["axes"], time, 3)
    labels, gradient = part._values(field, tuple(names), time, grid, ())
    assert labels == [f"d u / d {name}" for name in names]
    points = np.stack(np.meshgrid(*grid, indexing="ij"), -1)
    np.testing.assert_allclose(gradient, 2 * np.arange(1, len(names) + 1) * points, atol=1e-12)
    _, laplacian = EquationRenderer(quantity="laplacian", size=(5, 7))._values(field, tuple(names), time, grid, ())
    over = sum(2 * i for i, name in enumerate(names, 1) if name != "t")
    np.testing.assert_allclose(laplacian, np.full_like(laplacian, over), atol=1e-12)


def test_a_size_of_one_number_and_a_file_that_cannot_be_written_are_named_as_typed(
    typed: Typed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = path_of(typed("metasiren run image --preset quick", *small("data.size=16")))
    done = typed(f"metasiren render {run} -o x.png --size 100")
    assert "--size 100" in str(done.exception)
    assert "--size is HxW, such as 256x256" in str(done.exception)

    def refused(_: object, path: Path, **__: object) -> None:
        raise FileNotFoundError(2, "No such file or directory", str(path))

    monkeypatch.setattr(Image.Image, "save", refused)
    done = typed(f"metasiren render {run} -o x.png --size 9x9")
    assert str(done.exception).startswith("x.png: cannot be written: [Errno 2] No such file or directory: 'x.png'")
    assert "has space" in str(done.exception)


def test_two_axes_and_time_are_a_strip_or_frames(tmp_path: Path) -> None:
    from metasiren_physics.renderer import EquationRenderer

    metadata = {"axes": {"t": [0.0, 2.0], "x": [-1.0, 1.0], "y": [0.0, 1.0]}, "time": "t"}
    EquationRenderer(size=(30, 40)).render(quadratic("txy"), ms.Domain(3, 1), metadata, tmp_path / "strip.png")
    assert pixels(tmp_path / "strip.png").shape[1] >= 4 * 40
    EquationRenderer(size=(30, 40), frames=5).render(quadratic("txy"), ms.Domain(3, 1), metadata, tmp_path / "m.gif")
    with Image.open(tmp_path / "m.gif") as moving:
        assert moving.n_frames == 5
    with pytest.raises(ms.DataError, match="names no axes"):
        EquationRenderer().render(quadratic("xy"), ms.Domain(2, 1), {}, tmp_path / "out.png")
    with pytest.raises(ms.RecipeError, match="1x9"):
        EquationRenderer(size=(1, 9))
    with pytest.raises(ms.RecipeError, match="frames"):
        EquationRenderer(frames=0)


def test_a_high_peak_does_not_pale_the_wave_around_it() -> None:
    from metasiren_physics.panels import limits
    from metasiren_physics.protocols.box_pictures import _panel

    wave = np.sin(np.linspace(0, 20, 100 * 100)).reshape(100, 100)
    low, high = limits(_panel("wave", wave))
    assert high == -low == pytest.approx(1, abs=1e-3), "without peaks the colours span all values"
    wave[50, 50] = 500
    assert limits(_panel("source", wave))[1] == pytest.approx(4, rel=0.01)
    assert limits(_panel("only a source", np.where(wave > 100, wave, 0) - 1e-9))[1] > 0


def test_frames_of_one_number_have_colours() -> None:
    from metasiren_physics.panels import SEQUENTIAL
    from metasiren_physics.protocols.box_pictures import frames

    grid = [np.linspace(0, 1, 3)] * 3
    made = frames(("t", "x", "y"), "t", grid, np.full((3, 3, 3, 1), 2.0), labels=["u"], sides=(16, 16))
    middle = np.asarray(made[0].convert("RGB"))[32, 20]
    assert len(made) == 3
    assert tuple(middle) == SEQUENTIAL[2]


def test_without_time_the_first_of_three_axes_is_the_one_that_is_stepped() -> None:
    from metasiren_physics.protocols.box_pictures import picture

    grid = [np.linspace(0, 1, 5)] * 3
    found = np.random.default_rng(0).normal(size=(5, 5, 5, 1))
    named, unnamed = (picture(("s", "x", "y"), time, grid, found, None) for time in ("s", None))
    assert (np.asarray(named) == np.asarray(unnamed)).all()
