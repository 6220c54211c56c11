"""Point sets of wave problems: means over area whatever the shares, curricula that end, mistakes that are named."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from metasiren import DataError, Dataset, Points, RecipeError
from metasiren_physics.datasets.curriculum import geometric, share
from metasiren_physics.datasets.front import Arrival, Front, travel
from metasiren_physics.datasets.helmholtz import HelmholtzDataset
from metasiren_physics.datasets.inversion import InversionDataset
from metasiren_physics.datasets.sampling import Box, Discs, draw_mixture, even
from metasiren_physics.datasets.wave import Near, WaveDataset
from metasiren_physics.media import Disc, Square, Uniform
from metasiren_physics.pml import Pml
from metasiren_physics.reference.closed_form import stretched_coordinates

ITEM = torch.arange(1)


def drawn(dataset: Dataset, name: str = "interior", seed: int = 0) -> Points:
    points = dataset.batch("train", ITEM, generator=torch.Generator().manual_seed(seed)).points[name]
    assert points.coords.shape[0] == 1
    return points


@settings(deadline=None, max_examples=6, derandomize=True)
@given(near=st.floats(0, 0.6), physics=st.floats(0, 0.3))
def test_weighted_means_are_means_over_the_square(near: float, physics: float) -> None:
    """Of 1, x1² and a bump at the source: 1, 1/3 and its integral over 4, whatever the shares."""
    data = HelmholtzDataset(points=20_000, near=near, physics=physics, source=(0.1, -0.2), near_radius=20.0)
    points = drawn(data)
    weight, x = points.targets["weight"][0, :, 0], points.coords[0]
    bump = torch.exp(-(x - x.new_tensor([0.1, -0.2])).square().sum(-1) / (2 * 0.05**2))
    assert float(weight.mean()) == pytest.approx(1, abs=0.05)
    assert float((weight * x[:, 0] ** 2).mean()) == pytest.approx(1 / 3, abs=0.02)
    assert float((weight * bump).mean()) == pytest.approx(2 * math.pi * 0.05**2 / 4, rel=0.2)


@pytest.mark.parametrize("medium", ["disc", "square"])
def test_points_along_an_edge_leave_means_as_they_are(medium: str) -> None:
    data = HelmholtzDataset(points=20_000, near=0.1, edges=0.4, medium=medium, edge_width=0.05)
    points = drawn(data)
    weight, x = points.targets["weight"][0, :, 0], points.coords[0]
    assert float(weight.mean()) == pytest.approx(1, abs=0.05)
    assert float((weight * x[:, 1] ** 2).mean()) == pytest.approx(1 / 3, abs=0.02)
    across = x.norm(dim=-1) - 0.1 if medium == "disc" else x.abs().amax(-1) - 0.3
    inside, outside = (across.abs() < 0.05) & (across < 0), (across.abs() < 0.05) & (across > 0)
    assert float((inside | outside).double().mean()) > 0.4
    # Both sides of the edge, and their areas right.
    area = {"disc": math.pi * (0.15**2 - 0.1**2), "square": 4 * (0.35**2 - 0.3**2)}[medium] / 4
    assert float((weight * outside).mean()) == pytest.approx(area, rel=0.05)
    assert bool(inside.any())


@pytest.mark.parametrize("d", [1, 2, 3])
def test_even_points_leave_no_holes(d: int) -> None:
    """Each is uniform over draws; together they fill the cells of a grid better than independent ones."""
    generator = torch.Generator().manual_seed(0)
    place = torch.device("cpu")
    firsts = torch.cat([even(1, d, generator, place) for _ in range(4000)])
    assert float((firsts.mean(0) - 0.5).abs().max()) < 0.02
    assert float((firsts.var(0) - 1 / 12).abs().max()) < 0.01
    side = {1: 256, 2: 16, 3: 6}[d]

    def empty(points: torch.Tensor) -> int:
        cells = (points * side).long() @ (side ** torch.arange(d))
        return side**d - len(cells.unique())

    count = 2 * side**d
    independent = torch.rand(count, d, generator=generator, dtype=torch.float64)
    assert empty(even(count, d, generator, place)) < 0.5 * empty(independent)


def test_residuals_in_the_layer_fade_as_waves_do_there() -> None:
    """The factor of a residual is |exp(-jk(z1 + z2))| of the layer's stretched coordinates, to the power of `fade`."""
    plain, faded = (drawn(HelmholtzDataset(fade=f, wavenumber=5.0)) for f in (0.0, 0.5))
    x = plain.coords[0]
    assert torch.equal(x, faded.coords[0])
    ratio = (faded.targets["weight"] / plain.targets["weight"])[0, :, 0]
    stretched = torch.from_numpy(stretched_coordinates(x.abs().numpy(), Pml()))
    torch.testing.assert_close(ratio, torch.exp(-1j * 5.0 * stretched).abs().prod(-1), rtol=1e-10, atol=0)
    physical = Pml().physical(x)
    assert bool((ratio[physical] == 1).all())
    assert float(ratio[~physical].min()) < 0.02
    inversion = [drawn(InversionDataset(fade=f, wavenumber=5.0)) for f in (0.0, 0.5)]
    assert float((inversion[1].targets["weight"] / inversion[0].targets["weight"]).min()) < 0.02


