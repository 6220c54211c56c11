"""Meshes of fields whose shapes are known exactly."""

from __future__ import annotations

import math
import resource

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes_meshing.analytic import Analytic, ball, balls, gyroid, rough, shell, torus

from metasiren import RecipeError, Siren
from metasiren.contracts import Field
from metasiren_shapes import meshing
from metasiren_shapes.bound import BoundRefutedError
from metasiren_shapes.frame import Frame
from metasiren_shapes.lattice import Lattice
from metasiren_shapes.mesh import Mesh
from metasiren_shapes.meshing import EmptyLevelSetError, extract
from metasiren_shapes.probe import BrokenFieldError
from metasiren_shapes.weld import triangulate, weld

EXACT = {"dtype": torch.float64}


def dense(field: Analytic, resolution: int, gradient: float) -> Mesh:
    """The mesh from one array that holds the whole lattice, nothing skipped."""
    lattice = Lattice(resolution)
    index = np.stack(np.meshgrid(*[np.arange(resolution + 1)] * 3, indexing="ij"), -1).reshape(-1, 3)
    values = field(torch.from_numpy(lattice.points(index))).reshape((resolution + 1,) * 3).numpy()
    patch = triangulate(values, np.zeros(3, np.int64), lattice, gradient * lattice.spacing)
    assert patch is not None
    places, faces = weld([patch])
    return Mesh(lattice.points(places), faces, np.zeros_like(places))


def components(mesh: Mesh) -> int:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.concatenate([mesh.faces[:, :2], mesh.faces[:, 1:]])
    size = len(mesh.vertices)
    graph = coo_array((np.ones(len(ends)), ends.T), shape=(size, size))
    return int(connected_components(graph, directed=False)[0])


def test_a_sphere_has_the_area_and_volume_of_a_sphere_and_its_error_falls_with_the_square_of_the_spacing() -> None:
    errors = []
    for resolution in (16, 32, 64):
        mesh = extract(ball(0.6), resolution=resolution, **EXACT)
        assert mesh.watertight
        area, volume = 4 * math.pi * 0.36, 4 / 3 * math.pi * 0.216
        middles = mesh.triangles.triangles_center
        sag = np.abs(np.linalg.norm(middles, axis=1) - 0.6).max()
        assert mesh.volume is not None
        errors.append([abs(mesh.area / area - 1), abs(mesh.volume / volume - 1), sag])
        spacing = 2 / resolution
        assert np.abs(np.linalg.norm(mesh.vertices, axis=1) - 0.6).max() < spacing**2 / 0.6 / 4
    assert max(errors[-1][:2]) < 2e-3
    assert errors[-1][2] < 1e-3
    rates = np.log2(np.array(errors)[:-1] / np.array(errors)[1:])
    assert (rates > 1.7).all()


def test_normals_are_the_fields_own() -> None:
    mesh = extract(ball(0.6, (0.1, -0.05, 0.2)), resolution=24, **EXACT)
    truth = mesh.vertices - np.array([0.1, -0.05, 0.2])
    assert np.allclose(mesh.normals, truth / np.linalg.norm(truth, axis=1, keepdims=True), atol=1e-12)
    # Triangles look the same way.
    assert (mesh.triangles.face_normals * mesh.normals[mesh.faces[:, 0]]).sum(1).min() > 0


def test_a_vanishing_gradient_leaves_the_triangles_normals() -> None:
    cubed = Analytic(lambda x, y, z: ((x**2 + y**2 + z**2).sqrt() - 0.5).sign() + 0 * x)
    mesh = extract(cubed, resolution=20, gradient=1e3, **EXACT)
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1)
    assert ((mesh.vertices * mesh.normals).sum(axis=1) > 0).all()


@pytest.mark.parametrize("block", [16, 17, 40])
@pytest.mark.parametrize("field", [gyroid(), rough(), shell(), torus()], ids=["gyroid", "rough", "shell", "torus"])
def test_blocks_give_the_dense_mesh_vertex_for_vertex_and_face_for_face(field: Analytic, block: int) -> None:
    mesh = extract(field, resolution=40, block=block, **EXACT)
    assert mesh.effort is not None
    truth = dense(field, 40, mesh.effort.gradient_bound)
    assert np.array_equal(mesh.faces, truth.faces)
    assert np.allclose(mesh.vertices, truth.vertices, atol=1e-12, rtol=0)
    again = extract(field, resolution=40, block=block, **EXACT)
    assert np.array_equal(again.vertices, mesh.vertices)
    assert np.array_equal(again.normals, mesh.normals)


