"""Plane waves in a square and the sectors around it: coordinates of pieces, waves in each, and what joins them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from solved_waves import worst_error

import metasiren as ms
from metasiren import Domain, RecipeError, SecondSums, Siren
from metasiren.assembly.experiment import Experiment, assemble
from metasiren_physics.convex_pieces import PIECES, ConvexPieces
from metasiren_physics.datasets.wave import WaveDataset
from metasiren_physics.media import Square
from metasiren_physics.plane_waves import Cones, PlaneWaves

F64 = torch.float64
DOMAIN = Domain(3, 1)
SPEEDS = (2.0, 1.0, 0.5, 1.5, 1.0)
INSIDE_EACH = torch.tensor(
    [[0.3, 0.1, -0.2], [0.2, 0.7, 0.5], [0.9, -0.7, 0.6], [0.1, -0.4, 0.8], [0.6, 0.3, -0.5]], dtype=F64
)
"""One point (t, x, y) of each piece of a square with the half-width 0.3."""


def pieces(**options: Any) -> Siren:
    return Siren(
        in_features=3, out_features=1, hidden_features=400, hidden_layers=0, first_omega=12.0,
        nonlinearity=PlaneWaves(speed=SPEEDS), input_layer=ConvexPieces(DOMAIN), **options,
    )  # fmt: skip


def in_pieces(nonlinearity: PlaneWaves) -> Siren:
    return Siren(
        in_features=3, out_features=1, hidden_features=8, nonlinearity=nonlinearity, input_layer=ConvexPieces(DOMAIN)
    )


def square(**changes: Any) -> Experiment:
    """The preset assembled with changes."""
    return assemble(ms.load_recipe("wave", preset="cpu_square", overrides=changes), ms.load_catalogue())


def test_only_the_block_of_a_points_own_piece_is_not_zero() -> None:
    blocks = ConvexPieces(DOMAIN).expand(INSIDE_EACH, {}).value.view(PIECES, PIECES, 4)
    for own, (point, found) in enumerate(zip(INSIDE_EACH, blocks, strict=True)):
        torch.testing.assert_close(found[own], torch.cat([torch.ones(1, dtype=F64), point]))
        assert int(found.any(-1).sum()) == 1


def test_every_point_of_the_plane_is_in_one_piece() -> None:
    axis = torch.linspace(-1, 1, 21, dtype=F64)
    grid = torch.cartesian_prod(torch.zeros(1, dtype=F64), axis, axis)
    blocks = ConvexPieces(DOMAIN, half_width=0.5).expand(grid, {}).value.view(-1, PIECES, 4)
    assert bool((blocks[..., 0].sum(-1) == 1).all())
    assert int(blocks[:, 0, 0].sum()) == 9 * 9  # nodes with |x_i| < 0.5


def test_the_wave_of_each_piece_solves_the_equation_of_its_speed() -> None:
    siren = pieces()
    params = siren.init(dtype=F64, generator=torch.Generator().manual_seed(0))
    order = SecondSums(((1.0, 0.0, 0.0), (0.0, 1.0, 1.0)))
    u_tt, laplacian = order.of(siren.jet(params, INSIDE_EACH.unsqueeze(0), order))
    torch.testing.assert_close(u_tt[0, :, 0], torch.tensor(SPEEDS, dtype=F64) ** 2 * laplacian[0, :, 0])
    assert float(u_tt.abs().min()) > 1e-3


def test_sines_of_one_piece_are_zero_in_the_others() -> None:
    siren = pieces()
    params = siren.init(dtype=F64, generator=torch.Generator().manual_seed(0))
    rows = params["0.weight"][0]
    own = rows.view(400, PIECES, 4).any(-1)
    assert bool((own.sum(-1) == 1).all())
    features = torch.sin(12.0 * ConvexPieces(DOMAIN).expand(INSIDE_EACH, {}).value @ rows.mT)
    assert bool(((features != 0) == own.mT).all())
    # As many sines as 1 / c of each piece, and the largest frequency is that of the slowest: 0.5 times 12.
    shares = 1 / torch.tensor(SPEEDS, dtype=F64)
    torch.testing.assert_close(own.double().sum(0), 400 * shares / shares.sum(), atol=0.51, rtol=0)
    frequencies = torch.stack([12 * rows[own[:, p], 4 * p + 1].abs().max() for p in range(PIECES)])
    assert bool(((frequencies > 5.7) & (frequencies <= 6)).all())
    assert bool((params["0.bias"] == 0).all())


def test_the_standard_deviation_is_that_of_the_rows() -> None:
    cones, rows = Cones(SPEEDS, 2, 3.0), torch.empty(1, 40_000, 4 * PIECES, dtype=F64)
    cones.fill(rows, torch.Generator().manual_seed(0))
    assert float(rows.std()) == pytest.approx(cones.std, rel=0.01)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: ConvexPieces(DOMAIN, half_width=0.0), "half_width"),
        (lambda: ConvexPieces(DOMAIN, axes=(1, 1)), "axes.*two coordinates"),
        (lambda: ConvexPieces(Domain(1, 1)), "axes.*two coordinates"),
        (lambda: PlaneWaves(speed=(1.0, -1.0)), "plane_waves: speed"),
        (lambda: PlaneWaves(speed=()), "plane_waves: speed"),
        (
            lambda: Siren(
                in_features=3, out_features=1, hidden_features=8, nonlinearity=PlaneWaves(speed=(1.0, 2.0))
            ).init(),
            "2 speeds for 3 inputs",
        ),
        (lambda: in_pieces(PlaneWaves()).init(), "1.0 for 20 inputs.*list of five"),
        (lambda: in_pieces(PlaneWaves(speed=(2.0, 1.0, 1.0, 1.0))).init(), "4 speeds for 20 inputs"),
        (lambda: square(**{"data.diagonals": False}), "no points join.*data.diagonals=true"),
        (lambda: square(**{"siren.input_layer.half_width": 0.4}), "0.4.*half_width=0.3"),
        (lambda: square(**{"data.medium": "disc", "data.diagonals": False}), "Disc.*square of data.medium"),
        (lambda: WaveDataset(medium="square", diagonals=True), "diagonals.*0 points"),
        (lambda: WaveDataset(medium="disc", interface=50, diagonals=True), "diagonals.*disc"),
    ],
)
def test_options_that_fit_no_pieces_are_errors(make: Any, match: str) -> None:
    with pytest.raises(RecipeError, match=f"(?s){match}"):
        make()


def test_pairs_lie_on_both_sides_of_every_edge_of_the_pieces() -> None:
    data = WaveDataset(medium="square", interface=400, diagonals=True)
    points = data.batch("train", torch.arange(1), generator=torch.Generator().manual_seed(0)).points["interface"]
    layer = ConvexPieces(DOMAIN)
    inside, outside = (layer.expand(x, {}).value.view(-1, PIECES, 4)[..., 0] for x in points.coords[0].chunk(2))
    edges = {(int(a), int(b)) for a, b in zip(inside.argmax(-1), outside.argmax(-1), strict=True)}
    assert {frozenset(edge) for edge in edges} == {
        frozenset(pair) for pair in [(0, 1), (0, 2), (0, 3), (0, 4), (1, 3), (1, 4), (2, 3), (2, 4)]
    }
    # Even along the length: 2.4 of the square, and 4 x 0.99 of the diagonals.
    on_square = float((inside[:, 0] + outside[:, 0]).mean())
    assert on_square == pytest.approx(2.4 / (2.4 + 4 * 0.7 * 2**0.5), abs=0.01)
    assert float(points.targets["weight"].min()) == 1
    normals = points.targets["normals"][0]
    torch.testing.assert_close(normals.norm(dim=-1), torch.ones_like(normals[:, 0]))
    step = (points.coords[0, 400:] - points.coords[0, :400])[:, 1:]
    torch.testing.assert_close(step, 2e-6 * normals[:400], atol=1e-12, rtol=0)


def test_the_mean_over_cells_of_a_square_is_exact() -> None:
    """The mean of fine samples, to their accuracy; and the whole area, to rounding."""
    square, h = Square(inside=2.0, half_width=0.3), 2 / 25
    axis = np.linspace(-1 + h / 2, 1 - h / 2, 25)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)
    exact = square.averaged(points, (h, h))
    assert ((1 - exact) * h**2).sum() == pytest.approx(0.75 * 0.6**2, rel=1e-12)
    sampled = super(Square, square).averaged(points, (h, h), 80)
    np.testing.assert_allclose(exact, sampled, atol=0.75 * 2 / 80)


@pytest.mark.parametrize(("inside", "half_width"), [(1.0, 0.4), (2.0, 0.5)], ids=["one speed", "two speeds"])
def test_a_wave_through_a_square_is_the_exact_one(inside: float, half_width: float) -> None:
    """A broad pulse through the recipe, against leapfrog on a finer grid."""
    changes = {
        "data.medium": {"name": "square", "inside": inside, "half_width": half_width},
        "siren.input_layer.half_width": half_width, "siren.nonlinearity.speed": [inside, 1, 1, 1, 1],
        "data.variance": 0.08, "data.duration": 0.25, "data.initial": 600, "data.interface": 1000,
        "data.boundary": 250, "siren.hidden_features": 1300, "siren.first_omega": 17 * inside**0.5,
        "constraints.initial_velocity.scale": 4, "constraints.continuous_slope.scale": 4,
    }  # fmt: skip
    assert worst_error("cpu_square", changes, steps=2) < 0.02