def test_points_of_the_test_split_do_not_fade() -> None:
    points = HelmholtzDataset(fade=0.5).batch("test", ITEM).points["interior"]
    assert (points.targets["weight"] == 1).all()


def test_unweighted_points_count_alike() -> None:
    assert (drawn(HelmholtzDataset(weighted=False)).targets["weight"] == 1).all()


@pytest.mark.parametrize(
    "region",
    [
        Front((0.1, 0.0), 1.0, 0.4, 0.05),
        Front((0.0, 0.0), 0.2, 0.3, 0.2),
        Front((0.05, 0.0), travel(Disc(), (0.05, 0.0), 0.3), 0.3, 0.05),
        Front((0.0, 0.0), travel(Square(half_width=0.1), (0.0, 0.0), 0.2), 0.2, 0.1),
    ],
)
def test_a_front_s_density_is_that_of_its_points(region: Front) -> None:
    """The mean of g/q over points from q is the integral of g, reflected distances included."""
    points = region.draw(50_000, torch.Generator().manual_seed(0), torch.device("cpu"))
    space = points[:, 1:].square().sum(-1)
    g = torch.where(space < 0.3**2, torch.exp(-20 * space), torch.zeros_like(space))
    exact = region.until * math.pi / 20 * (1 - math.exp(-20 * 0.3**2))
    q = region.density(points)
    # Far from the front q is tiny: keep to where it is not, on both sides.
    heavy = q > 0.5
    found = float((g[heavy] / q[heavy]).sum() / len(points))
    box = Box((0.0, -0.4, -0.4), (region.until, 0.4, 0.4))
    there = box.draw(50_000, torch.Generator().manual_seed(1), torch.device("cpu"))
    away = there[:, 1:].square().sum(-1)
    g = torch.where(away < 0.3**2, torch.exp(-20 * away), torch.zeros_like(away))
    expected = float((g * (region.density(there) > 0.5)).mean()) * region.until * 0.8**2
    assert found == pytest.approx(expected, rel=0.1)
    assert expected <= exact * 1.02