@pytest.mark.parametrize(("seed", "gradient"), [(0, 200.0), (1, 200.0), (2, 1e5)])
def test_rough_fields_close_wherever_they_stay_inside(seed: int, gradient: float) -> None:
    waves = rough(seed)
    # Raised near the walls, so that the surface closes; thousands of cells are ambiguous.
    closed = Analytic(lambda x, y, z: waves.formula(x, y, z) + 1e3 * (torch.stack([x, y, z]).abs().amax(0) > 0.9))
    mesh = extract(closed, resolution=29, block=16, gradient=gradient, **EXACT)
    assert mesh.watertight
    assert len(np.unique(mesh.faces)) == len(mesh.vertices)


@pytest.mark.parametrize("seed", range(3))
def test_noise_closes_even_where_all_magnitudes_tie(seed: int) -> None:
    values = np.random.default_rng(seed).choice([-1.0, 1.0], (22, 22, 22))
    for axis in range(3):
        np.moveaxis(values, axis, 0)[[0, -1]] = 1
    patch = triangulate(values, np.zeros(3, np.int64), Lattice(21), 1.0)
    assert patch is not None
    places, faces = weld([patch])
    assert Mesh(places, faces, places).watertight


def test_tori_gyroids_and_thin_shells_are_watertight() -> None:
    assert extract(torus(), resolution=40, **EXACT).volume == pytest.approx(2 * math.pi**2 * 0.6 * 0.25**2, rel=0.02)
    assert extract(gyroid(), resolution=50, **EXACT).watertight
    thin = extract(shell(0.6, 0.1), resolution=64, **EXACT)
    assert thin.watertight
    assert components(thin) == 2
    assert thin.area == pytest.approx(4 * math.pi * (0.65**2 + 0.55**2), rel=5e-3)


def test_skipping_loses_neither_of_two_small_spheres_far_apart_nor_joins_two_that_nearly_touch() -> None:
    far = balls(0.04, (-0.8, -0.7, -0.75), (0.77, 0.83, 0.71))
    mesh = extract(far, resolution=96, block=24, **EXACT)
    assert components(mesh) == 2
    assert mesh.effort is not None
    assert mesh.effort.share < 0.02
    near = balls(0.4, (-0.42, 0.01, 0.0), (0.42, 0.0, 0.01))
    assert components(extract(near, resolution=64, **EXACT)) == 2
    assert components(extract(balls(0.43, (-0.42, 0.0, 0.0), (0.42, 0.0, 0.0)), resolution=64, **EXACT)) == 1


def test_a_bound_that_is_too_small_is_refuted_and_raised() -> None:
    mesh = extract(gyroid(), resolution=64, gradient=0.05, **EXACT)
    assert mesh.effort is not None
    assert mesh.effort.restarts > 0
    assert mesh.effort.gradient_bound > 0.5
    assert np.array_equal(mesh.faces, dense(gyroid(), 64, mesh.effort.gradient_bound).faces)
    assert BoundRefutedError(2.0).gradient == 2.0


def test_a_surface_that_leaves_the_cube_is_open() -> None:
    mesh = extract(ball(0.6, (0.8, 0.0, 0.0)), resolution=32, **EXACT)
    assert not mesh.watertight
    assert mesh.volume is None
    assert mesh.bounds[1][0] == pytest.approx(1.0)


def test_level_and_bounds_choose_what_is_meshed() -> None:
    mesh = extract(ball(0.6), resolution=32, level=0.9, bounds=(-2.0, 2.0), **EXACT)
    assert np.linalg.norm(mesh.vertices, axis=1) == pytest.approx(np.full(len(mesh.vertices), 1.5), abs=5e-3)


