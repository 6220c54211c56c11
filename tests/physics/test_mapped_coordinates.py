"""Mapped coordinates: steep at their places, checked once, and known by their former name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from metasiren import Domain, RecipeError, load_catalogue
from metasiren.testing import Part, parametrize_with_checks
from metasiren_physics import mapped_coordinates
from metasiren_physics.mapped_coordinates import MappedCoordinates

POINT = {"centre": [0.2, 0.1], "width": 0.3}
CIRCLE = {"centre": [-0.1, 0.0], "width": 0.3, "radius": 0.5}
RING = {"centre": [-0.1, 0.0], "radius": 0.5, "side": True}
FRAME = {"centre": [0.1, 0.0], "half_width": 0.4, "side": True}


@parametrize_with_checks(
    Part("input_encoding", MappedCoordinates, {"places": [POINT], "distance": True}),
    Part("input_encoding", MappedCoordinates, {"places": [POINT, CIRCLE], "gain": 2.0}),
    Part("input_encoding", MappedCoordinates, {"places": [{"centre": [0.2], "width": 0.3}], "axes": [1]}),
    Part("input_encoding", MappedCoordinates, {"places": [POINT | {"reach": 0.6}, RING], "distance": True}),
    Part("input_encoding", MappedCoordinates, {"places": [POINT, FRAME], "distance": "only", "keep": [1]}),
)
def test_contract(check: Callable[[], None]) -> None:
    check()


def test_the_former_name_gives_the_same_layer() -> None:
    catalogue, domain, options = load_catalogue(), Domain(2, 1), {"places": [POINT]}
    made = [
        catalogue.make("input_encoding", name, domain, where="here", options=options)
        for name in ("mapped_coordinates", "magnifier")
    ]
    assert made[0] == made[1] == MappedCoordinates(domain, places=[POINT])
    assert made[0] != MappedCoordinates(domain, places=[CIRCLE])


def test_options_are_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = MappedCoordinates(Domain(2, 1), places=[POINT, CIRCLE])
    monkeypatch.setattr(mapped_coordinates, "_place", None)
    monkeypatch.setattr(mapped_coordinates, "_axes", None)
    assert layer.expand(torch.zeros(1, 3, 2), {}).value.shape == (1, 3, layer.features)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "there is none"),
        ({"places": "0, 0"}, "places"),
        ({"places": [3]}, "places"),
        ({"places": [{"centre": [0, 0]}]}, "a mapping such as"),
        ({"places": [{"centre": [0, 0], "width": 1, "radios": 1}]}, "Did you mean 'radius'"),
        ({"places": [{"centre": ["a"], "width": 1}]}, "a list of numbers"),
        ({"places": [{"centre": [0, 0], "width": 0}]}, "positive length"),
        ({"places": [{"centre": [0, 0], "width": 1, "radius": -1}]}, "zero for a point"),
        ({"places": [{"centre": [0, 0], "width": 1}], "gain": 0}, "positive number"),
        ({"places": [{"centre": [0, 0], "side": True}]}, "A side has a radius or a half_width"),
        ({"places": [{"centre": [0, 0], "side": True, "radius": 1, "half_width": 1}]}, "A side has a radius"),
        ({"places": [{"centre": [0, 0], "width": 1, "half_width": 1}]}, "nothing else has a half_width"),
        ({"places": [{"centre": [0, 0], "side": "in", "radius": 1}]}, "side is true or false"),
        ({"places": [{"centre": [0, 0], "width": 1, "reach": 0}]}, "reach"),
        ({"places": [{"centre": [0, 0], "side": True, "radius": 1, "width": 1}]}, "A side has no width"),
        ({"places": [{"centre": [0, 0], "side": True, "radius": 1}], "distance": True}, "no place is a point"),
        ({"places": [{"centre": [0, 0], "width": 1, "reach": 1}]}, "there is no distance"),
        ({"places": [{"centre": [0, 0], "width": 1, "radius": 1, "reach": 1}], "distance": True}, "at a circle"),
        ({"places": [{"centre": [0, 0], "width": 1}], "keep": [2]}, "keep"),
        ({"places": [{"centre": [0, 0], "width": 1}], "distance": 3}, "distance"),
        ({"places": [{"centre": [0, 0], "width": 1}], "axis": [0]}, "Did you mean 'axes'"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], match: str) -> None:
    with pytest.raises(RecipeError, match=match):
        load_catalogue().make("input_encoding", "magnifier", Domain(2, 1), where="siren.input_layer", options=options)


def test_coordinates_are_steep_at_places() -> None:
    point = {"centre": [0.3, -0.2], "width": 0.01}
    layer = MappedCoordinates(Domain(3, 1), places=[point], gain=0.5, axes=[1, 2], distance=True)
    x = torch.tensor([[[7.0, 0.3, -0.2], [7.0, 1.3, -0.2]]], dtype=torch.float64)
    value = layer.expand(x, {}).value[0]
    # At the place the new coordinates are zero and 0.5 / w steep; far away they have levelled off at 0.5.
    torch.testing.assert_close(value[0], torch.tensor([7, 0.3, -0.2, 0, 0, 0.01], dtype=torch.float64))
    torch.testing.assert_close(layer.expand(x, {}).first(1)[0, 0, 3], torch.tensor(50, dtype=torch.float64))
    assert 0.4999 < value[1, 3] < 0.5
    torch.testing.assert_close(value[1, 5], torch.tensor(1.0, dtype=torch.float64), atol=1e-4, rtol=0)


def test_coordinates_are_steep_across_a_circle_not_along_it() -> None:
    layer = MappedCoordinates(Domain(2, 1), places=[{"centre": [0, 0], "width": 0.05, "radius": 0.4}])
    angle = torch.linspace(0, 6, 7, dtype=torch.float64)
    x = 0.4 * torch.stack([angle.cos(), angle.sin()], -1).unsqueeze(0)
    found = layer.expand(x, {})
    torch.testing.assert_close(found.value[0, :, 2], torch.zeros(7, dtype=torch.float64))
    across = sum(found.first(i)[0, :, 2] * x[0, :, i] / 0.4 for i in range(2))
    torch.testing.assert_close(across, torch.full((7,), 0.05 / 0.05, dtype=torch.float64))


@pytest.mark.parametrize(
    ("options", "match"),
    [({"axes": [0, 3]}, "one of 0 to 1"), ({"axes": []}, "one of 0 to 1"), ({"axes": [1]}, "one number for each axis")],
)
def test_places_that_do_not_fit_the_coordinates_are_named(options: dict[str, Any], match: str) -> None:
    with pytest.raises(RecipeError, match=match):
        MappedCoordinates(Domain(2, 1), places=[{"centre": [0, 0], "width": 1}], **options)


def test_a_side_is_one_number_within_and_another_without() -> None:
    layer = MappedCoordinates(Domain(2, 1), places=[RING, FRAME])
    x = torch.tensor([[[-0.1, 0.49], [-0.1, 0.51], [0.49, 0.39], [0.51, 0.0], [0.1, 0.41]]], dtype=torch.float64)
    made = layer.expand(x, {})
    assert layer.features == 4
    torch.testing.assert_close(made.value[0, :, :2], x[0])
    assert made.value[0, :, 2].tolist() == [-1, 1, 1, 1, -1]
    assert made.value[0, :, 3].tolist() == [1, 1, -1, 1, 1]
    assert not bool(made.first(0)[..., 2:].any())
    assert not bool(made.second(0, 1).any())


def test_a_distance_levels_off_at_its_reach() -> None:
    place = {"centre": [0.0, 0.0], "width": 0.02, "reach": 0.5}
    layer = MappedCoordinates(Domain(3, 1), places=[place], axes=[1, 2], distance="only", keep=[0])
    r = torch.tensor([0.2, 0.35, 0.8, 1.2], dtype=torch.float64)
    made = layer.expand(torch.stack([r + 1, 0.6 * r, 0.8 * r], -1).unsqueeze(0), {})
    assert layer.features == 2
    torch.testing.assert_close(made.value[0, :, 0], r + 1)
    near = (r[:2].square() + 0.02**2).sqrt()
    torch.testing.assert_close(made.value[0, :2, 1], near, atol=1e-4, rtol=0)
    torch.testing.assert_close(made.value[0, 2:, 1], torch.full_like(r[2:], 0.5), atol=1e-4, rtol=0)
    slope = made.first(1)[0, :, 1]
    torch.testing.assert_close(slope, 0.6 * torch.tensor([1, 1, 0, 0.0]).to(r), atol=5e-3, rtol=0)
