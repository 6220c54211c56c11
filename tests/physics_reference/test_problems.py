"""Problems refuse values without a solution, and state which values have one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from metasiren import DataError, RecipeError
from metasiren_physics.media import Disc, Function, SpeedMap, Square, Uniform, check_medium, make_medium, picture
from metasiren_physics.pml import Pml
from metasiren_physics.problems import (
    HelmholtzProblem,
    WaveProblem,
    check_resolution,
    fwi_problem,
    helmholtz_problem,
    points_needed,
    problem_of,
    wave_problem,
)  # fmt: skip
from metasiren_physics.sources import Gaussian, paper_receivers, paper_sources

MAP = np.random.default_rng(0).uniform(1, 2, (7, 9))
MEDIA = [Uniform(1.5), Square(), Disc(centre=(0.2, -0.1)), SpeedMap(MAP), Function(lambda p: 1 + p[..., 0] ** 2)]


@pytest.mark.parametrize("medium", MEDIA, ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_media_sources_and_layers_are_the_same_for_arrays_and_tensors(medium, dtype):
    points = np.random.default_rng(1).uniform(-1, 1, (5, 40, 2))
    tensor = torch.tensor(points, dtype=dtype)
    close = {"rtol": 2e-4 if dtype == torch.float32 else 1e-12, "atol": 1e-5 if dtype == torch.float32 else 1e-12}
    assert medium(tensor).dtype == dtype
    np.testing.assert_allclose(medium(tensor).numpy(), medium(points), **close)
    np.testing.assert_allclose(Gaussian(variance=0.1)(tensor).numpy(), Gaussian(variance=0.1)(points), **close)
    theirs, ours = Pml().coefficients(tensor), Pml().coefficients(points)
    for name in ("a", "a_1", "b", "b_2", "c"):
        np.testing.assert_allclose(getattr(theirs, name).numpy(), getattr(ours, name), **close)
    assert (Pml().physical(tensor).numpy() == Pml().physical(points)).all()


def test_a_map_is_exact_at_its_nodes_and_linear_between():
    axis = [np.linspace(-1, 1, n) for n in MAP.shape]
    nodes = np.stack(np.meshgrid(*axis, indexing="ij"), -1)
    np.testing.assert_allclose(SpeedMap(MAP).speed(nodes), MAP, rtol=1e-12)
    plane = SpeedMap(2 + nodes[..., 0] / 2 - nodes[..., 1] / 4)
    points = np.random.default_rng(0).uniform(-0.99, 0.99, (50, 2))
    np.testing.assert_allclose(plane.speed(points), 2 + points[:, 0] / 2 - points[:, 1] / 4, rtol=1e-12)


def test_the_mean_over_cells_keeps_the_area_of_a_disc():
    h = 2 / 64
    axis = np.linspace(-1 + h / 2, 1 - h / 2, 64)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)
    disc = Disc(inside=2.0, radius=0.3)
    missing = ((1 - disc.averaged(points, (h, h))) * h**2).sum()
    assert missing == pytest.approx(0.75 * np.pi * 0.3**2, rel=2e-3)


@given(st.floats(allow_nan=True, allow_infinity=True).filter(lambda x: not (x > 0 and np.isfinite(x))))
@settings(deadline=None, max_examples=15, derandomize=True)
def test_only_positive_finite_speeds_are_speeds(speed):
    for make in (Uniform, lambda x: Square(inside=x), lambda x: Disc(background=x)):
        with pytest.raises(RecipeError, match="no speed of a wave"):
            make(speed)
    broken = MAP.copy()
    broken[2, 3] = speed
    with pytest.raises(DataError, match=r"node \[2, 3\]"):
        make_medium(broken)


def test_a_function_is_looked_at_before_it_is_used():
    with pytest.raises(DataError, match="the speed is nan"):
        helmholtz_problem(medium=lambda p: np.where(p[..., 0] > 0.9, np.nan, 1.0))
    with pytest.raises(DataError, match="one speed for each point"):
        check_medium(Function(lambda p: np.ones(3)))


def test_pictures_are_media(tmp_path):
    grey = np.zeros((4, 4), np.uint8)
    grey[1, 2] = 255
    Image.fromarray(grey).save(tmp_path / "m.png")
    made = make_medium({"name": "picture", "path": str(tmp_path / "m.png"), "fastest": 3.0})
    assert made.speed(np.array([[-1 / 3, 1 / 3], [-1.0, -1.0]])) == pytest.approx([3.0, 1.0])
    (tmp_path / "no.png").write_text("words")
    for name in ("no.png", "absent.png"):
        with pytest.raises(DataError, match="cannot be read"):
            picture(tmp_path / name)
    with pytest.raises(RecipeError, match="slowest"):
        picture(tmp_path / "m.png", slowest=0)


@pytest.mark.parametrize(
    ("option", "words"),
    [("disk", "Did you mean 'disc'"), ({"radius": 0.1}, "known: uniform"),
     ({"name": "disc", "radios": 1}, "no option 'radios'.\n  Did you mean 'radius'"),
     ("picture", r"path is not given.\n  Write it as --set 'data.medium=\{name: picture, path: ...\}'"),
     ({"name": "disc", "radius": -1}, "radius"), ({"name": "square", "half_width": 0}, "half_width")],
)  # fmt: skip
def test_a_wrong_medium_is_named(option, words):
    with pytest.raises(RecipeError, match=words):
        make_medium(option)


@pytest.mark.parametrize(
    ("make", "words"),
    [(lambda: helmholtz_problem(source=(0.49, 0.0)), "reaches into the absorbing layer"),
     (lambda: helmholtz_problem(source=(0.7, 0.0)), "Keep"),
     (lambda: helmholtz_problem(source=(0.1, 0.2, 0.3)), "two numbers"),
     (lambda: helmholtz_problem(wavenumber=0), "wavenumber"),
     (lambda: helmholtz_problem(variance=-1e-4), "variance"),
     (lambda: helmholtz_problem(strength=(float("nan"), 0)), "not finite"),
     (lambda: helmholtz_problem(pml_width=1.0), "pml: width"),
     (lambda: helmholtz_problem(pml_strength=0), "does not damp"),
     (lambda: fwi_problem(receivers=[[0.6, 0.0], [0.1, 0.1]]), "1 of 2 lie outside"),
     (lambda: fwi_problem(receivers=[[float("nan"), 0.0]]), "outside"),
     (lambda: fwi_problem(receivers=[]), "at least one"),
     (lambda: fwi_problem(sources=[]), "there is none"),
     (lambda: fwi_problem(sources=[(0.0, 0.5)]), "absorbing layer"),
     (lambda: fwi_problem(start=-1), "start"),
     (lambda: wave_problem(border="dirichle"), "Did you mean 'dirichlet'"),
     (lambda: wave_problem(duration=0), "duration"), (lambda: wave_problem(peak=0), "peak"),
     (lambda: wave_problem(centre=(1.5, 0)), "outside"), (lambda: problem_of("helmholz", {}), "Did you mean")],
)  # fmt: skip
def test_what_cannot_be_solved_is_refused(make, words):
    with pytest.raises(RecipeError, match=words):
        make()


@given(st.floats(1.0, 300.0), st.floats(0.3, 3.0))
@settings(deadline=None, max_examples=25, derandomize=True)
def test_the_number_of_points_that_is_advised_is_enough(wavenumber, speed):
    problem = HelmholtzProblem(Uniform(speed), wavenumber)
    assert check_resolution("here", problem, points_needed(problem, 6.0)) >= 6
    few = points_needed(problem, 6.0) - 2
    if few >= 2:
        with pytest.raises(DataError, match=f"at least {points_needed(problem, 6.0)}"):
            check_resolution("here", problem, few)


def test_the_paper_places():
    receivers, sources = paper_receivers(), paper_sources()
    assert receivers.shape == (30, 2)
    assert len(sources) == 5
    assert {y for _, y in sources} == {-0.347}
    assert (np.abs(receivers).max(-1) == 0.402).all()
    mirrored = receivers * [-1, 1]
    assert {tuple(p) for p in mirrored.round(9)} == {tuple(p) for p in receivers.round(9)}


def test_defaults_follow_the_paper():
    assert helmholtz_problem().source.position == (0, 0)
    assert helmholtz_problem(medium="disc").source.position == (-0.35, 0)
    assert Gaussian().radius() == pytest.approx(0.0615, abs=1e-4)
    assert WaveProblem().initial(np.zeros((1, 2)))[0] == pytest.approx(0.02)
    grid = np.stack(np.meshgrid(*[np.linspace(-0.2, 0.2, 201)] * 2, indexing="ij"), -1)
    assert Gaussian().density(grid).sum() * 0.002**2 == pytest.approx(1, abs=1e-9)