def test_fronts_go_with_the_speed_of_the_medium() -> None:
    """Within the disc twice as far, beyond it as far as in the background; from any centre, in any direction."""
    t = torch.linspace(0, 0.4, 81, dtype=torch.float64)
    middle = travel(Disc(inside=2.0, radius=0.1), (0.0, 0.0), 0.4)
    assert isinstance(middle, Arrival)
    expected = torch.where(t < 0.05, 2 * t, 0.05 + t)
    for angle in (0.0, 1.0, -2.0, 7.0):
        torch.testing.assert_close(middle(t, torch.full_like(t, angle)), expected, rtol=0, atol=2e-3)
    beside = travel(Disc(inside=2.0, radius=0.1), (-0.35, 0.0), 0.4)
    assert isinstance(beside, Arrival)
    through = torch.where(t < 0.25, t, torch.where(t < 0.35, 0.25 + 2 * (t - 0.25), 0.1 + t))
    torch.testing.assert_close(beside(t, torch.zeros_like(t)), through, rtol=0, atol=2e-3)
    torch.testing.assert_close(beside(t, torch.full_like(t, math.pi)), t, rtol=0, atol=2e-3)
    assert travel(Uniform(1.5), (0.0, 0.0), 0.4) == 1.5


@pytest.mark.parametrize("medium", ["uniform", "disc", "square"])
def test_points_near_the_front_are_where_waves_arrive(medium: str) -> None:
    data = WaveDataset(medium=medium, points=2000, front=0.99, front_width=0.2)
    coords = drawn(data).coords[0]
    r, t = coords[:, 1:].norm(dim=-1), coords[:, 0]
    front = Front((0.0, 0.0), travel(data.problem.medium, (0.0, 0.0), 0.4), 0.4, 1.0)
    radius = front.radius(t, torch.atan2(coords[:, 2], coords[:, 1]))
    close = (r - radius).abs() < 4 * 0.2 * math.sqrt(data.problem.variance)
    assert float(close.double().mean()) > 0.98


def test_points_stay_along_edges_at_all_times() -> None:
    data = WaveDataset(medium="disc", points=4000, front=0.0, edges=0.6, edge_width=0.02)
    points = drawn(data)
    t, r = points.coords[0, :, 0], points.coords[0, :, 1:].norm(dim=-1)
    along = (r - 0.1).abs() < 0.02
    assert float(along.double().mean()) == pytest.approx(0.6, abs=0.02)
    # Times of these points are uniform, and independent of their places.
    assert float(t[along].mean()) == pytest.approx(0.2, abs=0.01)
    both = torch.stack([t[along], points.coords[0, along, 1]])
    assert abs(float(torch.corrcoef(both)[0, 1])) < 0.05
    # Weights make up for it: the mean of a function is that over the whole volume.
    weight = points.targets["weight"][0, :, 0]
    assert float(weight.mean()) == pytest.approx(1, abs=0.02)
    assert float((weight * t * points.coords[0, :, 1] ** 2).mean()) == pytest.approx(0.2 / 3, rel=0.05)
    with pytest.raises(RecipeError, match="has no edge"):
        WaveDataset(edges=0.1)


def test_near_points_fill_their_disc_evenly() -> None:
    region = Near((0.2, 0.1), 0.3)
    points = region.draw(20_000, torch.Generator().manual_seed(0), torch.device("cpu"))
    r = (points - points.new_tensor([0.2, 0.1])).norm(dim=-1)
    assert float((r < 0.15).double().mean()) == pytest.approx(0.25, abs=0.02)
    torch.testing.assert_close(region.density(points), torch.full_like(r, 1 / (math.pi * 0.09)))


def test_discs_may_overlap() -> None:
    discs = Discs(((0.0, 0.0), (0.1, 0.0)), 0.2)
    box = Box((-0.5, -0.5), (0.5, 0.5))
    points, weight = draw_mixture(
        [(0.5, box), (0.5, discs)], box, 40_000, torch.Generator().manual_seed(0), torch.device("cpu")
    )
    assert float(weight.mean()) == pytest.approx(1, abs=0.02)
    assert float((weight * points[:, 0] ** 2).mean()) == pytest.approx(1 / 12, abs=0.005)


