"""Pictures by rays: what is seen is where geometry says."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from shapes_meshing.analytic import Analytic, ball, balls, gyroid, torus

from metasiren_shapes.camera import Camera, pixels
from metasiren_shapes.pictures import as_image, cameras, views
from metasiren_shapes.probe import Probe
from metasiren_shapes.raymarch import shade
from metasiren_shapes.slices import slice_picture
from metasiren_shapes.tracing import Space, trace


def space(field: Analytic, level: float = 0.0) -> Space:
    return Space(Probe(field, dtype=torch.float64), level)


@pytest.mark.parametrize("size", [(64, 64), (48, 80), (80, 48)])
@pytest.mark.parametrize("view", [0.0, 25.0])
def test_a_spheres_outline_is_the_disc(view: float, size: tuple[int, int]) -> None:
    picture = shade(space(ball(0.6)), Camera(40, 25, radius=1.0, view=view), size, smooth=False)
    half = math.radians(view) / 2
    # The ball of radius 1 fills the picture; a sphere of .6 at the same place is seen under its own angle.
    edge = 0.6 if not view else math.tan(math.asin(0.6 * math.sin(half))) / math.tan(half)
    distance = pixels(size).norm(dim=-1)
    disc = distance < edge
    sure = (distance - edge).abs() > 0.5 / min(size)
    assert torch.equal(picture.cover.bool()[sure], disc[sure])
    assert (picture.colours[~picture.cover.bool()] == 1).all()


def test_smoothing_gives_edges_their_share_of_cover() -> None:
    picture = shade(space(ball(0.6)), Camera(radius=1.0, view=0.0), (64, 64))
    assert set((picture.cover * 4).unique().tolist()) == {0, 1, 2, 3, 4}
    assert float(picture.cover.mean()) == pytest.approx(math.pi * 0.36 / 4, rel=5e-3)


def test_rays_meet_a_sphere_where_algebra_says() -> None:
    generator = torch.Generator().manual_seed(0)
    aims = (torch.rand(500, 3, generator=generator, dtype=torch.float64) - 0.5) * 0.6
    origins = torch.nn.functional.normalize(torch.randn(500, 3, generator=generator, dtype=torch.float64), dim=1) * 4
    ways = torch.nn.functional.normalize(aims - origins, dim=1)
    hits = trace(space(ball(0.6)), origins, ways, 0.01)
    assert len(hits.rays) == 500
    along = -(origins * ways).sum(1)
    exact = origins + (along - (along**2 - 16 + 0.36).sqrt())[:, None] * ways
    assert (hits.points - exact[hits.rays]).norm(dim=1).max() < 1e-6
    assert not hits.cut.any()


def test_the_coarse_grid_never_promises_too_much() -> None:
    field = gyroid()
    room = space(field)
    points = torch.rand(4000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    safe, values = room.safe(points), room.values(points)
    assert (safe.abs() * room.steepest <= values.abs() + 1e-9).all()
    known = safe != 0
    assert torch.equal(safe[known] < 0, values[known] < 0)
    assert bool(known.any())


def test_most_rays_ask_the_field_a_few_times() -> None:
    room = space(torus())
    before = room.probe.evaluations
    picture = shade(room, Camera(radius=1.0), (96, 96), smooth=False)
    assert (room.probe.evaluations - before) / float(picture.cover.sum()) < 40


def test_a_solid_that_fills_the_cube_is_cut_by_its_walls() -> None:
    solid = Analytic(lambda x, y, z: x**2 + y**2 + z**2 - 9)
    origins = torch.tensor([[0.3, 0.2, 4.0], [3.0, 3.0, 4.0]], dtype=torch.float64)
    ways = torch.tensor([[0.0, 0.0, -1.0], [0.0, 0.0, -1.0]], dtype=torch.float64)
    hits = trace(space(solid), origins, ways, 0.01)
    assert hits.rays.tolist() == [0]
    assert torch.allclose(hits.points, torch.tensor([[0.3, 0.2, 1.0]], dtype=torch.float64))
    assert hits.cut.tolist() == [[0, 0, 1]]


@pytest.mark.parametrize("up", ["x", "y", "z", "-x", "-y", "-z"])
def test_up_is_up_and_right_is_right(up: str) -> None:
    camera = Camera(0, 0, up=up)  # type: ignore[arg-type]
    right, upwards, towards = camera.axes
    axis, sign = "xyz".index(up[-1]), -1.0 if up[0] == "-" else 1.0
    assert upwards[axis] == sign
    assert torch.allclose(torch.linalg.cross(right, upwards), towards)
    low = Camera(20, 0, radius=1.0, up=up)  # type: ignore[arg-type]
    where = [0.0, 0.0, 0.0]
    where[axis] = 0.5 * sign
    cover = shade(space(balls(0.2, tuple(where))), low, (40, 40), smooth=False).cover  # type: ignore[arg-type]
    assert cover[:20].sum() > 20
    assert cover[20:].sum() == 0


def test_cameras_frame_what_is_there() -> None:
    room = space(ball(0.2, (0.5, -0.4, 0.3)))
    for camera in cameras(room, (0.0, 90.0)):
        assert np.allclose(camera.centre, (0.5, -0.4, 0.3), atol=0.06)
        assert 0.2 < camera.radius < 0.5
    picture = views(room, cameras(room, (0.0, 90.0)), (32, 32), smooth=False)
    assert picture.bytes.shape == (3, 32, 64)
    assert as_image(picture).size == (64, 32)
    assert picture.cover[[0, -1]].sum() == 0


def test_light_comes_from_above_and_corners_are_dark() -> None:
    lone = shade(space(ball(0.8)), Camera(0, 0, radius=1.0), (64, 64), smooth=False).colours.mean(-1)
    assert lone[12, 32] > lone[52, 32] + 0.1
    pair = balls(0.45, (-0.46, 0.0, 0.0), (0.46, 0.0, 0.0))
    cleft = shade(space(pair), Camera(0, 0, radius=1.0), (64, 64), smooth=False).colours.mean(-1)
    assert cleft[32, 31] < cleft[32, 17] - 0.1


def test_a_slice_draws_the_surface_thick_and_other_levels_thin() -> None:
    page = np.asarray(slice_picture(Probe(ball(0.5)), side=256)).astype(int)
    assert page.shape == (348, 348, 3)
    middle = page[46:-46, 46:-46]
    dark = middle.sum(-1) < 150
    rows, columns = np.nonzero(dark)
    radius = np.hypot(rows - 127.5, columns - 127.5) / 128
    assert np.abs(radius - 0.5).max() < 0.03
    assert 2 <= dark[128, 128:].sum() <= 4
    red, blue = middle[128, 128], middle[10, 10]
    assert red[0] > red[2]
    assert blue[2] > blue[0]


def test_a_slice_of_a_constant_field_is_one_colour() -> None:
    page = np.asarray(slice_picture(Probe(Analytic(lambda x, y, z: 0 * x)), axis="x", side=64))
    assert len(np.unique(page[50:-50, 50:-50].reshape(-1, 3), axis=0)) == 1