@settings(deadline=None, max_examples=10, derandomize=True)
@given(
    radius=st.floats(0.15, 0.5),
    centre=st.tuples(*[st.floats(-0.4, 0.4)] * 3),
    resolution=st.integers(12, 28),
    block=st.integers(4, 32),
)
def test_any_sphere_is_watertight_at_any_resolution_and_block(
    radius: float, centre: tuple[float, float, float], resolution: int, block: int
) -> None:
    mesh = extract(ball(radius, centre), resolution=resolution, block=block, **EXACT)
    assert mesh.watertight
    assert np.abs(np.linalg.norm(mesh.vertices - centre, axis=1) - radius).max() < (2 / resolution) ** 2 / radius / 4


def test_a_mesh_is_placed_and_its_points_lie_on_it() -> None:
    mesh = extract(ball(0.5), resolution=48, **EXACT)
    placed = mesh.placed(Frame(np.array([10.0, -20.0, 30.0]), 4.0))
    assert np.linalg.norm(placed.vertices - [10, -20, 30], axis=1) == pytest.approx(
        np.full(len(mesh.vertices), 2.0), abs=2e-3
    )
    assert placed.area == pytest.approx(16 * mesh.area)
    assert placed.volume == pytest.approx(64 * mesh.volume)
    assert np.array_equal(placed.normals, mesh.normals)
    points, normals = placed.sample(2000, np.random.default_rng(0))
    out = (points - [10, -20, 30]) / 2
    assert np.abs(np.linalg.norm(out, axis=1) - 1).max() < 3e-3
    assert (out * normals).sum(axis=1).min() > 0.99
    # Uniform by area: as many points in each octant.
    assert np.allclose([(np.sign(out) == s).all(1).mean() for s in np.ndindex(2, 2, 2) for s in [2 * np.array(s) - 1]],
                       1 / 8, atol=0.03)  # fmt: skip


def test_memory_is_that_of_the_surface_at_512_cells_an_axis() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    mesh = extract(ball(0.1), resolution=512)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert mesh.watertight
    assert mesh.effort is not None
    assert mesh.effort.share < 0.005
    assert grown < 500  # MB; one array of the lattice would take 515 in single precision


def test_a_trained_network_is_meshed_in_its_own_precision() -> None:
    siren = Siren(in_features=3, out_features=1, hidden_features=16, hidden_layers=1, first_omega=3.0)
    params = siren.init(generator=torch.Generator().manual_seed(0))
    values = Field(siren, params)(torch.rand(500, 3) * 2 - 1)
    mesh = extract(Field(siren, params), resolution=24, level=float(values.median()))
    assert len(mesh.faces) > 0
    assert np.isfinite(mesh.normals).all()


def test_a_surface_that_would_fill_the_memory_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = len(extract(ball(0.6), resolution=32, block=8, **EXACT).faces)
    monkeypatch.setattr(meshing, "MOST_TRIANGLES", whole - 1)
    with pytest.raises(RecipeError, match=r"(?s)32, at which the surface has more than .* mesh at 16"):
        extract(ball(0.6), resolution=32, block=8, **EXACT)


def test_an_empty_level_set_is_an_error_that_names_the_range_found() -> None:
    with pytest.raises(EmptyLevelSetError, match=r"lie between -0\.\d+ and 1\.\d+"):
        extract(ball(0.6), resolution=16, level=3.0, **EXACT)
    with pytest.raises(EmptyLevelSetError, match="a level between these values"):
        extract(Analytic(lambda x, y, z: 0 * x + 1), resolution=16)


def test_values_that_are_no_numbers_are_an_error_that_says_where() -> None:
    hole = Analytic(lambda x, y, z: torch.where((x > 0.2) & (x < 0.4), torch.nan, x))
    with pytest.raises(BrokenFieldError, match=r"not finite at \d+ of \d+ points, the first at \("):
        extract(hole, resolution=16)


def test_a_field_of_several_channels_is_no_shape() -> None:
    siren = Siren(in_features=3, out_features=2, hidden_features=4, hidden_layers=1)
    with pytest.raises(BrokenFieldError, match="2 channels"):
        extract(Field(siren, siren.init()), resolution=16)


@pytest.mark.parametrize(
    ("option", "value"),
    [("resolution", 1), ("block", 2), ("block", 1000), ("bounds", (1.0, -1.0)), ("level", math.nan)],
)
def test_senseless_options_are_errors(option: str, value: object) -> None:
    with pytest.raises(RecipeError, match=option):
        extract(ball(), **{"resolution": 16, option: value})