def test_the_source_shrinks_then_stays() -> None:
    data = HelmholtzDataset(start_variance=1e-3, shrink_from=0.2, shrink_until=0.6)
    variances = [data.at_progress(p).now[0].variance for p in (0.0, 0.2, 0.4, 0.5999, 0.6, 0.9, 1.0)]
    assert variances[:2] == [1e-3, 1e-3]
    assert variances[2] == pytest.approx(math.sqrt(1e-3 * 1e-4))
    assert variances[4:] == [1e-4, 1e-4, 1e-4]
    assert sorted(variances, reverse=True) == variances
    # What a step sees depends on its progress alone, and the set itself is left alone.
    assert data.now[0].variance == 1e-3
    late, end = drawn(data.at_progress(1.0)), drawn(HelmholtzDataset())
    assert torch.equal(late.coords, end.coords)
    assert torch.equal(late.targets["source"], end.targets["source"])


def test_damping_dies_away() -> None:
    """At first k² has an imaginary part, which makes waves e^{jωt} decay; in the end there is none at all."""
    data = HelmholtzDataset(start_damping=0.8, damping_until=0.5, physics=0.5)
    for progress, damping in ((0.0, 0.8), (0.25, 0.4), (0.5, 0.0), (1.0, 0.0)):
        points = drawn(data.at_progress(progress))
        inside = (points.coords[0].abs() < 0.5).all(-1)
        k_squared = torch.view_as_complex(points.targets["operator"].contiguous())[0, inside, 4]
        expected = torch.full_like(k_squared, 400 * complex(1, -damping))
        torch.testing.assert_close(k_squared, expected)
    assert torch.equal(
        drawn(data.at_progress(1.0)).targets["operator"], drawn(HelmholtzDataset(physics=0.5)).targets["operator"]
    )
    test = data.batch("test", ITEM).points["interior"].known["operator"]
    assert torch.equal(test, HelmholtzDataset().batch("test", ITEM).points["interior"].known["operator"])


def test_the_test_split_has_the_final_source() -> None:
    first = HelmholtzDataset(start_variance=1e-3).batch("test", ITEM).points["interior"]
    last = HelmholtzDataset().batch("test", ITEM).points["interior"]
    assert torch.equal(first.targets["source"], last.targets["source"])


def test_all_sources_of_an_inversion_shrink_together() -> None:
    data = InversionDataset(start_variance=1e-3, shrink_until=0.3)
    assert {s.variance for s in data.now} == {1e-3}
    assert {s.variance for s in data.at_progress(0.3).now} == {1e-4}
    assert drawn(data).targets["source"].shape == (1, 300, 5, 2)
    assert data.domain.d_out == 11
    # No point set has the true medium.
    assert (drawn(data).targets["slowness"] == 1).all()


def test_time_grows_then_stays() -> None:
    data = WaveDataset(start_duration=0.1, grow_until=0.5)
    assert [data.at_progress(p).until for p in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([0.1, 0.25, 0.4, 0.4])
    assert float(drawn(data).coords[..., 0].max()) <= 0.1
    assert float(drawn(data.at_progress(1.0)).coords[..., 0].max()) > 0.3
    assert WaveDataset().at_progress(0.0).until == 0.4


def test_without_a_curriculum_nothing_is_copied() -> None:
    for data in (HelmholtzDataset(), WaveDataset(), InversionDataset()):
        assert data.at_progress(0.3) is data


@settings(deadline=None, max_examples=25, derandomize=True)
@given(progress=st.floats(0, 1), begin=st.floats(0, 0.5), end=st.floats(0.5, 1))
def test_curricula_stay_between_their_ends(progress: float, begin: float, end: float) -> None:
    assert 0 <= share(progress, begin, end) <= 1
    assert 1e-4 * (1 - 1e-12) <= geometric(progress, begin, end, 1e-3, 1e-4) <= 1e-3 * (1 + 1e-12)
    assert geometric(1.0, begin, end, 1e-3, 1e-4) == 1e-4


@pytest.mark.parametrize(
    ("make", "name"), [(HelmholtzDataset, "interior"), (WaveDataset, "initial"), (InversionDataset, "interior")]
)
def test_draws_follow_the_generator(make: Callable[[], Dataset], name: str) -> None:
    data = make()
    assert torch.equal(drawn(data, name).coords, drawn(data, name).coords)
    assert not torch.equal(drawn(data, name).coords, drawn(data, name, seed=1).coords)
    test = [data.batch("test", ITEM).points[name].coords for _ in range(2)]
    assert torch.equal(*test)


def test_a_border_is_asked_only_where_it_has_a_condition() -> None:
    assert set(WaveDataset().batch("train", ITEM).points) == {"interior", "initial"}
    assert set(WaveDataset(border="dirichlet").batch("train", ITEM).points) == {"interior", "initial", "boundary"}


def test_an_inversion_may_keep_its_points() -> None:
    kept, redrawn = InversionDataset(redraw=False), InversionDataset()
    assert torch.equal(drawn(kept, seed=1).coords, drawn(kept, seed=2).coords)
    assert not torch.equal(drawn(redrawn, seed=1).coords, drawn(redrawn, seed=2).coords)


def test_noise_is_a_share_of_the_data() -> None:
    clean, noisy = InversionDataset().received, InversionDataset(noise=0.1).received
    assert float((noisy - clean).norm() / clean.norm()) == pytest.approx(0.1, rel=0.2)
    assert torch.equal(noisy, InversionDataset(noise=0.1).received)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HelmholtzDataset(points=0), "helmholtz: points"),
        (lambda: HelmholtzDataset(near=0.8, physics=0.3), "near 0.8, physics 0.3"),
        (lambda: HelmholtzDataset(near=-0.1), "near -0.1"),
        (lambda: HelmholtzDataset(near_radius=0), "near_radius"),
        (lambda: HelmholtzDataset(fade=1.5), "fade: 1.5"),
        (lambda: HelmholtzDataset(edges=0.2), "uniform has no edge"),
        (lambda: HelmholtzDataset(edges=0.2, medium="disc", edge_width=0), "edge_width 0"),
        (lambda: HelmholtzDataset(edges=-0.2, medium="disc"), "edges -0.2"),
        (lambda: HelmholtzDataset(start_variance=-1.0), "start_variance"),
        (lambda: HelmholtzDataset(shrink_from=0.7, shrink_until=0.3), "helmholtz: shrink: from 0.7 until 0.3"),
        (lambda: HelmholtzDataset(start_damping=-1.0), "start_damping"),
        (lambda: HelmholtzDataset(damping_until=1.5), "helmholtz: damping"),
        (lambda: InversionDataset(start_damping=-1.0), "fwi: start_damping"),
        (lambda: HelmholtzDataset(source=(0.6, 0.0)), "reaches into the absorbing layer"),
        (lambda: HelmholtzDataset(medium=-1.0), "no speed of a wave"),
        (lambda: HelmholtzDataset(medium="jelly"), "no medium is called 'jelly'"),
        (lambda: WaveDataset(initial=0), "wave: initial"),
        (lambda: WaveDataset(border="periodic"), "wave: border"),
        (lambda: WaveDataset(start_duration=0.9), "start_duration"),
        (lambda: WaveDataset(front=1.0), "front 1"),
        (lambda: WaveDataset(front_width=0.0), "front_width 0"),
        (lambda: WaveDataset(grow_until=2.0), "wave: grow"),
        (lambda: InversionDataset(receivers=[(0.7, 0.0)]), "outside the physics"),
        (lambda: InversionDataset(noise=-1.0), "noise -1"),
        (lambda: InversionDataset(speeds=(1.2, 2.0)), "do not hold the start"),
        (lambda: InversionDataset(shrink_until=-0.1), "fwi: shrink"),
    ],
)  # fmt: skip
def test_mistakes_are_named(make: Callable[[], Any], message: str) -> None:
    with pytest.raises((RecipeError, DataError), match=message):
        make()
